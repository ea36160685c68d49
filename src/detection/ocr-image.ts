/** Makes of a page or a line image what the OCR engine reads best, and leads its boxes back. */
import sharp, { type Sharp } from "sharp";
import type { Box, Quad, Size } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
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
/** Smaller turns don't hurt reading, and turning costs sharpness. */
const minSkew = 0.3;
/** The page is judged on an image of this size at most. */
const estimateSide = 1600;

/** A whole page: turned upright, rules taken out, small text enlarged. */
export async function preparePage(image: RasterImage): Promise<OcrImage> {
  const grey = await toGrey(image);
  const { textHeight, skew, broken } = await judge(grey);
  const turn = Math.abs(skew) > minSkew ? skew : 0;
  const wanted = textHeight === undefined ? 1 : bestTextHeight / textHeight;
  const fitting = Math.sqrt(maxPixels / (image.width * image.height));
  const scale = Math.min(Math.max(1, Math.min(maxScale, wanted)), fitting);

  let upright = grey;
  if (turn !== 0) {
    const pipeline = sharp(grey.data, { raw: { ...sizeOf(grey), channels: 1 }, limitInputPixels: false });
    upright = await rawGrey(pipeline.rotate(-turn, { background: "#ffffff" }));
  }
  let work = upright;
  if (scale > 1.05 || scale < 1) {
    const pipeline = sharp(upright.data, { raw: { ...sizeOf(upright), channels: 1 }, limitInputPixels: false });
    const [width, height] = [Math.round(upright.width * scale), Math.round(upright.height * scale)];
    work = await rawGrey(pipeline.resize({ width, height, fit: "fill", kernel: "cubic" }));
  }
  work = await normalisePaper(work);
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

/** An image of one line: paper around it, enlarged when it is low, slightly blurred (dotted and ragged print reads better). */
export async function prepareLine(image: RasterImage): Promise<OcrImage> {
  const grey = await toGrey(image);
  const scale = Math.min(4, Math.max(1, 48 / grey.height));
  const enlarged =
    scale === 1
      ? grey
      : await rawGrey(
          sharp(grey.data, { raw: { ...sizeOf(grey), channels: 1 } }).resize({
            width: Math.round(grey.width * scale),
            height: Math.round(grey.height * scale),
            fit: "fill",
            kernel: "cubic",
          }),
        );
  const border = 12;
  const level = paperLevel(grey.data);
  const padded = sharp(enlarged.data, { raw: { ...sizeOf(enlarged), channels: 1 } }).extend({
    top: border,
    bottom: border,
    left: border,
    right: border,
    background: { r: level, g: level, b: level },
  });
  const work = await rawGrey(padded.blur(1));
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
  let small = grey;
  if (scale < 1) {
    const pipeline = sharp(grey.data, { raw: { ...sizeOf(grey), channels: 1 }, limitInputPixels: false });
    small = await rawGrey(pipeline.resize({ width: Math.max(1, Math.round(grey.width * scale)) }));
  }
  const components = await findComponents(await inkMask(small), small.width, small.height);
  const { textHeight, ...rest } = estimateLayout(components);
  return { ...rest, textHeight: textHeight === undefined ? undefined : (textHeight * grey.width) / small.width };
}

const blurred = ({ data, width, height }: GreyImage): Promise<GreyImage> =>
  rawGrey(sharp(data, { raw: { width, height, channels: 1 }, limitInputPixels: false }).blur(1));

const sizeOf = ({ width, height }: Size): Size => ({ width, height });

const toGrey = ({ data, width, height }: RasterImage): Promise<GreyImage> =>
  rawGrey(sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false }));

async function rawGrey(pipeline: Sharp): Promise<GreyImage> {
  const { data, info } = await pipeline.toColourspace("b-w").raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/** The brightness most of the lighter half of the pixels have. */
function paperLevel(data: Uint8Array): number {
  const histogram = new Uint32Array(256);
  for (const value of data) histogram[value]!++;
  let left = data.length / 4;
  for (let level = 255; level > 0; level--) {
    left -= histogram[level]!;
    if (left <= 0) return level;
  }
  return 255;
}

function toPgm({ data, width, height }: GreyImage): Uint8Array {
  const header = Buffer.from(`P5\n${width} ${height}\n255\n`, "latin1");
  return new Uint8Array(Buffer.concat([header, data]));
}
