/**
 * Tells ink from paper around a line of text: what the empty paper looks like at every point, which of the two is
 * darker, and how far every pixel is from paper towards ink.
 */
import { type Box, clipBox, growBox, roundOut } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { atOnce } from "../pacer.ts";
import { dilate, lumaPlane, type Plane, quantile } from "./planes.ts";

export interface InkAnalysis {
  readonly width: number;
  readonly height: number;
  /** False for light text on dark paper. */
  readonly darkInk: boolean;
  readonly paper: PaperField;
  /** Per pixel: levels (0…255) from the local paper towards ink; negative on the other side. */
  readonly contrast: Plane;
  /** 1 where `contrast` says ink. */
  readonly ink: Uint8Array;
  /** 1 where there is nothing but paper: no ink near, no other colour. */
  readonly clean: Uint8Array;
  /** Levels between paper and the strongest ink of the text. */
  readonly strength: number;
  /** Standard deviation of the paper's luma in levels. */
  readonly noise: number;
  /** Contrast from which a pixel counts as ink. */
  readonly threshold: number;
}

/** Smooth paper colour on a coarse grid; values between the grid points are interpolated. */
export interface PaperField {
  readonly cell: number;
  readonly columns: number;
  readonly rows: number;
  /** `rows * columns * 3` RGB levels. */
  readonly colours: Float32Array;
}

/** Writes the paper colour at pixel (x, y) to `out`. */
export function paperAt(field: PaperField, x: number, y: number, out: Float32Array): void {
  const { cell, columns, rows, colours } = field;
  const gx = Math.min(Math.max((x + 0.5) / cell - 0.5, 0), columns - 1);
  const gy = Math.min(Math.max((y + 0.5) / cell - 0.5, 0), rows - 1);
  const cx = Math.min(Math.floor(gx), Math.max(0, columns - 2));
  const cy = Math.min(Math.floor(gy), Math.max(0, rows - 2));
  const fx = gx - cx;
  const fy = gy - cy;
  const right = columns > 1 ? 3 : 0;
  const below = rows > 1 ? columns * 3 : 0;
  const at = (cy * columns + cx) * 3;
  for (let channel = 0; channel < 3; channel++) {
    const i = at + channel;
    const top = colours[i]! + (colours[i + right]! - colours[i]!) * fx;
    const bottom = colours[i + below]! + (colours[i + below + right]! - colours[i + below]!) * fx;
    out[channel] = top + (bottom - top) * fy;
  }
}

/** `textBox` (pixels of the image, with area) says where the text stands; the surroundings tell what its paper is. */
export const analyseInk = (image: RasterImage, textBox: Box): InkAnalysis => atOnce(inkAnalysis(image, textBox));

/** `analyseInk` in steps of some milliseconds. */
export function* inkAnalysis(image: RasterImage, textBox: Box): Generator<void, InkAnalysis, void> {
  const { width, height } = image;
  const plane = lumaPlane(image);
  const lineHeight = Math.max(4, Math.min(textBox[3] - textBox[1], textBox[2] - textBox[0]));
  const inner = clipBox(roundOut(textBox), image);
  const zone = clipBox(roundOut(growBox(textBox, 2)), image);
  const level = paperLevel(plane, inner, zone);
  const darkInk = isDarkInk(plane, inner, level);
  const sign = darkInk ? 1 : -1;

  // First guess with one paper level for all: enough to keep ink out of the paper estimate.
  const firstStrength = contrastQuantile(plane.data, width, inner, (value) => sign * (level - value), 0.98);
  const firstThreshold = Math.max(12, 0.35 * firstStrength);
  const tolerance = Math.max(24, firstThreshold);
  yield;
  const marked = new Uint8Array(width * height);
  const odd = new Uint8Array(width * height);
  for (let i = 0; i < marked.length; i++) {
    const distance = sign * (level - plane.data[i]!);
    if (distance > firstThreshold) marked[i] = 1;
    // Another background (the white beside a dark banner) is no paper of this text either.
    else if (distance < -tolerance) odd[i] = 1;
  }
  const reach = Math.min(3, Math.max(1, Math.round(lineHeight * 0.06)));
  yield;
  const near = dilate(marked, width, height, reach);
  for (let i = 0; i < near.length; i++) if (odd[i]) near[i] = 1;
  yield;
  const paper = fitPaper(image, near, level, plane, lineHeight);
  yield;
  const contrast = contrastTo(paper, plane, sign);
  yield;
  const deviations = new Float32Array(Math.ceil(near.length / 4));
  let sampled = 0;
  for (let i = 0; i < near.length; i += 4) if (!near[i]) deviations[sampled++] = Math.abs(contrast.data[i]!);
  const noise = 1.4826 * quantile(deviations.subarray(0, sampled), 0.5);
  const strength = Math.max(
    1,
    contrastQuantile(contrast.data, width, inner, (value) => value, 0.98),
  );
  const threshold = Math.max(8, 3.5 * noise, 0.25 * strength);
  yield;
  const ink = new Uint8Array(width * height);
  for (let i = 0; i < ink.length; i++) if (contrast.data[i]! > threshold) ink[i] = 1;
  const clean = dilate(ink, width, height, reach + 1);
  for (let i = 0; i < clean.length; i++) clean[i] = clean[i] || odd[i] ? 0 : 1;
  return { width, height, darkInk, paper, contrast, ink, clean, strength, noise, threshold };
}

/** How far every pixel is from the paper, in levels times `sign`. */
function contrastTo({ cell, columns, rows, colours }: PaperField, plane: Plane, sign: number): Plane {
  const { width, height, data } = plane;
  const grid = new Float32Array(rows * columns);
  for (let i = 0; i < grid.length; i++) {
    grid[i] = 0.299 * colours[i * 3]! + 0.587 * colours[i * 3 + 1]! + 0.114 * colours[i * 3 + 2]!;
  }
  const result = new Float32Array(data.length);
  const line = new Float32Array(columns + 1);
  for (let y = 0; y < height; y++) {
    const gy = Math.min(Math.max((y + 0.5) / cell - 0.5, 0), rows - 1);
    const above = Math.floor(gy);
    const below = Math.min(rows - 1, above + 1);
    for (let k = 0; k < columns; k++) {
      const top = grid[above * columns + k]!;
      line[k] = top + (grid[below * columns + k]! - top) * (gy - above);
    }
    line[columns] = line[columns - 1]!;
    for (let x = 0; x < width; x++) {
      const gx = Math.min(Math.max((x + 0.5) / cell - 0.5, 0), columns - 1);
      const left = Math.floor(gx);
      const paper = line[left]! + (line[left + 1]! - line[left]!) * (gx - left);
      result[y * width + x] = sign * (paper - data[y * width + x]!);
    }
  }
  return { data: result, width, height };
}

/** The most frequent luma in the zone; its border, where ink is rare, counts twice. */
function paperLevel(plane: Plane, inner: Box, zone: Box): number {
  const histogram = new Float32Array(256);
  for (let y = zone[1]; y < zone[3]; y++) {
    for (let x = zone[0]; x < zone[2]; x++) {
      const atBorder = x < inner[0] + 2 || x >= inner[2] - 2 || y < inner[1] + 2 || y >= inner[3] - 2;
      histogram[Math.min(255, Math.round(plane.data[y * plane.width + x]!))]! += atBorder ? 2 : 1;
    }
  }
  // Clean ink fills few levels and noisy paper many, so the two are weighed as wholes before the level is chosen.
  const [from, to] = heavierPart(histogram);
  let best = to;
  let bestCount = -1;
  for (let level = to; level >= from; level--) {
    let count = 0;
    for (let at = Math.max(from, level - 4); at <= Math.min(to, level + 4); at++) count += histogram[at]!;
    if (count > bestCount) {
      best = level;
      bestCount = count;
    }
  }
  return best;
}

/** Classes closer than this are noise of one. */
const minSplit = 40;

/**
 * The levels, both ends included, of the larger of the two classes that a histogram falls into (Otsu 1979, "A threshold
 * selection method from gray-level histograms": the split with the greatest variance between the classes); all levels
 * where there is one class.
 */
function heavierPart(histogram: Float32Array): readonly [from: number, to: number] {
  const all = histogram.reduce((sum, count) => sum + count, 0);
  const moment = histogram.reduce((sum, count, level) => sum + count * level, 0);
  let [below, belowMoment, most] = [0, 0, 0];
  let part: readonly [number, number] = [0, 255];
  for (let level = 0; level < 255; level++) {
    below += histogram[level]!;
    belowMoment += histogram[level]! * level;
    if (below === 0 || below === all) continue;
    const apart = (moment - belowMoment) / (all - below) - belowMoment / below;
    const between = below * (all - below) * apart ** 2;
    if (between <= most) continue;
    most = between;
    if (apart < minSplit) part = [0, 255];
    else part = 2 * below > all ? [0, level] : [level + 1, 255];
  }
  return part;
}

function isDarkInk(plane: Plane, inner: Box, level: number): boolean {
  let dark = 0;
  let light = 0;
  for (let y = inner[1]; y < inner[3]; y++) {
    for (let x = inner[0]; x < inner[2]; x++) {
      const below = level - plane.data[y * plane.width + x]!;
      if (below > 10) dark += below;
      else if (below < -10) light -= below;
    }
  }
  return dark >= light;
}

function contrastQuantile(
  data: Float32Array,
  width: number,
  box: Box,
  contrast: (value: number) => number,
  part: number,
): number {
  const values = new Float32Array((box[2] - box[0]) * (box[3] - box[1]));
  let at = 0;
  for (let y = box[1]; y < box[3]; y++)
    for (let x = box[0]; x < box[2]; x++) values[at++] = contrast(data[y * width + x]!);
  return quantile(values, part);
}

/** Means of the clean pixels per cell, spread to the cells that have none. */
function fitPaper(
  image: RasterImage,
  excluded: Uint8Array,
  level: number,
  plane: Plane,
  lineHeight: number,
): PaperField {
  const { width, height, data } = image;
  const cell = Math.max(3, Math.round(lineHeight / 6));
  const columns = Math.ceil(width / cell);
  const rows = Math.ceil(height / cell);
  let sums = new Float32Array(rows * columns * 4);
  const overall = new Float64Array(4);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y / cell) * columns;
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (excluded[i]) continue;
      const at = (row + Math.floor(x / cell)) * 4;
      for (let channel = 0; channel < 3; channel++) sums[at + channel]! += data[i * 3 + channel]!;
      sums[at + 3]! += 1;
      if (Math.abs(plane.data[i]! - level) <= 6) {
        for (let channel = 0; channel < 3; channel++) overall[channel]! += data[i * 3 + channel]!;
        overall[3]! += 1;
      }
    }
  }
  // A little of the overall paper colour everywhere keeps cells without any clean pixel near by well defined.
  const base = [0, 1, 2].map((channel) => (overall[3]! > 0 ? overall[channel]! / overall[3]! : level));
  const faith = 0.02;
  for (let pass = 0; pass < 3; pass++) sums = spread(sums, columns, rows);
  const colours = new Float32Array(rows * columns * 3);
  for (let i = 0; i < rows * columns; i++) {
    const weight = sums[i * 4 + 3]!;
    for (let channel = 0; channel < 3; channel++) {
      colours[i * 3 + channel] = (sums[i * 4 + channel]! + faith * base[channel]!) / (weight + faith);
    }
  }
  return { cell, columns, rows, colours };
}

/** One pass of the binomial filter 1-2-1 in both directions over RGB sums and counts. */
function spread(sums: Float32Array, columns: number, rows: number): Float32Array<ArrayBuffer> {
  const across = new Float32Array(sums.length);
  const result = new Float32Array(sums.length);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const left = (y * columns + Math.max(0, x - 1)) * 4;
      const here = (y * columns + x) * 4;
      const right = (y * columns + Math.min(columns - 1, x + 1)) * 4;
      for (let k = 0; k < 4; k++) across[here + k] = (sums[left + k]! + 2 * sums[here + k]! + sums[right + k]!) / 4;
    }
  }
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const above = (Math.max(0, y - 1) * columns + x) * 4;
      const here = (y * columns + x) * 4;
      const below = (Math.min(rows - 1, y + 1) * columns + x) * 4;
      for (let k = 0; k < 4; k++)
        result[here + k] = (across[above + k]! + 2 * across[here + k]! + across[below + k]!) / 4;
    }
  }
  return result;
}
