/**
 * Looks for every original anywhere in a document that was read.
 *
 * All lines of a page are folded (see reading-similarity.ts) and joined without gaps, so a value is found in another case, with
 * other spaces, inside a longer text, split over two lines or run together with its neighbour. A stretch that is at
 * least 80 % similar to an original counts as found.
 *
 * Not every such stretch is a leak:
 * - In a painted box the invented value itself may resemble an original (another day of the same month). A match there
 *   counts only when the reading is nearer to the original than the invented value explains.
 * - Under a solid box nothing is left to be read; what an engine makes of it is noise (region-check.ts looks at the
 *   pixels). What stands beside the box counts.
 * - Short values turn up by chance inside others. Below 8 folded characters a match must begin and end where words do;
 *   below 4 it must be exact.
 * - What tells nobody apart is checked in its own box only: fewer than 3 letters, fewer than 4 digits, one
 *   character over and over, a sum of money or a time of day. Nor is a sum or a time a match for anything else.
 */

import type { OcrPage, OcrWord } from "../detection/ocr.ts";
import type { Box } from "../documents/geometry.ts";
import { uniteBoxes } from "../documents/geometry.ts";
import { throwIfAborted } from "../errors.ts";
import { leakSimilarity } from "../text/similarity.ts";
import { type PaintedRegion, regionOf } from "./painted.ts";
import { findWindows, foldText, foldWithSource, windowSimilarity } from "./reading-similarity.ts";

export interface SearchTarget {
  /** Id of the entity whose value is looked for. */
  readonly id: string;
  readonly text: string;
}

/** The part of an occurrence that lies on one line. */
export interface OccurrencePart {
  /** Index into `OcrPage.lines`. */
  readonly line: number;
  /** Range of characters within the line's text, end exclusive. */
  readonly span: readonly [start: number, end: number];
  /** Range of words of the line, end exclusive. */
  readonly words: readonly [start: number, end: number];
  /** Around the words, page pixels. */
  readonly box: Box;
}

export interface Occurrence {
  readonly targetId: string;
  /** 0-based. */
  readonly page: number;
  /** 0…1, at least the threshold. */
  readonly similarity: number;
  readonly parts: readonly OccurrencePart[];
  /** Ids of the painted regions it touches; empty when the pixels there are untouched. */
  readonly regions: readonly string[];
}

export interface LeakSearchOptions {
  /** Default: `leakSimilarity`. */
  readonly minSimilarity?: number;
  readonly signal?: AbortSignal;
}

/** Finds the originals that can still be read. Yields to the event loop between pages and targets. */
export async function searchLeaks(
  targets: readonly SearchTarget[],
  pages: readonly OcrPage[],
  painted: readonly PaintedRegion[],
  options: LeakSearchOptions = {},
): Promise<Occurrence[]> {
  const minSimilarity = options.minSimilarity ?? leakSimilarity;
  const found: Occurrence[] = [];
  const distinct = distinctTargets(targets);
  for (const [pageIndex, page] of pages.entries()) {
    const stream = buildStream(page, pageIndex, painted);
    for (const target of distinct) {
      throwIfAborted(options.signal);
      found.push(...searchPage(target, stream, painted, minSimilarity));
      await new Promise(setImmediate);
    }
  }
  return found;
}

interface Glyph {
  readonly line: number;
  readonly word: number;
  /** Index within the line's text. */
  readonly at: number;
  /** A letter or digit begins (ends) here after (before) anything else. */
  readonly begins: boolean;
  readonly ends: boolean;
  readonly region: PaintedRegion | undefined;
}

interface Stream {
  readonly page: OcrPage;
  readonly pageIndex: number;
  readonly text: string;
  readonly glyphs: readonly Glyph[];
}

function buildStream(page: OcrPage, pageIndex: number, painted: readonly PaintedRegion[]): Stream {
  let text = "";
  const glyphs: Glyph[] = [];
  const regions = painted.filter((region) => region.page === pageIndex);
  for (const [lineIndex, line] of page.lines.entries()) {
    let offset = 0;
    for (const [wordIndex, word] of line.words.entries()) {
      const folded = foldWithSource(word.text);
      for (const [i, from] of folded.from.entries()) {
        const region = regionOf(characterBox(word, from), pageIndex, regions);
        if (region?.fake === null) continue;
        text += folded.text[i]!;
        glyphs.push({
          line: lineIndex,
          word: wordIndex,
          at: offset + from,
          begins: i === 0 || folded.from[i - 1]! < from - 1,
          ends: i === folded.from.length - 1 || folded.from[i + 1]! > from + 1,
          region,
        });
      }
      offset += word.text.length + 1;
    }
  }
  return { page, pageIndex, text, glyphs };
}

/** About where a character of a word stands: the word's box cut in equal parts. */
function characterBox(word: OcrWord, index: number): Box {
  const step = (word.box[2] - word.box[0]) / word.text.length;
  return [word.box[0] + index * step, word.box[1], word.box[0] + (index + 1) * step, word.box[3]];
}

interface FoldedTarget extends SearchTarget {
  readonly folded: string;
}

function distinctTargets(targets: readonly SearchTarget[]): FoldedTarget[] {
  const seen = new Map<string, FoldedTarget>();
  for (const target of targets) {
    const folded = foldText(target.text);
    if (tellsApart(target.text, folded) && !seen.has(folded)) seen.set(folded, { ...target, folded });
  }
  return [...seen.values()];
}

function tellsApart(text: string, folded: string): boolean {
  const hasLetter = /\p{L}/u.test(text);
  return folded.length >= (hasLetter ? 3 : 4) && new Set(folded).size > 1 && !isAmountOrTime(text);
}

function searchPage(
  target: FoldedTarget,
  stream: Stream,
  painted: readonly PaintedRegion[],
  minSimilarity: number,
): Occurrence[] {
  const short = target.folded.length < 4;
  const found: Occurrence[] = [];
  for (const window of findWindows(target.folded, stream.text, short ? 1 : minSimilarity)) {
    const glyphs = stream.glyphs.slice(window.start, window.end);
    const touched = painted.filter((region) => glyphs.some((g) => g.region === region));
    if (touched.length > 0) {
      if (explainedByFakes(target, stream, glyphs, touched, window.similarity, minSimilarity)) continue;
    } else if (isChance(target, stream, glyphs)) continue;
    const parts = toParts(stream.page, glyphs);
    const regions = touched.map((region) => region.id);
    found.push({ targetId: target.id, page: stream.pageIndex, similarity: window.similarity, parts, regions });
  }
  return found;
}

/**
 * True when what should stand here explains the match: the text with the invented values in place resembles the
 * original as much as what was read, or what was read is clearly nearer to that text than to the original.
 */
function explainedByFakes(
  target: FoldedTarget,
  stream: Stream,
  glyphs: readonly Glyph[],
  touched: readonly PaintedRegion[],
  matched: number,
  minSimilarity: number,
): boolean {
  const first = stream.glyphs.findIndex((g) => g === glyphs[0] || touched.includes(g.region!));
  const last = stream.glyphs.findLastIndex((g) => g === glyphs.at(-1) || touched.includes(g.region!));
  const expected: string[] = [];
  let read = "";
  let untouched = "";
  let before: PaintedRegion | undefined;
  for (let i = first; i <= last; i++) {
    const { region } = stream.glyphs[i]!;
    const character = stream.text[i]!;
    read += character;
    if (region === undefined) {
      expected.push(character);
      untouched += character;
    } else if (region !== before) {
      expected.push(foldText(region.fake ?? ""));
    }
    before = region;
  }
  if (windowSimilarity(target.folded, untouched) >= minSimilarity) return false;
  const expectedText = expected.join("");
  const promised = windowSimilarity(target.folded, expectedText);
  if (matched <= promised + 1e-9) return true;
  const toExpected = windowSimilarity(expectedText, read);
  return toExpected - matched >= 0.5 * (1 - promised);
}

/** True for a match in untouched text that says nothing: inside a longer word, or in a sum or time. */
function isChance(target: FoldedTarget, stream: Stream, glyphs: readonly Glyph[]): boolean {
  const aligned = glyphs[0]!.begins && glyphs.at(-1)!.ends;
  if (target.folded.length < 8 && !aligned) return true;
  const words = new Set(glyphs.map((g) => stream.page.lines[g.line]!.words[g.word]!.text));
  return [...words].every(isAmountOrTime);
}

/** A number with two decimals, or hours and minutes. */
function isAmountOrTime(text: string): boolean {
  const trimmed = text.trim();
  const isAmount = /^\D{0,4}\d{1,3}(?:[, ]?\d{3})*[.,]\d{2}\D{0,2}$/.test(trimmed);
  return isAmount || /^\D{0,2}\d{1,2}:\d{2}(?::\d{2})?\D{0,3}$/.test(trimmed);
}

function toParts(page: OcrPage, glyphs: readonly Glyph[]): OccurrencePart[] {
  const parts: OccurrencePart[] = [];
  for (const line of new Set(glyphs.map((g) => g.line))) {
    const here = glyphs.filter((g) => g.line === line);
    const first = here[0]!;
    const last = here.at(-1)!;
    const words = page.lines[line]!.words.slice(first.word, last.word + 1);
    parts.push({
      line,
      span: [first.at, last.at + 1],
      words: [first.word, last.word + 1],
      box: uniteBoxes(words.map((w) => w.box)),
    });
  }
  return parts;
}
