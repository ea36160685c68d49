/**
 * Turns a page whose lines slope level. Engines read such pages, but boxes with level sides don't fit their lines:
 * from a few degrees on they reach into the neighbouring ones.
 */
import type { Quad } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { type LevelFrame, levelFrame } from "../documents/level-frame.ts";
import { levelImage } from "../documents/level-image.ts";
import type { OcrEngine, OcrOptions, OcrPage } from "./ocr.ts";

/** Degrees. Smaller slopes do no harm, and turning costs sharpness. */
const leastSkew = 1;
/** Beyond this, the page stands on its side; and lines this far from there run up or down on a level page. */
const mostSkew = 45;
const upright = 85;
/** A page turned as its first reading says may still slope this much more or less than it seemed. */
const tolerance = 0.5;

export interface LeveledPage {
  /** The page itself where nothing had to be turned. */
  readonly image: RasterImage;
  readonly reading: OcrPage;
  readonly frame?: LevelFrame;
  /** Whether the lines of `image` are level as far as its reading tells. */
  readonly level: boolean;
}

/** The page with its lines level, given how it reads as it is. Rejects with the engine's errors and ERR_ABORTED. */
export async function levelPage(
  page: RasterImage,
  reading: OcrPage,
  engine: OcrEngine,
  options: OcrOptions = {},
): Promise<LeveledPage> {
  const asItIs = { image: page, reading };
  let skew = skewOf(reading);
  if (Math.abs(skew) < leastSkew || Math.abs(skew) > upright) return { ...asItIs, level: true };
  for (let attempt = 1; ; attempt++) {
    if (Math.abs(skew) > mostSkew) return { ...asItIs, level: false };
    const frame = levelFrame(page, skew);
    const image = await levelImage(page, frame, options.signal);
    const turned = await engine.read(image, options);
    const rest = skewOf(turned);
    const level = Math.abs(rest) < tolerance;
    if (level || attempt === 2) return { image, reading: turned, frame, level: level || Math.abs(rest) < leastSkew };
    skew += rest;
    if (Math.abs(skew) < leastSkew) return { ...asItIs, level: true };
  }
}

/** Degrees by which the lines of a page fall to the right; longer lines count more. 0 where the engine tells no quads. */
export function skewOf({ lines }: OcrPage): number {
  const slopes = lines.flatMap(({ quad }) => (quad === undefined ? [] : [slopeOf(quad)]));
  slopes.sort((a, b) => a.angle - b.angle);
  let left = slopes.reduce((sum, { length }) => sum + length, 0) / 2;
  for (const { angle, length } of slopes) {
    left -= length;
    if (left <= 0) return (angle * 180) / Math.PI;
  }
  return 0;
}

const slopeOf = ([x0, y0, x1, y1]: Quad): { angle: number; length: number } => ({
  angle: Math.atan2(y1 - y0, x1 - x0),
  length: Math.hypot(x1 - x0, y1 - y0),
});
