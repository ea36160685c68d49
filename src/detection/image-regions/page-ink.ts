/** The ink of a page that is no print: what the reader has no word for, without ruled lines. */
import sharp from "sharp";
import { type Box, boxHeight } from "../../documents/geometry.ts";
import type { RasterImage } from "../../documents/image.ts";
import { type GreyImage, inkMask } from "../components.ts";
import type { OcrPage } from "../ocr.ts";
import { removeRules } from "../rules.ts";

/** Words read worse may be handwriting. */
const surelyRead = 0.6;

export interface PageInk {
  /** 1 where there is ink. */
  readonly mask: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Typical height of a word, page pixels. */
  readonly textHeight: number;
}

export async function greyOf(page: RasterImage): Promise<GreyImage> {
  const raw = { width: page.width, height: page.height, channels: 3 as const };
  const data = await sharp(page.data, { raw }).greyscale().extractChannel(0).raw().toBuffer();
  return { data, width: page.width, height: page.height };
}

export function typicalHeight(reading: OcrPage): number {
  const heights = reading.lines.flatMap(({ words }) => words.map(({ box }) => boxHeight(box))).sort((a, b) => a - b);
  return heights[heights.length >> 1] ?? Math.max(8, reading.height / 60);
}

export async function unreadInk(page: RasterImage, reading: OcrPage): Promise<PageInk> {
  const grey = await greyOf(page);
  const textHeight = typicalHeight(reading);
  await removeRules(grey, textHeight);
  const mask = await inkMask(grey);
  const { width, height } = grey;
  for (const { words } of reading.lines)
    for (const { box, confidence } of words) if (confidence >= surelyRead) clear(mask, width, height, box);
  return { mask, width, height, textHeight };
}

function clear(mask: Uint8Array, width: number, height: number, box: Box): void {
  const [x0, x1] = [Math.max(0, Math.floor(box[0]) - 2), Math.min(width, Math.ceil(box[2]) + 2)];
  const [y0, y1] = [Math.max(0, Math.floor(box[1]) - 1), Math.min(height, Math.ceil(box[3]) + 1)];
  for (let y = y0; y < y1; y++) mask.fill(0, y * width + x0, y * width + Math.max(x0, x1));
}
