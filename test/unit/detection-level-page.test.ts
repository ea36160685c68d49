import { describe, expect, it } from "vitest";
import { levelPage, skewOf } from "../../src/detection/level-page.ts";
import { makeLine } from "../../src/detection/lines.ts";
import type { OcrEngine, OcrPage } from "../../src/detection/ocr.ts";
import { estimateLayout } from "../../src/detection/skew.ts";
import type { Box } from "../../src/documents/geometry.ts";
import { createImage, type RasterImage } from "../../src/documents/image.ts";

/** A reading of one long line that falls by `degrees`, and of a short one that stands. */
function reading({ width, height }: RasterImage, degrees: number | undefined): OcrPage {
  const lines = [300, 20].map((length, i) => {
    const line = makeLine([{ text: "words", box: [10, 10, 10 + length, 30], confidence: 1 }]);
    if (degrees === undefined) return line;
    const angle = ((i === 0 ? degrees : 60) * Math.PI) / 180;
    const [dx, dy] = [length * Math.cos(angle), length * Math.sin(angle)];
    return { ...line, quad: [10, 10, 10 + dx, 10 + dy, 10 + dx, 30 + dy, 10, 30] as const };
  });
  return { lines, width, height, engine: "test" };
}

/** An engine that sees one slope after the other. */
function seeing(...slopes: (number | undefined)[]): { engine: OcrEngine; left: () => number } {
  const engine: OcrEngine = {
    name: "test",
    read: async (image) => reading(image, slopes.shift()),
    close: async () => {},
  };
  return { engine, left: () => slopes.length };
}

const page = createImage(400, 300);

describe("the slope of a page", () => {
  it("is that of most of its text", () => {
    expect(skewOf(reading(page, -9))).toBeCloseTo(-9, 6);
    expect(skewOf(reading(page, undefined))).toBe(0);
  });

  it.each([undefined, 0, 0.9, -0.9])("of %s degrees is left alone", async (slope) => {
    const first = reading(page, slope);
    const { image, reading: kept, frame, level } = await levelPage(page, first, seeing().engine);
    expect([image === page, kept === first, frame, level]).toEqual([true, true, undefined, true]);
  });

  it("is taken out, and what is left of it as well", async () => {
    const once = seeing(0.2);
    expect((await levelPage(page, reading(page, -9), once.engine)).frame!.skew).toBeCloseTo(-9, 6);
    const twice = seeing(1.5, 0);
    const { frame, image, reading: last, level } = await levelPage(page, reading(page, 4.5), twice.engine);
    expect(frame!.skew).toBeCloseTo(6, 6);
    expect([last.width, last.height]).toEqual([image.width, image.height]);
    expect([level, once.left(), twice.left()]).toEqual([true, 0, 0]);
  });

  it("that the level page shows to have been none is forgotten", async () => {
    const first = reading(page, 3);
    const { image, reading: kept, frame, level } = await levelPage(page, first, seeing(-2.8).engine);
    expect([image === page, kept === first, frame, level]).toEqual([true, true, undefined, true]);
  });

  it("that can't be taken out is told", async () => {
    expect((await levelPage(page, reading(page, 60), seeing().engine)).level).toBe(false);
    expect((await levelPage(page, reading(page, 20), seeing(12, 12).engine)).level).toBe(false);
    // A page on its side that could not be told from one with lines that run down.
    expect((await levelPage(page, reading(page, 89), seeing().engine)).level).toBe(true);
  });
});

describe("the angle of the letters", () => {
  /** Boxes of letters in lines of a page that was turned about its corner. */
  function letters(degrees: number): Box[] {
    const angle = (degrees * Math.PI) / 180;
    const boxes: Box[] = [];
    for (let line = 0; line < 12; line++) {
      for (let column = 0; column < 40; column++) {
        const [u, v] = [300 + column * 14 + ((column * line) % 5), 300 + line * 34];
        const [x, y] = [
          u * Math.cos(angle) - v * Math.sin(angle) + 400,
          u * Math.sin(angle) + v * Math.cos(angle) + 400,
        ];
        boxes.push([x, y - 18, x + 11, y].map(Math.round) as unknown as Box);
      }
    }
    return boxes;
  }

  it.each([0, 3, -9, 12, 30, -40])("of %i degrees is found", (degrees) => {
    expect(Math.abs(estimateLayout(letters(degrees)).skew - degrees)).toBeLessThan(0.3);
  });
});
