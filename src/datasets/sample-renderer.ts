/** Turns a sample of a dataset into pixels: page, crop, mask, drawn text. Decoded pages are kept for the next sample. */
import type { RasterImage } from "../documents/image.ts";
import { AnonymizerError, codedError } from "../errors.ts";
import { digestFile } from "../models/files.ts";
import type { Random } from "../random/random.ts";
import { type Crop, type CropSize, planCrop, renderCrop } from "./crops.ts";
import type { DatasetSample, DocumentDataset } from "./dataset.ts";
import { decodePage, PageCache } from "./page-cache.ts";

/** A sample can't be used, as against a failure of something else: another one takes its place. */
export class UnusableSample extends Error {
  declare readonly cause: AnonymizerError;

  /** "ERR_…: message", as it is reported. */
  get reason(): string {
    return `${this.cause.code}: ${this.cause.message}`;
  }
}

export class SampleRenderer {
  readonly #dataset: DocumentDataset;
  readonly #pages: PageCache;
  readonly #brokenPages = new Map<number, AnonymizerError>();
  readonly #contents = new Map<number, Promise<string>>();

  /** @param cacheBytes bytes of decoded pages kept at most. */
  constructor(dataset: DocumentDataset, cacheBytes: number) {
    this.#dataset = dataset;
    this.#pages = new PageCache(cacheBytes);
  }

  /** @throws UnusableSample: the page is damaged or gone, no word fits … */
  crop({ record, region }: DatasetSample, size: CropSize, random: Random): Promise<Crop> {
    return orUnusable(async () => {
      const page = await this.#page(record);
      return renderCrop(page, planCrop(page, this.#dataset.records[record]!.regions[region]!, size, random), size);
    });
  }

  /** SHA-256 of a record's image file, read once. @throws UnusableSample. */
  content(record: number): Promise<string> {
    return orUnusable(() => this.#content(record));
  }

  #content(record: number): Promise<string> {
    let content = this.#contents.get(record);
    if (content === undefined) {
      content = this.#dataset.imagePath(record).then(async (path) => {
        const { sha256 } = await digestFile(path).catch((cause: unknown) => {
          throw codedError("ERR_DOCUMENT_DAMAGED", `${path} can't be read`, { cause });
        });
        return sha256;
      });
      content.catch(() => this.#contents.delete(record));
      this.#contents.set(record, content);
    }
    return content;
  }

  clear(): void {
    this.#pages.clear();
  }

  async #page(record: number): Promise<RasterImage> {
    const broken = this.#brokenPages.get(record);
    if (broken !== undefined) throw broken;
    try {
      return await this.#pages.get(record, async () =>
        decodePage(await this.#dataset.imagePath(record), this.#dataset.records[record]!),
      );
    } catch (error) {
      if (error instanceof AnonymizerError) this.#brokenPages.set(record, error);
      throw error;
    }
  }
}

async function orUnusable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof AnonymizerError) || error.code === "ERR_ABORTED") throw error;
    throw new UnusableSample(error.message, { cause: error });
  }
}
