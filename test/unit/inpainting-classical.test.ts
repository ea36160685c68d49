import { describe, expect, it } from "vitest";
import { type Box, growBox } from "../../src/documents/geometry.ts";
import { copyImage, createImage, cropImage, luma, pasteImage, type RasterImage } from "../../src/documents/image.ts";
import { pastePatch } from "../../src/inpainting/blending.ts";
import { createClassicalEngine } from "../../src/inpainting/classical-engine.ts";
import type { Patch } from "../../src/inpainting/patch.ts";
import { extractPatch } from "../../src/inpainting/patches.ts";
import { createSolidEngine } from "../../src/inpainting/solid-engine.ts";
import { Random } from "../../src/random/random.ts";
import { fontFace } from "../../src/rendering/fonts.ts";
import { changes, countPixels, drawPage, replacementOf } from "./helpers/drawn-page.ts";

const onPage = ({ pageBox, maskBox }: Patch): Box => [
  pageBox[0] + maskBox[0],
  pageBox[1] + maskBox[1],
  pageBox[0] + maskBox[2],
  pageBox[1] + maskBox[3],
];

async function replaced(page: RasterImage, original: string, fake: string, box: Box, seed = 1) {
  const patch = extractPatch(page, replacementOf(original, fake, box), { seed });
  const [result] = await createClassicalEngine().generate([patch]);
  const after = copyImage(page);
  pastePatch(after, patch, result!);
  return { patch, result: result!, after, mask: onPage(patch) };
}

/** Pearson correlation of the lumas of two images inside a box. */
function correlation(a: RasterImage, b: RasterImage, box: Box): number {
  const lumas = (image: RasterImage): number[] => {
    const { data } = cropImage(image, box);
    return Array.from({ length: data.length / 3 }, (_, i) => luma(data, i * 3));
  };
  const [x, y] = [lumas(a), lumas(b)];
  const mean = (v: number[]): number => v.reduce((s, q) => s + q, 0) / v.length;
  const [mx, my] = [mean(x), mean(y)];
  const sum = (f: (i: number) => number): number => x.reduce((s, _, i) => s + f(i), 0);
  return (
    sum((i) => (x[i]! - mx) * (y[i]! - my)) / Math.sqrt(sum((i) => (x[i]! - mx) ** 2) * sum((i) => (y[i]! - my) ** 2))
  );
}

describe("the classical engine", () => {
  const drawn = drawPage(700, 200, [{ text: "CLARA LINDHOLM 27", x: 120, y: 90, sizePx: 28 }]);
  const box = drawn.boxes[0]!;

  it("changes nothing outside the mask, and its result only inside it", async () => {
    const { patch, result, after, mask } = await replaced(drawn.page, "CLARA LINDHOLM 27", "BERTA SANDVIK 84", box);
    expect(changes(drawn.page, after, mask).outside).toBe(0);
    expect(changes(patch.image, result.image, patch.maskBox).outside).toBe(0);
    expect(changes(patch.image, result.image, patch.maskBox).inside).toBeGreaterThan(100);
  });

  it("draws what the same text in the same type would look like there", async () => {
    const { after, mask } = await replaced(drawn.page, "CLARA LINDHOLM 27", "BERTA SANDVIK 84", box);
    const wanted = drawPage(700, 200, [{ text: "BERTA SANDVIK 84", x: 120, y: 90, sizePx: 28 }]);
    const ink = (image: RasterImage): number => countPixels(image, mask, 130);
    expect(ink(after) / ink(wanted.page)).toBeGreaterThan(0.75);
    expect(ink(after) / ink(wanted.page)).toBeLessThan(1.3);
    // The colour of the strokes is that of the page.
    const darkest = (image: RasterImage): number => {
      const { data } = cropImage(image, mask);
      return Array.from({ length: data.length / 3 }, (_, i) => luma(data, i * 3)).sort((a, b) => a - b)[60]!;
    };
    expect(Math.abs(darkest(after) - darkest(drawn.page))).toBeLessThan(25);
  });

  it("puts the same text back where it was", async () => {
    for (const face of ["arimo-400", "tinos-700", "cousine-400", "roboto-condensed-400"]) {
      const text = "Lindholm Bau 4711";
      const { page, boxes } = drawPage(600, 120, [{ text, x: 90, y: 40, sizePx: 30, face: fontFace(face) }]);
      const { after, mask } = await replaced(page, text, text, boxes[0]!);
      expect(correlation(page, after, mask), face).toBeGreaterThan(0.85);
    }
  });

  it("leaves empty paper where the old text was and the new one is not", async () => {
    const { after, mask } = await replaced(drawn.page, "CLARA LINDHOLM 27", "BO 8", box);
    const rest: Box = [box[0] + 140, mask[1], mask[2], mask[3]];
    expect(countPixels(after, rest, 205)).toBe(0);
    // With the grain of the paper around it, not smoother and not rougher.
    const spread = (b: Box): number => {
      const { data } = cropImage(after, b);
      const values = Array.from({ length: data.length / 3 }, (_, i) => luma(data, i * 3));
      const mean = values.reduce((s, v) => s + v, 0) / values.length;
      return Math.sqrt(values.reduce((s, v) => s + (v - mean) ** 2, 0) / values.length);
    };
    expect(spread(rest) / spread([20, 20, 300, 60])).toBeGreaterThan(0.7);
    expect(spread(rest) / spread([20, 20, 300, 60])).toBeLessThan(1.4);
  });

  it("keeps nothing of the old text in the mask", async () => {
    const empty = await replaced(drawn.page, "CLARA LINDHOLM 27", " ", box);
    expect(Math.abs(correlation(drawn.page, empty.after, box))).toBeLessThan(0.05);
    expect(countPixels(empty.after, empty.mask, 205)).toBe(0);
  });

  it("never lets ink touch the edge of the mask", async () => {
    for (const fake of ["WWWWWWWWWWWWWWWWWWWWWWWW", "gjpqy ÅÄÖ gjpqy", "BERTA SANDVIK 84", "I"]) {
      const { patch, result } = await replaced(drawn.page, "CLARA LINDHOLM 27", fake, box);
      const [x0, y0, x1, y1] = patch.maskBox;
      for (const edge of [
        [x0, y0, x1, y0 + 1],
        [x0, y1 - 1, x1, y1],
        [x0, y0, x0 + 1, y1],
        [x1 - 1, y0, x1, y1],
      ] as Box[]) {
        expect(countPixels(result.image, edge, 150), fake).toBe(0);
      }
    }
  });

  it("writes light on dark where that is how the page is", async () => {
    const dark = drawPage(500, 100, [{ text: "NIGHT SHOP", x: 80, y: 40, sizePx: 32 }], {
      paper: [30, 36, 60],
      ink: [235, 235, 220],
    });
    const { after, mask } = await replaced(dark.page, "NIGHT SHOP", "DAWN MART", dark.boxes[0]!);
    expect(countPixels(after, mask, 180, true)).toBeGreaterThan(300);
    expect(countPixels(after, [mask[0], mask[1], mask[0] + 2, mask[3]], 100, true)).toBe(0);
  });

  it("gives the new text the colour of the old one", async () => {
    const blue = drawPage(500, 100, [{ text: "BLUE STAMP", x: 80, y: 40, sizePx: 32 }], { ink: [40, 50, 190] });
    const { after, mask } = await replaced(blue.page, "BLUE STAMP", "GREY CLERK", blue.boxes[0]!);
    const { data } = cropImage(after, mask);
    let [red, blueSum, count] = [0, 0, 0];
    for (let i = 0; i < data.length; i += 3) {
      if (luma(data, i) > 110) continue;
      red += data[i]!;
      blueSum += data[i + 2]!;
      count++;
    }
    expect(count).toBeGreaterThan(100);
    expect(blueSum / count - red / count).toBeGreaterThan(100);
  });

  it("keeps ruled lines and table borders that run through the mask", async () => {
    const { page, boxes } = drawPage(500, 140, [{ text: "CLARA LINDHOLM", x: 100, y: 50, sizePx: 30 }]);
    const under = boxes[0]![3] + 1;
    pasteImage(page, createImage(400, 2, [30, 30, 30]), 50, under);
    pasteImage(page, createImage(2, 140, [30, 30, 30]), boxes[0]![2] + 4, 0);
    const { after, mask } = await replaced(page, "CLARA LINDHOLM", "BERTA SANDVIK", [
      boxes[0]![0],
      boxes[0]![1],
      boxes[0]![2] + 5,
      under + 3,
    ]);
    expect(mask[3]).toBeGreaterThan(under);
    for (let x = mask[0] + 3; x < mask[2] - 3; x++) {
      expect(countPixels(after, [x, under, x + 1, under + 2], 110), `x = ${x}`).toBeGreaterThanOrEqual(1);
    }
    for (let y = mask[1]; y < mask[3]; y++) {
      expect(
        countPixels(after, [boxes[0]![2] + 4, y, boxes[0]![2] + 6, y + 1], 110),
        `y = ${y}`,
      ).toBeGreaterThanOrEqual(1);
    }
  });

  it("draws the same pixels for a seed, alone or in a batch, and other grain for another seed", async () => {
    const make = (seed: number) =>
      extractPatch(drawn.page, replacementOf("CLARA LINDHOLM 27", "BERTA SANDVIK 84", box), { seed });
    const engine = createClassicalEngine();
    const [first] = await engine.generate([make(5)]);
    const batch = await engine.generate([make(6), make(5)]);
    expect(batch[1]).toEqual(first);
    expect(batch[0]!.image.data).not.toEqual(first!.image.data);
    expect(batch.map((r) => r.id)).toEqual(["p0-e0", "p0-e0"]);
  });

  it("takes lines far larger than those it measures at full resolution", async () => {
    const big = drawPage(1500, 320, [{ text: "GRAND TITLE", x: 100, y: 60, sizePx: 190 }]);
    const { after, mask, patch } = await replaced(big.page, "GRAND TITLE", "GREEN TULIP", big.boxes[0]!);
    expect(changes(big.page, after, mask).outside).toBe(0);
    const wanted = drawPage(1500, 320, [{ text: "GREEN TULIP", x: 100, y: 60, sizePx: 190 }]);
    expect(correlation(after, wanted.page, onPage(patch))).toBeGreaterThan(0.5);
  });
});

describe("odd patches", () => {
  const random = new Random(3);
  const noise = createImage(300, 120);
  for (let i = 0; i < noise.data.length; i++) noise.data[i] = random.below(256);
  const pages: Record<string, RasterImage> = {
    white: createImage(300, 120),
    black: createImage(300, 120, [0, 0, 0]),
    noise,
  };
  const boxes: Box[] = [
    [0, 0, 300, 120],
    [10, 10, 11, 11],
    [0, 0, 3, 120],
    [280, 110, 300, 120],
    [20, 40, 260, 70],
  ];

  it.each(Object.keys(pages))("give a result of the right shape on a page of %s", async (name) => {
    const page = pages[name]!;
    for (const box of boxes) {
      for (const [original, fake] of [
        ["abc", "xyz"],
        ["", "xyz"],
        ["abc", ""],
        ["張偉", "李娜"],
        ["....", "----"],
      ] as const) {
        const { patch, result, after, mask } = await replaced(page, original, fake, box);
        expect(result.image.data).toHaveLength(patch.image.data.length);
        expect(changes(page, after, mask).outside).toBe(0);
      }
    }
  });
});

describe("engines", () => {
  const { page, boxes } = drawPage(500, 100, [{ text: "Clara Lindholm", x: 80, y: 40 }]);
  const patches = Array.from({ length: 6 }, (_, i) =>
    extractPatch(page, replacementOf("Clara Lindholm", "Berta Sandvik", boxes[0]!, `p0-e${i}`)),
  );

  it.each([createClassicalEngine, createSolidEngine])(
    "report progress, stop at a signal and refuse work once closed",
    async (create) => {
      const engine = create();
      const seen: number[] = [];
      await engine.generate(patches, { onProgress: (done, total) => seen.push(done * 100 + total) });
      expect(seen).toEqual([106, 206, 306, 406, 506, 606]);
      const controller = new AbortController();
      const stopped = engine.generate(patches, { signal: controller.signal, onProgress: () => controller.abort() });
      await expect(stopped).rejects.toMatchObject({ code: "ERR_ABORTED" });
      expect(await engine.generate([])).toEqual([]);
      await engine.close();
      await engine.close();
      await expect(engine.generate(patches)).rejects.toMatchObject({ code: "ERR_CLOSED" });
    },
  );

  it("let other work have its turn while they draw", async () => {
    let turns = 0;
    let running = true;
    const count = (): void => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    await createClassicalEngine().generate(patches);
    running = false;
    expect(turns).toBeGreaterThan(patches.length);
  });

  it("work at the same time without disturbing each other", async () => {
    const alone = await createClassicalEngine().generate(patches);
    const [a, b] = await Promise.all([
      createClassicalEngine().generate(patches),
      createClassicalEngine().generate([...patches].reverse()),
    ]);
    expect(a).toEqual(alone);
    expect(b.reverse()).toEqual(alone);
  });
});

describe("the solid engine", () => {
  it("covers the whole mask with one colour", async () => {
    const { page, boxes } = drawPage(500, 100, [{ text: "Clara Lindholm", x: 80, y: 40 }]);
    const patch = extractPatch(page, replacementOf("Clara Lindholm", "Berta Sandvik", growBox(boxes[0]!, 1)));
    const [result] = await createSolidEngine({ colour: [1, 2, 3] }).generate([patch]);
    pastePatch(page, patch, result!);
    const { data } = cropImage(page, onPage(patch));
    for (let i = 0; i < data.length; i += 3) expect([data[i], data[i + 1], data[i + 2]]).toEqual([1, 2, 3]);
  });
});
