import sharp, { type Sharp } from "sharp";
import { describe, expect, it } from "vitest";
import { DocumentSynthesizer } from "../../src/datasets/synthesizer/document-synthesizer.ts";
import { type DotPrint, dotGlyph } from "../../src/datasets/synthesizer/dot-print.ts";
import { drawBands } from "../../src/datasets/synthesizer/draw.ts";
import { lineRegions } from "../../src/datasets/synthesizer/ink-boxes.ts";
import { isLegible } from "../../src/datasets/synthesizer/legible.ts";
import { markLines } from "../../src/datasets/synthesizer/marks.ts";
import { flat, PageMap } from "../../src/datasets/synthesizer/page-map.ts";
import { keepReadable, legibleSize, randomLook } from "../../src/datasets/synthesizer/scan-look.ts";
import { type InkStyle, Sheet, type SheetLine, scaleStyle, textWidth } from "../../src/datasets/synthesizer/sheet.ts";
import { needleFace, pickTypeface } from "../../src/datasets/synthesizer/typefaces.ts";
import type { Box } from "../../src/documents/geometry.ts";
import { Random } from "../../src/random/random.ts";
import { fontFace } from "../../src/rendering/fonts.ts";

const page = { width: 1200, height: 400 };
const map = new PageMap(flat, page.width, page.height);

/** Green channel of the sheet on white paper. */
async function draw(sheet: Sheet, bandRows = 64): Promise<Uint8Array> {
  const paper = new Sheet();
  paper.rect(0, 0, page.width, page.height, { fill: [255, 255, 255] });
  paper.items.push(...sheet.items);
  const pixels = new Uint8Array(page.width * page.height);
  await drawBands(paper, map, page, bandRows, (rgba, top, rows) => {
    for (let i = 0; i < rows * page.width; i++) pixels[top * page.width + i] = rgba[i * 4 + 1]!;
  });
  return pixels;
}

async function drawText(text: string, style: InkStyle) {
  const sheet = new Sheet();
  sheet.line(text, 24, 200, style);
  return { pixels: await draw(sheet), region: lineRegions(sheet.items[0] as SheetLine, map, page)[0]! };
}

const at = (pixels: Uint8Array, x: number, y: number): number => pixels[Math.floor(y) * page.width + Math.floor(x)]!;

const thermal = (em: number, options: Partial<DotPrint> = {}): DotPrint => ({
  head: "thermal",
  em,
  dot: 1,
  ...options,
});

function inkBox(pixels: Uint8Array): Box {
  let box: [number, number, number, number] = [page.width, page.height, 0, 0];
  for (let i = 0; i < pixels.length; i++) {
    if (pixels[i]! > 200) continue;
    const [x, y] = [i % page.width, Math.floor(i / page.width)];
    box = [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x + 1), Math.max(box[3], y + 1)];
  }
  return box;
}

describe("print of dots", () => {
  it("by a thermal head is black or white at the printer's resolution, and nothing between", async () => {
    const pitch = 8;
    const face = fontFace("cousine-400");
    const { pixels } = await drawText("Rg8", { face, size: 20 * pitch, colour: [0, 0, 0], dots: thermal(20) });
    let dots = 0;
    let blanks = 0;
    for (let column = 0; column < 45; column++) {
      for (let row = -16; row < 6; row++) {
        const cell = [0.1, 0.5, 0.9].flatMap((v) =>
          [0.1, 0.5, 0.9].map((u) => at(pixels, 24 + (column + u) * pitch, 200 + (row + v) * pitch)),
        );
        expect(new Set(cell).size, `cell ${column}, ${row}`).toBe(1);
        if (cell[0] === 0) dots++;
        else blanks++;
      }
    }
    expect(dots).toBeGreaterThan(80);
    expect(blanks).toBeGreaterThan(500);
  });

  it("by needles is round dots on a grid, each needle as strong as it is", async () => {
    const pitch = 10;
    const needles = [1, 1, 1, 1, 1, 1, 1, 1, 0.4];
    const dots: DotPrint = { head: "impact", em: 10, dot: 0.9, needles };
    const { pixels } = await drawText("HE", { face: needleFace, size: 10 * pitch, colour: [0, 0, 0], dots });
    const runs = dotGlyph(needleFace, dots, "H").runs;
    // Five by seven: two full columns and a bar.
    expect(runs.reduce((sum, run) => sum + run.length, 0)).toBe(17);
    expect(new Set(runs.map((run) => run.y)).size).toBe(7);
    for (const run of runs) {
      const [x, y] = [24 + run.x * pitch, 200 + run.y * pitch];
      const middle = at(pixels, x + 5, y + 5);
      // The ninth needle from the baseline up or down the column is tired.
      expect(middle).toBe((run.y + 900) % 9 === 8 ? 153 : 0);
      expect(at(pixels, x + 0.5, y + 0.5)).toBe(255);
    }
  });

  it("prints the first row of a stroke paler while the head is cold", async () => {
    const style = { face: fontFace("arimo-700"), size: 160, colour: [0, 0, 0] as const };
    const { pixels } = await drawText("I", { ...style, dots: thermal(20, { cold: 0.5 }) });
    const [left, top, right] = inkBox(pixels);
    const x = (left + right) / 2;
    expect(at(pixels, x, top + 4)).toBeGreaterThan(110);
    expect(at(pixels, x, top + 12)).toBe(0);
  });

  it.each([
    ["thermal", "cousine-400", thermal(24, { dot: 1.2 })],
    ["thermal, narrow", "tinos-400", thermal(26, { narrow: 0.75 })],
    ["nine needles", "doto-400", { head: "impact", em: 10, dot: 1.4, shift: 0.4 } as const],
    ["24 needles", "courier-prime-400", { head: "impact", em: 22, dot: 1.5 } as const],
  ])("of %s lies in its box, up to the edges, in double size too", async (_, id, dots) => {
    for (const style of [{}, { stretch: 2 }, { tall: 2 }, { stretch: 1.3, spacing: 3 }]) {
      const { pixels, region } = await drawText("Übergröße ñ,;:.", {
        face: fontFace(id),
        size: 38,
        colour: [0, 0, 0],
        dots,
        ...style,
      });
      const [x0, y0, x1, y1] = inkBox(pixels);
      expect([x0 >= region.box[0], y0 >= region.box[1], x1 <= region.box[2], y1 <= region.box[3]]).toEqual([
        true,
        true,
        true,
        true,
      ]);
      expect(Math.max(x0 - region.box[0], y0 - region.box[1], region.box[2] - x1, region.box[3] - y1)).toBeLessThan(4);
    }
  });

  it("is the same in bands of any height", async () => {
    const sheet = new Sheet();
    const dots: DotPrint = { head: "impact", em: 10, dot: 1.3 };
    sheet.line("TOTAL 12.50", 24, 200, { face: needleFace, size: 60, colour: [0, 0, 0], dots });
    const whole = await draw(sheet, 400);
    const bands = await draw(sheet, 17);
    // Only the smoothing of edges may differ, by what rounding leaves.
    expect(Math.max(...whole.map((value, i) => Math.abs(value - bands[i]!)).filter((by) => by > 0), 0)).toBeLessThan(
      40,
    );
  });

  it("keeps the distance of its dots when the type is made larger", () => {
    const style: InkStyle = { face: fontFace("cousine-400"), size: 30, colour: [0, 0, 0], dots: thermal(20) };
    const large = scaleStyle(style, 1.5);
    expect(large.dots!.em).toBe(30);
    expect(large.size / large.dots!.em).toBeCloseTo(style.size / 20, 10);
    expect(textWidth("ab", large)).toBeCloseTo(1.5 * textWidth("ab", style), 10);
    // Needles have one size and its double.
    const needles: InkStyle = { ...style, face: needleFace, dots: { head: "impact", em: 10, dot: 1 } };
    expect(scaleStyle(needles, 1.2)).toEqual(needles);
    expect(textWidth("ab", scaleStyle(needles, 1.5))).toBe(2 * textWidth("ab", needles));
  });
});

describe("typefaces of documents", () => {
  it("never take the letters of dots for smooth print", () => {
    const random = new Random("faces");
    for (let i = 0; i < 200; i++) expect(pickTypeface(random, [["dot-matrix", 1]]).regular).not.toBe(needleFace);
  });

  it("give way where they lack a letter", () => {
    const sheet = new Sheet();
    sheet.line("№ 7", 0, 0, { face: fontFace("patrick-hand-400"), size: 20, colour: [0, 0, 0] });
    sheet.line("Nr. 7", 0, 40, { face: fontFace("patrick-hand-400"), size: 20, colour: [0, 0, 0] });
    const faces = sheet.items.map((item) => (item as SheetLine).atoms[0]!.style.face.id);
    expect(faces[0]).not.toBe("patrick-hand-400");
    expect(faces[1]).toBe("patrick-hand-400");
  });
});

describe("marks", () => {
  const written = (): Sheet => {
    const sheet = new Sheet();
    for (let i = 0; i < 8; i++)
      sheet.line(`Line ${i} of text`, 40, 40 + i * 40, { face: fontFace("arimo-400"), size: 24, colour: [0, 0, 0] });
    return sheet;
  };
  const none = { width: page.width, height: page.height, underlines: 0, frames: 0, highlighter: 0, ground: 0 };
  const shapes = (sheet: Sheet) => sheet.items.filter((item) => item.kind === "shape");

  it("leave the text and its order alone, and draw nothing when not asked to", () => {
    const sheet = written();
    markLines(sheet, new Random("marks"), none);
    expect(sheet.items).toEqual(written().items);
    markLines(sheet, new Random("marks"), { ...none, underlines: 1, frames: 1, highlighter: 1, ground: 1 });
    expect(sheet.items.filter((item) => item.kind === "line")).toEqual(written().items);
    expect(shapes(sheet).length).toBeGreaterThan(5);
  });

  it("underline close below the baseline, over the text's whole width", () => {
    let found = 0;
    for (let i = 0; i < 10; i++) {
      const sheet = written();
      markLines(sheet, new Random("underline", i), { ...none, underlines: 1 });
      for (const shape of shapes(sheet)) {
        found++;
        const [x0, y] = shape.points[0]!;
        const line = (sheet.items as SheetLine[]).find(
          (item) => item.kind === "line" && y > item.origin[1] && y < item.origin[1] + 10,
        )!;
        expect(x0).toBe(line.atoms[0]!.x);
        expect(shape.points.at(-1)![0]).toBeGreaterThan(line.atoms.at(-1)!.x + 20);
      }
    }
    expect(found).toBeGreaterThan(4);
  });

  it("highlight without hiding what is printed; grounds lie under everything", async () => {
    const plain = await draw(written());
    for (let i = 0; i < 6; i++) {
      const sheet = written();
      markLines(sheet, new Random("bright", i), { ...none, highlighter: 1, ground: 1 });
      const pixels = await draw(sheet);
      let lighter = 0;
      for (let k = 0; k < pixels.length; k++) if (plain[k]! < 40 && pixels[k]! > plain[k]! + 25) lighter++;
      expect(lighter).toBe(0);
    }
  });
});

describe("legibility", () => {
  const box: Box = [30, 150, 320, 240];
  const scanOf = async (grey: Uint8Array, change: (image: Sharp) => Sharp) => {
    const raw = { width: page.width, height: page.height, channels: 1 as const };
    const data = await change(sharp(grey, { raw })).toColourspace("srgb").raw().toBuffer();
    return { ...page, data: new Uint8Array(data) };
  };
  const drawn = async (): Promise<Uint8Array> => {
    const style = { face: fontFace("arimo-400"), size: 40, colour: [0, 0, 0] as const };
    return (await drawText("Legible text", style)).pixels;
  };

  it("is seen in blurred, grey, noisy and copied print", async () => {
    const print = await drawn();
    expect(isLegible(print, await scanOf(print, (image) => image.blur(2)), box)).toBe(true);
    expect(isLegible(print, await scanOf(print, (image) => image.linear(0.2, 150)), box)).toBe(true);
    expect(isLegible(print, await scanOf(print, (image) => image.blur(1).linear(6, -300)), box)).toBe(true);
    const random = new Random("noise");
    const noisy = print.map((value) => Math.max(0, Math.min(255, value * 0.5 + 100 + random.normal(0, 30))));
    expect(isLegible(print, await scanOf(noisy, (image) => image), box)).toBe(true);
  });

  it("is missed where print has gone, is too faint, or was never there", async () => {
    const print = await drawn();
    const blank = new Uint8Array(print.length).fill(255);
    const random = new Random("specks");
    expect(isLegible(print, await scanOf(blank, (image) => image), box)).toBe(false);
    expect(isLegible(print, await scanOf(print, (image) => image.linear(0.06, 220)), box)).toBe(false);
    expect(
      isLegible(
        print,
        await scanOf(
          print.map((v) => (v < 90 && random.chance(0.15) ? 0 : 255)),
          (i) => i,
        ),
        box,
      ),
    ).toBe(false);
    expect(isLegible(blank, await scanOf(print, (image) => image), box)).toBe(false);
  });

  it("limits blur, coarseness and copies to what small letters bear", () => {
    let copied = 0;
    for (let i = 0; i < 300; i++) {
      const look = randomLook(new Random("look", i), "office", 1);
      const small = keepReadable(look, 30, 100, 11);
      expect(small.resolution).toBe(1);
      expect(small.blur).toBeLessThanOrEqual(0.3);
      expect(small.copies.length).toBeLessThanOrEqual(1);
      expect(legibleSize(small)).toBeLessThan(11);
      const large = keepReadable(look, 30, 100, 30);
      expect(large.levels.paper - large.levels.ink).toBeGreaterThan(60);
      if (large.copies.length > 0) copied++;
    }
    expect(copied).toBeGreaterThan(60);
  });

  it("holds for every word that worn documents name", async () => {
    const synthesizer = new DocumentSynthesizer("legible");
    let words = 0;
    for (let index = 0; index < 12; index++) {
      const { image, regions, kind } = await synthesizer.document(index, index % 2 === 0 ? "form" : "receipt");
      expect(regions.length).toBeGreaterThan(5);
      for (const { box: word, text } of regions.flatMap((region) => region.words!)) {
        const levels: number[] = [];
        for (let y = word[1]; y < word[3]; y++)
          for (let x = word[0]; x < word[2]; x++) levels.push(image.data[(y * image.width + x) * 3 + 1]!);
        levels.sort((a, b) => a - b);
        const contrast = levels.at(-1)! - levels[0]!;
        expect({ kind, index, text, seen: contrast > 25 }).toEqual({ kind, index, text, seen: true });
        words++;
      }
    }
    expect(words).toBeGreaterThan(400);
  });
});
