/**
 * Reads pages with tesseract.js and the English data of `@tesseract.js-data/eng`, offline.
 *
 * A page is read twice, as one block of lines and as sparse text, and per place the surer reading is taken: on receipts
 * and forms that finds more lines and misreads fewer characters than any single mode.
 */
import { setImmediate } from "node:timers/promises";
import { type Box, boxArea, clipBox, quadBounds, type Size, uniteBoxes } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { AnonymizerError, codedError, throwIfAborted } from "../errors.ts";
import { combineReadings, type ReadWord } from "./combine-readings.ts";
import { groupWords, makeLine } from "./lines.ts";
import type { OcrEngine, OcrLine, OcrOptions, OcrPage, OcrWord } from "./ocr.ts";
import { type OcrImage, prepareLine, preparePage, quadOnOriginal } from "./ocr-image.ts";
import { startTesseractWorker, type TesseractWord, type TesseractWorker } from "./tesseract-worker.ts";

export interface TesseractOptions {
  /** Threads, and so images read at the same time. Each takes 100…300 MB. Default 1. */
  readonly workers?: number;
  /** The language whose data is installed. */
  readonly language?: "eng";
  /** Readings of a page, 2 by default; 1 takes half the time and misses more. */
  readonly passes?: 1 | 2;
}

const defaultTimeoutMs = 60_000;

interface Job {
  readonly image: RasterImage;
  readonly options: OcrOptions;
  resolve(page: OcrPage): void;
  reject(error: unknown): void;
}

/**
 * Starts the engine. Rejects with ERR_OCR_FAILED when tesseract.js or its data can't be loaded.
 *
 * `read` rejects with ERR_OCR_TIMEOUT (counted from when a thread takes the image), ERR_ABORTED, ERR_OCR_FAILED,
 * ERR_CLOSED; the thread is replaced then and the next image is read as if nothing had happened. Idle threads don't
 * keep the process alive.
 */
export async function createTesseractEngine(options: TesseractOptions = {}): Promise<OcrEngine> {
  const { workers = 1, language = "eng", passes = 2 } = options;
  if (!Number.isInteger(workers) || workers < 1)
    throw codedError("ERR_INVALID_ARGUMENT", "`workers` must be a whole number from 1");
  if (language !== "eng") throw codedError("ERR_INVALID_ARGUMENT", "Only the language `eng` is installed");
  const engine = new TesseractEngine(workers, language, passes);
  await engine.start();
  return engine;
}

class TesseractEngine implements OcrEngine {
  readonly name = "tesseract";
  readonly #language: string;
  readonly #passes: 1 | 2;
  /** One per thread; undefined where it has to be started. */
  readonly #idle: (TesseractWorker | undefined)[];
  readonly #queue: Job[] = [];
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(workers: number, language: string, passes: 1 | 2) {
    this.#language = language;
    this.#passes = passes;
    this.#idle = Array.from({ length: workers }, () => undefined);
  }

  /** Starts one thread now, so that a broken installation shows at once; the others start when they are needed. */
  async start(): Promise<void> {
    this.#idle[this.#idle.length - 1] = await startTesseractWorker(this.#language);
  }

  read(image: RasterImage, options: OcrOptions = {}): Promise<OcrPage> {
    return new Promise((resolve, reject) => {
      const { signal, timeoutMs = defaultTimeoutMs } = options;
      throwIfAborted(signal);
      if (this.#closing.signal.aborted) throw codedError("ERR_CLOSED", "The OCR engine is closed");
      if (!(timeoutMs > 0)) throw codedError("ERR_INVALID_ARGUMENT", "`timeoutMs` must be positive");
      if (image.data.length !== image.width * image.height * 3 || image.data.length === 0) {
        throw codedError(
          "ERR_INVALID_ARGUMENT",
          `${image.data.length} bytes are not an RGB image of ${image.width}×${image.height} px`,
        );
      }
      const onAbort = (): void => {
        const at = this.#queue.indexOf(job);
        if (at === -1) return;
        this.#queue.splice(at, 1);
        job.reject(codedError("ERR_ABORTED", "Reading was aborted", { cause: signal?.reason }));
      };
      const settle = (): void => signal?.removeEventListener("abort", onAbort);
      const job: Job = {
        image,
        options,
        resolve: (page) => {
          settle();
          resolve(page);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#queue.push(job);
      this.#next();
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const job of this.#queue.splice(0)) job.reject(codedError("ERR_CLOSED", "The OCR engine was closed"));
    await Promise.all(this.#running);
    await Promise.all(this.#idle.map((worker) => worker?.terminate()));
    this.#idle.length = 0;
  }

  #next(): void {
    if (this.#idle.length === 0) return;
    const job = this.#queue.shift();
    if (job === undefined) return;
    const worker = this.#idle.pop();
    const running = this.#work(job, worker).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Never rejects. Puts a thread back, or the place for a new one. */
  async #work(job: Job, current: TesseractWorker | undefined): Promise<void> {
    let worker = current;
    const { signal, timeoutMs = defaultTimeoutMs } = job.options;
    let stop: AnonymizerError | undefined;
    let stopped: (error: AnonymizerError) => void = () => {};
    const stopping = new Promise<never>((_, reject) => {
      stopped = (error) => {
        stop ??= error;
        reject(stop);
        void worker?.terminate();
      };
    });
    stopping.catch(() => {});
    const timer = setTimeout(
      () => stopped(codedError("ERR_OCR_TIMEOUT", `Reading took longer than ${timeoutMs} ms`)),
      timeoutMs,
    );
    const onAbort = (): void => stopped(codedError("ERR_ABORTED", "Reading was aborted", { cause: signal?.reason }));
    const onClose = (): void => stopped(codedError("ERR_CLOSED", "The OCR engine was closed while it was reading"));
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#closing.signal.addEventListener("abort", onClose, { once: true });
    try {
      const reading = (async () => {
        if (!worker?.alive) {
          worker = await startTesseractWorker(this.#language);
          // Stopped while starting: this thread is nobody's.
          if (stop) await worker.terminate();
        }
        if (stop) throw stop;
        return this.#readWith(worker, job);
      })();
      reading.catch(() => {});
      job.resolve(await Promise.race([reading, stopping]));
    } catch (error) {
      job.reject(
        stop ??
          (error instanceof AnonymizerError
            ? error
            : codedError("ERR_OCR_FAILED", "The page could not be read", { cause: error })),
      );
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      this.#closing.signal.removeEventListener("abort", onClose);
      if (worker && (!worker.alive || stop)) await worker.terminate();
      this.#idle.push(worker?.alive ? worker : undefined);
      if (!this.#closing.signal.aborted) this.#next();
    }
  }

  async #readWith(worker: TesseractWorker, { image, options }: Job): Promise<OcrPage> {
    const page = { width: image.width, height: image.height, engine: this.name };
    if (options.layout === "line") {
      const prepared = await prepareLine(image);
      const words = placeWords(await worker.recognize(prepared.encoded, 7), prepared, image);
      return { ...page, lines: words.length > 0 ? [makeLine(words.map((word) => word.onPage))] : [] };
    }
    const prepared = await preparePage(image);
    throwIfAborted(options.signal);
    const block = placeWords(await worker.recognize(prepared.encoded, 6), prepared, image);
    if (this.#passes === 1) return { ...page, lines: toLines(block, prepared) };
    const sparse = placeWords(await worker.recognize(prepared.encoded, 11), prepared, image);
    // Each of these takes milliseconds on a crowded page.
    await setImmediate();
    const words = combineReadings(block, sparse);
    await setImmediate();
    return { ...page, lines: toLines(words, prepared) };
  }
}

/** A word on the upright image the engine read (`box`) and on the page. */
interface PlacedWord extends ReadWord {
  readonly onPage: OcrWord;
}

/** Words without a character or outside the page are left out. */
function placeWords(words: readonly TesseractWord[], prepared: OcrImage, page: Size): PlacedWord[] {
  const placed: PlacedWord[] = [];
  for (const { text, confidence, bbox } of words) {
    // A word has no spaces but for rare slips of the engine; they would shift the character ranges of its line.
    const clean = text.replace(/\s+/g, "");
    const upright: Box = [bbox.x0, bbox.y0, bbox.x1, bbox.y1];
    const box = clipBox(quadBounds(quadOnOriginal(upright, prepared.toOriginal)), page);
    if (clean === "" || boxArea(box) === 0) continue;
    const word = { text: clean, confidence: Math.min(1, Math.max(0, confidence / 100)) };
    placed.push({ ...word, box: upright, onPage: { ...word, box } });
  }
  return placed;
}

const hasLetterOrDigit = /[\p{L}\p{N}]/u;

function toLines(words: readonly PlacedWord[], prepared: OcrImage): OcrLine[] {
  return groupWords(words)
    .filter((group) => group.some((word) => hasLetterOrDigit.test(word.text)))
    .map((group) => {
      const line = makeLine(group.map((word) => word.onPage));
      if (prepared.skew === 0) return line;
      return { ...line, quad: quadOnOriginal(uniteBoxes(group.map((word) => word.box)), prepared.toOriginal) };
    });
}
