/** Words, lines and the boxes of parts of them. */
import { type Box, boxHeight, boxWidth, uniteBoxes } from "../documents/geometry.ts";
import { codedError } from "../errors.ts";
import type { OcrLine, OcrWord } from "./ocr.ts";

/** A gap of this many letter heights starts a new line: another column, or a label and its value. */
const columnGap = 2;

/** Groups words that stand in one row close to each other, in reading order (top to bottom, left to right). */
export function groupWords<T extends { readonly box: Box }>(words: readonly T[]): T[][] {
  const groups: { words: T[]; end: Box }[] = [];
  const heights = words.map((word) => boxHeight(word.box)).sort((a, b) => a - b);
  const typical = heights[heights.length >> 1] ?? 0;
  const byLeft = [...words].sort((a, b) => a.box[0] - b.box[0] || a.box[1] - b.box[1]);
  for (const word of byLeft) {
    const { box } = word;
    let best: (typeof groups)[number] | undefined;
    let bestOverlap = 0;
    for (const group of groups) {
      const { end } = group;
      const height = Math.max(boxHeight(end), boxHeight(box));
      // A picture read as a letter would join the rows beside it.
      if (height > 2 * typical && height > 2 * Math.min(boxHeight(end), boxHeight(box))) continue;
      const gap = box[0] - end[2];
      const overlap = Math.min(end[3], box[3]) - Math.max(end[1], box[1]);
      if (gap > columnGap * height || gap < -height) continue;
      if (overlap > 0.5 * Math.min(boxHeight(end), boxHeight(box)) && overlap > bestOverlap) {
        best = group;
        bestOverlap = overlap;
      }
    }
    if (best === undefined) groups.push({ words: [word], end: box });
    else {
      best.words.push(word);
      best.end = joinEnd(best.end, box);
    }
  }
  const boxed = groups.map((group) => ({ words: group.words, box: uniteBoxes(group.words.map((word) => word.box)) }));
  return readingOrder(boxed, (group) => group.box).map((group) => group.words);
}

/** The end of a line after a word was added. Small marks must not shrink it, or the next word would not fit. */
const joinEnd = (end: Box, box: Box): Box =>
  boxHeight(box) >= 0.7 * boxHeight(end) ? box : [end[0], end[1], Math.max(end[2], box[2]), end[3]];

/** One line of words that are in order. */
export function makeLine(words: readonly OcrWord[]): OcrLine {
  const characters = words.reduce((sum, word) => sum + word.text.length, 0);
  return {
    text: words.map((word) => word.text).join(" "),
    box: uniteBoxes(words.map((word) => word.box)),
    words,
    confidence: words.reduce((sum, word) => sum + word.confidence * word.text.length, 0) / Math.max(1, characters),
  };
}

/** Sorts boxed things as one reads: rows from the top, each from the left. Things in one row overlap by half their height. */
export function readingOrder<T>(items: readonly T[], boxOf: (item: T) => Box): T[] {
  const rows: { items: T[]; y0: number; y1: number }[] = [];
  const byMiddle = [...items].sort((a, b) => middle(boxOf(a)) - middle(boxOf(b)) || boxOf(a)[0] - boxOf(b)[0]);
  for (const item of byMiddle) {
    const box = boxOf(item);
    const row = rows.at(-1);
    const overlap = row ? Math.min(row.y1, box[3]) - Math.max(row.y0, box[1]) : 0;
    if (row && overlap > 0.5 * Math.min(row.y1 - row.y0, boxHeight(box))) row.items.push(item);
    else rows.push({ items: [item], y0: box[1], y1: box[3] });
  }
  return rows.flatMap((row) => row.items.sort((a, b) => boxOf(a)[0] - boxOf(b)[0]));
}

const middle = (box: Box): number => (box[1] + box[3]) / 2;

/** Character ranges of a line's words within its text. */
export function wordSpans(line: OcrLine): [start: number, end: number][] {
  let at = 0;
  return line.words.map((word) => {
    const span: [number, number] = [at, at + word.text.length];
    at += word.text.length + 1;
    return span;
  });
}

/** Whether two ranges of characters of one line share some. */
export const spansOverlap = (a: readonly [number, number], b: readonly [number, number]): boolean =>
  a[0] < b[1] && b[0] < a[1];

/** The words that a character range touches, end exclusive. Throws ERR_INVALID_ARGUMENT when it touches none. */
export function wordRange(line: OcrLine, span: readonly [number, number]): [start: number, end: number] {
  const touched = [...wordSpans(line).entries()].filter(([, [start, end]]) => start < span[1] && end > span[0]);
  if (touched.length === 0) {
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `The range [${span.join(", ")}] holds no word of a line of ${line.text.length} characters`,
    );
  }
  return [touched[0]![0], touched.at(-1)![0] + 1];
}

/** Tight box around a character range; a word that is covered in part is split in proportion to its characters. */
export function spanBox(line: OcrLine, span: readonly [number, number]): Box {
  const [first, last] = wordRange(line, span);
  const spans = wordSpans(line);
  const boxes: Box[] = [];
  for (let i = first; i < last; i++) {
    const { box, text } = line.words[i]!;
    const start = Math.max(0, span[0] - spans[i]![0]) / text.length;
    const end = Math.min(text.length, span[1] - spans[i]![0]) / text.length;
    boxes.push([box[0] + start * boxWidth(box), box[1], box[0] + end * boxWidth(box), box[3]]);
  }
  return uniteBoxes(boxes);
}
