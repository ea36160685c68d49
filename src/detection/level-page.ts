/**
 * Turns a page whose lines slope level. Engines read such pages, but boxes with level sides don't fit their lines:
 * from a few degrees on they reach into the neighbouring ones.
 */
import { boxWidth } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { type LevelFrame, levelFrame } from "../documents/level-frame.ts";
import { levelImage } from "../documents/level-image.ts";
import type { OcrEngine, OcrLine, OcrOptions, OcrPage } from "./ocr.ts";

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

/** Degrees by which most lines of a page fall to the right; longer ones count more, those without a quad are level. */
export function skewOf({ lines }: OcrPage): number {
  const slopes = lines.map((line) => ({ angle: slopeOf(line), length: boxWidth(line.box) }));
  slopes.sort((a, b) => a.angle - b.angle);
  let left = slopes.reduce((sum, { length }) => sum + length, 0) / 2;
  for (const { angle, length } of slopes) {
    left -= length;
    if (left <= 0) return angle;
  }
  return 0;
}

/** Degrees by which lines of a level page may slope for a text to be drawn along them. */
const mostSlope = 4;

/** Whether a line of a level page slopes so much that what is drawn in its place would not follow it. */
export const isSlanting = (line: OcrLine): boolean =>
  Math.abs(slopeOf(line)) > mostSlope && Math.abs(slopeOf(line)) < upright;

/** Degrees by which a line falls to the right. */
function slopeOf({ quad }: OcrLine): number {
  if (quad === undefined) return 0;
  const [x0, y0, x1, y1] = quad;
  return (Math.atan2(y1 - y0, x1 - x0) * 180) / Math.PI;
}
