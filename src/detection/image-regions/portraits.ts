/**
 * Photographs set into a page, as portraits on identity cards are: rectangles of many tones, upright, of a portrait's
 * proportions. It does not recognise faces: a photograph of a house is found too, a face in a drawing of lines is not.
 */
import sharp from "sharp";
import {
  type Box,
  boxArea,
  boxHeight,
  boxWidth,
  clipBox,
  growBox,
  intersectBoxes,
  roundOut,
} from "../../documents/geometry.ts";
import type { RasterImage } from "../../documents/image.ts";
import { findComponents } from "../components.ts";
import type { OcrPage } from "../ocr.ts";
import type { RegionFinding } from "./image-region.ts";

/** The page is looked at in this size (longest side) and in squares of this side. */
const lookSide = 640;
const cell = 8;
/** Levels by which a square differs from the paper, or its pixels from each other. */
const offPaper = 18;
const busy = 9;
/** Bits of the distribution of grey levels in 32 steps: print and flat drawings have less. */
const manyTones = 3.3;

export async function findPortraits(page: RasterImage, reading: OcrPage): Promise<RegionFinding[]> {
  const scale = Math.min(1, lookSide / Math.max(page.width, page.height));
  const width = Math.max(cell, Math.round(page.width * scale));
  const height = Math.max(cell, Math.round(page.height * scale));
  const grey = await sharp(page.data, { raw: { width: page.width, height: page.height, channels: 3 } })
    .resize(width, height, { fit: "fill" })
    .greyscale()
    .extractChannel(0)
    .raw()
    .toBuffer();
  const columns = Math.floor(width / cell);
  const rows = Math.floor(height / cell);
  const picture = pictureCells(grey, width, columns, rows);
  // Squares of words are no picture, even where they are dense.
  for (const { words } of reading.lines) {
    for (const { box, confidence } of words) {
      if (confidence < 0.5) continue;
      const [x0, y0, x1, y1] = box.map((v) => (v * scale) / cell) as [number, number, number, number];
      for (let r = Math.max(0, Math.round(y0)); r < Math.min(rows, Math.round(y1)); r++)
        picture.fill(0, r * columns + Math.max(0, Math.round(x0)), r * columns + Math.min(columns, Math.round(x1)));
    }
  }
  const found: RegionFinding[] = [];
  for (const part of await findComponents(picture, columns, rows)) {
    const core = dense(part, picture, columns);
    if (core === undefined || !hasProportions(core, columns, rows)) continue;
    const box: Box = [core[0] * cell, core[1] * cell, core[2] * cell, core[3] * cell];
    const tones = entropy(grey, width, box);
    if (tones < manyTones) continue;
    const onPage = box.map((v) => v / scale) as unknown as Box;
    found.push({
      type: "portrait",
      box: clipBox(roundOut(growBox(onPage, cell / scale / 2)), page),
      score: Math.min(0.95, 0.5 + 0.2 * (tones - manyTones + 0.5)),
      recognizer: "portraits",
      reason: "photograph of a portrait's proportions",
    });
  }
  return found.filter((a) => !found.some((b) => b !== a && boxArea(b.box) > boxArea(a.box) && overlaps(a.box, b.box)));
}

const overlaps = (a: Box, b: Box): boolean => boxArea(intersectBoxes(a, b)) > 0;

/** 1 for squares that differ from the paper by their mean or within themselves. */
function pictureCells(grey: Uint8Array, width: number, columns: number, rows: number): Uint8Array {
  const histogram = new Uint32Array(64);
  for (const value of grey) histogram[value >> 2]!++;
  const paper = histogram.indexOf(Math.max(...histogram)) * 4 + 2;
  const cells = new Uint8Array(columns * rows);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      let [sum, squares] = [0, 0];
      for (let y = r * cell; y < (r + 1) * cell; y++) {
        for (let x = c * cell; x < (c + 1) * cell; x++) {
          const value = grey[y * width + x]!;
          sum += value;
          squares += value * value;
        }
      }
      const mean = sum / cell ** 2;
      const deviation = Math.sqrt(Math.max(0, squares / cell ** 2 - mean * mean));
      if (Math.abs(mean - paper) > offPaper || deviation > busy) cells[r * columns + c] = 1;
    }
  }
  return cells;
}

/** A component without the frayed rows and columns at its sides; undefined when it is no filled rectangle. */
function dense([x0, y0, x1, y1]: Box, picture: Uint8Array, columns: number): Box | undefined {
  const share = (box: Box): number => {
    let count = 0;
    for (let r = box[1]; r < box[3]; r++) for (let c = box[0]; c < box[2]; c++) count += picture[r * columns + c]!;
    return count / Math.max(1, boxArea(box));
  };
  let box: [number, number, number, number] = [x0, y0, x1, y1];
  for (let changed = true; changed && box[2] - box[0] > 2 && box[3] - box[1] > 2; ) {
    changed = false;
    const sides: readonly Box[] = [
      [box[0], box[1], box[0] + 1, box[3]],
      [box[0], box[1], box[2], box[1] + 1],
      [box[2] - 1, box[1], box[2], box[3]],
      [box[0], box[3] - 1, box[2], box[3]],
    ];
    for (const [side, strip] of sides.entries()) {
      if (share(strip) >= 0.6) continue;
      box = [...box];
      box[side]! += side < 2 ? 1 : -1;
      changed = true;
      break;
    }
  }
  return box[2] - box[0] > 2 && box[3] - box[1] > 2 && share(box) >= 0.85 ? box : undefined;
}

function hasProportions(box: Box, columns: number, rows: number): boolean {
  const ratio = boxHeight(box) / boxWidth(box);
  const share = boxArea(box) / (columns * rows);
  return ratio >= 0.85 && ratio <= 1.9 && share >= 0.008 && share <= 0.4 && boxWidth(box) >= 5;
}

function entropy(grey: Uint8Array, width: number, [x0, y0, x1, y1]: Box): number {
  const histogram = new Uint32Array(32);
  for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) histogram[grey[y * width + x]! >> 3]!++;
  const total = (x1 - x0) * (y1 - y0);
  return [...histogram].reduce(
    (sum, count) => (count === 0 ? sum : sum - (count / total) * Math.log2(count / total)),
    0,
  );
}
