import { describe, expect, it } from "vitest";
import { boxUpright, coversAsTheyLie, readUpright, regionsAsTheyCame } from "../../src/anonymizer/orientation.ts";
import type { ImageRegion } from "../../src/detection/image-regions/image-region.ts";
import { makeLine } from "../../src/detection/lines.ts";
import type { OcrEngine } from "../../src/detection/ocr.ts";
import type { Box } from "../../src/documents/geometry.ts";
import { copyImage, createImage, pasteImage } from "../../src/documents/image.ts";
import { levelFrame, toPage } from "../../src/documents/level-frame.ts";
import { levelImage } from "../../src/documents/level-image.ts";
import { checkOutside } from "../../src/verification/outside-check.ts";

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

describe("what was covered on a page turned level", () => {
  it("is covered on the page as it lies, within the turned box, and found in its own geometry", async () => {
    const image = createImage(300, 200);
    const frame = levelFrame(image, 7);
    const level = await levelImage(image, frame);
    const upright = {
      ...document,
      pages: [{ index: 0, image: level }],
      turns: [180] as const,
      sloping: [{ frame, image }],
      notLevel: [],
    };
    const box: Box = [100, 90, 180, 130];
    const corners = [
      [110, 95],
      [170, 95],
      [170, 125],
      [110, 125],
    ] as const;
    const region = { page: 0, box, code: { format: "QRCode", text: "x", corners } } as unknown as ImageRegion;
    const covered = copyImage(level);
    pasteImage(covered, createImage(80, 40, [0, 0, 0]), 100, 90);
    const [page] = await coversAsTheyLie(upright, [covered], [region]);
    expect((await checkOutside(image, page!, [box], undefined, frame)).changed).toBe(0);
    expect((await checkOutside(image, page!, [], undefined, frame)).changed).toBeGreaterThan(0.95 * 80 * 40);
    const [found] = regionsAsTheyCame(upright, [region]);
    const again = boxUpright(upright, 0, found!.box);
    for (const side of [0, 1, 2, 3] as const) expect(Math.abs(again[side] - box[side])).toBeLessThan(2);
    const [x, y] = toPage(frame, 110, 95);
    expect(found!.code!.corners[0]![0]).toBeCloseTo(300 - x, 6);
    expect(found!.code!.corners[0]![1]).toBeCloseTo(200 - y, 6);
  });
});
