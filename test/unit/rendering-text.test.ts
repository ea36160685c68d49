import { describe, expect, it } from "vitest";
import { fontFace, fontFaces } from "../../src/rendering/fonts.ts";
import { measureText, renderCoverage, renderText } from "../../src/rendering/text.ts";

const arimo = fontFace("arimo-400");

/** Around the pixels with any ink. */
function inkBox(
  coverage: Uint8Array,
  width: number,
  from = 40,
): { left: number; right: number; top: number; bottom: number } {
  const box = { left: Number.POSITIVE_INFINITY, right: 0, top: Number.POSITIVE_INFINITY, bottom: 0 };
  coverage.forEach((value, i) => {
    if (value < from) return;
    const x = i % width;
    const y = Math.floor(i / width);
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x + 1);
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y + 1);
  });
  return box;
}

const sum = (coverage: Uint8Array): number => coverage.reduce((a, b) => a + b, 0);

describe("measured ink", () => {
  it("lies where it is drawn, to a pixel, in every face, stretched and spaced", () => {
    for (const face of fontFaces) {
      for (const style of [
        { sizePx: 40 },
        { sizePx: 23.5, scaleX: 1.3, letterSpacing: 3 },
        { sizePx: 60, scaleX: 0.7, letterSpacing: -1 },
      ]) {
        const { ink } = measureText("Rgx T. 12", { face, ...style });
        const drawn = inkBox(
          renderCoverage("Rgx T. 12", { face, ...style, width: 600, height: 120, x: 20, baseline: 80 }),
          600,
        );
        expect(Math.abs(drawn.left - (20 + ink!.left)), `${face.id} left`).toBeLessThan(1.5);
        expect(Math.abs(drawn.right - (20 + ink!.right)), `${face.id} right`).toBeLessThan(1.5);
        expect(Math.abs(drawn.top - (80 + ink!.top)), `${face.id} top`).toBeLessThan(1.5);
        expect(Math.abs(drawn.bottom - (80 + ink!.bottom)), `${face.id} bottom`).toBeLessThan(1.5);
      }
    }
  });

  it.each(["office fi fl ffi ffl", "fj ff fb fk", "AVATAR To Te", "Tt tt th Th st ct", "-> == != www 1/2"])(
    "ends where %j ends in every face, ligatures or not",
    (text) => {
      for (const face of fontFaces) {
        const style = { face, sizePx: 40 };
        const { ink, advance } = measureText(text, style);
        const width = Math.ceil(advance) + 80;
        const drawn = inkBox(renderCoverage(text, { ...style, width, height: 100, x: 20, baseline: 70 }), width);
        expect(Math.abs(drawn.left - (20 + ink!.left)), `${face.id} left`).toBeLessThan(1.5);
        expect(Math.abs(drawn.right - (20 + ink!.right)), `${face.id} right`).toBeLessThan(1.5);
      }
    },
  );

  it("scales with the size exactly", () => {
    const small = measureText("Agreement", { face: arimo, sizePx: 10 });
    const large = measureText("Agreement", { face: arimo, sizePx: 35 });
    expect(large.advance).toBeCloseTo(3.5 * small.advance, 6);
    expect(large.capHeight).toBeCloseTo(3.5 * small.capHeight, 6);
    expect(small.xHeight).toBeLessThan(small.capHeight);
  });

  it("is null for blanks, which still advance", () => {
    const blank = measureText("   ", { face: arimo, sizePx: 20 });
    expect(blank.ink).toBeNull();
    expect(blank.advance).toBeGreaterThan(10);
    expect(measureText("", { face: arimo, sizePx: 20 })).toMatchObject({ advance: 0, ink: null });
  });
});

describe("drawn coverage", () => {
  const base = { face: arimo, sizePx: 30, width: 200, height: 60, x: 10, baseline: 45 };

  it("stands on the baseline, which may be a fraction of a pixel", () => {
    expect(inkBox(renderCoverage("HEN", base), 200).bottom).toBe(45);
    const lower = renderCoverage("HEN", { ...base, baseline: 45.5 });
    const row = lower.subarray(45 * 200, 46 * 200);
    expect(Math.max(...row)).toBeGreaterThan(90);
    expect(Math.max(...row)).toBeLessThan(170);
  });

  it("is the same every time", () => {
    expect(renderCoverage("Same 123", base)).toEqual(renderCoverage("Same 123", base));
  });

  it("gets more ink with positive and less with negative emboldening", () => {
    const plain = sum(renderCoverage("Bold", base));
    expect(sum(renderCoverage("Bold", { ...base, embolden: 0.6 }))).toBeGreaterThan(plain * 1.15);
    expect(sum(renderCoverage("Bold", { ...base, embolden: -0.6 }))).toBeLessThan(plain * 0.85);
  });

  it("sinks to the right with a positive slope", () => {
    const drawn = renderCoverage("H      H", { ...base, slope: 0.05 });
    const bottomAt = (from: number, to: number): number =>
      inkBox(
        drawn.map((value, i) => (i % 200 >= from && i % 200 < to ? value : 0)),
        200,
      ).bottom;
    const ink = measureText("H      H", base).ink!;
    expect(bottomAt(ink.right - 10, 200) - bottomAt(0, 40)).toBeGreaterThanOrEqual(3);
  });

  it("refuses characters the face lacks unless told otherwise, without naming them", () => {
    expect(() => renderCoverage("張", base)).toThrow(expect.objectContaining({ code: "ERR_RENDER" }));
    expect(() => renderCoverage("張", base)).toThrow(/^[^張]*$/);
    expect(renderCoverage("張", { ...base, allowFallback: true })).toHaveLength(200 * 60);
  });

  it("refuses impossible sizes", () => {
    for (const wrong of [
      { sizePx: 0 },
      { sizePx: Number.NaN },
      { width: 0 },
      { height: 1.5 },
      { scaleX: -1 },
      { x: Number.NaN },
    ]) {
      expect(() => renderCoverage("a", { ...base, ...wrong })).toThrow(
        expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }),
      );
    }
  });
});

describe("a rendered text", () => {
  it("has room for its ink, the padding and a slope, in the colours given", () => {
    const image = renderText("Invoice", {
      face: arimo,
      sizePx: 24,
      colour: [10, 20, 200],
      background: [250, 240, 230],
      padding: 4,
      slope: 0.1,
    });
    const corner = [...image.data.subarray(0, 3)];
    expect(corner).toEqual([250, 240, 230]);
    let darkest = 255;
    for (let i = 0; i < image.data.length; i += 3) darkest = Math.min(darkest, image.data[i]!);
    expect(darkest).toBeLessThan(30);
    for (let x = 0; x < image.width; x++) {
      for (const y of [0, 1, image.height - 2, image.height - 1]) {
        expect([...image.data.subarray((y * image.width + x) * 3, (y * image.width + x) * 3 + 3)]).toEqual([
          250, 240, 230,
        ]);
      }
    }
  });

  it("is an empty image for a blank text", () => {
    const image = renderText(" ", { face: arimo, sizePx: 24 });
    expect(image.data.every((v) => v === 255)).toBe(true);
  });
});
