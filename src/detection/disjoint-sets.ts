/** Groups of numbers that grow together (union-find with path compression). */
export class DisjointSets {
  readonly #parent: number[] = [];

  /** A group of its own for the next number, 0, 1, 2, … */
  add(): number {
    return this.#parent.push(this.#parent.length) - 1;
  }

  /** The number that stands for the group of `i`. */
  root(i: number): number {
    let r = i;
    while (this.#parent[r] !== r) r = this.#parent[r]!;
    for (let at = i; this.#parent[at] !== r; ) {
      const next = this.#parent[at]!;
      this.#parent[at] = r;
      at = next;
    }
    return r;
  }

  /** The group for which `from` stands becomes part of the one for which `into` stands. */
  join(from: number, into: number): void {
    this.#parent[from] = into;
  }
}
