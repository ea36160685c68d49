import { createCanvas } from "@napi-rs/canvas";
import { describe, expect, it } from "vitest";
import { cutWindow, drawMask, planCrop, renderCrop } from "../../src/datasets/crops.ts";
import type { Region } from "../../src/datasets/manifest-types.ts";
import { decodePage, PageCache } from "../../src/datasets/page-cache.ts";
import { findWords } from "../../src/datasets/word-boxes.ts";
import type { Box } from "../../src/documents/geometry.ts";
import { createImage, type RasterImage } from "../../src/documents/image.ts";
import { Random } from "../../src/random/random.ts";
import { fontFace, registerFace } from "../../src/rendering/fonts.ts";
import { measureText } from "../../src/rendering/text.ts";

const size = { height: 64, width: 256 };

/** A page with one line of black text, and its region; `words` as they were drawn. */
function pageWith(
  text: string,
  options: { face?: string; sizePx?: number; width?: number; x?: number; y?: number; paper?: string } = {},
) {
  const { face: id = "arimo-400", sizePx = 24, width = 900, x = 40, y = 60, paper = "#fff" } = options;
  const face = fontFace(id);
  registerFace(face);
  const canvas = createCanvas(width, 120);
  const context = canvas.getContext("2d");
  context.fillStyle = paper;
  context.fillRect(0, 0, width, 120);
  context.fillStyle = "#000";
  context.font = `${sizePx}px "${face.family}"`;
  context.fontKerning = "none";
  context.textRendering = "optimizeSpeed";
  context.fillText(text, x, y);
  const rgba = context.getImageData(0, 0, width, 120).data;
  const page = createImage(width, 120);
  for (let i = 0; i < width * 120; i++) page.data.set(rgba.subarray(i * 4, i * 4 + 3), i * 3);
  let at = 0;
  const words = text.split(" ").map((word) => {
    const start = measureText(text.slice(0, at), { face, sizePx }).advance;
    const ink = measureText(word, { face, sizePx }).ink!;
    at += word.length + 1;
    return { text: word, box: [x + start + ink.left, y + ink.top, x + start + ink.right, y + ink.bottom] as Box };
  });
  const ink = measureText(text, { face, sizePx }).ink!;
  const region: Region = {
    box: [Math.floor(x + ink.left), Math.floor(y + ink.top), Math.ceil(x + ink.right), Math.ceil(y + ink.bottom)],
    text,
  };
  return { page, region, words };
}

const inkIn = (image: Uint8Array, mask: Uint8Array, wanted: 0 | 1): number => {
  let count = 0;
  for (let i = 0; i < mask.length; i++) if (mask[i] === wanted && image[i * 3]! < 128) count++;
  return count;
};

describe("words found in the pixels", () => {
  it.each(["arimo-400", "tinos-400", "cousine-400", "roboto-condensed-700", "vt323-400"])(
    "of a line in %s lie where they were drawn",
    (face) => {
      const { page, region, words } = pageWith("No. 28 Long Street, Newtown 4628", { face });
      const found = findWords(page, region)!;
      expect(found.map((word) => word.text)).toEqual(words.map((word) => word.text));
      for (const [i, word] of found.entries()) {
        expect(Math.abs(word.box[0] - words[i]!.box[0])).toBeLessThan(2.5);
        expect(Math.abs(word.box[2] - words[i]!.box[2])).toBeLessThan(2.5);
      }
    },
  );

  it("are unknown when the text does not fit the gaps, or there is no contrast", () => {
    const { page, region } = pageWith("one two three");
    expect(findWords(page, { ...region, text: "onetwo th re e" })).toBeUndefined();
    expect(findWords(page, { ...region, text: "a verylongword three" })).toBeUndefined();
    expect(findWords(createImage(900, 120, [200, 200, 200]), region)).toBeUndefined();
  });

  it("are unknown when a gap between letters is as wide as one between words", () => {
    const { page, region } = pageWith("nab c d");
    expect(findWords(page, { ...region, text: "nabc d" })).toBeUndefined();
  });

  it("are those of the source where it has them", () => {
    const { page, region, words } = pageWith("one two");
    expect(findWords(page, { ...region, words })).toEqual(words);
  });
});

describe("a crop", () => {
  it("shows the text 40 to 60 % high, in the window's shape, whole", () => {
    const { page, region } = pageWith("Total 12.50");
    for (let i = 0; i < 40; i++) {
      const plan = planCrop(page, region, size, new Random("plan", i));
      const [x0, y0, x1, y1] = plan.window;
      expect((x1 - x0) / (y1 - y0)).toBeCloseTo(4, 1);
      const share = (region.box[3] - region.box[1]) / (y1 - y0);
      expect(share).toBeGreaterThan(0.37);
      expect(share).toBeLessThan(0.63);
      expect(plan.textBox[0] >= x0 && plan.textBox[1] >= y0 && plan.textBox[2] <= x1 && plan.textBox[3] <= y1).toBe(
        true,
      );
    }
  });

  it("has as its text exactly the words its mask covers", async () => {
    const { page, region, words } = pageWith("Invoice 4711 for Miss Erika Mustermann, Newtown", { sizePx: 20 });
    const texts = new Set<string>();
    for (let i = 0; i < 60; i++) {
      // Half of the time the words must be found in the pixels.
      const plan = planCrop(page, i % 2 === 0 ? region : { ...region, words }, size, new Random("words", i));
      texts.add(plan.text);
      const covered = words.filter((word) => {
        const middle = (word.box[0] + word.box[2]) / 2;
        return middle > plan.textBox[0] && middle < plan.textBox[2];
      });
      expect(plan.text).toBe(covered.map((word) => word.text).join(" "));
      for (const word of words) {
        const overlap = Math.min(word.box[2], plan.textBox[2]) - Math.max(word.box[0], plan.textBox[0]);
        expect(covered.includes(word) ? overlap >= word.box[2] - word.box[0] - 2.5 : overlap <= 0.5).toBe(true);
      }
    }
    expect(texts.size).toBeGreaterThan(6);
  });

  it("masks all ink of its words and no other, when they are the whole line", async () => {
    const { page, region } = pageWith("Total");
    for (let i = 0; i < 10; i++) {
      const crop = await renderCrop(page, planCrop(page, region, size, new Random("mask", i)), size);
      expect(crop.image).toHaveLength(64 * 256 * 3);
      expect(crop.mask).toHaveLength(64 * 256);
      expect(inkIn(crop.image, crop.mask, 1)).toBeGreaterThan(100);
      expect(inkIn(crop.image, crop.mask, 0)).toBe(0);
    }
  });

  it("is the same for the same stream and another for another", () => {
    const { page, region } = pageWith("one two three four five six");
    const plan = (name: number): object => planCrop(page, region, size, new Random("same", name));
    expect(plan(1)).toEqual(plan(1));
    expect(new Set([1, 2, 3, 4, 5].map((name) => JSON.stringify(plan(name)))).size).toBe(5);
  });

  it("of a long word is smaller instead of cut; of a line that can't be cut, refused", () => {
    const word = pageWith("averylongaddresswithoutspaces@mail");
    const plan = planCrop(word.page, word.region, size, new Random(1));
    expect(plan.text).toBe("averylongaddresswithoutspaces@mail");
    expect(plan.textBox[2] - plan.textBox[0]).toBeLessThanOrEqual(plan.window[2] - plan.window[0]);
    const line = pageWith("one two three four five six seven eight nine ten");
    // The text of another line: its gaps fit nowhere.
    const wrong = { ...line.region, text: "onetwothreefourfivesixseven eight n i n e ten andmore" };
    expect(() => planCrop(line.page, wrong, size, new Random(1))).toThrow(
      expect.objectContaining({ code: "ERR_DATASET_INVALID", message: expect.stringContaining("told apart") }),
    );
    const huge = pageWith("w".repeat(60), { width: 1400, sizePx: 24 });
    expect(() => planCrop(huge.page, huge.region, size, new Random(1))).toThrow(
      expect.objectContaining({ code: "ERR_DATASET_INVALID", message: expect.stringContaining("too long") }),
    );
  });

  it("of a tiny region on a large page stays small in memory", () => {
    const page = createImage(3000, 3000);
    const plan = planCrop(page, { box: [2996, 2990, 2999, 2993], text: "i" }, size, new Random(1));
    expect((plan.window[2] - plan.window[0]) * (plan.window[3] - plan.window[1])).toBeLessThan(1000);
  });

  it("over the page's edge is filled with the paper's colour there, not stretched", async () => {
    const { page, region } = pageWith("Edge", { x: 1, y: 18, width: 120, paper: "rgb(230,220,200)" });
    const crop = await renderCrop(page, planCrop(page, region, { height: 64, width: 512 }, new Random(3)), {
      height: 64,
      width: 512,
    });
    // The page is narrower than the window, so both its sides are visible.
    for (const x of [0, 511])
      for (const y of [0, 63])
        expect([...crop.image.subarray((y * 512 + x) * 3, (y * 512 + x) * 3 + 3)]).toEqual([230, 220, 200]);
    const cut = cutWindow(page, [-10, -5, 20, 10]);
    expect([...cut.data.subarray(0, 3)]).toEqual([230, 220, 200]);
    expect(() => cutWindow(page, [-20, 0, -5, 10])).toThrow(expect.objectContaining({ code: "ERR_GEOMETRY" }));
  });

  it("cuts pixels out unchanged where no scaling is needed", () => {
    const { page } = pageWith("pixels");
    const cut = cutWindow(page, [30, 30, 94, 80]);
    for (const [x, y] of [
      [0, 0],
      [63, 49],
      [20, 25],
    ] as const) {
      const from = ((30 + y) * page.width + 30 + x) * 3;
      expect([...cut.data.subarray((y * 64 + x) * 3, (y * 64 + x) * 3 + 3)]).toEqual([
        ...page.data.subarray(from, from + 3),
      ]);
    }
  });

  it("has a mask on the grid it is asked for, of ones and zeros", () => {
    const plan = { window: [0, 0, 256, 64] as Box, textBox: [50, 20, 101, 45] as Box, text: "t" };
    const mask = drawMask(plan, { ...size, maskGrid: 8 });
    const rows = [...Array(64).keys()].filter((y) => mask.subarray(y * 256, (y + 1) * 256).includes(1));
    const columns = [...Array(256).keys()].filter((x) => mask[30 * 256 + x] === 1);
    expect([rows[0], rows.at(-1)! + 1, columns[0], columns.at(-1)! + 1]).toEqual([16, 48, 40, 104]);
    expect(new Set(mask)).toEqual(new Set([0, 1]));
    const fine = drawMask(plan, size);
    expect(fine.reduce((a, b) => a + b)).toBeLessThan(mask.reduce((a, b) => a + b));
  });
});

describe("the page cache", () => {
  const image = (bytes: number): RasterImage => ({ data: new Uint8Array(bytes), width: 1, height: 1 });

  it("keeps the pages used last within its bytes", async () => {
    const cache = new PageCache(250);
    const loads: number[] = [];
    const get = (key: number): Promise<RasterImage> =>
      cache.get(key, async () => {
        loads.push(key);
        return image(100);
      });
    for (const key of [1, 2, 1, 3, 1, 2]) await get(key);
    expect(loads).toEqual([1, 2, 3, 2]);
    expect(cache.bytes).toBeLessThanOrEqual(250);
  });

  it("loads a page once for several askers, and again after a failure", async () => {
    const cache = new PageCache(1000);
    let loads = 0;
    const slow = async (): Promise<RasterImage> => {
      loads++;
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (loads === 1) throw new Error("first");
      return image(10);
    };
    const first = await Promise.allSettled([cache.get(1, slow), cache.get(1, slow)]);
    expect(first.map((result) => result.status)).toEqual(["rejected", "rejected"]);
    await Promise.all([cache.get(1, slow), cache.get(1, slow)]);
    expect(loads).toBe(2);
  });

  it("serves a page larger than all its bytes without keeping it", async () => {
    const cache = new PageCache(50);
    expect((await cache.get(1, async () => image(100))).data).toHaveLength(100);
    expect(cache.bytes).toBe(0);
  });

  it("reports a file that is no image", async () => {
    await expect(decodePage(import.meta.filename, { width: 10, height: 10 })).rejects.toMatchObject({
      code: "ERR_DOCUMENT_DAMAGED",
    });
  });
});
