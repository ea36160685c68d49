/** What tests of OCR engines have in common. */
import { distance } from "fastest-levenshtein";
import sharp, { type Sharp } from "sharp";
import type { OcrPage } from "../../src/detection/ocr.ts";
import type { RasterImage } from "../../src/documents/image.ts";

export const plain = (text: string): string => text.toLowerCase().replace(/\s/g, "");

/** Share of characters read wrongly, spaces apart. */
export function errorRate(read: OcrPage, wanted: readonly string[]): number {
  const [a, b] = [plain(read.lines.map((line) => line.text).join("")), plain(wanted.join(""))];
  return distance(a, b) / b.length;
}

export async function reshape(image: RasterImage, change: (s: Sharp) => Sharp): Promise<RasterImage> {
  const pipeline = change(sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } }));
  const { data, info } = await pipeline.toColourspace("srgb").removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}
