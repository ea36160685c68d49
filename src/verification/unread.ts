/**
 * What the OCR engine did not read. Personal data in such places can't be found, so the report says how much there is.
 */
import sharp from "sharp";
import type { GreyImage } from "../detection/components.ts";
import type { OcrPage } from "../detection/ocr.ts";
import type { Box } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { createPacer, type Pacer } from "../pacer.ts";
import { keepWriting } from "./writing.ts";

export interface UnreadInk {
  /** Words read with a confidence below 0.5. */
  readonly words: number;
  /** Connected areas of ink (handwriting, stamps, logos, faint print) without any word. */
  readonly areas: number;
  /** Share of the page's ink that looks like writing and is in no word or in a doubtful one, 0…1. */
  readonly share: number;
}

const doubtful = 0.5;
/** The page is looked at in this width: letters are still there, noise is gone. */
const lookWidth = 640;
/** Edge of the cells ink is grouped in, in looked-at pixels. */
const cell = 8;
/** Less ink than that of about eight letters of 10 pt on A4 is no writing, looked-at pixels. */
const fewest = 100;
/** Runs of ink longer than this are rules and frames, not letters. */
const longestStroke = 48;

/** Measures the ink of a page that `reading` does not cover. */
export async function measureUnread(page: RasterImage, reading: OcrPage, signal?: AbortSignal): Promise<UnreadInk> {
  const pacer = createPacer(signal);
  await pacer.pause();
  const words = reading.lines.flatMap((line) => line.words);
  const scale = Math.min(1, lookWidth / page.width);
  const width = Math.max(1, Math.round(page.width * scale));
  const height = Math.max(1, Math.round(page.height * scale));
  const grey = await lookAt(page, width, height);
  const ink = await findInk(grey, pacer);
  await removeRules(ink, width, height, pacer);
  const total = countInk(ink);
  for (const word of words) if (word.confidence >= doubtful) erase(ink, width, height, word.box, scale);
  await pacer.pause();
  const writing = ink.slice();
  await keepWriting(writing, grey, pacer);
  const unread = countInk(writing);
  const share = unread < fewest ? 0 : unread / total;
  for (const word of words) if (word.confidence < doubtful) erase(ink, width, height, word.box, scale);
  return {
    words: words.filter((word) => word.confidence < doubtful).length,
    areas: await countAreas(ink, width, height, pacer),
    share: Math.round(share * 1e4) / 1e4,
  };
}

async function lookAt(page: RasterImage, width: number, height: number): Promise<GreyImage> {
  const raw = { width: page.width, height: page.height, channels: 3 as const };
  const data = await sharp(page.data, { raw })
    .greyscale()
    .resize(width, height, { fit: "fill", kernel: "lanczos3" })
    .raw()
    .toBuffer();
  return { data, width, height };
}

/** Of a document: counts are summed, the share is the mean of the pages'. */
export function sumUnread(pages: readonly UnreadInk[]): UnreadInk {
  const sum = (of: (page: UnreadInk) => number): number => pages.reduce((total, page) => total + of(page), 0);
  return {
    words: sum((page) => page.words),
    areas: sum((page) => page.areas),
    share: Math.round((sum((page) => page.share) / Math.max(1, pages.length)) * 1e4) / 1e4,
  };
}

/** 1 where a pixel is clearly darker than its surroundings. */
async function findInk({ data: grey, width, height }: GreyImage, pacer: Pacer): Promise<Uint8Array> {
  const paper = await sharp(grey, { raw: { width, height, channels: 1 } })
    .blur(12)
    .extractChannel(0)
    .raw()
    .toBuffer();
  const ink = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    await pacer.pause();
    for (let i = y * width; i < (y + 1) * width; i++) ink[i] = grey[i]! < paper[i]! - 24 ? 1 : 0;
  }
  return ink;
}

async function removeRules(ink: Uint8Array, width: number, height: number, pacer: Pacer): Promise<void> {
  const rules = new Uint8Array(ink.length);
  const mark = (start: number, step: number, length: number): void => {
    let run = 0;
    for (let i = 0; i <= length; i++) {
      if (i < length && ink[start + i * step]) run++;
      else {
        if (run > longestStroke) for (let k = i - run; k < i; k++) rules[start + k * step] = 1;
        run = 0;
      }
    }
  };
  for (let y = 0; y < height; y++) {
    await pacer.pause();
    mark(y * width, 1, width);
  }
  for (let x = 0; x < width; x++) {
    await pacer.pause();
    mark(x, width, height);
  }
  for (let i = 0; i < ink.length; i++) if (rules[i]) ink[i] = 0;
}

/** Clears the ink of a word's box (page pixels), with a little around it. */
function erase(ink: Uint8Array, width: number, height: number, box: Box, scale: number): void {
  const x0 = Math.max(0, Math.floor(box[0] * scale) - 2);
  const x1 = Math.min(width, Math.ceil(box[2] * scale) + 2);
  const y0 = Math.max(0, Math.floor(box[1] * scale) - 2);
  const y1 = Math.min(height, Math.ceil(box[3] * scale) + 2);
  for (let y = y0; y < y1; y++) ink.fill(0, y * width + x0, y * width + Math.max(x0, x1));
}

function countInk(ink: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < ink.length; i++) count += ink[i]!;
  return count;
}

/** Groups inky cells that touch and counts the groups large enough to be writing. */
async function countAreas(ink: Uint8Array, width: number, height: number, pacer: Pacer): Promise<number> {
  const columns = Math.ceil(width / cell);
  const rows = Math.ceil(height / cell);
  const inkOf = new Uint16Array(columns * rows);
  for (let y = 0; y < height; y++) {
    await pacer.pause();
    const row = Math.floor(y / cell) * columns;
    for (let x = 0; x < width; x++) if (ink[y * width + x]) inkOf[row + Math.floor(x / cell)]!++;
  }
  const enough = 0.1 * cell * cell;
  const seen = new Uint8Array(inkOf.length);
  let areas = 0;
  for (let start = 0; start < inkOf.length; start++) {
    if (seen[start] || inkOf[start]! < enough) continue;
    await pacer.pause();
    let size = 0;
    const queue = [start];
    seen[start] = 1;
    while (queue.length > 0) {
      const at = queue.pop()!;
      size++;
      const x = at % columns;
      const y = (at - x) / columns;
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -2; dx <= 2; dx++) {
          const nx = x + dx;
          const ny = y + dy;
          if (nx < 0 || ny < 0 || nx >= columns || ny >= rows) continue;
          const next = ny * columns + nx;
          if (!seen[next] && inkOf[next]! >= enough) {
            seen[next] = 1;
            queue.push(next);
          }
        }
      }
    }
    if (size >= 3) areas++;
  }
  return areas;
}
