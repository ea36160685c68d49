/** Work on many things, a few at a time. */
import { throwIfAborted } from "./errors.ts";

/**
 * Results in the order of the items, at most `limit` at a time, begun in order. After the first failure nothing new is
 * begun; what is under way gets the signal and is waited for, then the failure is thrown: ERR_ABORTED when `outer` fired.
 */
export async function inParallel<T, R>(
  items: Iterable<T>,
  limit: number,
  work: (item: T, signal: AbortSignal, index: number) => Promise<R>,
  outer?: AbortSignal,
): Promise<R[]> {
  const inner = new AbortController();
  const stop = (): void => inner.abort(outer?.reason);
  outer?.addEventListener("abort", stop, { once: true });
  const results: R[] = [];
  const failures: unknown[] = [];
  const queue = items[Symbol.iterator]();
  let begun = 0;
  const runner = async (): Promise<void> => {
    while (failures.length === 0) {
      const next = queue.next();
      if (next.done) return;
      const index = begun++;
      try {
        throwIfAborted(outer);
        results[index] = await work(next.value, inner.signal, index);
      } catch (error) {
        failures.push(error);
        inner.abort();
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.max(1, limit) }, runner));
  } finally {
    outer?.removeEventListener("abort", stop);
  }
  if (failures.length > 0) {
    throwIfAborted(outer);
    throw failures[0];
  }
  return results;
}

/** Lets at most `limit` pieces of work run at a time, whoever asks. */
export function createGate(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = Math.max(1, limit);
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}
