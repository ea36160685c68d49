import { describe, expect, it } from "vitest";
import { checkedEngine } from "../../src/detection/checked-engine.ts";
import { makeLine } from "../../src/detection/lines.ts";
import type { OcrLine, OcrPage, OcrWord } from "../../src/detection/ocr.ts";
import { createImage } from "../../src/documents/image.ts";

const [width, height] = [100, 50];
const good: OcrWord = { text: "Marlow", box: [10, 10, 40, 20], confidence: 0.9 };

const read = (lines: readonly OcrLine[], size = width): Promise<OcrPage> =>
  checkedEngine({
    name: "odd",
    read: async () => ({ lines, width: size, height, engine: "odd" }),
    close: async () => undefined,
  }).read(createImage(width, height));

describe("a reading of the caller's own engine", () => {
  it("is cut off at the page, and loses nothing but words without text", async () => {
    const words = [good, { ...good, text: " " }, { text: "a\ud800", box: [-5, 10, 400, 70], confidence: 7 } as const];
    const { lines } = await read([makeLine(words), makeLine([{ ...good, text: "" }])]);
    expect(lines).toEqual([makeLine([good, { text: "a\uFFFD", box: [0, 10, width, height], confidence: 1 }])]);
  });

  it.each<[string, OcrLine[], number?]>([
    ["a box that is no number", [makeLine([{ ...good, box: [Number.NaN, 1, 5, 6] }])]],
    ["a box off the page", [makeLine([{ ...good, box: [110, 10, 140, 20] }])]],
    ["a box without area", [makeLine([{ ...good, box: [10, 10, 10, 20] }])]],
    ["a box turned over", [makeLine([{ ...good, box: [40, 20, 10, 10] }])]],
    ["a confidence that is no number", [makeLine([{ ...good, confidence: Number.NaN }])]],
    ["an endless word", [makeLine([{ ...good, text: "x".repeat(1001) }])]],
    ["a line that says more than its words", [{ ...makeLine([good]), text: "Ellen Marlow" }]],
    ["another page size", [], 101],
  ])("is refused for %s", async (_, lines, size) => {
    await expect(read(lines, size)).rejects.toMatchObject({ code: "ERR_OCR_FAILED" });
  });
});
