import { describe, expect, it } from "vitest";
import { createImage, cropImage } from "../../src/documents/image.ts";
import { analyseInk } from "../../src/ink/ink.ts";
import { estimateSlope } from "../../src/ink/ink-edges.ts";
import { fitText } from "../../src/ink/text-fit.ts";
import { textInk } from "../../src/ink/text-ink.ts";
import { layoutText } from "../../src/ink/text-layout.ts";
import { extractPatch } from "../../src/inpainting/patches.ts";
import { createPacer } from "../../src/pacer.ts";
import { Random } from "../../src/random/random.ts";
import { fontFace } from "../../src/rendering/fonts.ts";
import { measureText, renderCoverage } from "../../src/rendering/text.ts";
import { drawPage, replacementOf } from "./helpers/drawn-page.ts";

const pacer = createPacer(undefined);

async function fitOf(text: string, faceId: string, sizePx: number, options = {}) {
  const { page, boxes } = drawPage(700, 120, [{ text, x: 40, y: 40, sizePx, face: fontFace(faceId) }], options);
  const patch = extractPatch(page, replacementOf(text, text, boxes[0]!));
  const analysis = analyseInk(patch.image, patch.textBox);
  const ink = textInk(analysis, patch.textBox, patch.maskBox, new Uint8Array(analysis.width * analysis.height));
  const unit = { ...ink, data: ink.data.map((v) => Math.min(1, v / analysis.strength)) };
  const fits = await fitText(unit, text, pacer);
  const bottom = patch.pageBox[1] + patch.maskBox[1];
  return { fit: fits[0]!, baseline: bottom + fits[0]!.baseline, box: boxes[0]! };
}

describe("the fit of a printed text", () => {
  it.each([
    ["arimo-400", 24],
    ["arimo-700", 30],
    ["tinos-400", 28],
    ["tinos-700", 22],
    ["cousine-400", 26],
    ["courier-prime-400", 26],
    ["roboto-condensed-400", 32],
    ["roboto-condensed-700", 24],
    ["inconsolata-400", 28],
    ["vt323-400", 34],
    ["caveat-700", 40],
    ["arimo-400-italic", 28],
  ])("finds typeface, size and baseline: %s at %i px", async (faceId, sizePx) => {
    const { fit, baseline, box } = await fitOf("Hamburg 4711, Bergstr.", faceId, sizePx);
    expect(fit.face.id).toBe(faceId);
    expect(fit.score).toBeGreaterThan(0.85);
    expect(Math.abs(fit.sizePx - sizePx)).toBeLessThan(sizePx * 0.06);
    const drawnBaseline = box[1] - measureText("Hamburg 4711, Bergstr.", { face: fit.face, sizePx }).ink!.top;
    expect(Math.abs(baseline - drawnBaseline)).toBeLessThan(1);
  });

  it("tells plain zeros from marked ones", async () => {
    const marked = await fitOf("2008-10-20 00:30", "inconsolata-700", 34);
    expect(marked.fit).toMatchObject({ face: { id: "inconsolata-700" }, plainZero: false });
    const plain = await fitOf("2OO8-1O-2O OO:3O", "inconsolata-700", 34);
    expect(plain.fit.face.id).toBe("inconsolata-700");
  });

  it("is empty without ink or letters", async () => {
    expect(await fitText({ data: new Float32Array(2000), width: 100, height: 20 }, "abc", pacer)).toEqual([]);
    expect(await fitText({ data: new Float32Array(2000).fill(1), width: 100, height: 20 }, "  ", pacer)).toEqual([]);
  });

  it.each([-0.03, -0.009, 0, 0.012, 0.03])("finds the slope of a tilted line: %f", (slope) => {
    const coverage = renderCoverage("TILTED LINE OF TEXT 12", {
      face: fontFace("arimo-400"),
      sizePx: 26,
      width: 420,
      height: 60,
      x: 20,
      baseline: 38,
      slope,
    });
    expect(
      Math.abs(estimateSlope({ data: Float32Array.from(coverage, (v) => v / 255), width: 420, height: 60 }) - slope),
    ).toBeLessThan(0.005);
  });
});

describe("the layout of a new text", () => {
  const face = fontFace("arimo-400");
  const fit = {
    face,
    sizePx: 30,
    scaleX: 1,
    letterSpacing: 0,
    x: 10,
    baseline: 40,
    slope: 0,
    plainZero: false,
    score: 1,
  };
  const original = "Clara Lindholm";
  const width = measureText(original, fit).advance;
  const room = { left: 2, top: 2, right: 14 + width, bottom: 54 };
  const inkOf = (text: string, layout: ReturnType<typeof layoutText>) => {
    const ink = measureText(text, layout).ink!;
    return {
      left: layout.x + ink.left,
      right: layout.x + ink.right,
      top: layout.baseline + ink.top,
      bottom: layout.baseline + ink.bottom,
    };
  };

  it("keeps size and baseline and fills the old width where little is missing", () => {
    const layout = layoutText("Clara Lindhom", face, original, fit, room);
    expect(layout).toMatchObject({ sizePx: 30, baseline: 40 });
    const old = measureText(original, fit).ink!;
    expect(inkOf("Clara Lindhom", layout).right).toBeCloseTo(10 + old.right, 0);
  });

  it("keeps natural letters for a much shorter text", () => {
    const layout = layoutText("Clara", face, original, fit, room);
    expect(layout.scaleX).toBeLessThanOrEqual(1.08);
    expect(layout.letterSpacing).toBeLessThanOrEqual(0.03 * 30);
  });

  it("never leaves the room, however long the text and small the room", () => {
    for (const text of ["Clara Lindholm-Wassermann", "W".repeat(60), "Ågjpqy", "i"]) {
      for (const tight of [
        room,
        { ...room, bottom: 42 },
        { ...room, right: 60 },
        { left: 30, top: 20, right: 60, bottom: 34 },
      ]) {
        for (const slope of [0, 0.05, -0.05]) {
          const ink = inkOf(text, layoutText(text, face, original, { ...fit, slope }, tight));
          expect(ink.left, text).toBeGreaterThanOrEqual(tight.left - 0.01);
          expect(ink.right, text).toBeLessThanOrEqual(tight.right + 0.01);
          expect(ink.top, text).toBeGreaterThanOrEqual(tight.top - 0.01);
          expect(ink.bottom, text).toBeLessThanOrEqual(tight.bottom + 0.01);
        }
      }
    }
  });
});

describe("ink and paper", () => {
  it("are told apart on dark paper, beside another background, and on a gradient", () => {
    const dark = drawPage(300, 80, [{ text: "LIGHT INK", x: 60, y: 30 }], {
      paper: [40, 40, 44],
      ink: [230, 230, 225],
    });
    expect(analyseInk(dark.page, dark.boxes[0]!).darkInk).toBe(false);
    const gradient = drawPage(300, 80, [{ text: "GRADIENT", x: 60, y: 30 }]);
    for (let i = 0; i < gradient.page.data.length; i++) {
      gradient.page.data[i] = Math.max(0, gradient.page.data[i]! - Math.round(((Math.floor(i / 3) % 300) / 300) * 90));
    }
    const analysis = analyseInk(gradient.page, gradient.boxes[0]!);
    expect(analysis.darkInk).toBe(true);
    const clean = cropImage(gradient.page, [0, 0, 300, 20]);
    expect(analysis.ink.subarray(0, 300 * 20).reduce((a, b) => a + b, 0)).toBeLessThan(clean.width * 0.05);
  });

  it.each([
    ["dark", 205, 0],
    ["light", 60, 255],
  ])("takes noisy paper for the paper beside bold, clean %s ink", (name, paperLevel, inkLevel) => {
    const random = new Random(name);
    const image = createImage(120, 40, [0, 0, 0]);
    for (let i = 0; i < 120 * 40; i++) {
      const [x, y] = [i % 120, Math.floor(i / 120)];
      const inked = x >= 20 && x < 100 && y >= 10 && y < 30 && x % 10 < 5;
      const level = inked ? inkLevel : paperLevel + Math.round(25 * (2 * random.next() - 1));
      image.data.fill(level, i * 3, i * 3 + 3);
    }
    const { darkInk, ink } = analyseInk(image, [20, 10, 100, 30]);
    expect(darkInk).toBe(name === "dark");
    expect(ink[20 * 120 + 22]).toBe(1);
    expect(ink[20 * 120 + 28]).toBe(0);
  });
});
