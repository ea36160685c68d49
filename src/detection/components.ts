/** Connected patches of ink on a page: what letters, specks and rules are made of. */
import { setImmediate } from "node:timers/promises";
import type { Box } from "../documents/geometry.ts";

/** Grey pixels, 0 = black. */
export interface GreyImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Pixels handled between two turns of the event loop. */
const chunkPixels = 1 << 17;

/** Side of the squares in which the paper's brightness is taken as even. */
const tile = 32;

/** 1 where there is ink: clearly darker than the mean around it, so shadows and grey paper are no ink. */
export async function inkMask({ data, width, height }: GreyImage): Promise<Uint8Array> {
  const columns = Math.ceil(width / tile);
  const rows = Math.ceil(height / tile);
  const sums = new Float64Array(columns * rows);
  const counts = new Float64Array(columns * rows);
  const rowsPerChunk = Math.max(1, Math.floor(chunkPixels / width));
  for (let y = 0; y < height; y++) {
    if (y % rowsPerChunk === 0 && y > 0) await setImmediate();
    const row = Math.floor(y / tile) * columns;
    for (let x = 0; x < width; x++) sums[row + (x >> 5)]! += data[y * width + x]!;
    for (let c = 0; c < columns; c++) counts[row + c]! += Math.min(tile, width - c * tile);
  }
  const thresholds = new Uint8Array(columns * rows);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      let sum = 0;
      let count = 0;
      for (let i = Math.max(0, r - 1); i <= Math.min(rows - 1, r + 1); i++) {
        for (let j = Math.max(0, c - 1); j <= Math.min(columns - 1, c + 1); j++) {
          sum += sums[i * columns + j]!;
          count += counts[i * columns + j]!;
        }
      }
      thresholds[r * columns + c] = Math.max(0, (sum / count) * 0.85 - 5);
    }
  }
  const mask = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    if (y % rowsPerChunk === 0) await setImmediate();
    const row = Math.floor(y / tile) * columns;
    for (let x = 0; x < width; x++) if (data[y * width + x]! < thresholds[row + (x >> 5)]!) mask[y * width + x] = 1;
  }
  return mask;
}

/** Boxes of the 8-connected patches of a mask, in the order of their first rows. */
export async function findComponents(mask: Uint8Array, width: number, height: number): Promise<Box[]> {
  const parent: number[] = [];
  const boxes: [number, number, number, number][] = [];
  const root = (i: number): number => {
    let r = i;
    while (parent[r] !== r) r = parent[r]!;
    for (let at = i; parent[at] !== r; ) {
      const next = parent[at]!;
      parent[at] = r;
      at = next;
    }
    return r;
  };

  let above: number[] = []; // runs of the last row: start, end, label, …
  const rowsPerChunk = Math.max(1, Math.floor(chunkPixels / width));
  for (let y = 0; y < height; y++) {
    if (y % rowsPerChunk === 0 && y > 0) await setImmediate();
    const runs: number[] = [];
    let first = 0;
    for (let x = 0; x < width; x++) {
      if (mask[y * width + x] === 0) continue;
      const start = x;
      while (x < width && mask[y * width + x] === 1) x++;
      while (first < above.length && above[first + 1]! < start) first += 3;
      let label = -1;
      for (let i = first; i < above.length && above[i]! <= x; i += 3) {
        const other = root(above[i + 2]!);
        if (label === -1) label = other;
        else if (other !== label) {
          parent[other] = label;
          boxes[label] = unite(boxes[label]!, boxes[other]!);
        }
      }
      if (label === -1) {
        label = parent.push(parent.length) - 1;
        boxes.push([start, y, x, y + 1]);
      } else boxes[label] = unite(boxes[label]!, [start, y, x, y + 1]);
      runs.push(start, x, label);
    }
    above = runs;
  }
  return boxes.filter((_, i) => parent[i] === i);
}

const unite = (a: readonly number[], b: readonly number[]): [number, number, number, number] => [
  Math.min(a[0]!, b[0]!),
  Math.min(a[1]!, b[1]!),
  Math.max(a[2]!, b[2]!),
  Math.max(a[3]!, b[3]!),
];
