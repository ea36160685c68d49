/** Drafts: what a UNet gets in place of a hole. */
import { describe, expect, it } from "vitest";
import type { Box } from "../../src/documents/geometry.ts";
import type { RasterImage } from "../../src/documents/image.ts";
import { type DraftRequest, drawTrainingDraft } from "../../src/ink/draft.ts";
import { createPacer } from "../../src/pacer.ts";
import { Random } from "../../src/random/random.ts";
import { fontFace } from "../../src/rendering/fonts.ts";
import { measureText, renderCoverage } from "../../src/rendering/text.ts";

const [width, height] = [256, 64];
const drawDraft = (request: DraftRequest, random: Random): Promise<Uint8Array> =>
  drawTrainingDraft(request, random, createPacer(undefined));
const face = fontFace("arimo-400");

/** A line of text on even paper, and the box of its ink. */
function printed(text: string, paper = [236, 230, 215], ink = [40, 30, 60]): { image: RasterImage; textBox: Box } {
  const style = { face, sizePx: 30 };
  const { ink: box } = measureText(text, style);
  const [x, baseline] = [30, 44];
  const coverage = renderCoverage(text, { ...style, width, height, x, baseline });
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < coverage.length; i++)
    for (let c = 0; c < 3; c++) data[i * 3 + c] = Math.round(paper[c]! + ((ink[c]! - paper[c]!) * coverage[i]!) / 255);
  const { left, top, right, bottom } = box!;
  return { image: { data, width, height }, textBox: [x + left, baseline + top, x + right, baseline + bottom] };
}

const maskAround = ([left, top, right, bottom]: Box): Box => [
  Math.floor(left / 4) * 4 - 4,
  Math.floor(top / 4) * 4 - 4,
  Math.ceil(right / 4) * 4 + 4,
  Math.ceil(bottom / 4) * 4 + 4,
];

const luma = (data: Uint8Array, i: number): number => (data[i * 3]! + data[i * 3 + 1]! + data[i * 3 + 2]!) / 3;

/** Where the ink is: shares of the mask's columns and rows from its left and top. */
function inkBox(data: Uint8Array, mask: Box, paper: number): Box {
  const box: [number, number, number, number] = [width, height, 0, 0];
  for (let y = mask[1]; y < mask[3]; y++) {
    for (let x = mask[0]; x < mask[2]; x++) {
      if (paper - luma(data, y * width + x) < 70) continue;
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x + 1);
      box[3] = Math.max(box[3], y + 1);
    }
  }
  return box;
}

describe("a training draft", () => {
  it("changes nothing beside the mask, is the same for the same numbers and another one for others", async () => {
    const { image: plain, textBox } = printed("Olivier SA");
    // As sharp hands out pixels: slices of a Buffer are no copies.
    const image = { ...plain, data: Buffer.from(plain.data) };
    const mask = maskAround(textBox);
    const request = { image, mask, textBox, text: "Olivier SA" };
    const before = Uint8Array.from(image.data);
    const draft = await drawDraft(request, new Random("a"));
    expect(Uint8Array.from(image.data)).toEqual(before);
    expect(await drawDraft(request, new Random("a"))).toEqual(draft);
    expect(await drawDraft(request, new Random("b"))).not.toEqual(draft);
    for (let seed = 0; seed < 8; seed++) await drawDraft(request, new Random("untouched", seed));
    expect(Uint8Array.from(image.data)).toEqual(before);
    let changed = 0;
    for (let i = 0; i < width * height; i++) {
      const [x, y] = [i % width, Math.floor(i / width)];
      const inside = x >= mask[0] && x < mask[2] && y >= mask[1] && y < mask[3];
      const same = [0, 1, 2].every((c) => draft[i * 3 + c] === image.data[i * 3 + c]);
      if (!inside) expect(same).toBe(true);
      else if (!same) changed++;
    }
    expect(changed).toBeGreaterThan(500);
  });

  it("stands about where and about as large as the print, in about its colours", async () => {
    for (let seed = 0; seed < 40; seed++) {
      const { image, textBox } = printed("Summe 84,10");
      const mask = maskAround(textBox);
      const draft = await drawDraft({ image, mask, textBox, text: "Summe 84,10" }, new Random("place", seed));
      const [left, top, right, bottom] = inkBox(draft, mask, 227);
      const tall = textBox[3] - textBox[1];
      const wide = textBox[2] - textBox[0];
      expect(Math.abs(left - textBox[0])).toBeLessThan(0.25 * tall + 3);
      expect(Math.abs((top + bottom) / 2 - (textBox[1] + textBox[3]) / 2)).toBeLessThan(0.25 * tall);
      expect((bottom - top) / tall).toBeGreaterThan(0.6);
      expect((bottom - top) / tall).toBeLessThan(1.35);
      expect((right - left) / wide).toBeGreaterThan(0.8);
      // The paper beside the letters is the page's.
      const corner = (mask[1] * width + mask[0]) * 3;
      for (let c = 0; c < 3; c++) expect(Math.abs(draft[corner + c]! - [236, 230, 215][c]!)).toBeLessThan(16);
    }
  });

  it("covers the old ink: of a blank text only paper is left", async () => {
    const { image, textBox } = printed("GEHEIM");
    const draft = await drawDraft({ image, mask: maskAround(textBox), textBox, text: " " }, new Random("blank"));
    let darkest = 255;
    for (let i = 0; i < width * height; i++) darkest = Math.min(darkest, luma(draft, i));
    expect(darkest).toBeGreaterThan(190);
  });

  it("draws light ink on dark paper, and letters that its typeface lacks", async () => {
    const { image, textBox } = printed("TOTAL", [30, 60, 40], [235, 235, 220]);
    const mask = maskAround(textBox);
    const draft = await drawDraft({ image, mask, textBox, text: "TOTAL" }, new Random("dark"));
    let lightest = 0;
    for (let i = 0; i < width * height; i++) lightest = Math.max(lightest, luma(draft, i));
    expect(lightest).toBeGreaterThan(150);
    const odd = { image, mask, textBox, text: "価格 ₮ 12" };
    expect(await drawDraft(odd, new Random("odd"))).toHaveLength(image.data.length);
  });

  it("bears boxes at the edge, of a few pixels, and without any ink", async () => {
    const blank = { data: new Uint8Array(width * height * 3).fill(255), width, height };
    for (const box of [
      [0, 0, width, height],
      [0, 0, 4, 4],
      [252, 60, 256, 64],
      [100, 30, 101, 31],
    ] as const) {
      const draft = await drawDraft({ image: blank, mask: box, textBox: box, text: "A1" }, new Random("edge"));
      expect(draft).toHaveLength(blank.data.length);
    }
  });
});
