/** Looks whether text that was to stay has suffered: words beside a replaced value, under the edge of its painted box. */
import type { OcrPage } from "../detection/ocr.ts";
import { boxHeight, growBox } from "../documents/geometry.ts";
import { coveredShare, type PaintedRegion } from "./painted.ts";
import { foldText, windowSimilarity } from "./reading-similarity.ts";
import { textInside } from "./region-check.ts";

export interface Neighbours {
  /** Surely read words of the input that reach into a painted box without being part of a value. */
  readonly checked: number;
  /** Of these, words that can't be recognised in the result. */
  readonly damaged: number;
}

/** Words read less surely, or shorter, are not reliably read a second time either. */
const sure = 0.7;
const shortest = 3;

/** Compares the readings of one page before and after; `painted` are the regions of this page. Pure. */
export function checkNeighbours(before: OcrPage, after: OcrPage, painted: readonly PaintedRegion[]): Neighbours {
  let checked = 0;
  let damaged = 0;
  for (const { text, box, confidence } of before.lines.flatMap((line) => line.words)) {
    if (confidence < sure || foldText(text).length < shortest) continue;
    const isValue = painted.some((region) => coveredShare(box, region.textBox) > 0.2);
    if (isValue || !painted.some((region) => coveredShare(box, region.box) > 0)) continue;
    checked++;
    const place = growBox(box, boxHeight(box) / 2, boxHeight(box) / 4);
    if (windowSimilarity(text, textInside(after, place)) < 0.6) damaged++;
  }
  return { checked, damaged };
}
