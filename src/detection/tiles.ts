/** A page as squares, each small enough for the paper in it to be evenly bright. */
import { setImmediate } from "node:timers/promises";

/** Side of a square in pixels; the last ones of a row and column may be cut off. */
export const tile = 32;

/** Where a square's pixels begin and end along a side of `length` pixels. */
export const tileRange = (index: number, length: number): readonly [start: number, end: number] => [
  index * tile,
  Math.min(length, (index + 1) * tile),
];

/** Pixels handled between two turns of the event loop. */
const chunkPixels = 1 << 17;

/** Calls `visit` for every row of an image, and lets the event loop turn from time to time. */
export async function forEachRow(width: number, height: number, visit: (y: number) => void): Promise<void> {
  const rowsPerChunk = Math.max(1, Math.floor(chunkPixels / width));
  for (let y = 0; y < height; y++) {
    if (y % rowsPerChunk === 0) await setImmediate();
    visit(y);
  }
}

/** For every square the sum of a value over itself and its up to eight neighbours. */
export function sumsAround(values: ArrayLike<number>, columns: number, rows: number): Float64Array {
  const sums = new Float64Array(columns * rows);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      for (let i = Math.max(0, r - 1); i <= Math.min(rows - 1, r + 1); i++) {
        for (let j = Math.max(0, c - 1); j <= Math.min(columns - 1, c + 1); j++) {
          sums[r * columns + c]! += values[i * columns + j]!;
        }
      }
    }
  }
  return sums;
}
