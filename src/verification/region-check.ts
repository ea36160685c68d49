/**
 * Reads a painted box again and says what stands there now.
 *
 * The box is cut from the result page with a little context and read as one line. OCR engines read even good print
 * exactly only three times out of four, so the reading is judged by where it lies between two known texts: the
 * invented value and the original. The readings of the whole page, by every engine there is, give more looks at the same
 * box; for legibility the best of them counts, for the original's traces the worst. Where all that does not show the
 * invented value clearly, the other engines read the cut-out box too. A solid box is not read: its pixels are compared.
 */
import type { OcrEngine, OcrPage } from "../detection/ocr.ts";
import { type Box, boxHeight, clipBox, growBox, roundOut } from "../documents/geometry.ts";
import { cropImage, type RasterImage } from "../documents/image.ts";
import { coveredShare, type PaintedRegion } from "./painted.ts";
import { foldText, readingSimilarity, windowSimilarity } from "./reading-similarity.ts";

export interface RegionCheck {
  /** Best similarity of a reading to the invented value, 0…1; 0 for a solid box. */
  readonly similarityToFake: number;
  /** Highest similarity of a reading to the original, 0…1. */
  readonly similarityToOriginal: number;
  /** Similarity of the invented value itself to the original: what a perfect drawing would show. 0 for a solid box. */
  readonly expectedSimilarity: number;
}

export interface RegionCheckOptions {
  /** The reading of the whole result page, where there is one. */
  readonly pageReading?: OcrPage;
  /** Further engines, with their readings of the whole result page. */
  readonly others?: readonly { readonly ocr: OcrEngine; readonly pageReading: OcrPage }[];
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Reads the region's box on the result page and compares. Rejects with the engine's errors. */
export async function checkRegion(
  page: RasterImage,
  region: PaintedRegion,
  ocr: OcrEngine,
  options: RegionCheckOptions = {},
): Promise<RegionCheck> {
  if (region.fake === null && isOneColour(page, region.textBox)) {
    return { similarityToFake: 0, similarityToOriginal: 0, expectedSimilarity: 0 };
  }
  const readings = [await readRegion(page, region.box, ocr, options)];
  const { pageReading, others = [] } = options;
  if (pageReading) readings.push(textInside(pageReading, region.box));
  for (const other of others) readings.push(textInside(other.pageReading, region.box));
  const check = compareReadings(readings, region.original, region.fake);
  if (others.length === 0 || check.similarityToFake >= clearlyShown) return check;
  for (const other of others) readings.push(await readRegion(page, region.box, other.ocr, options));
  return compareReadings(readings, region.original, region.fake);
}

/** Similarity to the invented value from which on no further engine is asked. */
const clearlyShown = 0.95;

/** Levels by which the pixels of a solid box may differ; ink on paper differs by far more. */
const sameColour = 32;

/** Whether all pixels in a box have nearly one colour. */
export function isOneColour(page: RasterImage, box: Box): boolean {
  const [x0, y0, x1, y1] = clipBox(roundOut(box), page);
  const lowest = [255, 255, 255];
  const highest = [0, 0, 0];
  for (let y = y0; y < y1; y++) {
    for (let i = (y * page.width + x0) * 3; i < (y * page.width + x1) * 3; i++) {
      const value = page.data[i]!;
      if (value < lowest[i % 3]!) lowest[i % 3] = value;
      if (value > highest[i % 3]!) highest[i % 3] = value;
    }
  }
  return highest.every((value, channel) => value - lowest[channel]! <= sameColour);
}

/** What is read in a box of a page, as one line, without its neighbours. */
export async function readRegion(
  page: RasterImage,
  box: Box,
  ocr: OcrEngine,
  options: Pick<RegionCheckOptions, "timeoutMs" | "signal"> = {},
): Promise<string> {
  const height = boxHeight(box);
  // Engines need some paper around the letters; much more would bring in the neighbouring lines.
  const crop = roundOut(clipBox(growBox(box, Math.max(4, 0.5 * height), Math.max(2, 0.15 * height)), page));
  const reading = await ocr.read(cropImage(page, crop), {
    layout: "line",
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  return textInside(reading, [box[0] - crop[0], box[1] - crop[1], box[2] - crop[0], box[3] - crop[1]]);
}

/** The words of a reading that lie in a box by at least half, joined by spaces, with the characters outside cut off. */
export function textInside(reading: OcrPage, box: Box): string {
  const texts: string[] = [];
  for (const line of reading.lines) {
    for (const word of line.words) {
      const step = (word.box[2] - word.box[0]) / Math.max(1, word.text.length);
      let inside = "";
      for (let i = 0; i < word.text.length; i++) {
        const x = word.box[0] + i * step;
        if (coveredShare([x, word.box[1], x + step, word.box[3]], box) >= 0.5) inside += word.text[i]!;
      }
      if (inside) texts.push(inside);
    }
  }
  return texts.join(" ");
}

/** Compares what was read with what should and what must not stand there. Pure. */
export function compareReadings(readings: readonly string[], original: string, fake: string | null): RegionCheck {
  const best = (text: string): number => Math.max(0, ...readings.map((reading) => windowSimilarity(text, reading)));
  const whole = (text: string): number => Math.max(0, ...readings.map((reading) => readingSimilarity(text, reading)));
  return {
    // The whole reading must be the invented value, not merely hold it; characters cut at the edges are forgiven.
    similarityToFake: fake === null ? 0 : Math.max(whole(fake), 0.95 * best(fake)),
    similarityToOriginal: Math.max(0, ...readings.map((reading) => traceOf(original, reading))),
    expectedSimilarity: fake === null ? 0 : traceOf(original, fake),
  };
}

/** How much of an original a text shows. Originals below 4 characters turn up in longer texts by chance. */
const traceOf = (original: string, text: string): number =>
  foldText(original).length < 4 ? readingSimilarity(original, text) : windowSimilarity(original, text);
