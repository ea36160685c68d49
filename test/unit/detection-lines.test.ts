import { describe, expect, it } from "vitest";
import { combineReadings } from "../../src/detection/combine-readings.ts";
import { layoutOf } from "../../src/detection/layout.ts";
import { groupWords, makeLine, readingOrder, spanBox, wordRange } from "../../src/detection/lines.ts";
import type { OcrWord } from "../../src/detection/ocr.ts";
import type { Box } from "../../src/documents/geometry.ts";
import { joinedPage, lineOf, pageWith, wordsOf } from "./helpers/ocr-page.ts";

const word = (text: string, box: Box, confidence = 0.9): OcrWord => ({ text, box, confidence });
const linesOf = (words: readonly OcrWord[]) => groupWords(words).map(makeLine);
const texts = (lines: readonly { text: string }[]): string[] => lines.map((line) => line.text);

describe("the box of a character range", () => {
  const line = lineOf({ text: "Tel: 0171-555 now", y: 0 });

  it("is the words' own where they are covered whole", () => {
    expect(spanBox(line, [5, 13])).toEqual([50, 0, 130, 20]);
    expect(spanBox(line, [0, 17])).toEqual(line.box);
  });

  it("splits a partly covered word in proportion to its characters", () => {
    expect(spanBox(line, [10, 13])).toEqual([100, 0, 130, 20]);
    expect(spanBox(line, [7, 15])).toEqual([70, 0, 150, 20]);
  });

  it("belongs to the words it touches", () => {
    expect(wordRange(line, [5, 13])).toEqual([1, 2]);
    expect(wordRange(line, [3, 14])).toEqual([0, 2]);
    expect(wordRange(line, [3, 15])).toEqual([0, 3]);
    expect(() => wordRange(line, [4, 5])).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }));
  });
});

describe("words become lines", () => {
  it("row by row, whatever order they come in", () => {
    const words = [...wordsOf({ text: "second line here", y: 1 }), ...wordsOf({ text: "first line", y: 0 })].reverse();
    expect(texts(linesOf(words))).toEqual(["first line", "second line here"]);
  });

  it("apart where a wide gap parts columns", () => {
    const words = [...wordsOf({ text: "TOTAL", y: 0 }), ...wordsOf({ text: "31.00", x: 40, y: 0 })];
    expect(texts(linesOf(words))).toEqual(["TOTAL", "31.00"]);
  });

  it("along a slope", () => {
    const words = Array.from({ length: 10 }, (_, i) => word(`w${i}`, [i * 60, 100 + i * 4, i * 60 + 50, 120 + i * 4]));
    expect(linesOf(words)).toHaveLength(1);
  });

  it("together with small marks between large letters", () => {
    const words = [word("A", [0, 0, 20, 20]), word("-", [25, 9, 32, 12]), word("B", [38, 0, 58, 20])];
    expect(texts(linesOf(words))).toEqual(["A - B"]);
  });

  it("without joining two rows through a picture read as a letter", () => {
    const words = [
      word("0)", [0, 0, 100, 130]),
      ...["Date", "of", "birth"].map((text, i) => word(text, [120 + i * 60, 50, 170 + i * 60, 66])),
      ...["Place", "of", "birth"].map((text, i) => word(text, [120 + i * 60, 105, 170 + i * 60, 121])),
    ];
    expect(texts(linesOf(words))).toEqual(expect.arrayContaining(["Date of birth", "Place of birth"]));
  });
});

describe("reading order", () => {
  it("is by rows, and by columns in a row", () => {
    const boxes: Box[] = [
      [200, 0, 250, 20],
      [0, 30, 50, 50],
      [0, 2, 50, 22],
      [200, 28, 250, 48],
    ];
    expect(readingOrder(boxes, (box) => box)).toEqual([boxes[2], boxes[0], boxes[1], boxes[3]]);
  });
});

describe("two readings of a page", () => {
  const good = word("Carter", [0, 0, 60, 20], 0.9);
  const bad = word("Garler", [1, 0, 61, 21], 0.4);

  it("give the surer one where both have words, on either side", () => {
    expect(combineReadings([good], [bad])).toEqual([good]);
    expect(combineReadings([bad], [good])).toEqual([good]);
  });

  it("give what one of them missed, if it is sure of it", () => {
    const sure = word("031-22", [0, 100, 60, 120], 0.8);
    const speck = word("x", [300, 300, 305, 305], 0.2);
    expect(combineReadings([good], [sure, speck])).toEqual([good, sure]);
    expect(combineReadings([good, bad], [])).toEqual([good, bad]);
  });

  it("compare a word with the words it was cut into", () => {
    const cut = [word("Car", [0, 0, 28, 20], 0.95), word("ter", [32, 0, 60, 20], 0.95)];
    expect(combineReadings([good], cut)).toEqual(cut);
  });

  it("prefer separate rows to two rows read as one", () => {
    const merged = [word("Name", [0, 0, 100, 60], 0.96), word("Lee", [110, 0, 200, 60], 0.96)];
    const apart = [word("Name", [0, 2, 100, 20], 0.9), word("Lee", [110, 38, 200, 58], 0.9)];
    expect(combineReadings(merged, apart)).toEqual(apart);
  });
});

describe("the layout of a page", () => {
  it("knows what stands beside and below", () => {
    const page = pageWith([
      { text: "Name", y: 0 },
      { text: "Town", x: 30, y: 0 },
      { text: "Ana Ruiz", y: 1 },
      { text: "Jaén", x: 30, y: 1 },
    ]);
    const layout = layoutOf(page);
    const [name, town, ana, jaen] = layout.segments;
    expect(layout.right(name!)).toBe(town);
    expect(layout.left(town!)).toBe(name);
    expect(layout.below(name!)).toBe(ana);
    expect(layout.above(jaen!)).toBe(town);
    expect(layout.below(ana!)).toBeUndefined();
  });

  it("parts a line at wide gaps", () => {
    const line = { ...lineOf({ text: "Bill to Ship to", y: 0 }) };
    const words = line.words.map((w, i) =>
      i < 2 ? w : { ...w, box: [w.box[0] + 300, w.box[1], w.box[2] + 300, w.box[3]] as const },
    );
    const page = { ...pageWith([]), lines: [{ ...line, words }] };
    expect(layoutOf(page).segments.map(({ text, span }) => [text, span])).toEqual([
      ["Bill to", [0, 7]],
      ["Ship to", [8, 15]],
    ]);
  });

  it("sees rows on a page that lies askew", () => {
    const slope = 0.04;
    const page = joinedPage(
      Array.from({ length: 6 }, (_, y) => [
        { text: "one two three four five", y },
        { text: `value ${y}`, x: 70, y },
      ]).flat(),
    );
    const tilt = ([x0, y0, x1, y1]: Box): Box => [x0, y0 + slope * x0, x1, y1 + slope * x0];
    const lines = page.lines.map((line) => ({
      ...line,
      box: tilt(line.box),
      words: line.words.map((w) => ({ ...w, box: tilt(w.box) })),
    }));
    const layout = layoutOf({ ...page, lines });
    expect(layout.slope).toBeCloseTo(slope, 2);
    const starts = layout.segments.filter(({ text }) => text.startsWith("one"));
    expect(starts.map((segment) => layout.right(segment)?.text)).toEqual([
      "value 0",
      "value 1",
      "value 2",
      "value 3",
      "value 4",
      "value 5",
    ]);
  });

  it("is made once per page", () => {
    const page = pageWith([{ text: "a", y: 0 }]);
    expect(layoutOf(page)).toBe(layoutOf(page));
  });
});
