/** Completes what one engine read of a page with the words that only another engine saw. */
import { type Box, boxArea, boxHeight, intersectBoxes } from "../documents/geometry.ts";
import { groupWords, makeLine, readingOrder } from "./lines.ts";
import type { OcrPage, OcrWord } from "./ocr.ts";

/** Specks and rules are read as words too: a missed word must be this sure, and those of its line together surer. */
const minWord = 0.5;
const minLine = 0.6;
/** A word of which more is covered was seen by the first engine as well, however it read it. */
const maxCovered = 0.3;

/**
 * `main`, and where it has nothing, the words of `other`. A missed word joins the line it stands in. Both are readings of
 * the same image. What `main` has stays as it is, so nothing is read worse than before.
 */
export function completeReading(main: OcrPage, other: OcrPage): OcrPage {
  const missed = missedWords(main, other);
  if (missed.length === 0) return main;
  const joined = new Set(main.lines.filter((line) => missed.some((word) => standsIn(word.box, line.box))));
  const words = [...joined].flatMap((line) => line.words).concat(missed);
  const made = groupWords(words).map(makeLine);
  const kept = main.lines.filter((line) => !joined.has(line));
  return { ...main, lines: readingOrder([...kept, ...made], (line) => line.box) };
}

function missedWords(main: OcrPage, other: OcrPage): OcrWord[] {
  const seen = main.lines.flatMap((line) => line.words);
  const heights = seen.map(({ box }) => boxHeight(box)).sort((a, b) => a - b);
  const typical = heights[heights.length >> 1];
  return other.lines.flatMap((line) => {
    const missed = line.words.filter(
      ({ text, box, confidence }) =>
        confidence >= minWord &&
        (text.match(/[\p{L}\p{N}]/gu)?.length ?? 0) >= 2 &&
        (typical === undefined || (boxHeight(box) > 0.4 * typical && boxHeight(box) < 3 * typical)) &&
        seen.reduce((sum, word) => sum + boxArea(intersectBoxes(box, word.box)), 0) < maxCovered * boxArea(box),
    );
    return missed.length > 0 && makeLine(missed).confidence >= minLine ? missed : [];
  });
}

/** In the row of a line, in it or beside it. */
function standsIn(word: Box, line: Box): boolean {
  const height = Math.min(boxHeight(word), boxHeight(line));
  const common = Math.min(word[3], line[3]) - Math.max(word[1], line[1]);
  return common > 0.5 * height && word[0] - line[2] < 2 * height && line[0] - word[2] < 2 * height;
}
