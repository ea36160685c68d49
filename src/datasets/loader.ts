/**
 * Batches for a trainer, prepared ahead of it.
 *
 * Batch k of a rank is a function of (dataset, seed, k, rank) alone: not of timing, of how much is prefetched, or of the
 * batches before it. Resuming is starting at batch k.
 */
import type { RasterImage } from "../documents/image.ts";
import { AnonymizerError, codedError, throwIfAborted } from "../errors.ts";
import { Random } from "../random/random.ts";
import { renderGlyphImage } from "../rendering/glyph-image.ts";
import type { TrainingBatch } from "./batch.ts";
import { type Crop, type CropSize, planCrop, renderCrop } from "./crops.ts";
import type { DocumentDataset, SkippedSample } from "./dataset.ts";
import { decodePage, PageCache } from "./page-cache.ts";
import { Sampler } from "./sampler.ts";

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
  /** Mask edges go outwards to multiples of this many pixels (8: whole latents); default 1. */
  readonly maskGrid?: number;
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
  /** Samples that could not be read or cropped and were replaced, each once. */
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

interface Sample extends Crop {
  readonly id: bigint;
  readonly glyph: RasterImage | undefined;
}

class Loader implements BatchLoader {
  readonly epochSize: number;
  readonly #dataset: DocumentDataset;
  readonly #options: LoaderOptions;
  readonly #size: CropSize;
  readonly #sampler: Sampler;
  readonly #cache: PageCache;
  readonly #slots: Slots;
  readonly #skipped = new Map<bigint, SkippedSample>();
  readonly #brokenPages = new Map<number, AnonymizerError>();
  /** Batches in the making, in order. */
  #queue: Promise<TrainingBatch>[] = [];
  readonly #running = new Set<Promise<unknown>>();
  #next: number;
  #closed = false;
  #waitMs = 0;
  #produced = 0;

  constructor(dataset: DocumentDataset, options: LoaderOptions) {
    const whole = (
      name: "batchSize" | "height" | "width" | "startBatch" | "prefetch" | "maskGrid" | "batchStride",
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
    this.#size = { height: whole("height", 8), width: whole("width", 8), maskGrid: whole("maskGrid", 1, 1) };
    this.#dataset = dataset;
    this.#options = options;
    const { seed, rank, worldSize, pagesPerBlock, cacheBytes = 256 * 2 ** 20 } = options;
    this.#sampler = new Sampler(dataset.sampleStarts, {
      seed,
      ...(rank === undefined ? {} : { rank }),
      ...(worldSize === undefined ? {} : { worldSize }),
      ...(pagesPerBlock === undefined ? {} : { pagesPerBlock }),
    });
    this.epochSize = this.#sampler.size;
    this.#cache = new PageCache(cacheBytes);
    this.#slots = new Slots(parallelSamples);
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
    await Promise.allSettled(this.#running);
    this.#cache.clear();
  }

  #fill(ready: number): void {
    while (!this.#closed && this.#queue.length < ready) {
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
    const { batchSize, glyph, masks } = this.#options;
    const first = number * batchSize;
    const results = await Promise.allSettled(
      Array.from({ length: batchSize }, (_, i) => this.#slots.run(() => this.#sample(first + i))),
    );
    const samples = results.map((result) => {
      if (result.status === "rejected") throw result.reason;
      return result.value;
    });
    const { height, width } = this.#size;
    return {
      size: batchSize,
      ids: BigUint64Array.from(samples, (sample) => sample.id),
      images: concatenate(samples.map((sample) => sample.image)),
      height,
      width,
      texts: samples.map((sample) => sample.text),
      ...(masks ? { masks: concatenate(samples.map((sample) => sample.mask)) } : {}),
      ...(glyph === undefined
        ? {}
        : {
            glyphs: concatenate(samples.map((sample) => sample.glyph!.data)),
            glyphHeight: glyph.height,
            glyphWidth: glyph.width,
          }),
    };
  }

  async #sample(position: number): Promise<Sample> {
    const { seed, glyph } = this.#options;
    const place = this.#sampler.placeOf(position);
    const tries = Math.min(maxReplacements, this.#sampler.size);
    for (let attempt = 0; attempt < tries; attempt++) {
      if (this.#closed) throw codedError("ERR_ABORTED", "The loader was closed");
      throwIfAborted(this.#options.signal);
      const { record, region, id } = this.#dataset.samples[this.#sampler.at(place + attempt)]!;
      try {
        const page = await this.#page(record);
        const random = new Random("crop", seed, place, id);
        const crop = await renderCrop(
          page,
          planCrop(page, this.#dataset.records[record]!.regions[region]!, this.#size, random),
          this.#size,
        );
        return { ...crop, id, glyph: glyph === undefined ? undefined : renderGlyphImage(crop.text, glyph) };
      } catch (error) {
        if (!(error instanceof AnonymizerError) || error.code === "ERR_ABORTED") throw error;
        this.#skipped.set(id, {
          id: this.#dataset.records[record]!.id,
          region,
          reason: `${error.code}: ${error.message}`,
        });
      }
    }
    throw codedError(
      "ERR_DATASET_EMPTY",
      `No usable sample among ${tries} in a row; the last reason: ${[...this.#skipped.values()].at(-1)?.reason ?? "none"}`,
    );
  }

  async #page(record: number): Promise<RasterImage> {
    const broken = this.#brokenPages.get(record);
    if (broken !== undefined) throw broken;
    try {
      return await this.#cache.get(record, async () =>
        decodePage(await this.#dataset.imagePath(record), this.#dataset.records[record]!),
      );
    } catch (error) {
      if (error instanceof AnonymizerError) this.#brokenPages.set(record, error);
      throw error;
    }
  }
}

/** Runs at most `limit` pieces of work at a time, in the order they were asked for. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#free = limit;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
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
