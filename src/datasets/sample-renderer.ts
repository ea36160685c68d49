/** Turns a sample of a dataset into pixels: page, crop, mask, drawn text. Decoded pages are kept for the next sample. */
import type { RasterImage } from "../documents/image.ts";
import { AnonymizerError, type ErrorCode, StoreError } from "../errors.ts";
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

  readonly #signal: AbortSignal | undefined;

  /** @param cacheBytes bytes of decoded pages kept at most. @param signal ends waiting for pages. */
  constructor(dataset: DocumentDataset, cacheBytes: number, signal?: AbortSignal) {
    this.#dataset = dataset;
    this.#signal = signal;
    this.#pages = new PageCache(cacheBytes);
  }

  /** With a draft where `drafts` is true. @throws UnusableSample: the page is damaged or gone, no word fits … */
  crop({ record, region }: DatasetSample, size: CropSize, random: Random, drafts = false): Promise<Crop> {
    return orUnusable(async () => {
      const page = await this.#page(record);
      const plan = planCrop(page, this.#dataset.records[record]!.regions[region]!, size, random);
      return renderCrop(page, plan, size, drafts ? random.fork("draft") : undefined);
    });
  }

  /** SHA-256 of a record's image file, read once. @throws UnusableSample. */
  content(record: number): Promise<string> {
    return orUnusable(() => this.#content(record));
  }

  #content(record: number): Promise<string> {
    let content = this.#contents.get(record);
    if (content === undefined) {
      content = this.#dataset.pages.sha256(this.#dataset.records[record]!, this.#signal);
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
      return await this.#pages.get(record, async () => {
        const page = this.#dataset.records[record]!;
        const image = await this.#dataset.pages.image(page, this.#signal);
        return decodePage(image, page, typeof image === "string" ? image : page.image);
      });
    } catch (error) {
      if (isOfThePage(error)) this.#brokenPages.set(record, error);
      throw error;
    }
  }
}

const ofTheMachine: readonly ErrorCode[] = ["ERR_ABORTED", "ERR_OUTPUT", "ERR_LOCKED"];

/** As against a store that can't be reached or a full disk: what is seen of the data must not depend on these. */
const isOfThePage = (error: unknown): error is AnonymizerError =>
  error instanceof AnonymizerError && !(error instanceof StoreError) && !ofTheMachine.includes(error.code);

async function orUnusable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isOfThePage(error)) throw error;
    throw new UnusableSample(error.message, { cause: error });
  }
}
