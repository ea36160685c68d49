import { describe, expect, it } from "vitest";
import { completeReading } from "../../src/detection/complete-reading.ts";
import { makeLine } from "../../src/detection/lines.ts";
import type { OcrPage, OcrWord } from "../../src/detection/ocr.ts";

const word = (text: string, x: number, y: number, confidence = 0.9): OcrWord => ({
  text,
  box: [x, y, x + 10 * text.length, y + 20],
  confidence,
});
const page = (engine: string, ...lines: OcrWord[][]): OcrPage => ({
  lines: lines.map(makeLine),
  width: 600,
  height: 400,
  engine,
});
const texts = ({ lines }: OcrPage): string[] => lines.map(({ text }) => text);

describe("completing a reading", () => {
  const main = page("a", [word("NORTH", 20, 100)], [word("TOTAL", 20, 200), word("12.80", 90, 200)]);

  it("puts missed words into the line they stand in, and missed lines in their place", () => {
    const other = page(
      "b",
      [word("42,", 20, 60), word("ALLEY", 60, 60)],
      [word("NORTA", 21, 101), word("MILLS", 81, 101), word("GARDENS", 141, 101)],
    );
    const complete = completeReading(main, other);
    expect(texts(complete)).toEqual(["42, ALLEY", "NORTH MILLS GARDENS", "TOTAL 12.80"]);
    expect(complete.engine).toBe("a");
    expect(complete.lines[1]!.words.map(({ box }) => box[0])).toEqual([20, 81, 141]);
  });

  it("leaves a reading alone that has all words, however the other one reads them", () => {
    const other = page("b", [word("NORTK", 22, 102)], [word("TOTA1", 20, 200), word("12.B0", 90, 200)]);
    expect(completeReading(main, other)).toBe(main);
  });

  it("does not take specks, doubtful words, or pictures read as letters", () => {
    const tall: OcrWord = { text: "WW", box: [300, 50, 400, 200], confidence: 0.9 };
    const other = page("b", [word("x", 300, 20)], [word("ee", 300, 40, 0.4)], [tall]);
    expect(completeReading(main, other)).toBe(main);
    // Sure by itself, in a line of doubt.
    const doubtful = page("b", [word("garbled", 300, 300, 0.55), word("noise", 380, 300, 0.55)]);
    expect(completeReading(main, doubtful)).toBe(main);
  });

  it("gives all of the other reading for a page that one engine can't read at all", () => {
    expect(texts(completeReading(page("a"), main))).toEqual(["NORTH", "TOTAL 12.80"]);
  });
});
