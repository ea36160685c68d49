/** Makes of a page or a line image what the OCR engine reads best, and leads its boxes back. */
import sharp, { type Sharp } from "sharp";
import type { Box, Quad } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { invertBars } from "./bars.ts";
import { findComponents, type GreyImage, inkMask } from "./components.ts";
import { closeGaps, normalisePaper } from "./paper.ts";
import { removeRules } from "./rules.ts";
import { estimateLayout, type PageLayoutEstimate } from "./skew.ts";

export interface OcrImage {
  /** Binary PGM. */
  readonly encoded: Uint8Array;
  /** From pixels of the encoded image to pixels of the original. */
  readonly toOriginal: (x: number, y: number) => readonly [number, number];
  /** Degrees the original is turned, where it was turned back; else 0. */
  readonly skew: number;
}

/** Heights of capitals that are read best (measured on receipts and forms, 20…30 differ little). */
const bestTextHeight = 23;
const maxScale = 3;
/** Memory of the engine grows with the image: about 10 bytes a pixel. */
const maxPixels = 40e6;
/** About A4 at 400 dpi. */
const largePage = 16e6;
/** Smaller turns don't hurt reading, and turning costs sharpness. */
const minSkew = 0.3;
/** The page is judged on an image of this size at most. */
const estimateSide = 1600;

/** A whole page: turned upright, rules taken out, small text enlarged. */
export async function preparePage(image: RasterImage): Promise<OcrImage> {
  const grey = await toGrey(image);
  const { textHeight, skew, broken } = await judge(grey);
  const turn = Math.abs(skew) > minSkew ? skew : 0;
  const fitting = Math.sqrt(maxPixels / (image.width * image.height));
  const scale = Math.min(wantedScale(textHeight, image.width * image.height), fitting);

  const upright = turn === 0 ? grey : await rawGrey(raw(grey).rotate(-turn, { background: "#ffffff" }));
  let work = scale > 1.05 || scale < 1 ? await resized(upright, scale) : upright;
  work = await normalisePaper(work);
  await invertBars(work, (textHeight ?? bestTextHeight) * scale);
  if (textHeight !== undefined) await removeRules(work, textHeight * scale);
  if (broken) work = await blurred(await closeGaps(work));

  const angle = (turn * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [sx, sy] = [upright.width / work.width, upright.height / work.height];
  const toOriginal = (x: number, y: number): readonly [number, number] => {
    if (turn === 0) return [x * sx, y * sy];
    const [dx, dy] = [x * sx - upright.width / 2, y * sy - upright.height / 2];
    return [image.width / 2 + dx * cos - dy * sin, image.height / 2 + dx * sin + dy * cos];
  };
  return { encoded: toPgm(work), toOriginal, skew: turn };
}

/** Small text is enlarged. Large text on very large pages is reduced to save time; small print beside it stays readable. */
function wantedScale(textHeight: number | undefined, pixels: number): number {
  if (textHeight === undefined) return 1;
  const wanted = bestTextHeight / textHeight;
  if (wanted >= 1) return Math.min(maxScale, wanted);
  return pixels > largePage ? Math.max(wanted, Math.sqrt(largePage / pixels)) : 1;
}

/** An image of one line: enlarged when it is low, on white paper, slightly blurred (ragged print reads better so). */
export async function prepareLine(image: RasterImage): Promise<OcrImage> {
  const grey = await toGrey(image);
  const scale = Math.min(4, Math.max(1, 40 / grey.height));
  const enlarged = await normalisePaper(await resized(grey, scale));
  const border = 12;
  const padded = raw(enlarged).extend({
    top: border,
    bottom: border,
    left: border,
    right: border,
    background: "#ffffff",
  });
  const work = await blurred(await rawGrey(padded));
  const [sx, sy] = [image.width / enlarged.width, image.height / enlarged.height];
  return { encoded: toPgm(work), toOriginal: (x, y) => [(x - border) * sx, (y - border) * sy], skew: 0 };
}

/** Where a box of the encoded image lies on the original: its corners, clockwise from the top left. */
export function quadOnOriginal(box: Box, toOriginal: OcrImage["toOriginal"]): Quad {
  const [a, b] = [toOriginal(box[0], box[1]), toOriginal(box[2], box[1])];
  const [c, d] = [toOriginal(box[2], box[3]), toOriginal(box[0], box[3])];
  return [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]];
}

async function judge(grey: GreyImage): Promise<PageLayoutEstimate> {
  const scale = Math.min(1, estimateSide / Math.max(grey.width, grey.height));
  const small = await resized(grey, scale);
  const components = await findComponents(await inkMask(small), small.width, small.height);
  const { textHeight, ...rest } = estimateLayout(components);
  return { ...rest, textHeight: textHeight === undefined ? undefined : (textHeight * grey.width) / small.width };
}

const raw = ({ data, width, height }: GreyImage): Sharp =>
  sharp(data, { raw: { width, height, channels: 1 }, limitInputPixels: false });

const toGrey = ({ data, width, height }: RasterImage): Promise<GreyImage> =>
  rawGrey(sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false }));

const blurred = (grey: GreyImage): Promise<GreyImage> => rawGrey(raw(grey).blur(1));

async function resized(grey: GreyImage, scale: number): Promise<GreyImage> {
  if (scale === 1) return grey;
  const side = (length: number): number => Math.max(1, Math.round(length * scale));
  return rawGrey(
    raw(grey).resize({ width: side(grey.width), height: side(grey.height), fit: "fill", kernel: "cubic" }),
  );
}

async function rawGrey(pipeline: Sharp): Promise<GreyImage> {
  const { data, info } = await pipeline.toColourspace("b-w").raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

function toPgm({ data, width, height }: GreyImage): Uint8Array {
  const header = Buffer.from(`P5\n${width} ${height}\n255\n`, "latin1");
  const pgm = new Uint8Array(header.length + data.length);
  pgm.set(header);
  pgm.set(data, header.length);
  return pgm;
}
