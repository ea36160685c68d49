/** Where the ink of a line begins and ends, and how much the line is tilted. */
import type { Plane } from "./planes.ts";

/** Edges of the ink in the plane, after the slope is taken out (y is measured at the middle of the plane). */
export interface InkEdges {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const inkFrom = 0.4;

/**
 * Pixels the line sinks per pixel to the right: the tilt at which the rows of ink stand out sharpest (the sum of squares
 * of the row sums is largest). 0 for short texts, where the letters' own shapes would decide.
 */
export function estimateSlope(ink: Plane): number {
  const { width, height, data } = ink;
  const points: number[] = [];
  let left = width;
  let right = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = data[y * width + x]!;
      if (value <= inkFrom) continue;
      points.push(x, y, Math.min(1, value));
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
    }
  }
  const edges = inkEdges(ink, 0);
  if (!edges || right - left < 5 * Math.min(edges.bottom - edges.top, height)) return 0;
  const middle = width / 2;
  const sharpness = (slope: number): number => {
    const rows = new Float64Array(2 * height + 2);
    for (let i = 0; i < points.length; i += 3) {
      const y = points[i + 1]! - slope * (points[i]! - middle) + height / 2;
      if (y < 0 || y >= rows.length - 1) continue;
      const row = Math.floor(y);
      const part = y - row;
      rows[row]! += (1 - part) * points[i + 2]!;
      rows[row + 1]! += part * points[i + 2]!;
    }
    return rows.reduce((sum, value) => sum + value * value, 0);
  };
  const level = sharpness(0);
  let best = 0;
  let bestSharpness = level * 1.02;
  for (let step = -20; step <= 20; step++) {
    if (step === 0) continue;
    const slope = step * 0.003;
    const value = sharpness(slope);
    if (value > bestSharpness) {
      best = slope;
      bestSharpness = value;
    }
  }
  return best;
}

/** Where the ink begins and ends, to a fraction of a pixel. null when there is none. */
export function inkEdges(ink: Plane, slope: number): InkEdges | null {
  const { width, height, data } = ink;
  const columns = new Float32Array(width);
  const rows = new Float32Array(height * 2);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = data[y * width + x]!;
      columns[x] = Math.max(columns[x]!, value);
      const row = Math.round(y - slope * (x - width / 2) + height / 2);
      if (row >= 0 && row < rows.length) rows[row] = Math.max(rows[row]!, value);
    }
  }
  const [left, right] = extent(columns);
  const [top, bottom] = extent(rows);
  if (left >= right || top >= bottom) return null;
  return { left, right, top: top - Math.round(height / 2), bottom: bottom - Math.round(height / 2) };
}

/** First and last place above the threshold; a half-covered border pixel counts half. */
function extent(values: Float32Array): [number, number] {
  let first = values.findIndex((v) => v > inkFrom);
  let last = values.findLastIndex((v) => v > inkFrom) + 1;
  if (first < 0) return [0, 0];
  if (first > 0) first -= Math.min(1, values[first - 1]! / Math.max(0.5, values[first]!));
  if (last < values.length) last += Math.min(1, values[last]! / Math.max(0.5, values[last - 1]!));
  return [first, last];
}
