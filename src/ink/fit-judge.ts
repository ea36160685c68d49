/** Tells how well a text set in one way agrees with the ink on the paper. */

import type { FontFace } from "../rendering/fonts.ts";
import { measureText, renderCoverage } from "../rendering/text.ts";
import { type Candidate, solve, written } from "./fit-candidate.ts";
import { type Plane, soften } from "./planes.ts";

/** How much better an unusual typeface must fit than a usual one to be believed. */
const handicap = (face: FontFace): number =>
  (face.italic ? 0.04 : 0) +
  (face.category === "serif" ? 0.02 : 0) +
  (face.category === "handwriting" ? 0.06 : 0) +
  (face.category === "dot-matrix" || face.id === "special-elite-400" ? 0.015 : 0);

export type Judge = (candidate: Candidate) => number;

/** Drawings that candidates are judged by are this much larger than the plane, so that resampling loses little. */
const oversampling = 1.2;
const pad = 3;

/** A soft drawing of the text without letter spacing, cut to its ink with a border of `pad` pixels. */
interface Stencil {
  readonly plane: Plane;
  readonly inkWidth: number;
  readonly inkHeight: number;
  /** Where each character's cell begins, pixels from the left edge of the ink; one more for the end of the last. */
  readonly cells: Float32Array;
}

function drawStencil(candidate: Candidate, text: string): Stencil | null {
  const { face, plainZero, edges } = candidate;
  const shape = solve({ face, plainZero, edges, spacing: 0 }, text) ?? solve(candidate, text);
  if (!shape) return null;
  const characters = written(text, candidate);
  const style = { face, sizePx: shape.sizePx * oversampling, scaleX: Math.min(1.5, shape.scaleX) };
  const { ink } = measureText(characters, style);
  if (!ink) return null;
  const width = Math.ceil(ink.right - ink.left) + 2 * pad;
  const height = Math.ceil(ink.bottom - ink.top) + 2 * pad;
  if (width > 8192 || height > 512) return null;
  const coverage = renderCoverage(characters, { ...style, width, height, x: pad - ink.left, baseline: pad - ink.top });
  const cells = [-ink.left];
  for (const character of characters) cells.push(cells.at(-1)! + measureText(character, style).advance);
  return {
    plane: soften({ data: new Float32Array(coverage), width, height }),
    inkWidth: ink.right - ink.left,
    inkHeight: ink.bottom - ink.top,
    cells: Float32Array.from(cells),
  };
}

/** For every column of the target the column of the stencil that is seen there; −1 where there is none. */
function columnMap(
  { plane, inkWidth, cells }: Stencil,
  { edges, spacing }: Candidate,
  sizePx: number,
  columns: Float32Array,
): void {
  const gap = spacing * sizePx;
  const letters = cells.length - 1;
  const stretch = (edges.right - edges.left - gap * (letters - 1)) / inkWidth;
  columns.fill(-1);
  let cell = 0;
  for (let x = 0; x < columns.length; x++) {
    const at = x + 0.5 - edges.left;
    // The first and the last cell reach into the border.
    while (cell + 1 < letters && at >= cells[cell + 1]! * stretch + gap * (cell + 1)) cell++;
    const within = (at - gap * cell) / stretch;
    if (cell + 1 < letters && within > cells[cell + 1]!) continue;
    const column = within + pad - 0.5;
    if (column >= 0 && column < plane.width - 1) columns[x] = column;
  }
}

/**
 * Pearson correlation of the candidate's drawing with the ink. Candidates of one typeface share a drawing, which is
 * stretched to where each of them has its letters.
 */
export function createJudge(target: Plane, text: string, slope: number): Judge {
  const { width, height, data } = target;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < data.length; i++) {
    sum += data[i]!;
    squares += data[i]! * data[i]!;
  }
  const n = data.length;
  const mean = sum / n;
  const spread = Math.sqrt(Math.max(1e-9, squares - n * mean * mean));
  const stencils = new Map<string, Stencil | null>();
  const columns = new Float32Array(width);
  return (candidate) => {
    const { edges, face } = candidate;
    const shape = solve(candidate, text);
    if (!shape) return -1;
    const id = `${face.id} ${candidate.plainZero}`;
    let stencil = stencils.get(id);
    if (stencil === undefined) {
      stencil = drawStencil(candidate, text);
      stencils.set(id, stencil);
    }
    if (!stencil) return -1;
    const { plane } = stencil;
    const pixels = plane.data;
    const stride = plane.width;
    columnMap(stencil, candidate, shape.sizePx, columns);
    const downStep = stencil.inkHeight / (edges.bottom - edges.top);
    let cross = 0;
    let own = 0;
    let ownSquares = 0;
    for (let x = 0; x < width; x++) {
      const u = columns[x]!;
      if (u < 0) continue;
      const column = Math.floor(u);
      const fx = u - column;
      const shift = 0.5 - slope * (x - width / 2) - edges.top;
      const first = Math.max(0, Math.ceil((0.5 - pad) / downStep - shift));
      const end = Math.min(height - 1, Math.floor((plane.height - 1.5 - pad) / downStep - shift));
      for (let y = first; y <= end; y++) {
        const v = (y + shift) * downStep + pad - 0.5;
        const row = Math.floor(v);
        const at = row * stride + column;
        if (at < 0 || at + stride + 1 >= pixels.length) continue;
        const top = pixels[at]! + (pixels[at + 1]! - pixels[at]!) * fx;
        const bottom = pixels[at + stride]! + (pixels[at + stride + 1]! - pixels[at + stride]!) * fx;
        const value = top + (bottom - top) * (v - row);
        cross += value * data[y * width + x]!;
        own += value;
        ownSquares += value * value;
      }
    }
    const ownMean = own / n;
    const ownSpread = Math.sqrt(Math.max(1e-9, ownSquares - n * ownMean * ownMean));
    return (cross - n * mean * ownMean) / (spread * ownSpread) - handicap(face);
  };
}
