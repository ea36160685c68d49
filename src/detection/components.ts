/** Connected patches of ink on a page: what letters, specks and rules are made of. */

import type { Box } from "../documents/geometry.ts";
import { DisjointSets } from "./disjoint-sets.ts";
import { forEachRow, sumsAround, tile, tileRange } from "./tiles.ts";

/** Grey pixels, 0 = black. */
export interface GreyImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** 1 where there is ink: clearly darker than the mean around it, so shadows and grey paper are no ink. */
export async function inkMask({ data, width, height }: GreyImage): Promise<Uint8Array> {
  const columns = Math.ceil(width / tile);
  const rows = Math.ceil(height / tile);
  const sums = new Float64Array(columns * rows);
  const counts = new Float64Array(columns * rows);
  await forEachRow(width, height, (y) => {
    const row = Math.floor(y / tile) * columns;
    for (let c = 0; c < columns; c++) {
      const [start, end] = tileRange(c, width);
      let sum = 0;
      for (let x = start; x < end; x++) sum += data[y * width + x]!;
      sums[row + c]! += sum;
      counts[row + c]! += end - start;
    }
  });
  const around = sumsAround(counts, columns, rows);
  const thresholds = Uint8Array.from(sumsAround(sums, columns, rows), (sum, i) =>
    Math.max(0, (sum / around[i]!) * 0.85 - 5),
  );
  const mask = new Uint8Array(width * height);
  await forEachRow(width, height, (y) => {
    const row = Math.floor(y / tile) * columns;
    for (let c = 0; c < columns; c++) {
      const [start, end] = tileRange(c, width);
      const threshold = thresholds[row + c]!;
      for (let x = start; x < end; x++) if (data[y * width + x]! < threshold) mask[y * width + x] = 1;
    }
  });
  return mask;
}

/** Boxes of the 8-connected patches of a mask, in the order of their first rows. */
export async function findComponents(mask: Uint8Array, width: number, height: number): Promise<Box[]> {
  const groups = new DisjointSets();
  const boxes: [number, number, number, number][] = [];

  let above: number[] = []; // runs of the last row: start, end, label, …
  await forEachRow(width, height, (y) => {
    const runs: number[] = [];
    let first = 0;
    for (let x = 0; x < width; x++) {
      if (mask[y * width + x] === 0) continue;
      const start = x;
      while (x < width && mask[y * width + x] === 1) x++;
      while (first < above.length && above[first + 1]! < start) first += 3;
      let label = -1;
      for (let i = first; i < above.length && above[i]! <= x; i += 3) {
        const other = groups.root(above[i + 2]!);
        if (label === -1) label = other;
        else if (other !== label) {
          groups.join(other, label);
          boxes[label] = unite(boxes[label]!, boxes[other]!);
        }
      }
      if (label === -1) {
        label = groups.add();
        boxes.push([start, y, x, y + 1]);
      } else boxes[label] = unite(boxes[label]!, [start, y, x, y + 1]);
      runs.push(start, x, label);
    }
    above = runs;
  });
  return boxes.filter((_, i) => groups.root(i) === i);
}

const unite = (a: readonly number[], b: readonly number[]): [number, number, number, number] => [
  Math.min(a[0]!, b[0]!),
  Math.min(a[1]!, b[1]!),
  Math.max(a[2]!, b[2]!),
  Math.max(a[3]!, b[3]!),
];

/** Pixels of ink in a box of a mask, and how thick its strokes are in the direction in which they are thinnest, pixels. */
export function strokesIn(
  box: Box,
  mask: Uint8Array,
  width: number,
): { readonly count: number; readonly thickness: number } {
  let [count, across, down] = [0, 0, 0];
  for (let y = box[1]; y < box[3]; y++) {
    for (let x = box[0]; x < box[2]; x++) {
      if (mask[y * width + x] === 0) continue;
      count++;
      if (x === box[0] || mask[y * width + x - 1] === 0) across++;
      if (y === box[1] || mask[(y - 1) * width + x] === 0) down++;
    }
  }
  return { count, thickness: count / Math.max(across, down) };
}
