/** Work in small steps, for `inSlices` and `atOnce`. */

/** Yields between steps of a few tenths of a millisecond; returns what was made. */
export type Steps<T> = Generator<void, T, void>;

/** A step for every item. */
export function* eachStep<T, R>(items: readonly T[], make: (item: T, index: number) => R): Steps<R[]> {
  const made: R[] = [];
  for (const [index, item] of items.entries()) {
    made.push(make(item, index));
    yield;
  }
  return made;
}
