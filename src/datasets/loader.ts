/**
 * Batches for a trainer, prepared ahead of it.
 *
 * Batch k of a rank is a function of (dataset, seed, k, rank) alone: not of timing, of how much is prefetched, or of the
 * batches before it. Resuming is starting at batch k.
 */
import type { Size } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { codedError, throwIfAborted } from "../errors.ts";
import { createGate } from "../in-parallel.ts";
import { renderGlyphImage } from "../rendering/glyph-image.ts";
import type { TrainingBatch } from "./batch.ts";
import { type BatchOrder, batchOrder, type PlannedBatch } from "./batch-order.ts";
import { joinCached } from "./cached-inputs.ts";
import type { Crop, CropSize } from "./crops.ts";
import type { DocumentDataset, SkippedSample } from "./dataset.ts";
import type { CachedSample, SampleCache } from "./sample-cache.ts";
import { SampleRenderer, UnusableSample } from "./sample-renderer.ts";
import { cropRandom, variantAt } from "./variants.ts";

export interface LoaderOptions {
  /** Samples a batch. */
  readonly batchSize: number;
  /** Pixels of the crops. */
  readonly height: number;
  readonly width: number;
  readonly seed: number | string;
  /** This process among all that train together; default 0 of 1. */
  readonly rank?: number;
  readonly worldSize?: number;
  /** Number of the first batch; default 0. */
  readonly startBatch?: number;
  /** From one batch to the next; default 1. */
  readonly batchStride?: number;
  /** Whether batches carry masks. */
  readonly masks: boolean;
  /** Whether they carry drafts of the texts under the masks; default false. */
  readonly drafts?: boolean;
  /** Mask edges go outwards to multiples of this many pixels (8: whole latents); default 1. */
  readonly maskGrid?: number;
  /** Shapes of the crops in place of height and width, narrow to wide: `bucketSizes`. A batch has one of them. */
  readonly buckets?: readonly Size[];
  /** Crops of a sample come in this many fixed variants, one after the other; default: another crop each epoch. */
  readonly variants?: number;
  /** Where batches take latents from in place of pixels; needs `variants`. */
  readonly cache?: SampleCache;
  /** Also draw each text, black on white, for the condition. */
  readonly glyph?: { readonly height: number; readonly width: number; readonly fit: "pad" | "squash" };
  /** Batches kept ready ahead of the consumer; default 2. */
  readonly prefetch?: number;
  /** Pages shuffled together, see `Sampler`; default 32. */
  readonly pagesPerBlock?: number;
  /** Bytes of decoded pages kept; default 256 MiB. */
  readonly cacheBytes?: number;
  readonly signal?: AbortSignal;
}

export interface LoaderStats {
  /** Milliseconds the consumer waited for batches, all together. Near 0: the loader keeps ahead. */
  readonly waitMs: number;
  /** Batches handed over. */
  readonly producedBatches: number;
}

/** An endless stream of batches; end it with `return()` (as `break` in a `for await` does) or the abort signal. */
export interface BatchLoader extends AsyncGenerator<TrainingBatch, void, void> {
  /** Samples that could not be read or cropped and were replaced, each once; those of batches ahead too. */
  readonly skipped: readonly SkippedSample[];
  /** Samples an epoch, over all ranks. */
  readonly epochSize: number;
  stats(): LoaderStats;
}

/** Samples read and cropped at the same time: as many as libuv has threads. */
const parallelSamples = 4;
/** Samples tried in the place of one before the data counts as unusable. */
const maxReplacements = 256;

/**
 * Makes a loader. Work starts with the first `next()`.
 *
 * `next()` rejects with ERR_ABORTED after an abort, and with ERR_DATASET_EMPTY when no sample in a row of 256 can be
 * used. A sample that can't be used is replaced by the one after it, always the same one, and listed in `skipped`.
 *
 * @throws ERR_INVALID_ARGUMENT for impossible sizes, ranks or counts.
 */
export function createLoader(dataset: DocumentDataset, options: LoaderOptions): BatchLoader {
  return new Loader(dataset, options);
}

interface Sample {
  readonly id: bigint;
  readonly text: string;
  readonly variant: number | undefined;
  readonly crop: Crop | undefined;
  readonly cached: CachedSample | undefined;
  readonly glyph: RasterImage | undefined;
  /** Samples in whose place it stands. */
  readonly skipped: readonly SkippedSample[];
}

class Loader implements BatchLoader {
  readonly epochSize: number;
  readonly #dataset: DocumentDataset;
  readonly #options: LoaderOptions;
  readonly #maskGrid: number;
  readonly #order: BatchOrder;
  readonly #renderer: SampleRenderer;
  readonly #gate: ReturnType<typeof createGate>;
  readonly #skipped = new Map<bigint, SkippedSample>();
  /** Batches in the making, in order. */
  #queue: Promise<TrainingBatch>[] = [];
  readonly #running = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();
  #next: number;
  #closed = false;
  #waitMs = 0;
  #produced = 0;

  constructor(dataset: DocumentDataset, options: LoaderOptions) {
    const whole = (
      name: "batchSize" | "height" | "width" | "startBatch" | "prefetch" | "maskGrid" | "variants" | "batchStride",
      least: number,
      fallback?: number,
    ): number => {
      const value = options[name] ?? fallback;
      if (value === undefined || !Number.isSafeInteger(value) || value < least) {
        throw codedError("ERR_INVALID_ARGUMENT", `${name} is ${value}; it must be a whole number of at least ${least}`);
      }
      return value;
    };
    whole("batchSize", 1);
    whole("prefetch", 0, 2);
    whole("batchStride", 1, 1);
    this.#next = whole("startBatch", 0, 0);
    this.#maskGrid = whole("maskGrid", 1, 1);
    if (options.variants !== undefined) whole("variants", 1);
    if (options.cache !== undefined && options.variants === undefined)
      throw codedError("ERR_INVALID_ARGUMENT", "A loader with a cache needs a number of variants");
    this.#dataset = dataset;
    this.#options = options;
    const { batchSize, buckets, seed, rank, worldSize, pagesPerBlock, cacheBytes = 256 * 2 ** 20 } = options;
    this.#order = batchOrder(dataset, {
      batchSize,
      seed,
      size: { height: whole("height", 8), width: whole("width", 8) },
      ...(buckets === undefined ? {} : { buckets }),
      ...(rank === undefined ? {} : { rank }),
      ...(worldSize === undefined ? {} : { worldSize }),
      ...(pagesPerBlock === undefined ? {} : { pagesPerBlock }),
    });
    this.epochSize = this.#order.epochSize;
    const ends = [this.#closing.signal, ...(options.signal === undefined ? [] : [options.signal])];
    this.#renderer = new SampleRenderer(dataset, cacheBytes, AbortSignal.any(ends));
    this.#gate = createGate(parallelSamples);
  }

  get skipped(): readonly SkippedSample[] {
    return [...this.#skipped.values()];
  }

  stats(): LoaderStats {
    return { waitMs: this.#waitMs, producedBatches: this.#produced };
  }

  async next(): Promise<IteratorResult<TrainingBatch, void>> {
    if (this.#closed) return { done: true, value: undefined };
    try {
      throwIfAborted(this.#options.signal);
      this.#fill(1);
      const head = this.#queue.shift()!;
      this.#fill(this.#options.prefetch ?? 2);
      const start = performance.now();
      const value = await head;
      this.#waitMs += performance.now() - start;
      this.#produced++;
      return { done: false, value };
    } catch (error) {
      const closedMeanwhile = this.#closed && !this.#options.signal?.aborted;
      await this.#close();
      if (closedMeanwhile) return { done: true, value: undefined };
      throw error;
    }
  }

  async return(): Promise<IteratorResult<TrainingBatch, void>> {
    await this.#close();
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<IteratorResult<TrainingBatch, void>> {
    await this.#close();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  /** Ends the work; resolves when nothing runs any more. */
  async #close(): Promise<void> {
    this.#closed = true;
    this.#queue = [];
    this.#dataset.pages.expect?.(this, []);
    this.#closing.abort();
    await Promise.allSettled(this.#running);
    this.#renderer.clear();
  }

  #fill(ready: number): void {
    while (!this.#closed && this.#queue.length < ready) {
      // Samples that a cache has need no page; what it lacks is fetched when it is asked for.
      if (this.#options.cache === undefined) this.#dataset.pages.expect?.(this, this.#order.shardsFrom(this.#next));
      const batch = this.#batch(this.#next);
      this.#next += this.#options.batchStride ?? 1;
      // Rejections are handed over by next(); a batch nobody takes any more must not count as unhandled.
      const settled = batch.then(
        () => undefined,
        () => undefined,
      );
      this.#running.add(settled);
      void settled.then(() => this.#running.delete(settled));
      this.#queue.push(batch);
    }
  }

  async #batch(number: number): Promise<TrainingBatch> {
    const { batchSize } = this.#options;
    const planned = this.#order.batch(number);
    const results = await Promise.allSettled(
      Array.from({ length: batchSize }, (_, i) => this.#gate(() => this.#sample(planned, i))),
    );
    return this.#join(
      planned.size,
      results.map((result) => {
        if (result.status === "rejected") throw result.reason;
        return result.value;
      }),
    );
  }

  #join({ height, width }: Size, samples: readonly Sample[]): TrainingBatch {
    const { batchSize, glyph, masks, drafts, variants } = this.#options;
    const cached = samples.flatMap((sample) => sample.cached ?? []);
    const crops = samples.flatMap((sample) => sample.crop ?? []);
    const glyphs = samples.flatMap((sample) => sample.glyph?.data ?? []);
    const skipped = samples.flatMap((sample) => sample.skipped);
    return {
      size: batchSize,
      ids: BigUint64Array.from(samples, (sample) => sample.id),
      images: concatenate(crops.map((crop) => crop.image)),
      height,
      width,
      texts: samples.map((sample) => sample.text),
      ...(masks && crops.length > 0 ? { masks: concatenate(crops.map((crop) => crop.mask)) } : {}),
      ...(drafts && crops.length > 0 ? { drafts: concatenate(crops.map((crop) => crop.draft!)) } : {}),
      ...(cached.length === 0 ? {} : { cached: joinCached(cached) }),
      ...(variants === undefined
        ? {}
        : { variants: BigUint64Array.from(samples, (sample) => BigInt(sample.variant!)) }),
      ...(glyph === undefined || glyphs.length === 0
        ? {}
        : { glyphs: concatenate(glyphs), glyphHeight: glyph.height, glyphWidth: glyph.width }),
      ...(skipped.length === 0 ? {} : { skipped }),
    };
  }

  async #sample(planned: PlannedBatch, i: number): Promise<Sample> {
    const tries = Math.min(maxReplacements, this.#order.candidates);
    const skipped: SkippedSample[] = [];
    for (let attempt = 0; attempt < tries; attempt++) {
      if (this.#closed) throw codedError("ERR_ABORTED", "The loader was closed");
      throwIfAborted(this.#options.signal);
      const { index, position, epoch } = planned.sample(i, attempt);
      const { id, record, region } = this.#dataset.samples[index]!;
      try {
        return { ...(await this.#make(index, planned.size, position, epoch)), skipped };
      } catch (error) {
        if (!(error instanceof UnusableSample)) throw error;
        const skip = { id: this.#dataset.records[record]!.id, region, reason: error.reason };
        skipped.push(skip);
        this.#skipped.set(id, skip);
      }
    }
    throw codedError(
      "ERR_DATASET_EMPTY",
      `No usable sample among ${tries} in a row; the last reason: ${skipped.at(-1)?.reason ?? "none"}`,
    );
  }

  async #make(index: number, shape: Size, position: number, epoch: number): Promise<Omit<Sample, "skipped">> {
    const { seed, glyph, cache, variants, drafts } = this.#options;
    const sample = this.#dataset.samples[index]!;
    const { id } = sample;
    const variant = variants === undefined ? undefined : variantAt(id, epoch, variants);
    const size: CropSize = { ...shape, maskGrid: this.#maskGrid };
    const crop = (): Promise<Crop> =>
      this.#renderer.crop(sample, size, cropRandom(seed, id, position, variant), drafts);
    const drawn = (text: string): RasterImage | undefined =>
      glyph === undefined ? undefined : renderGlyphImage(text, glyph);
    if (cache === undefined || variant === undefined) {
      const made = await crop();
      return { id, text: made.text, variant, crop: made, cached: undefined, glyph: drawn(made.text) };
    }
    const region = this.#dataset.records[sample.record]!.regions[sample.region]!;
    const content = await this.#renderer.content(sample.record);
    const cached = await cache.get({ id, region, content, size, variant }, crop);
    // Where the glyph encoder is trained, its input goes along.
    const image = cached.glyphs === undefined ? drawn(cached.text) : undefined;
    return { id, text: cached.text, variant, crop: undefined, cached, glyph: image };
  }
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
