/** Pages as an OCR engine gives them, written by hand. */
import { groupWords, makeLine } from "../../../src/detection/lines.ts";
import type { OcrLine, OcrPage, OcrWord } from "../../../src/detection/ocr.ts";

/** Width of a character, height of a line and distance of lines in pixels. */
const step = 10;
const height = 20;
const pitch = 28;

export interface Placed {
  readonly text: string;
  /** Column in characters; default 0. */
  readonly x?: number;
  /** Row in lines. */
  readonly y: number;
  /** Scale of the letters; default 1. */
  readonly size?: number;
}

export function wordsOf({ text, x = 0, y, size = 1 }: Placed): OcrWord[] {
  let at = x * step;
  return text.split(" ").map((word) => {
    const x0 = at;
    at += (word.length + 1) * step * size;
    const box = [x0, y * pitch, x0 + word.length * step * size, y * pitch + height * size] as const;
    return { text: word, box, confidence: 0.95 };
  });
}

export const lineOf = (placed: Placed): OcrLine => makeLine(wordsOf(placed));

/** Texts anywhere on a page of 100 × `rows` characters; every text is a line of its own. */
export function pageWith(texts: readonly Placed[], rows = 60): OcrPage {
  return { lines: texts.map(lineOf), width: 100 * step, height: rows * pitch, engine: "test" };
}

/** Lines under each other from the top. */
export const pageOf = (...texts: string[]): OcrPage =>
  pageWith(
    texts.map((text, y) => ({ text, y })),
    Math.max(texts.length + 2, 30),
  );

/** The words of all texts, joined into lines as engines' words are. */
export const joinedPage = (texts: readonly Placed[]): OcrPage => ({
  lines: groupWords(texts.flatMap(wordsOf)).map(makeLine),
  width: 100 * step,
  height: 60 * pitch,
  engine: "test",
});

/** Lines below each other; "|" parts columns of one row. */
export const columnsOf = (...rows: string[]): OcrPage =>
  pageWith(
    rows.flatMap((row, y) => row.split("|").map((text, column) => ({ text: text.trim(), x: column * 40, y }))),
    rows.length + 2,
  );
