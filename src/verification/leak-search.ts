/**
 * Looks for every original anywhere in a document that was read.
 *
 * All lines of a page are folded (see reading-similarity.ts) and joined without gaps, so a value is found in another case, with
 * other spaces, inside a longer text, split over two lines or run together with its neighbour. So are the columns, and
 * the last lines of a page with the first of the next (reading-stream.ts). A stretch that is at least 80 % similar to an
 * original counts as found.
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
 * - A person's name of 2 letters counts where it is a whole word, in the same case.
 */

import type { EntityType } from "../detection/entity.ts";
import type { OcrPage } from "../detection/ocr.ts";
import type { Box } from "../documents/geometry.ts";
import { uniteBoxes } from "../documents/geometry.ts";
import { throwIfAborted } from "../errors.ts";
import { createPacer } from "../pacer.ts";
import { leakSimilarity } from "../text/similarity.ts";
import type { PaintedRegion } from "./painted.ts";
import { findWindows, foldText, windowSimilarity } from "./reading-similarity.ts";
import { type Glyph, type Stream, streamsOf } from "./reading-stream.ts";

export interface SearchTarget {
  /** Id of the entity whose value is looked for. */
  readonly id: string;
  readonly text: string;
  /** Of a person even 2 letters are looked for. */
  readonly type?: EntityType;
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
  /** The rest of the value stands on the page before or after, and is an occurrence of its own. */
  readonly overPages?: true;
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
  // By target: what one order of the lines has shown need not be told again.
  const known = new Map(distinct.map((target) => [target, new Set<Glyph>()]));
  for (const stream of await streamsOf(pages, painted, createPacer(options.signal))) {
    for (const target of distinct) {
      throwIfAborted(options.signal);
      for (const { glyphs, similarity } of searchStream(target, stream, painted, minSimilarity)) {
        const seen = known.get(target)!;
        if (!glyphs.some((glyph) => seen.has(glyph))) found.push(...toOccurrences(target, glyphs, similarity, pages));
        for (const glyph of glyphs) seen.add(glyph);
      }
      await new Promise(setImmediate);
    }
  }
  return found;
}

interface FoldedTarget extends SearchTarget {
  readonly folded: string;
}

function distinctTargets(targets: readonly SearchTarget[]): FoldedTarget[] {
  const seen = new Map<string, FoldedTarget>();
  for (const target of targets) {
    const folded = foldText(target.text);
    if (tellsApart(target, folded) && !seen.has(folded)) seen.set(folded, { ...target, folded });
  }
  return [...seen.values()];
}

function tellsApart({ text, type }: SearchTarget, folded: string): boolean {
  const hasLetter = /\p{L}/u.test(text);
  const shortest = type === "person" && isTwoLetters(text) ? 2 : hasLetter ? 3 : 4;
  return folded.length >= shortest && new Set(folded).size > 1 && !isAmountOrTime(text);
}

const isTwoLetters = (text: string): boolean => /^\P{L}*\p{Lu}\p{L}\P{L}*$/u.test(text);

const lettersOf = (text: string): string => text.replace(/\P{L}/gu, "");

interface Match {
  readonly glyphs: readonly Glyph[];
  readonly similarity: number;
}

function searchStream(
  target: FoldedTarget,
  stream: Stream,
  painted: readonly PaintedRegion[],
  minSimilarity: number,
): Match[] {
  const found: Match[] = [];
  const least = target.folded.length < 4 ? 1 : minSimilarity;
  for (const { start, end, similarity } of findWindows(target.folded, stream.text, least)) {
    const glyphs = stream.glyphs.slice(start, end);
    if (target.folded.length < 3 && !isWholeWord(target, glyphs)) continue;
    const touched = painted.filter((region) => glyphs.some((g) => g.region === region));
    const explained =
      touched.length > 0
        ? explainedByFakes(target, stream, glyphs, touched, similarity, minSimilarity)
        : isChance(target, glyphs);
    if (!explained) found.push({ glyphs, similarity });
  }
  return found;
}

const isWholeWord = ({ text }: SearchTarget, [first, last]: readonly Glyph[]): boolean =>
  first!.begins && last!.ends && first!.word === last!.word && lettersOf(first!.text) === lettersOf(text);

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
function isChance(target: FoldedTarget, glyphs: readonly Glyph[]): boolean {
  const aligned = glyphs[0]!.begins && glyphs.at(-1)!.ends;
  return (target.folded.length < 8 && !aligned) || glyphs.every(({ text }) => isAmountOrTime(text));
}

/** A number with two decimals, or hours and minutes. */
function isAmountOrTime(text: string): boolean {
  const trimmed = text.trim();
  const isAmount = /^\D{0,4}\d{1,3}(?:[, ]?\d{3})*[.,]\d{2}\D{0,2}$/.test(trimmed);
  return isAmount || /^\D{0,2}\d{1,2}:\d{2}(?::\d{2})?\D{0,3}$/.test(trimmed);
}

/** One occurrence for each page that holds some of the match. */
function toOccurrences(
  { id }: SearchTarget,
  glyphs: readonly Glyph[],
  similarity: number,
  pages: readonly OcrPage[],
): Occurrence[] {
  const matched = [...new Set(glyphs.map(({ page }) => page))];
  return matched.map((page) => {
    const here = glyphs.filter((glyph) => glyph.page === page);
    const regions = [...new Set(here.flatMap(({ region }) => (region === undefined ? [] : [region.id])))];
    const parts = toParts(pages[page]!, here);
    return { targetId: id, page, similarity, parts, regions, ...(matched.length > 1 && { overPages: true as const }) };
  });
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
