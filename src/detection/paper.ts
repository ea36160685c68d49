/** Evens out a scan before it is read: shadows and grey paper become white, pale print dark, dotted print whole. */
import type { GreyImage } from "./components.ts";
import { forEachRow, sumsAround, tile, tileRange } from "./tiles.ts";

/** Grey levels are counted in 64 steps of 4. */
const steps = 64;

/** Print whose middle grey is lighter than this (on white paper) is darkened, so that its middle grey becomes `darkInk`. */
const paleInk = 115;
const darkInk = 70;

/**
 * Divides every pixel by the paper's brightness around it, then stretches pale print. Returns a new image.
 * Parts much darker than the rest of the page (scanner borders, photographs) are not taken for paper.
 */
export async function normalisePaper({ data, width, height }: GreyImage): Promise<GreyImage> {
  const { levels, columns, rows, left, right, share } = await measurePaper({ data, width, height });
  const row = new Float64Array(columns);
  const out = new Uint8Array(width * height);
  const ink = new Uint32Array(256);
  await forEachRow(width, height, (y) => {
    const [r0, r1, ty] = neighbours(y, rows);
    for (let c = 0; c < columns; c++) {
      row[c] = levels[r0 * columns + c]! * (1 - ty) + levels[r1 * columns + c]! * ty;
    }
    for (let x = 0; x < width; x++) {
      const c0 = left[x]!;
      const c1 = right[x]!;
      const level = row[c0]! + (row[c1]! - row[c0]!) * share[x]!;
      const value = Math.min(255, (data[y * width + x]! * 255) / level) | 0;
      out[y * width + x] = value;
      if (value < 215) ink[value]!++;
    }
  });
  const level = quantile(ink, 0, ink.length, 0.5);
  if (level > paleInk) {
    const factor = (255 - darkInk) / (255 - level);
    const table = Uint8Array.from({ length: 256 }, (_, value) => Math.max(0, 255 - (255 - value) * factor));
    await forEachRow(width, height, (y) => {
      for (let i = y * width; i < (y + 1) * width; i++) out[i] = table[out[i]!]!;
    });
  }
  return { data: out, width, height };
}

/**
 * Thickens ink by one pixel to the left and above, which closes the gaps of dotted print (needle printers, worn thermal
 * heads). Returns a new image; for print of about 20 px height.
 */
export async function closeGaps({ data, width, height }: GreyImage): Promise<GreyImage> {
  const out = new Uint8Array(width * height);
  await forEachRow(width, height, (y) => {
    const down = y + 1 < height ? width : 0;
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      const right = x + 1 < width ? 1 : 0;
      out[i] = Math.min(data[i]!, data[i + right]!, data[i + down]!, data[i + down + right]!);
    }
  });
  return { data: out, width, height };
}

interface Paper {
  /** Brightness of the paper per tile, row by row. */
  readonly levels: Float32Array;
  readonly columns: number;
  readonly rows: number;
  /** Per pixel column: the tiles to the left and right of it and the share of the right one. */
  readonly left: Uint16Array;
  readonly right: Uint16Array;
  readonly share: Float32Array;
}

async function measurePaper({ data, width, height }: GreyImage): Promise<Paper> {
  const columns = Math.ceil(width / tile);
  const rows = Math.ceil(height / tile);
  const counts = new Uint32Array(columns * rows * steps);
  await forEachRow(width, height, (y) => {
    const row = Math.floor(y / tile) * columns;
    for (let c = 0; c < columns; c++) {
      const [start, end] = tileRange(c, width);
      const base = (row + c) * steps;
      for (let x = start; x < end; x++) counts[base + (data[y * width + x]! >> 2)]!++;
    }
  });
  const all = new Uint32Array(steps);
  for (let i = 0; i < counts.length; i++) all[i % steps]! += counts[i]!;
  const floor = 0.6 * levelOf(quantile(all, 0, steps, 0.7));
  const measured = Float32Array.from({ length: columns * rows }, (_, i) =>
    Math.max(floor, levelOf(quantile(counts, i * steps, steps, 0.75))),
  );
  const around = sumsAround(new Uint8Array(columns * rows).fill(1), columns, rows);
  const levels = Float32Array.from(sumsAround(measured, columns, rows), (sum, i) => Math.max(1, sum / around[i]!));
  const across = Array.from({ length: width }, (_, x) => neighbours(x, columns));
  return {
    levels,
    columns,
    rows,
    left: Uint16Array.from(across, ([a]) => a),
    right: Uint16Array.from(across, ([, b]) => b),
    share: Float32Array.from(across, ([, , t]) => t),
  };
}

/** The tiles whose middles lie before and after a pixel, and how far it is on the way from one to the other. */
function neighbours(pixel: number, count: number): readonly [before: number, after: number, share: number] {
  const at = Math.min(count - 1, Math.max(0, pixel / tile - 0.5));
  const before = Math.floor(at);
  return [before, Math.min(count - 1, before + 1), at - before];
}

const levelOf = (step: number): number => step * 4 + 3;

/** The index below which `share` of the counted things lie. */
function quantile(counts: Uint32Array, from: number, length: number, share: number): number {
  let total = 0;
  for (let i = from; i < from + length; i++) total += counts[i]!;
  let left = total * share;
  for (let i = 0; i < length; i++) {
    left -= counts[from + i]!;
    if (left < 0) return i;
  }
  return total === 0 ? 0 : length - 1;
}
