/**
 * An order of pages that reads few shards at a time.
 *
 * The shards are shuffled, cut into windows of `window` neighbours, and the pages of a window are shuffled freely among
 * each other; the next epoch does all of it anew. So two pages of one shard are always at most a window apart, and what
 * is shuffled together is what lies in `window` shards (with the usual eight of 64 MiB: thousands of pages). With one
 * window or less to fill, the order is that of pages which lie in no shards.
 *
 * An order follows from seed, epoch, the shards' sizes and `window` alone: not from what is read when, or by whom.
 */
import { Permutation } from "./permutation.ts";

export interface PageGroups {
  /** Of each page the index (into `names`) of its shard. */
  readonly of: Uint32Array;
  /** The shards' own numbers. */
  readonly names: readonly number[];
  /** Shards whose pages are shuffled among each other. */
  readonly window: number;
}

/** Whether the order differs from that of pages which lie in no shards. */
export const needsWindows = (groups: PageGroups | undefined): groups is PageGroups =>
  groups !== undefined && groups.names.length > groups.window;

/** The pages by shard: what every epoch's order starts from. */
export class GroupedPages {
  readonly windows: number;
  readonly #count: number;
  /** Pages in the order of their shards, and where each shard's begin. */
  readonly #pages: Uint32Array;
  readonly #starts: Uint32Array;

  constructor({ of, names, window }: PageGroups) {
    this.#count = names.length;
    this.windows = Math.ceil(names.length / window);
    this.#starts = new Uint32Array(names.length + 1);
    for (const group of of) this.#starts[group + 1]!++;
    for (let i = 0; i < names.length; i++) this.#starts[i + 1]! += this.#starts[i]!;
    const next = this.#starts.slice();
    this.#pages = new Uint32Array(of.length);
    for (const [page, group] of of.entries()) this.#pages[next[group]!++] = page;
  }

  /** The order of one epoch. */
  shuffled(seed: number | string, epoch: number): WindowedPages {
    return new WindowedPages(this, seed, epoch);
  }

  /** The shards of window `window` of an epoch, by index. Windows differ by one shard at most. */
  shardsOf(window: number, seed: number | string, epoch: number): number[] {
    const order = new Permutation(this.#count, "shards", seed, epoch);
    const edge = (w: number): number => Math.floor((w * this.#count) / this.windows);
    const shards: number[] = [];
    for (let i = edge(window); i < edge(window + 1); i++) shards.push(order.at(i));
    return shards;
  }

  size(group: number): number {
    return this.#starts[group + 1]! - this.#starts[group]!;
  }

  page(group: number, index: number): number {
    return this.#pages[this.#starts[group]! + index]!;
  }
}

export class WindowedPages {
  readonly #grouped: GroupedPages;
  readonly #windows: readonly { readonly shards: readonly number[]; readonly order: Permutation }[];
  /** First place of each window, and the total. */
  readonly #starts: Float64Array;

  constructor(grouped: GroupedPages, seed: number | string, epoch: number) {
    this.#grouped = grouped;
    this.#starts = new Float64Array(grouped.windows + 1);
    this.#windows = Array.from({ length: grouped.windows }, (_, window) => {
      const shards = grouped.shardsOf(window, seed, epoch);
      const size = shards.reduce((sum, shard) => sum + grouped.size(shard), 0);
      this.#starts[window + 1] = this.#starts[window]! + size;
      return { shards, order: new Permutation(size, "pages", seed, epoch, window) };
    });
  }

  /** The page at place `index`. */
  at(index: number): number {
    const window = this.windowAt(index);
    const { shards, order } = this.#windows[window]!;
    let within = order.at(index - this.#starts[window]!);
    for (const shard of shards) {
      const size = this.#grouped.size(shard);
      if (within < size) return this.#grouped.page(shard, within);
      within -= size;
    }
    throw new Error("unreachable: a window's pages are those of its shards");
  }

  windowAt(index: number): number {
    let window = 0;
    while (window + 1 < this.#windows.length && this.#starts[window + 1]! <= index) window++;
    return window;
  }
}
