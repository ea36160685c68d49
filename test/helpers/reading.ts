/** What tests of OCR engines have in common. */
import { distance } from "fastest-levenshtein";
import sharp, { type Sharp } from "sharp";
import { expect } from "vitest";
import type { OcrPage } from "../../src/detection/ocr.ts";
import { type Box, intersectBoxes } from "../../src/documents/geometry.ts";
import type { RasterImage } from "../../src/documents/image.ts";
import { iou } from "../../src/evaluation/score-entities.ts";

export const plain = (text: string): string => text.toLowerCase().replace(/\s/g, "");

/** Share of characters read wrongly, spaces apart. */
export function errorRate(read: OcrPage, wanted: readonly string[]): number {
  const [a, b] = [plain(read.lines.map((line) => line.text).join("")), plain(wanted.join(""))];
  return distance(a, b) / b.length;
}

/** Few letters are wrong, and every line has its words, a confidence, and its box where it was drawn. */
export function expectLines(
  read: OcrPage,
  texts: readonly string[],
  boxes: readonly Box[],
  limits: { readonly errors: number; readonly overlap: number; readonly confidence: number },
): void {
  expect(errorRate(read, texts)).toBeLessThan(limits.errors);
  expect(read.lines).toHaveLength(texts.length);
  for (const [i, line] of read.lines.entries()) {
    expect(iou(line.box, boxes[i]!)).toBeGreaterThan(limits.overlap);
    expect(line.words.map((word) => word.text).join(" ")).toBe(line.text);
    expect(line.confidence).toBeGreaterThan(limits.confidence);
    expect(line.confidence).toBeLessThanOrEqual(1);
    for (const word of line.words) expect(intersectBoxes(word.box, line.box)).toEqual(word.box);
  }
}

export async function reshape(image: RasterImage, change: (s: Sharp) => Sharp): Promise<RasterImage> {
  const pipeline = change(sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } }));
  const { data, info } = await pipeline.toColourspace("srgb").removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}
