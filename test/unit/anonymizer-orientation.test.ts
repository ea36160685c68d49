import { describe, expect, it } from "vitest";
import { readUpright } from "../../src/anonymizer/orientation.ts";
import { makeLine } from "../../src/detection/lines.ts";
import type { OcrEngine } from "../../src/detection/ocr.ts";
import { createImage } from "../../src/documents/image.ts";

const pages = Array.from({ length: 40 }, (_, index) => ({ index, image: createImage(100 + index, 50) }));
const document = { name: "scan.tiff", format: "tiff", bytes: 1, sha256: "ab".repeat(32), pages } as const;

function engineOf(work: (width: number) => void = () => {}): {
  engine: OcrEngine;
  most: () => number;
  reads: () => number;
} {
  let [now, most, reads] = [0, 0, 0];
  const engine: OcrEngine = {
    name: "test",
    async read({ width, height }) {
      reads++;
      most = Math.max(most, ++now);
      await new Promise(setImmediate);
      now--;
      work(width);
      const text = "confident".repeat(3);
      return { lines: [makeLine([{ text, box: [1, 1, 90, 20], confidence: 1 }])], width, height, engine: "test" };
    },
    close: async () => {},
  };
  return { engine, most: () => most, reads: () => reads };
}

describe("reading the pages", () => {
  it("takes few at a time, and gives them in their order", async () => {
    const { engine, most, reads } = engineOf();
    let seen = 0;
    const { readings, document: upright } = await readUpright(document, engine, { atOnce: 3, onPage: () => seen++ });
    expect([most(), reads(), seen]).toEqual([3, 40, 40]);
    expect(readings.map(({ width }) => width)).toEqual(pages.map(({ image }) => image.width));
    expect(upright.turns).toEqual(pages.map(() => 0));
    // Nothing is copied for pages that stand upright.
    for (const [i, { image }] of upright.pages.entries()) expect(image).toBe(pages[i]!.image);
  });

  it("begins no further page after a failure", async () => {
    const { engine, reads } = engineOf((width) => {
      if (width === 102) throw new Error("broken");
    });
    await expect(readUpright(document, engine, { atOnce: 2 })).rejects.toThrow("broken");
    expect(reads()).toBeLessThan(6);
  });
});
