import { describe, expect, it } from "vitest";
import { createImage } from "../../src/documents/image.ts";
import { createClassicalEngine } from "../../src/inpainting/classical-engine.ts";
import type { Patch } from "../../src/inpainting/patch.ts";
import { extractPatch } from "../../src/inpainting/patches.ts";
import { commonSizes, patchesByLine, resized, type Sized } from "../../src/inpainting/sizes-along-lines.ts";
import { fontFace } from "../../src/rendering/fonts.ts";
import { drawPage, replacementOf } from "./helpers/drawn-page.ts";

/** A text of 20 pixels height at a place of the page. */
const patchAt = (original: string, x: number, y: number): Patch => ({
  id: original,
  image: createImage(120, 40),
  pageBox: [x, y, x + 120, y + 40],
  maskBox: [5, 5, 115, 35],
  textBox: [10, 10, 110, 30],
  text: "new",
  original,
  seed: 1,
});

const sized = (original: string, sizePx: number, { score = 0.9, factor = 1, face = "arimo-400" } = {}): Sized => ({
  patch: patchAt(original, 0, 0),
  factor,
  fit: {
    face: fontFace(face),
    sizePx: sizePx / factor,
    scaleX: 1,
    letterSpacing: 0,
    x: 10,
    baseline: 28,
    slope: 0,
    plainZero: false,
    score,
  },
});

describe("sizes along a line", () => {
  it("belong together where texts stand beside each other, also through a third", () => {
    const patches = [
      patchAt("a", 0, 100),
      patchAt("b", 240, 104),
      patchAt("c", 0, 140),
      patchAt("d", 120, 102),
      patchAt("e", 700, 100),
    ];
    expect(patchesByLine(patches).map((line) => [...line].sort())).toEqual([[0, 1, 3], [2], [4]]);
    expect(patchesByLine([])).toEqual([]);
  });

  it("of short texts follow those of long ones", () => {
    const sizes = commonSizes([sized("Annemarie Lindholm", 24), sized("ace", 22)]);
    expect(sizes[0]).toBeUndefined();
    expect(sizes[1]).toBeCloseTo((24 * 17 + 22 * 3) / 20, 6);
    // Measured at another resolution it is the same size.
    expect(commonSizes([sized("Annemarie Lindholm", 24, { factor: 2 }), sized("ace", 22)])[1]).toBeCloseTo(23.7, 6);
  });

  it("stay as they are in another size or typeface, beside a bad fit, and where nothing was measured", () => {
    const short = sized("ace", 20);
    expect(commonSizes([sized("Annemarie", 30), short])).toEqual([undefined, undefined]);
    expect(commonSizes([sized("Annemarie", 22, { face: "tinos-400" }), short])).toEqual([undefined, undefined]);
    expect(commonSizes([sized("Annemarie", 22, { score: 0.3 }), short])[1]).toBeUndefined();
    expect(commonSizes([{ ...short, fit: undefined }, short])).toEqual([undefined, undefined]);
  });

  it("are changed without changing the width", () => {
    const { fit } = sized("ace", 20);
    const other = resized(fit!, 25);
    expect(other.sizePx * other.scaleX).toBeCloseTo(20, 9);
    expect(other).toMatchObject({ sizePx: 25, baseline: 28 });
  });

  it("give the results in the order of the patches", async () => {
    const { page, boxes } = drawPage(700, 160, [
      { text: "Lower line", x: 40, y: 100, sizePx: 24 },
      { text: "no", x: 420, y: 40, sizePx: 24 },
      { text: "Annemarie Lindholm", x: 40, y: 40, sizePx: 24 },
    ]);
    const texts = ["Lower line", "no", "Annemarie Lindholm"];
    const patches = texts.map((text, i) => extractPatch(page, replacementOf(text, text, boxes[i]!), { seed: i }));
    const seen: number[] = [];
    const results = await createClassicalEngine().generate(patches, { onProgress: (done) => seen.push(done) });
    expect(results.map(({ image }) => [image.width, image.height])).toEqual(
      patches.map(({ image }) => [image.width, image.height]),
    );
    expect(seen).toEqual([1, 2, 3]);
  });
});
