/**
 * Reads pages with tesseract.js and the English data of `@tesseract.js-data/eng`, offline.
 *
 * A page is read twice, as one block of lines and as sparse text, and per place the surer reading is taken: on receipts
 * and forms that finds more lines and misreads fewer characters than any single mode.
 */
import { setImmediate } from "node:timers/promises";
import { type Box, boxArea, clipBox, quadBounds, type Size, uniteBoxes } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { codedError, throwIfAborted } from "../errors.ts";
import { combineReadings, type ReadWord } from "./combine-readings.ts";
import { groupWords, makeLine } from "./lines.ts";
import type { OcrEngine, OcrLine, OcrOptions, OcrPage, OcrWord } from "./ocr.ts";
import { type OcrImage, prepareLine, preparePage, quadOnOriginal } from "./ocr-image.ts";
import { ReadingQueue } from "./reading-queue.ts";
import { startTesseractWorker, type TesseractWord, type TesseractWorker } from "./tesseract-worker.ts";

export interface TesseractOptions {
  /** Threads, and so images read at the same time. Each takes 100…300 MB. Default 1. */
  readonly workers?: number;
  /** The language whose data is installed. */
  readonly language?: "eng";
  /** Readings of a page, 2 by default; 1 takes half the time and misses more. */
  readonly passes?: 1 | 2;
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
  if (language !== "eng") throw codedError("ERR_INVALID_ARGUMENT", "Only the language `eng` is installed");
  const queue = new ReadingQueue<TesseractWorker>({
    workers,
    start: () => startTesseractWorker(language),
    read: (worker, image, readOptions) => readWith(worker, image, readOptions, passes),
  });
  await queue.start();
  return {
    name: engineName,
    read: (image, readOptions) => queue.read(image, readOptions),
    close: () => queue.close(),
  };
}

const engineName = "tesseract";

async function readWith(
  worker: TesseractWorker,
  image: RasterImage,
  options: OcrOptions,
  passes: 1 | 2,
): Promise<OcrPage> {
  const page = { width: image.width, height: image.height, engine: engineName };
  if (options.layout === "line") {
    const prepared = await prepareLine(image);
    const words = placeWords(await worker.recognize(prepared.encoded, 7), prepared, image);
    return { ...page, lines: words.length > 0 ? [makeLine(words.map((word) => word.onPage))] : [] };
  }
  const prepared = await preparePage(image);
  throwIfAborted(options.signal);
  const block = placeWords(await worker.recognize(prepared.encoded, 6), prepared, image);
  if (passes === 1) return { ...page, lines: toLines(block, prepared) };
  const sparse = placeWords(await worker.recognize(prepared.encoded, 11), prepared, image);
  // Each of these takes milliseconds on a crowded page.
  await setImmediate();
  const words = combineReadings(block, sparse);
  await setImmediate();
  return { ...page, lines: toLines(words, prepared) };
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
