/** Ruled lines and table borders that run through the place of a text: they stay when the text goes. */
import type { Box } from "../documents/geometry.ts";
import type { InkAnalysis } from "./ink.ts";

/** A line across the whole mask. Positions are pixels of the analysed image. */
export interface RuledLine {
  readonly horizontal: boolean;
  /** Middle of the line (y for a horizontal one) for every pixel along the mask, from its left or top edge. */
  readonly track: Float32Array;
  /** Half its thickness. */
  readonly half: number;
  /** First and last pixel of `track` where the line is there: an underline may be shorter than the mask. */
  readonly from: number;
  readonly to: number;
}

/** Finds lines that run through `mask`, along the whole of the text in `textBox`. */
export function findRuledLines(analysis: InkAnalysis, mask: Box, textBox: Box): RuledLine[] {
  const lineHeight = textBox[3] - textBox[1];
  const lines = [...horizontalLines(analysis, mask, textBox, lineHeight), ...verticalLines(analysis, mask, lineHeight)];
  return lines.map((line) => ({ ...line, ...extentOf(line, analysis, mask) }));
}

type UnboundedLine = Omit<RuledLine, "from" | "to">;

function extentOf(
  { horizontal, track, half }: UnboundedLine,
  analysis: InkAnalysis,
  mask: Box,
): { from: number; to: number } {
  const isThere = (along: number): boolean => {
    for (let across = Math.round(track[along]! - half); across <= Math.round(track[along]! + half); across++) {
      const x = horizontal ? mask[0] + along : across;
      const y = horizontal ? across : mask[1] + along;
      if (x < 0 || y < 0 || x >= analysis.width || y >= analysis.height) continue;
      if (analysis.ink[y * analysis.width + x]) return true;
    }
    return false;
  };
  let from = 0;
  while (from < track.length && !isThere(from)) from++;
  let to = track.length - 1;
  while (to > from && !isThere(to)) to--;
  return { from, to };
}

/** 1 for every pixel of the lines, with a pixel of soft edge. */
export function markRuledLines(lines: readonly RuledLine[], mask: Box, width: number, height: number): Uint8Array {
  const marked = new Uint8Array(width * height);
  for (const { horizontal, track, half } of lines) {
    track.forEach((middle, along) => {
      for (let across = Math.floor(middle - half - 1); across <= Math.ceil(middle + half + 1); across++) {
        const x = horizontal ? mask[0] + along : across;
        const y = horizontal ? across : mask[1] + along;
        if (x >= 0 && x < width && y >= 0 && y < height) marked[y * width + x] = 1;
      }
    });
  }
  return marked;
}

interface Bar {
  readonly first: number;
  readonly last: number;
}

/**
 * A horizontal line may be tilted or waved a little, so it is followed piece by piece. In each piece it is a thin bar of
 * rows that are nearly all ink, which no row of letters is.
 */
function horizontalLines({ ink, width }: InkAnalysis, mask: Box, textBox: Box, lineHeight: number): UnboundedLine[] {
  const [, y0, , y1] = mask;
  const x0 = textBox[0];
  const x1 = textBox[2];
  const thickest = Math.max(3, Math.round(lineHeight * 0.2));
  const piece = Math.max(8, Math.round(lineHeight * 1.2));
  const pieces = Math.max(1, Math.floor((x1 - x0) / piece));
  const edge = (i: number): number => x0 + Math.round(((x1 - x0) * i) / pieces);
  const bars = Array.from({ length: pieces }, (_, i) =>
    barsOf(rowShares(ink, width, edge(i), edge(i + 1), y0, y1), 0.85, thickest),
  );
  const lines: UnboundedLine[] = [];
  for (const start of bars[0] ?? []) {
    const middles: (number | undefined)[] = [];
    let at = (start.first + start.last) / 2;
    let thickness = 0;
    for (const choices of bars) {
      const next = choices.find((bar) => Math.abs((bar.first + bar.last) / 2 - at) <= 1.5 + piece * 0.03);
      middles.push(next && (next.first + next.last) / 2);
      if (!next) continue;
      at = (next.first + next.last) / 2;
      thickness = Math.max(thickness, next.last - next.first + 1);
    }
    const seen = middles.filter((m) => m !== undefined).length;
    if (seen < Math.max(1, pieces * 0.8)) continue;
    // A short piece could be a dash or the bar of a letter: then the line must go on beside the text. A longer one
    // bridges the gaps between letters, which no bar of a letter does.
    if (x1 - x0 < 1.6 * lineHeight && !goesOn(ink, width, mask, y0 + at, lineHeight)) continue;
    const track = new Float32Array(mask[2] - mask[0]);
    let last = middles.find((m) => m !== undefined)!;
    for (let i = 0; i < pieces; i++) {
      last = middles[i] ?? last;
      track.fill(y0 + last, i === 0 ? 0 : edge(i) - mask[0], i === pieces - 1 ? track.length : edge(i + 1) - mask[0]);
    }
    lines.push({ horizontal: true, track, half: (thickness - 1) / 2 });
  }
  return lines;
}

function goesOn(ink: Uint8Array, width: number, [x0, , x1]: Box, row: number, lineHeight: number): boolean {
  const reach = Math.max(4, Math.round(lineHeight * 0.5));
  const y = Math.round(row);
  const share = (from: number, to: number): number => {
    const low = Math.max(0, from);
    const high = Math.min(width, to);
    if (high - low < 4) return 0;
    let count = 0;
    for (let x = low; x < high; x++) {
      if (ink[y * width + x] || ink[(y - 1) * width + x] || ink[(y + 1) * width + x]) count++;
    }
    return count / (high - low);
  };
  return share(x0 - reach, x0) >= 0.8 || share(x1, x1 + reach) >= 0.8;
}

function verticalLines({ ink, width, height }: InkAnalysis, mask: Box, lineHeight: number): UnboundedLine[] {
  const [x0, y0, x1, y1] = mask;
  const reach = Math.max(4, Math.round(lineHeight * 0.3));
  // Strokes of letters end inside the mask; a border goes on above and below it.
  const top = y0 - reach;
  const bottom = y1 + reach;
  if (top < 0 || bottom > height) return [];
  const shares = new Float32Array(x1 - x0);
  for (let y = top; y < bottom; y++) for (let x = x0; x < x1; x++) if (ink[y * width + x]) shares[x - x0]! += 1;
  for (let x = 0; x < shares.length; x++) shares[x]! /= bottom - top;
  return barsOf(shares, 0.92, Math.max(3, Math.round(lineHeight * 0.2))).map(({ first, last }) => ({
    horizontal: false,
    track: new Float32Array(y1 - y0).fill(x0 + (first + last) / 2),
    half: (last - first) / 2,
  }));
}

/** Part of each row between two columns that is ink. */
function rowShares(ink: Uint8Array, width: number, from: number, to: number, y0: number, y1: number): Float32Array {
  const shares = new Float32Array(y1 - y0);
  for (let y = y0; y < y1; y++) {
    let count = 0;
    for (let x = from; x < to; x++) if (ink[y * width + x]) count++;
    shares[y - y0] = count / Math.max(1, to - from);
  }
  return shares;
}

/** Runs of at most `thickest` neighbours that reach `share`. */
function barsOf(shares: Float32Array, share: number, thickest: number): Bar[] {
  const bars: Bar[] = [];
  let first = -1;
  for (let i = 0; i <= shares.length; i++) {
    if (i < shares.length && shares[i]! >= share) {
      if (first < 0) first = i;
    } else if (first >= 0) {
      if (i - first <= thickest) bars.push({ first, last: i - 1 });
      first = -1;
    }
  }
  return bars;
}
