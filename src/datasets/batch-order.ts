/**
 * Which samples make up batch k, and of what shape their crops are. Stateless, like the sampler below it: an answer
 * follows from the dataset, the seed and k alone, so resuming is asking for another k.
 */
import type { Size } from "../documents/geometry.ts";
import { bucketOf } from "./aspect-buckets.ts";
import type { DocumentDataset } from "./dataset.ts";
import { Permutation } from "./permutation.ts";
import { Sampler, type SamplerOptions } from "./sampler.ts";

export interface PlannedSample {
  /** Index into `DocumentDataset.samples`. */
  readonly index: number;
  /** Place in the stream it comes from, over all ranks; with the sample's id it names the crop. */
  readonly position: number;
  /** Passes through the data before it. */
  readonly epoch: number;
}

export interface PlannedBatch {
  readonly size: Size;
  /** Sample `i` of the batch. `attempt` counts from 0: the samples that take its place when it can't be used. */
  sample(i: number, attempt: number): PlannedSample;
}

export interface BatchOrder {
  /** Samples an epoch, over all ranks. */
  readonly epochSize: number;
  /** Samples that may be tried in the place of one before they repeat. */
  readonly candidates: number;
  batch(number: number): PlannedBatch;
  /** Shards that batch `number` and those after it are made of, the most urgent first; [] where pages lie in none. */
  shardsFrom(number: number): readonly number[];
}

export interface BatchOrderOptions extends Omit<SamplerOptions, "groups" | "groupSeed"> {
  readonly batchSize: number;
  readonly size: Size;
  /** Shapes, narrow to wide (`bucketSizes`); without them every crop has `size`. */
  readonly buckets?: readonly Size[];
}

/** @throws ERR_INVALID_ARGUMENT as `Sampler`. */
export function batchOrder(dataset: DocumentDataset, options: BatchOrderOptions): BatchOrder {
  return options.buckets === undefined
    ? plainOrder(dataset, options)
    : new BucketOrder(dataset, { ...options, buckets: options.buckets });
}

function plainOrder(dataset: DocumentDataset, options: BatchOrderOptions): BatchOrder {
  const sampler = new Sampler(dataset.sampleStarts, { ...options, groups: dataset.groups });
  return {
    epochSize: sampler.size,
    candidates: sampler.size,
    shardsFrom: (number) => inTurn([sampler.shardsFrom(sampler.placeOf(number * options.batchSize))]),
    batch: (number) => ({
      size: options.size,
      sample(i, attempt) {
        const own = number * options.batchSize + i;
        const position = sampler.placeOf(own);
        return { index: sampler.at(position + attempt), position, epoch: sampler.epochAt(own) };
      },
    }),
  };
}

/** What is read now, of all streams, before what comes next. */
const inTurn = (lists: readonly ReturnType<Sampler["shardsFrom"]>[]): readonly number[] => [
  ...new Set([...lists.flatMap(({ now }) => now), ...lists.flatMap(({ next }) => next)]),
];

/** Samples of its own bucket that are tried in the place of one, before those of others. */
const ownTries = 128;

interface Bucket {
  readonly size: Size;
  /** Indices into the dataset's samples, in its order. */
  readonly samples: readonly number[];
  readonly sampler: Sampler;
}

/**
 * Every bucket is an endless stream of batches of its own. Cycle c of the whole holds each bucket's batches
 * ⌊c·n/B⌋ … ⌊(c+1)·n/B⌋ − 1 (n samples in the bucket, B samples of a batch over all ranks) in shuffled order: after any
 * number of cycles every bucket is seen in proportion, and what does not fill a batch goes into the next cycle. Where
 * pages lie in W windows of shards, a cycle is the W-th part of that, and all buckets take the shards in the same order:
 * their streams then read the same windows at about the same time.
 */
class BucketOrder implements BatchOrder {
  readonly epochSize: number;
  readonly candidates: number;
  readonly #buckets: readonly Bucket[];
  readonly #options: BatchOrderOptions;
  /** Stands in for a bucket without usable samples: a line of another length, cropped to the bucket's shape. */
  readonly #all: Sampler;
  /** B. */
  readonly #joined: number;
  /** W. */
  readonly #windows: number;

  constructor(dataset: DocumentDataset, options: BatchOrderOptions & { readonly buckets: readonly Size[] }) {
    const lists: number[][] = options.buckets.map(() => []);
    for (const [index, { record, region }] of dataset.samples.entries())
      lists[bucketOf(dataset.records[record]!.regions[region]!, options.buckets)]!.push(index);
    const filled = lists.filter((list) => list.length > 0).length;
    // Several streams are read at once: each keeps fewer pages in hand, so that all of them fit into the page cache.
    const pagesPerBlock = Math.max(4, Math.floor((options.pagesPerBlock ?? 32) / Math.max(1, filled)));
    this.#buckets = options.buckets.flatMap((size, b) => {
      const samples = lists[b]!;
      if (samples.length === 0) return [];
      const starts = new Uint32Array(dataset.records.length + 1);
      for (const index of samples) starts[dataset.samples[index]!.record + 1]!++;
      for (let i = 0; i < dataset.records.length; i++) starts[i + 1]! += starts[i]!;
      const seed = `${options.seed}/bucket/${size.height}x${size.width}`;
      const shards = { groups: dataset.groups, groupSeed: options.seed };
      return [{ size, samples, sampler: new Sampler(starts, { ...options, ...shards, seed, pagesPerBlock }) }];
    });
    this.#options = options;
    this.#joined = options.batchSize * (options.worldSize ?? 1);
    this.epochSize = dataset.samples.length;
    this.candidates = dataset.samples.length;
    this.#all = new Sampler(dataset.sampleStarts, { ...options, groups: dataset.groups });
    this.#windows = this.#all.windows;
  }

  batch(number: number): PlannedBatch {
    const { bucket, batch } = this.#find(number);
    return {
      size: bucket.size,
      sample: (i, attempt) => {
        const ofRank = batch * this.#options.batchSize + i;
        const position = bucket.sampler.placeOf(ofRank);
        const epoch = bucket.sampler.epochAt(ofRank);
        const own = Math.min(bucket.samples.length, ownTries);
        const index =
          attempt < own
            ? bucket.samples[bucket.sampler.at(position + attempt)]!
            : this.#all.at(this.#elsewhere(bucket, position) + attempt - own);
        return { index, position, epoch };
      },
    };
  }

  shardsFrom(number: number): readonly number[] {
    const { cycle } = this.#find(number);
    return inTurn(
      this.#buckets.map((bucket) => bucket.sampler.shardsFrom(this.#batchesBefore(cycle, bucket) * this.#joined)),
    );
  }

  /** Where to look for a line of another bucket: in the same window of shards, where there are windows. */
  #elsewhere(bucket: Bucket, position: number): number {
    return this.#windows === 1 ? position : Math.floor((position / bucket.samples.length) * this.epochSize);
  }

  /** Batches of a bucket before cycle `cycle`. */
  #batchesBefore(cycle: number, bucket: Bucket): number {
    return Math.floor((cycle * bucket.samples.length) / (this.#joined * this.#windows));
  }

  #allBefore(cycle: number): number {
    return this.#buckets.reduce((sum, bucket) => sum + this.#batchesBefore(cycle, bucket), 0);
  }

  #find(number: number): { bucket: Bucket; batch: number; cycle: number } {
    let high = 1;
    while (this.#allBefore(high) <= number) high *= 2;
    let cycle = 0;
    while (high - cycle > 1) {
      const middle = Math.floor((cycle + high) / 2);
      if (this.#allBefore(middle) <= number) cycle = middle;
      else high = middle;
    }
    const first = this.#allBefore(cycle);
    const shuffled = new Permutation(this.#allBefore(cycle + 1) - first, "batches", this.#options.seed, cycle);
    let at = shuffled.at(number - first);
    for (const bucket of this.#buckets) {
      const before = this.#batchesBefore(cycle, bucket);
      const count = this.#batchesBefore(cycle + 1, bucket) - before;
      if (at < count) return { bucket, batch: before + at, cycle };
      at -= count;
    }
    throw new Error("unreachable: a cycle's batches are those of its buckets");
  }
}
