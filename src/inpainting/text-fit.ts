/**
 * Finds how a known text was printed: typeface, size, stretch, spacing, place and tilt. The text is set in every typeface
 * and compared with the ink on the paper; the best ones are then adjusted until they lie on it as well as they can.
 */
import { coversText, type FontFace, fontFaces } from "../rendering/fonts.ts";
import { measureText, renderCoverage } from "../rendering/text.ts";
import type { Pacer } from "./pacer.ts";
import { blurPlane, createPlane, type Plane, soften } from "./planes.ts";

/** Lengths in pixels of the plane that was fitted. */
export interface TextFit {
  readonly face: FontFace;
  readonly sizePx: number;
  readonly scaleX: number;
  readonly letterSpacing: number;
  /** Start of the line and its baseline there. */
  readonly x: number;
  readonly baseline: number;
  readonly slope: number;
  /** Zeros are written as capital O, because the face's own has a mark that the print does not. */
  readonly plainZero: boolean;
  /** Correlation with the ink, −1…1 (less for unusual typefaces); above 0.7 the text lies on the old one letter by letter. */
  readonly score: number;
}

/** Edges of the ink in the plane, after the slope is taken out (y is measured at the middle of the plane). */
interface InkEdges {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Ink edges plus spacing: what is varied. Size and stretch follow from them. */
interface Candidate {
  readonly face: FontFace;
  readonly plainZero: boolean;
  readonly edges: InkEdges;
  /** Letter spacing as a part of the font size. */
  readonly spacing: number;
}

const stretchRange = [0.45, 2.5] as const;
const spacingRange = [-0.08, 0.7] as const;
/** The comparison is made at about this line height; more costs time and decides nothing. */
const comparedHeight = 20;
/** How much better an unusual typeface must fit than a usual one to be believed. */
const handicap = (face: FontFace): number =>
  (face.italic ? 0.04 : 0) +
  (face.category === "handwriting" ? 0.06 : 0) +
  (face.category === "dot-matrix" || face.id === "special-elite-400" ? 0.015 : 0);
const refinedFaces = 3;

/**
 * Fits `text` to `ink` (0 = paper … 1 = full ink, only the ink of this text). Best fit first, one per typeface that was
 * adjusted; empty when there is no ink or no typeface has the letters.
 */
export async function fitText(ink: Plane, text: string, pacer: Pacer): Promise<TextFit[]> {
  const line = text.trim();
  const slope = estimateSlope(ink);
  const found = inkEdges(ink, slope);
  if (!found || line === "") return [];
  const factor = Math.max(1, (found.bottom - found.top) / comparedHeight);
  const target = shrinkPlane(blurPlane(ink, 0.45 * factor), factor);
  const edges = scaleEdges(found, 1 / factor);
  const judge = createJudge(target, line, slope);

  const rated: { candidate: Candidate; score: number }[] = [];
  for (const face of fontFaces) {
    if (!coversText(face, line)) continue;
    for (const plainZero of zeroForms(face, line)) {
      for (const spacing of startSpacings(face, line, edges)) {
        await pacer.pause();
        const candidate = { face, plainZero, edges, spacing };
        rated.push({ candidate, score: judge(candidate) });
      }
    }
  }
  rated.sort((a, b) => b.score - a.score);
  const chosen = rated
    .filter(({ candidate }, i) => rated.findIndex((r) => r.candidate.face === candidate.face) === i)
    .slice(0, refinedFaces);
  const fits: TextFit[] = [];
  for (const start of chosen) {
    const refined = await refine(start, judge, pacer);
    const fit = toFit(refined.candidate, line, slope, target);
    if (fit) fits.push({ ...scaleFit(fit, factor), score: refined.score });
  }
  return fits.sort((a, b) => b.score - a.score);
}

/** The plane sampled at a `factor` times lower resolution (not necessarily whole), between its pixels. */
function shrinkPlane(plane: Plane, factor: number): Plane {
  if (factor === 1) return plane;
  const small = createPlane(
    Math.max(1, Math.ceil(plane.width / factor)),
    Math.max(1, Math.ceil(plane.height / factor)),
  );
  for (let y = 0; y < small.height; y++) {
    const fromY = Math.min(plane.height - 1, (y + 0.5) * factor - 0.5);
    const y0 = Math.floor(fromY);
    const y1 = Math.min(plane.height - 1, y0 + 1);
    for (let x = 0; x < small.width; x++) {
      const fromX = Math.min(plane.width - 1, (x + 0.5) * factor - 0.5);
      const x0 = Math.floor(fromX);
      const x1 = Math.min(plane.width - 1, x0 + 1);
      const top =
        plane.data[y0 * plane.width + x0]! * (1 - fromX + x0) + plane.data[y0 * plane.width + x1]! * (fromX - x0);
      const bottom =
        plane.data[y1 * plane.width + x0]! * (1 - fromX + x0) + plane.data[y1 * plane.width + x1]! * (fromX - x0);
      small.data[y * small.width + x] = top * (1 - fromY + y0) + bottom * (fromY - y0);
    }
  }
  return small;
}

const scaleEdges = ({ left, right, top, bottom }: InkEdges, by: number): InkEdges => ({
  left: left * by,
  right: right * by,
  top: top * by,
  bottom: bottom * by,
});

const scaleFit = (fit: Omit<TextFit, "score">, by: number): Omit<TextFit, "score"> => ({
  ...fit,
  sizePx: fit.sizePx * by,
  letterSpacing: fit.letterSpacing * by,
  x: fit.x * by,
  baseline: fit.baseline * by,
});

/** The characters that are set for `text`. */
export const written = (text: string, { plainZero }: Pick<TextFit, "plainZero">): string =>
  plainZero ? text.replaceAll("0", "O") : text;

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
function inkEdges(ink: Plane, slope: number): InkEdges | null {
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

/** Plain zeros as a rule; both forms are tried where the text can tell. */
function zeroForms(face: FontFace, text: string): boolean[] {
  if (!face.markedZero) return [false];
  return text.includes("0") ? [true, false] : [true];
}

/** No extra space; and, where the letters would have to be stretched much for that, as much as keeps their shape. */
function startSpacings(face: FontFace, text: string, edges: InkEdges): number[] {
  const shape = solve({ face, plainZero: false, edges, spacing: 0 }, text);
  const letters = [...text].length;
  if (!shape || letters < 2) return [0];
  const spare = (edges.right - edges.left) * (1 - 1 / shape.scaleX);
  const spacing = spare / (letters - 1) / shape.sizePx;
  return shape.scaleX > 1.2 ? [0, Math.min(spacing, spacingRange[1]), Math.min(spacing / 2, spacingRange[1])] : [0];
}

/** Size and stretch that put the ink of `text` between the edges; null when that is out of range. */
function solve(
  { face, plainZero, edges, spacing }: Candidate,
  text: string,
): { sizePx: number; scaleX: number; left: number; bottom: number } | null {
  const unit = measureText(written(text, { plainZero }), { face, sizePx: 1000 }).ink;
  if (!unit) return null;
  const sizePx = (1000 * (edges.bottom - edges.top)) / (unit.bottom - unit.top);
  const gaps = ([...text].length - 1) * spacing * sizePx;
  const scaleX = (edges.right - edges.left - gaps) / (((unit.right - unit.left) * sizePx) / 1000);
  if (!(sizePx >= 3 && sizePx < 2000) || !(scaleX >= stretchRange[0] && scaleX <= stretchRange[1])) return null;
  if (spacing < spacingRange[0] || spacing > spacingRange[1]) return null;
  return { sizePx, scaleX, left: (unit.left * sizePx * scaleX) / 1000, bottom: (unit.bottom * sizePx) / 1000 };
}

function toFit(candidate: Candidate, text: string, slope: number, plane: Plane): Omit<TextFit, "score"> | null {
  const shape = solve(candidate, text);
  if (!shape) return null;
  const x = candidate.edges.left - shape.left;
  return {
    face: candidate.face,
    plainZero: candidate.plainZero,
    sizePx: shape.sizePx,
    scaleX: shape.scaleX,
    letterSpacing: candidate.spacing * shape.sizePx,
    x,
    baseline: candidate.edges.bottom - shape.bottom + slope * (x - plane.width / 2),
    slope,
  };
}

type Judge = (candidate: Candidate) => number;

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
function createJudge(target: Plane, text: string, slope: number): Judge {
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

/** The text as the fit says, 0…1 per pixel. */
export function drawPlane(
  text: string,
  fit: Omit<TextFit, "score">,
  width: number,
  height: number,
  embolden = 0,
): Plane {
  const coverage = renderCoverage(written(text, fit), { ...fit, width, height, embolden, allowFallback: true });
  const plane = createPlane(width, height);
  for (let i = 0; i < coverage.length; i++) if (coverage[i]! > 0) plane.data[i] = coverage[i]! / 255;
  return plane;
}

/** Moves one edge or the spacing at a time, in shrinking steps, as long as the correlation grows. */
async function refine(
  start: { candidate: Candidate; score: number },
  judge: Judge,
  pacer: Pacer,
): Promise<{ candidate: Candidate; score: number }> {
  let { candidate, score } = start;
  const height = candidate.edges.bottom - candidate.edges.top;
  const moves: ((c: Candidate, step: number) => Candidate)[] = [
    (c, step) => ({ ...c, edges: { ...c.edges, bottom: c.edges.bottom + step } }),
    (c, step) => ({ ...c, edges: { ...c.edges, top: c.edges.top + step } }),
    (c, step) => ({ ...c, edges: { ...c.edges, right: c.edges.right + step } }),
    (c, step) => ({ ...c, edges: { ...c.edges, left: c.edges.left + step } }),
    (c, step) => ({ ...c, spacing: c.spacing + (step / height) * 0.4 }),
  ];
  for (const part of [0.12, 0.06, 0.03, 0.015]) {
    const step = height * part;
    if (step < 0.15) break;
    for (const move of moves) {
      for (const direction of [1, -1]) {
        let improved = false;
        // A step in the right direction is repeated, three times at most.
        for (let i = 0; i < 3; i++) {
          await pacer.pause();
          const next = move(candidate, direction * step);
          const nextScore = judge(next);
          if (nextScore <= score + 1e-4) break;
          candidate = next;
          score = nextScore;
          improved = true;
        }
        if (improved) break;
      }
    }
  }
  return { candidate, score };
}
