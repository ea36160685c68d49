/** How a page lies: how tall its letters are and by how much its lines are turned. */
import { type Box, boxArea, boxHeight } from "../documents/geometry.ts";

export interface PageLayoutEstimate {
  /** Height of capitals and digits in pixels; undefined when there is too little text to tell. */
  readonly textHeight: number | undefined;
  /** Degrees, positive when lines fall to the right; 0 when it can't be told. Within ±45. */
  readonly skew: number;
  /** The letters are made of separate dots or strokes, as needle printers make them. */
  readonly broken: boolean;
}

/** Letters needed before anything is said about a page. */
const minLetters = 25;
/** Pages that were scanned awry, and pages that were photographed so. */
const maxSkew = 5;
const maxTurn = 45;
/** How much fuller the rows must be under a larger angle. On turned receipts and forms 1.4 and more, upright 1.2 at most. */
const clearlyFuller = 1.3;
const maxLetters = 2500;

/** Judges by the boxes of the ink's connected patches. */
export function estimateLayout(components: readonly Box[]): PageLayoutEstimate {
  const candidates = components.filter(([x0, y0, x1, y1]) => {
    const width = x1 - x0;
    const height = y1 - y0;
    return height >= 5 && height <= 150 && width >= 2 && width <= 5 * height;
  });
  if (candidates.length < minLetters) return { textHeight: undefined, skew: 0, broken: false };
  const heights = candidates.map((box) => box[3] - box[1]).sort((a, b) => a - b);
  const typical = heights[heights.length >> 1]!;
  const letters = candidates.filter((box) => box[3] - box[1] >= 0.6 * typical && box[3] - box[1] <= 2.5 * typical);
  const letterHeights = letters.map((box) => box[3] - box[1]).sort((a, b) => a - b);
  // The upper quartile: small letters without ascenders are the majority in mixed text.
  const textHeight = letterHeights[Math.floor(letterHeights.length * 0.75)]!;
  const skew = letters.length < minLetters ? 0 : estimateTurn(letters, textHeight);
  return { textHeight, skew, broken: isBroken(components, textHeight) };
}

/** Whole print has about four pieces in ten that are lower than half a letter: points, dashes, specks. */
const brokenShare = 0.6;

function isBroken(components: readonly Box[], textHeight: number): boolean {
  const pieces = components.filter((box) => boxHeight(box) <= 2 * textHeight && boxArea(box) >= 4);
  return pieces.filter((box) => boxHeight(box) < 0.5 * textHeight).length > brokenShare * pieces.length;
}

/** The angle in degrees under which the feet of letters gather in the fewest, fullest rows; 0 when none is clear. */
function estimateTurn(letters: readonly Box[], textHeight: number): number {
  const [small, large] = [bestAngle(letters, textHeight, maxSkew), bestAngle(letters, textHeight, maxTurn)];
  return Math.abs(large.angle) > maxSkew && large.fullness > clearlyFuller * small.fullness ? large.angle : small.angle;
}

/** As `PageLayoutEstimate.skew`, by the boxes of letters or words; within ±5. */
export const estimateSkew = (all: readonly Box[], textHeight: number): number =>
  bestAngle(all, textHeight, maxSkew).angle;

/** The best angle within ±`limit` degrees, and how full the rows are under it. */
function bestAngle(all: readonly Box[], textHeight: number, limit: number): { angle: number; fullness: number } {
  // A few thousand letters say as much as all of them.
  const step = Math.ceil(all.length / maxLetters);
  const letters = all.filter((_, i) => i % step === 0);
  const xs = Float64Array.from(letters, (box) => (box[0] + box[2]) / 2);
  const ys = Float64Array.from(letters, (box) => box[3]);
  const bin = Math.max(1, textHeight / 5);
  const steepest = Math.tan((limit * Math.PI) / 180);
  const reach = xs.reduce((most, x) => Math.max(most, x), 0) * steepest;
  const height = ys.reduce((most, y) => Math.max(most, y), 0) + 2 * reach;
  const rows = new Float64Array(Math.ceil(height / bin) + 2);
  const fullness = (degrees: number): number => {
    const slope = Math.tan((degrees * Math.PI) / 180);
    rows.fill(0);
    for (let i = 0; i < xs.length; i++) {
      const place = (ys[i]! - xs[i]! * slope + reach) / bin;
      const low = Math.floor(place);
      // Shared between the two nearest rows, so that the score does not jump.
      rows[low]! += 1 - (place - low);
      rows[low + 1]! += place - low;
    }
    let sum = 0;
    for (const count of rows) sum += count * count;
    return sum;
  };

  let best = 0;
  for (const stride of [0.5, 0.1, 0.02]) {
    const around = stride === 0.5 ? limit : stride * 5;
    const centre = best;
    let score = fullness(best);
    for (let k = -Math.round(around / stride); k <= Math.round(around / stride); k++) {
      const angle = centre + k * stride;
      if (Math.abs(angle) > limit) continue;
      const s = fullness(angle);
      if (s > score) {
        score = s;
        best = angle;
      }
    }
  }
  // A page of little text always has some angle that looks a bit better than none.
  const angle = fullness(best) > 1.1 * fullness(0) ? best : 0;
  return { angle, fullness: fullness(angle) };
}
