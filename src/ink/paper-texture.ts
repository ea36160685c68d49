/** Paper as if nothing had been printed: its smooth colour, its grain, and the ruled lines that run through it. */
import type { Box } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import type { Pacer } from "../pacer.ts";
import type { Random } from "../random/random.ts";
import { type InkAnalysis, paperAt } from "./ink.ts";
import type { RuledLine } from "./ruled-lines.ts";

/** RGB levels of the empty paper inside a box, not rounded: `height * width * 3`. */
export interface EmptyPaper {
  readonly box: Box;
  readonly levels: Float32Array;
}

const rowsAtOnce = 32;

/**
 * Paints empty paper for `mask` (pixels of `image`). `analysis` may be of an image `factor` times smaller. No pixel of
 * the old text enters: the grain comes from clean places around it.
 */
export async function paintPaper(
  image: RasterImage,
  analysis: InkAnalysis,
  factor: number,
  mask: Box,
  lines: readonly RuledLine[],
  random: Random,
  pacer: Pacer,
): Promise<EmptyPaper> {
  const [x0, y0, x1, y1] = mask;
  const width = x1 - x0;
  const levels = new Float32Array(width * (y1 - y0) * 3);
  const colour = new Float32Array(3);
  for (let y = y0; y < y1; y++) {
    if ((y - y0) % rowsAtOnce === 0) await pacer.pause();
    for (let x = x0; x < x1; x++) {
      paperAt(analysis.paper, (x + 0.5) / factor - 0.5, (y + 0.5) / factor - 0.5, colour);
      levels.set(colour, ((y - y0) * width + x - x0) * 3);
    }
  }
  const paper = { box: mask, levels };
  await addGrain(paper, image, analysis, factor, random, pacer);
  for (const line of lines) drawLine(paper, image, analysis, factor, line);
  return paper;
}

/** Pixels of one side of the pieces that grain is copied in, and how much neighbours overlap. */
const tileSides = [8, 5] as const;
const overlap = 2;
const fewestTiles = 6;

async function addGrain(
  paper: EmptyPaper,
  image: RasterImage,
  analysis: InkAnalysis,
  factor: number,
  random: Random,
  pacer: Pacer,
): Promise<void> {
  if (analysis.noise < 0.4) return;
  for (const side of tileSides) {
    const places = cleanPlaces(image, analysis, factor, side);
    if (places.length / 2 < fewestTiles) continue;
    await copyGrain(paper, image, analysis, factor, side, places, random, pacer);
    return;
  }
  await drawGrain(paper, analysis.noise, random, pacer);
}

/** Top left corners (x, y, x, y, …) of squares of clean paper in the image. */
function cleanPlaces(image: RasterImage, analysis: InkAnalysis, factor: number, side: number): number[] {
  const { clean, width, height } = analysis;
  const counts = new Int32Array((width + 1) * (height + 1));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y + 1) * (width + 1) + x + 1;
      counts[at] = clean[y * width + x]! + counts[at - 1]! + counts[at - width - 1]! - counts[at - width - 2]!;
    }
  }
  const span = Math.ceil(side / factor) + (factor > 1 ? 1 : 0);
  const places: number[] = [];
  for (let y = 0; y + span <= height; y += 2) {
    for (let x = 0; x + span <= width; x += 2) {
      const low = y * (width + 1) + x;
      const high = (y + span) * (width + 1) + x;
      const count = counts[high + span]! - counts[high]! - counts[low + span]! + counts[low]!;
      const fits = (x + span) * factor <= image.width && (y + span) * factor <= image.height;
      if (count === span * span && fits) places.push(x * factor, y * factor);
    }
  }
  return places;
}

/**
 * Copies what clean squares differ from the smooth paper by. Where squares overlap they are mixed with weights whose
 * squares add up to one, which keeps the strength of the grain.
 */
async function copyGrain(
  paper: EmptyPaper,
  image: RasterImage,
  analysis: InkAnalysis,
  factor: number,
  side: number,
  places: readonly number[],
  random: Random,
  pacer: Pacer,
): Promise<void> {
  const [x0, y0, x1, y1] = paper.box;
  const width = x1 - x0;
  const height = y1 - y0;
  const grain = new Float32Array(width * height * 3);
  const weights = new Float32Array(width * height);
  const ramp = Float32Array.from({ length: side }, (_, i) =>
    Math.min(1, (Math.min(i, side - 1 - i) + 1) / (overlap + 1)),
  );
  const colour = new Float32Array(3);
  for (let ty = -1; ty < height; ty += side - overlap) {
    await pacer.pause();
    for (let tx = -1; tx < width; tx += side - overlap) {
      const pick = random.below(places.length / 2) * 2;
      const fromX = places[pick]!;
      const fromY = places[pick + 1]!;
      paperAt(analysis.paper, (fromX + side / 2) / factor - 0.5, (fromY + side / 2) / factor - 0.5, colour);
      for (let y = Math.max(0, -ty); y < side && ty + y < height; y++) {
        for (let x = Math.max(0, -tx); x < side && tx + x < width; x++) {
          const weight = ramp[x]! * ramp[y]!;
          const from = ((fromY + y) * image.width + fromX + x) * 3;
          const to = (ty + y) * width + tx + x;
          for (let channel = 0; channel < 3; channel++) {
            grain[to * 3 + channel]! += weight * (image.data[from + channel]! - colour[channel]!);
          }
          weights[to]! += weight * weight;
        }
      }
    }
  }
  for (let i = 0; i < weights.length; i++) {
    const scale = 1 / Math.sqrt(Math.max(1e-6, weights[i]!));
    for (let channel = 0; channel < 3; channel++) paper.levels[i * 3 + channel]! += grain[i * 3 + channel]! * scale;
  }
}

/** Grain of the right strength where no clean square is left to copy from: the same in all channels. */
async function drawGrain({ box, levels }: EmptyPaper, noise: number, random: Random, pacer: Pacer): Promise<void> {
  const width = box[2] - box[0];
  for (let i = 0; i < levels.length / 3; i++) {
    if (i % (width * rowsAtOnce) === 0) await pacer.pause();
    const value = random.normal() * noise;
    for (let channel = 0; channel < 3; channel++) levels[i * 3 + channel]! += value;
  }
}

/**
 * Draws a ruled line again: across it, the median of what the pixels along it differ from paper by. Most of them are not
 * crossed by the text, so the median is the line alone.
 */
function drawLine(paper: EmptyPaper, image: RasterImage, analysis: InkAnalysis, factor: number, line: RuledLine): void {
  const [x0, y0, x1, y1] = paper.box;
  const width = x1 - x0;
  const length = line.horizontal ? width : y1 - y0;
  const reach = Math.ceil((line.half + 1.5) * factor);
  const middleAt = (along: number): number => {
    const track = line.track[Math.min(line.track.length - 1, Math.floor(along / factor))]!;
    return Math.round((track + 0.5) * factor - 0.5);
  };
  const first = Math.min(length, line.from * factor);
  // A line that runs to the edge of the mask runs to the edge of what is painted.
  const end = line.to >= line.track.length - 1 ? length : Math.min(length, (line.to + 1) * factor);
  const colour = new Float32Array(3);
  for (let offset = -reach; offset <= reach; offset++) {
    const samples = Array.from({ length: 3 }, () => new Float32Array(Math.max(1, end - first)));
    for (let along = first; along < end; along++) {
      const across = middleAt(along) + offset;
      const x = Math.min(image.width - 1, Math.max(0, line.horizontal ? x0 + along : across));
      const y = Math.min(image.height - 1, Math.max(0, line.horizontal ? across : y0 + along));
      paperAt(analysis.paper, (x + 0.5) / factor - 0.5, (y + 0.5) / factor - 0.5, colour);
      for (let channel = 0; channel < 3; channel++) {
        samples[channel]![along - first] = image.data[(y * image.width + x) * 3 + channel]! - colour[channel]!;
      }
    }
    const difference = samples.map((values) => values.sort()[Math.floor(values.length / 2)]!);
    if (difference.every((value) => Math.abs(value) < 3 + analysis.noise)) continue;
    for (let along = first; along < end; along++) {
      const across = middleAt(along) + offset;
      const x = line.horizontal ? along : across - x0;
      const y = line.horizontal ? across - y0 : along;
      if (x < 0 || y < 0 || x >= width || y >= y1 - y0) continue;
      for (let channel = 0; channel < 3; channel++)
        paper.levels[(y * width + x) * 3 + channel]! += difference[channel]!;
    }
  }
}
