/** How the text of a page stands: parts of lines, their neighbours, and blocks of lines that belong together. */
import { type Box, boxHeight, boxWidth, uniteBoxes } from "../documents/geometry.ts";
import { atOnce, inSlices, type Pacer } from "../pacer.ts";
import { fold } from "./fold.ts";
import { wordSpans } from "./lines.ts";
import type { OcrLine, OcrPage } from "./ocr.ts";
import { estimateSkew } from "./skew.ts";
import { eachStep, type Steps } from "./steps.ts";

/** A part of a line without wide gaps: a cell of a table, a label or its value. */
export interface Segment {
  /** Place in `Layout.segments`. */
  readonly index: number;
  readonly line: number;
  /** Characters of the line. */
  readonly span: readonly [start: number, end: number];
  readonly text: string;
  readonly folded: string;
  /** On the page made upright (see `Layout.slope`). */
  readonly box: Box;
}

export interface Layout {
  readonly page: OcrPage;
  /** By how much lines fall to the right, pixels per pixel. Segments are moved up or down by it, so that rows are rows. */
  readonly slope: number;
  /** In the order of the page's lines, left to right. */
  readonly segments: readonly Segment[];
  /** The next one in the same row to the right. */
  right(segment: Segment): Segment | undefined;
  left(segment: Segment): Segment | undefined;
  /** The nearest one below that stands under it, at most about two lines away. */
  below(segment: Segment): Segment | undefined;
  above(segment: Segment): Segment | undefined;
  /** Segments that follow each other downwards in equal distance and size, as addresses and paragraphs do. */
  readonly blocks: readonly (readonly Segment[])[];
}

/** Gaps wider than this many line heights part a line. */
const gapHeights = 2;

const layouts = new WeakMap<OcrPage, Layout>();

/** The layout of a page; made once per page object. */
export function layoutOf(page: OcrPage): Layout {
  let layout = layouts.get(page);
  if (layout === undefined) {
    layout = atOnce(makeLayout(page));
    layouts.set(page, layout);
  }
  return layout;
}

/** Makes the layout beforehand, with pauses. */
export async function prepareLayout(page: OcrPage, pacer: Pacer): Promise<void> {
  if (!layouts.has(page)) layouts.set(page, await inSlices(makeLayout(page), pacer));
}

function* makeLayout(page: OcrPage): Steps<Layout> {
  const slope = slopeOf(page);
  yield;
  const upright = ([x0, y0, x1, y1]: Box): Box => {
    const shift = slope * ((x0 + x1) / 2);
    return [x0, y0 - shift, x1, y1 - shift];
  };
  const parts = yield* eachStep(page.lines, (line, index) => splitLine(line, index, upright));
  const segments = parts.flat().map((part, index) => ({ ...part, index }));
  const byTop = [...segments].sort((a, b) => a.box[1] - b.box[1]);
  const rightOf = yield* eachStep(segments, (segment) => nearestRight(segment, segments));
  const leftOf = yield* eachStep(segments, (segment) => nearestLeft(segment, segments));
  const belowOf = yield* eachStep(segments, (segment) => nearestBelow(segment, byTop));
  const aboveOf = yield* eachStep(segments, (segment) => nearestAbove(segment, byTop));
  return {
    page,
    slope,
    segments,
    right: (segment) => rightOf[segment.index],
    left: (segment) => leftOf[segment.index],
    below: (segment) => belowOf[segment.index],
    above: (segment) => aboveOf[segment.index],
    blocks: findBlocks(byTop, belowOf, aboveOf),
  };
}

/** Told by the feet of the words; on a page of few words by its longest lines. Slopes below 0.1° don't matter. */
function slopeOf(page: OcrPage): number {
  const words = page.lines.flatMap((line) => line.words.map((word) => word.box));
  const heights = words.map(boxHeight).sort((a, b) => a - b);
  const slope = words.length >= manyWords ? skewSlope(words, heights[heights.length >> 1]!) : slopeOfLines(page);
  return Math.abs(slope) < 0.002 || Math.abs(slope) > 0.12 ? 0 : slope;
}

const manyWords = 40;

const skewSlope = (words: readonly Box[], height: number): number =>
  Math.tan((estimateSkew(words, height) * Math.PI) / 180);

function slopeOfLines(page: OcrPage): number {
  const slopes: number[] = [];
  for (const { words } of page.lines) {
    const first = words[0];
    const last = words.at(-1);
    if (first === undefined || last === undefined) continue;
    const run = middleX(last.box) - middleX(first.box);
    if (run > 6 * boxHeight(first.box)) slopes.push((middle(last.box) - middle(first.box)) / run);
  }
  return slopes.length < 4 ? 0 : slopes.sort((a, b) => a - b)[slopes.length >> 1]!;
}

const middleX = (box: Box): number => (box[0] + box[2]) / 2;

function splitLine(line: OcrLine, index: number, upright: (box: Box) => Box): Omit<Segment, "index">[] {
  const spans = wordSpans(line);
  const parts: Omit<Segment, "index">[] = [];
  let first = 0;
  for (let i = 0; i < line.words.length; i++) {
    const next = line.words[i + 1];
    const box = line.words[i]!.box;
    const height = next ? Math.max(boxHeight(box), boxHeight(next.box)) : 0;
    if (next && next.box[0] - box[2] <= gapHeights * height) continue;
    const span = [spans[first]![0], spans[i]![1]] as const;
    const text = line.text.slice(span[0], span[1]);
    const around = uniteBoxes(line.words.slice(first, i + 1).map((word) => upright(word.box)));
    parts.push({ line: index, span, text, folded: fold(text), box: around });
    first = i + 1;
  }
  return parts;
}

const overlap = (a0: number, a1: number, b0: number, b1: number): number => Math.min(a1, b1) - Math.max(a0, b0);

const sameRow = (a: Box, b: Box): boolean =>
  overlap(a[1], a[3], b[1], b[3]) >= 0.5 * Math.min(boxHeight(a), boxHeight(b));

function nearestRight(segment: Segment, all: readonly Segment[]): Segment | undefined {
  const slack = 0.3 * boxHeight(segment.box);
  let best: Segment | undefined;
  for (const other of all) {
    if (other === segment || other.box[0] < segment.box[2] - slack || !sameRow(segment.box, other.box)) continue;
    if (best === undefined || other.box[0] < best.box[0]) best = other;
  }
  return best;
}

function nearestLeft(segment: Segment, all: readonly Segment[]): Segment | undefined {
  const slack = 0.3 * boxHeight(segment.box);
  let best: Segment | undefined;
  for (const other of all) {
    if (other === segment || other.box[2] > segment.box[0] + slack || !sameRow(segment.box, other.box)) continue;
    if (best === undefined || other.box[2] > best.box[2]) best = other;
  }
  return best;
}

/** Stands under: shares much of the width, or starts at the same place. */
function inColumn(a: Box, b: Box): boolean {
  const shared = overlap(a[0], a[2], b[0], b[2]);
  if (shared >= 0.4 * Math.min(boxWidth(a), boxWidth(b))) return true;
  return Math.abs(a[0] - b[0]) < Math.min(boxHeight(a), boxHeight(b));
}

function nearestBelow(segment: Segment, byTop: readonly Segment[]): Segment | undefined {
  const { box } = segment;
  let best: Segment | undefined;
  for (const other of byTop) {
    if (other === segment || middle(other.box) <= middle(box)) continue;
    const reach = 1.8 * Math.max(boxHeight(box), Math.min(boxHeight(other.box), 2 * boxHeight(box)));
    if (other.box[1] - box[3] > reach || sameRow(box, other.box) || !inColumn(box, other.box)) continue;
    if (best && sameRow(best.box, other.box) ? Math.abs(other.box[0] - box[0]) < Math.abs(best.box[0] - box[0]) : !best)
      best = other;
    if (best && other.box[1] > best.box[3]) break;
  }
  return best;
}

function nearestAbove(segment: Segment, byTop: readonly Segment[]): Segment | undefined {
  const { box } = segment;
  let best: Segment | undefined;
  for (const other of byTop) {
    if (other === segment || middle(other.box) >= middle(box)) continue;
    const reach = 1.8 * Math.max(boxHeight(box), Math.min(boxHeight(other.box), 2 * boxHeight(box)));
    if (box[1] - other.box[3] > reach || sameRow(box, other.box) || !inColumn(box, other.box)) continue;
    if (best === undefined || middle(other.box) > middle(best.box)) best = other;
  }
  return best;
}

const middle = (box: Box): number => (box[1] + box[3]) / 2;

function findBlocks(
  byTop: readonly Segment[],
  belowOf: readonly (Segment | undefined)[],
  aboveOf: readonly (Segment | undefined)[],
): Segment[][] {
  const blocks: Segment[][] = [];
  const follows = (a: Segment, b: Segment): boolean => {
    if (aboveOf[b.index] !== a) return false;
    const [low, high] = [boxHeight(a.box), boxHeight(b.box)].sort((x, y) => x - y) as [number, number];
    return high <= 1.8 * low && b.box[1] - a.box[3] <= 1.3 * high;
  };
  const taken = new Set<Segment>();
  for (const start of byTop) {
    if (taken.has(start)) continue;
    const block = [start];
    taken.add(start);
    for (let at = start; ; ) {
      const next = belowOf[at.index];
      if (next === undefined || taken.has(next) || !follows(at, next)) break;
      block.push(next);
      taken.add(next);
      at = next;
    }
    blocks.push(block);
  }
  return blocks;
}
