/**
 * In which order samples are seen. Stateless: the sample at a position is computed from seed and position alone, so
 * resuming is starting at a position.
 *
 * Each epoch is a new permutation. Pages are shuffled, taken in blocks, and the samples of a block are shuffled among
 * each other: neighbours in a batch come from many pages, yet a page is decoded once a block instead of once a sample.
 * Pages that lie in more shards than fit in a window are shuffled within windows of shards (`page-windows.ts`).
 */
import { codedError } from "../errors.ts";
import { GroupedPages, needsWindows, type PageGroups, type WindowedPages } from "./page-windows.ts";
import { Permutation } from "./permutation.ts";

export interface SamplerOptions {
  readonly seed: number | string;
  /** This process among all that train together; they see disjoint positions. Default 0 of 1. */
  readonly rank?: number;
  readonly worldSize?: number;
  /** Pages shuffled together; default 32. 0 shuffles all samples freely. */
  readonly pagesPerBlock?: number;
  /** The shards of the pages, where they lie in such. */
  readonly groups?: PageGroups | undefined;
  /** Decides the order of the shards; default `seed`. */
  readonly groupSeed?: number | string;
}

interface Epoch {
  readonly number: number;
  readonly pages: Permutation | WindowedPages;
  /** First offset of each block, and the total. */
  readonly starts: Float64Array;
}

export class Sampler {
  /** Samples an epoch. */
  readonly size: number;
  readonly #starts: Uint32Array;
  readonly #seed: number | string;
  readonly #rank: number;
  readonly #worldSize: number;
  readonly #blockPages: number;
  readonly #groups: PageGroups | undefined;
  readonly #grouped: GroupedPages | undefined;
  readonly #groupSeed: number | string;
  #epoch: Epoch | undefined;

  /**
   * @param starts where each page's samples start, and their total at the end (`DocumentDataset.sampleStarts`).
   * @throws ERR_INVALID_ARGUMENT for a rank outside the world, or no samples.
   */
  constructor(starts: Uint32Array, options: SamplerOptions) {
    const { seed, rank = 0, worldSize = 1, pagesPerBlock = 32 } = options;
    const whole = (value: number, least: number): boolean => Number.isSafeInteger(value) && value >= least;
    if (!whole(worldSize, 1) || !whole(rank, 0) || rank >= worldSize) {
      throw codedError("ERR_INVALID_ARGUMENT", `rank ${rank} of ${worldSize}: rank must be 0 … worldSize − 1`);
    }
    if (!whole(pagesPerBlock, 0))
      throw codedError("ERR_INVALID_ARGUMENT", `pagesPerBlock is ${pagesPerBlock}; it must be 0 or more`);
    this.size = starts.at(-1) ?? 0;
    if (this.size === 0) throw codedError("ERR_INVALID_ARGUMENT", "A sampler needs at least one sample");
    this.#starts = starts;
    this.#seed = seed;
    this.#rank = rank;
    this.#worldSize = worldSize;
    this.#blockPages = pagesPerBlock === 0 ? starts.length : pagesPerBlock;
    this.#groups = options.groups;
    this.#groupSeed = options.groupSeed ?? seed;
    if (needsWindows(options.groups)) {
      this.#grouped = new GroupedPages(options.groups);
      // A block that is larger than a window would read several of them at once.
      this.#blockPages = Math.min(this.#blockPages, Math.max(1, Math.floor((starts.length - 1) / this.windows)));
    }
  }

  /** Windows of shards in an epoch; 1 where all pages are shuffled among each other. */
  get windows(): number {
    return this.#grouped?.windows ?? 1;
  }

  /** The shards, by their own numbers, that are read at the global place, and those of the window after these. */
  shardsFrom(global: number): { readonly now: readonly number[]; readonly next: readonly number[] } {
    if (this.#groups === undefined || this.#grouped === undefined) return { now: this.#groups?.names ?? [], next: [] };
    const { number, pages, starts } = this.#epochOf(Math.floor(global / this.size));
    const first = lastAtOrBelow(starts, global % this.size) * this.#blockPages;
    const last = Math.min(first + this.#blockPages, this.#starts.length - 1) - 1;
    const order = pages as WindowedPages;
    const shardsOf = (window: number): number[] => {
      const [of, epoch] = window < this.windows ? [window, number] : [0, number + 1];
      return this.#grouped!.shardsOf(of, this.#groupSeed, epoch).map((index) => this.#groups!.names[index]!);
    };
    const now: number[] = [];
    for (let window = order.windowAt(first); window <= order.windowAt(last); window++) now.push(...shardsOf(window));
    return { now, next: shardsOf(order.windowAt(last) + 1) };
  }

  /** The index of the sample this rank sees at its `position` (0, 1, …; never ends). */
  sampleAt(position: number): number {
    return this.at(this.placeOf(position));
  }

  /** Where this rank's `position` is in the order of all ranks together, which does not depend on their number. */
  placeOf(position: number): number {
    const place = position * this.#worldSize + this.#rank;
    if (!Number.isSafeInteger(place) || position < 0)
      throw codedError("ERR_INVALID_ARGUMENT", `position is ${position}; it must be 0 or more`);
    return place;
  }

  /** The index of the sample at a place of the order of all ranks together. */
  at(global: number): number {
    const epoch = this.#epochOf(Math.floor(global / this.size));
    const offset = global % this.size;
    const block = lastAtOrBelow(epoch.starts, offset);
    const first = epoch.starts[block]!;
    const shuffled = new Permutation(epoch.starts[block + 1]! - first, "samples", this.#seed, epoch.number, block);
    let within = shuffled.at(offset - first);
    for (let page = block * this.#blockPages; ; page++) {
      const record = epoch.pages.at(page);
      const count = this.#starts[record + 1]! - this.#starts[record]!;
      if (within < count) return this.#starts[record]! + within;
      within -= count;
    }
  }

  /** 0-based epoch of this rank's `position`. */
  epochAt(position: number): number {
    return Math.floor(this.placeOf(position) / this.size);
  }

  #epochOf(number: number): Epoch {
    if (this.#epoch?.number === number) return this.#epoch;
    const count = this.#starts.length - 1;
    const pages =
      this.#grouped?.shuffled(this.#groupSeed, number) ?? new Permutation(count, "pages", this.#seed, number);
    const blocks = Math.ceil(count / this.#blockPages);
    const starts = new Float64Array(blocks + 1);
    for (let page = 0; page < count; page++) {
      const record = pages.at(page);
      const block = Math.floor(page / this.#blockPages);
      starts[block + 1]! += this.#starts[record + 1]! - this.#starts[record]!;
    }
    for (let block = 0; block < blocks; block++) starts[block + 1]! += starts[block]!;
    this.#epoch = { number, pages, starts };
    return this.#epoch;
  }
}

/** The last index whose value is at most `value`, of an ascending list whose next value is larger. */
function lastAtOrBelow(values: Float64Array, value: number): number {
  let low = 0;
  let high = values.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle]! <= value) low = middle;
    else high = middle;
  }
  return low;
}
