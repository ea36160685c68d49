/**
 * Texts that stand in one line of a page were printed in one size, but each is measured by itself, and a short one badly:
 * "ace" has neither ascenders nor descenders. Sizes that nearly agree are made equal.
 */
import { type Box, boxHeight } from "../documents/geometry.ts";
import type { TextFit } from "../ink/fit-candidate.ts";
import type { Patch } from "./patch.ts";

/** Sizes further apart than this share of the smaller one are different sizes. */
const tolerance = 0.2;
/** Fits that correlate less say nothing about the size of others. */
const sureScore = 0.5;
/** Fits of texts of so many letters that correlate as much are left as they are. */
const certainScore = 0.5;
const certainLetters = 4;
/** Texts further apart than this many line heights stand in different columns. */
const reach = 12;

export interface Sized {
  readonly patch: Patch;
  /** Undefined where nothing could be measured. */
  readonly fit: TextFit | undefined;
  /** Pixels of the patch per pixel of the fit. */
  readonly factor: number;
}

/** The places of the patches in the list, those that stand in one line of the page together. Pure. */
export function patchesByLine(patches: readonly Patch[]): number[][] {
  const lines: number[][] = [];
  for (const [i, patch] of patches.entries()) {
    const [line, ...others] = lines.filter((known) => known.some((at) => inOneLine(patch, patches[at]!)));
    if (line === undefined) lines.push([i]);
    else {
      line.push(i, ...others.flat());
      for (const other of others) lines.splice(lines.indexOf(other), 1);
    }
  }
  return lines;
}

/**
 * For each text of a line the size, in pixels of the page, that it shares with the others of its typeface; undefined
 * where it is to keep its own. The common size is the mean of those that agree, weighted by their numbers of letters. Pure.
 */
export function commonSizes(texts: readonly Sized[]): (number | undefined)[] {
  return texts.map((own) => {
    if (own.fit === undefined) return undefined;
    // A long text that lies on its ink letter by letter knows its size best.
    if (own.fit.score >= certainScore && letters(own.patch) >= certainLetters) return undefined;
    const size = sizeOf(own);
    const alike = texts.filter(
      ({ fit, factor }) =>
        fit !== undefined &&
        fit !== own.fit &&
        fit.face === own.fit!.face &&
        fit.score >= sureScore &&
        Math.abs(fit.sizePx * factor - size) <= tolerance * Math.min(size, fit.sizePx * factor),
    );
    if (alike.length === 0) return undefined;
    const all = [own, ...alike];
    const weight = all.reduce((sum, { patch }) => sum + letters(patch), 0);
    return all.reduce((sum, text) => sum + sizeOf(text) * letters(text.patch), 0) / weight;
  });
}

/** The same text in another size on the same baseline, as wide as before. */
export const resized = (fit: TextFit, sizePx: number): TextFit => ({
  ...fit,
  sizePx,
  scaleX: (fit.scaleX * fit.sizePx) / sizePx,
});

const sizeOf = ({ fit, factor }: Sized): number => fit!.sizePx * factor;
const letters = ({ original }: Patch): number => Math.max(1, [...original.replace(/\s/g, "")].length);

const onPage = ({ pageBox: [x, y], textBox }: Patch): Box => [
  x + textBox[0],
  y + textBox[1],
  x + textBox[2],
  y + textBox[3],
];

function inOneLine(a: Patch, b: Patch): boolean {
  const [p, q] = [onPage(a), onPage(b)];
  const low = Math.min(boxHeight(p), boxHeight(q));
  const common = Math.min(p[3], q[3]) - Math.max(p[1], q[1]);
  const gap = Math.max(p[0], q[0]) - Math.min(p[2], q[2]);
  return common > 0.6 * low && gap < reach * low;
}
