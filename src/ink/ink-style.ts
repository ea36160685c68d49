/** How the old text looks beyond its typeface: stroke weight, softness, colour, unevenness. The new text gets the same. */
import type { Box } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import type { Pacer } from "../pacer.ts";
import { drawPlane, type TextFit } from "./fit-candidate.ts";
import { type InkAnalysis, paperAt } from "./ink.ts";
import { blurPlane, type Plane } from "./planes.ts";

/** Lengths in pixels of the plane that was measured. */
export interface InkStyle {
  /** Added to every edge of the strokes; negative for thinner ones. */
  readonly embolden: number;
  /** Standard deviation of the blur. */
  readonly blur: number;
  /** Where the scan knows only ink and paper: the share of a pixel from which it is ink. null: it knows shades. */
  readonly cut: number | null;
  /** RGB levels from paper to full ink; negative for light ink on dark paper. */
  readonly depth: readonly [number, number, number];
  /** Depth along the line as a multiple of `depth`, one value per column of the plane. */
  readonly fade: Float32Array;
  /** Standard deviation of the ink's own grain, as a part of the depth. */
  readonly grain: number;
}

/** Columns that weight and softness are measured on; a longer line tells nothing more. */
const measuredColumns = 180;

/** `ink`: levels of the text's ink, 0 elsewhere, the plane `fit` was made on; `region`: where it lies in the image. */
export async function measureStyle(
  ink: Plane,
  fit: TextFit,
  text: string,
  analysis: InkAnalysis,
  image: RasterImage,
  region: Box,
  pacer: Pacer,
): Promise<InkStyle> {
  const window = measuredWindow(ink);
  const target = columnsOf(ink, window);
  const shifted = { ...fit, x: fit.x - window[0], baseline: fit.baseline };
  const wanted = statistics(target);
  const draw = (embolden: number): Plane => drawPlane(text, shifted, target.width, target.height, embolden);
  let embolden = 0;
  let blur = 0.5;
  let drawn = draw(0);
  const thinnest = -0.025 * fit.sizePx;
  const boldest = 0.07 * fit.sizePx;
  for (const steps of [2, 1]) {
    // Blurring lowers the gradients for the same ink; emboldening raises the area.
    blur = await bisect(
      0.15,
      3.5,
      6,
      pacer,
      (sigma) => statistics(blurPlane(drawn, sigma)).sharpness > wanted.sharpness,
    );
    const missing = (e: number): number => wanted.area - statistics(blurPlane(draw(e), blur)).area;
    embolden = await solve(missing, [embolden, embolden + 0.015 * fit.sizePx], [thinnest, boldest], steps, pacer);
    drawn = draw(embolden);
  }
  blur = await bisect(0.15, 3.5, 7, pacer, (sigma) => statistics(blurPlane(drawn, sigma)).sharpness > wanted.sharpness);
  await pacer.pause();
  const most = deepest(analysis, region);
  const total = sumOf(target);
  const cut = isBilevel(target) ? cutFor(draw(0), total / most) : null;
  if (cut !== null) {
    embolden = 0;
    blur = 0;
  }
  let strength = cut === null ? wanted.level / Math.max(0.05, statistics(blurPlane(drawn, blur)).level) : wanted.level;
  if (strength > most) {
    // As dark as it gets and still not dark enough: the strokes must be wider then.
    strength = most;
    if (cut === null) {
      const missing = (e: number): number => total - sumOf(blurPlane(draw(e), blur)) * most;
      embolden = await solve(missing, [embolden, embolden + 0.02 * fit.sizePx], [embolden, 0.1 * fit.sizePx], 2, pacer);
    }
  }
  await pacer.pause();
  const depth = colourDepth(ink, analysis, image, region, strength);
  await pacer.pause();
  const fade = measureFade(ink, drawPlane(text, fit, ink.width, ink.height, embolden), strength, fit.sizePx);
  await pacer.pause();
  return { embolden, blur, cut, depth, fade, grain: cut === null ? measureGrain(ink, strength) : 0 };
}

const sumOf = ({ data }: Plane): number => data.reduce((sum, value) => sum + value, 0);

/** The share of ink from which as many pixels count as ink as there are on the paper. */
function cutFor(drawn: Plane, pixels: number): number {
  const covered = drawn.data.filter((value) => value > 0).sort();
  const index = Math.max(0, covered.length - Math.round(pixels));
  return Math.min(0.6, Math.max(0.15, covered[index] ?? 0.5));
}

/** The stretch of columns with most to tell: from the first ink on. */
function measuredWindow(ink: Plane): [number, number] {
  if (ink.width <= measuredColumns) return [0, ink.width];
  let first = 0;
  find: for (let x = 0; x < ink.width; x++) {
    for (let y = 0; y < ink.height; y++) {
      if (ink.data[y * ink.width + x]! > 0) {
        first = x;
        break find;
      }
    }
  }
  const start = Math.max(0, Math.min(first - 2, ink.width - measuredColumns));
  return [start, start + measuredColumns];
}

function columnsOf(plane: Plane, [from, to]: [number, number]): Plane {
  const width = to - from;
  const data = new Float32Array(width * plane.height);
  for (let y = 0; y < plane.height; y++)
    data.set(plane.data.subarray(y * plane.width + from, y * plane.width + to), y * width);
  return { data, width, height: plane.height };
}

interface Statistics {
  /** Sum of squared gradients ÷ sum of squares: falls with blur, the same for any contrast. */
  readonly sharpness: number;
  /** Square of the sum ÷ sum of squares: the number of pixels the ink fills, the same for any contrast. */
  readonly area: number;
  /** Sum of squares ÷ sum: the level of a typical ink pixel. */
  readonly level: number;
}

function statistics({ data, width, height }: Plane): Statistics {
  let sum = 0;
  let squares = 0;
  let gradients = 0;
  for (let y = 0; y + 1 < height; y++) {
    for (let x = 0; x + 1 < width; x++) {
      const i = y * width + x;
      const value = data[i]!;
      const right = data[i + 1]! - value;
      const down = data[i + width]! - value;
      sum += value;
      squares += value * value;
      gradients += right * right + down * down;
    }
  }
  return {
    sharpness: gradients / Math.max(1e-9, squares),
    area: (sum * sum) / Math.max(1e-9, squares),
    level: squares / Math.max(1e-9, sum),
  };
}

/** The place between low and high where `goOn` turns from true to false. */
async function bisect(
  low: number,
  high: number,
  steps: number,
  pacer: Pacer,
  goOn: (value: number) => boolean,
): Promise<number> {
  let from = low;
  let to = high;
  for (let i = 0; i < steps; i++) {
    await pacer.pause();
    const middle = (from + to) / 2;
    if (goOn(middle)) from = middle;
    else to = middle;
  }
  return (from + to) / 2;
}

/** Where a nearly straight, falling function is zero: the secant method from two points, kept within limits. */
async function solve(
  f: (x: number) => number,
  start: readonly [number, number],
  [low, high]: readonly [number, number],
  steps: number,
  pacer: Pacer,
): Promise<number> {
  let [a, b] = start;
  await pacer.pause();
  let fa = f(a);
  await pacer.pause();
  let fb = f(b);
  for (let i = 0; ; i++) {
    const slope = (fb - fa) / (b - a);
    const next = Math.min(high, Math.max(low, slope < 0 ? b - fb / slope : b));
    if (i === steps - 1 || Math.abs(next - b) < 0.02) return next;
    [a, fa] = [b, fb];
    b = next;
    await pacer.pause();
    fb = f(b);
  }
}

/** No ink is darker than black, or lighter than white. */
function deepest(analysis: InkAnalysis, region: Box): number {
  const colour = new Float32Array(3);
  paperAt(analysis.paper, (region[0] + region[2]) / 2, (region[1] + region[3]) / 2, colour);
  const paper = 0.299 * colour[0]! + 0.587 * colour[1]! + 0.114 * colour[2]!;
  return Math.max(1, analysis.darkInk ? paper : 255 - paper);
}

function isBilevel({ data }: Plane): boolean {
  const highest = data.reduce((most, value) => Math.max(most, value), 0);
  let between = 0;
  let full = 0;
  for (const value of data) {
    if (value > 0.85 * highest) full++;
    else if (value > 0.15 * highest) between++;
  }
  return between < 0.12 * full;
}

/** Spreads the strength over the channels as the strongest ink has it. */
function colourDepth(
  ink: Plane,
  analysis: InkAnalysis,
  image: RasterImage,
  region: Box,
  strength: number,
): [number, number, number] {
  const sums = [0, 0, 0];
  let lumaSum = 0;
  const colour = new Float32Array(3);
  for (let y = 0; y < ink.height; y++) {
    for (let x = 0; x < ink.width; x++) {
      const level = ink.data[y * ink.width + x]!;
      if (level < 0.6 * strength) continue;
      paperAt(analysis.paper, region[0] + x, region[1] + y, colour);
      const at = ((region[1] + y) * image.width + region[0] + x) * 3;
      for (let channel = 0; channel < 3; channel++) sums[channel]! += colour[channel]! - image.data[at + channel]!;
      lumaSum += level;
    }
  }
  const sign = analysis.darkInk ? 1 : -1;
  const depth = sums.map((sum) => (lumaSum > 0 ? (sum / lumaSum) * strength : sign * strength));
  return depth as [number, number, number];
}

/** How strong the ink is along the line against the same text drawn evenly; worn prints fade from place to place. */
function measureFade(ink: Plane, drawn: Plane, strength: number, sizePx: number): Float32Array {
  const { width, height } = ink;
  const fade = new Float32Array(width).fill(1);
  const reach = Math.max(8, Math.round(sizePx * 1.2));
  if (width < 4 * reach) return fade;
  const there = new Float64Array(width + 1);
  const expected = new Float64Array(width + 1);
  for (let x = 0; x < width; x++) {
    let a = 0;
    let b = 0;
    for (let y = 0; y < height; y++) {
      a += ink.data[y * width + x]!;
      b += drawn.data[y * width + x]! * strength;
    }
    there[x + 1] = there[x]! + a;
    expected[x + 1] = expected[x]! + b;
  }
  const overall = there[width]! / Math.max(1e-9, expected[width]!);
  for (let x = 0; x < width; x++) {
    const low = Math.max(0, x - reach);
    const high = Math.min(width, x + reach);
    const own = expected[high]! - expected[low]!;
    // A share of the average keeps stretches with little ink from swinging.
    const share =
      (there[high]! - there[low]! + 0.3 * expected[width]! * ((2 * reach) / width) * overall) /
      (own + 0.3 * expected[width]! * ((2 * reach) / width));
    fade[x] = Math.min(1.3, Math.max(0.6, share / Math.max(1e-9, overall)));
  }
  return fade;
}

/** Unevenness inside the strokes: how much full ink differs from the mean of its eight neighbours. */
function measureGrain(ink: Plane, strength: number): number {
  const { data, width, height } = ink;
  let squares = 0;
  let count = 0;
  for (let y = 1; y + 1 < height; y++) {
    for (let x = 1; x + 1 < width; x++) {
      const i = y * width + x;
      let lowest = data[i]!;
      let sum = 0;
      for (const j of [
        i - 1,
        i + 1,
        i - width,
        i + width,
        i - width - 1,
        i - width + 1,
        i + width - 1,
        i + width + 1,
      ]) {
        sum += data[j]!;
        lowest = Math.min(lowest, data[j]!);
      }
      if (lowest < 0.7 * strength) continue;
      squares += (data[i]! - sum / 8) ** 2;
      count++;
    }
  }
  return count < 12 ? 0.03 : Math.min(0.15, Math.sqrt(squares / count) / Math.max(1, strength));
}
