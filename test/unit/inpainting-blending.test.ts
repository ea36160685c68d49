import { describe, expect, it } from "vitest";
import type { Box } from "../../src/documents/geometry.ts";
import { copyImage, createImage } from "../../src/documents/image.ts";
import { pastePatch } from "../../src/inpainting/blending.ts";
import type { Patch } from "../../src/inpainting/patch.ts";
import { extractPatch } from "../../src/inpainting/patches.ts";
import { Random } from "../../src/random/random.ts";
import { changes, replacementOf } from "./helpers/drawn-page.ts";

const onPage = ({ pageBox, maskBox }: Patch): Box => [
  pageBox[0] + maskBox[0],
  pageBox[1] + maskBox[1],
  pageBox[0] + maskBox[2],
  pageBox[1] + maskBox[3],
];

function noisyPage(width: number, height: number, seed: number) {
  const random = new Random(seed);
  const page = createImage(width, height);
  for (let i = 0; i < page.data.length; i++) page.data[i] = random.below(256);
  return page;
}

describe("pasting", () => {
  it("changes nothing outside the mask, for random boxes, sizes and feathers, borders included", () => {
    const random = new Random(8);
    for (let i = 0; i < 120; i++) {
      const width = 40 + random.below(200);
      const height = 40 + random.below(120);
      const page = noisyPage(width, height, i);
      const atBorder = random.below(3) === 0;
      const x0 = atBorder ? 0 : random.below(width - 8);
      const y0 = atBorder ? height - 9 : random.below(height - 8);
      const box: Box = [
        x0,
        y0,
        Math.min(width, x0 + 4 + random.below(80)),
        Math.min(height, y0 + 4 + random.below(20)),
      ];
      const patch = extractPatch(page, replacementOf("abc", "xyz", box));
      const after = copyImage(page);
      const image = noisyPage(patch.image.width, patch.image.height, i + 1000);
      pastePatch(after, patch, { id: patch.id, image }, { featherPx: random.below(6) });
      const { inside, outside } = changes(page, after, onPage(patch));
      expect(outside).toBe(0);
      expect(inside).toBeGreaterThan(0);
    }
  });

  it("mixes softly at the edge where old and new are alike, and not at the border of the page", () => {
    const page = createImage(100, 60, [200, 200, 200]);
    const patch = extractPatch(page, replacementOf("abc", "xyz", [0, 20, 50, 40]));
    const image = createImage(patch.image.width, patch.image.height, [206, 206, 206]);
    pastePatch(page, patch, { id: patch.id, image }, { featherPx: 2 });
    const [x0, y0, x1, y1] = onPage(patch);
    const row = Math.round((y0 + y1) / 2);
    const at = (x: number, y: number): number => page.data[(y * 100 + x) * 3]!;
    expect([at(x1, row), at(x1 - 1, row), at(x1 - 2, row), at(x1 - 3, row)]).toEqual([200, 202, 204, 206]);
    expect([at(40, y0 - 1), at(40, y0), at(40, y0 + 1), at(40, y0 + 2)]).toEqual([200, 202, 204, 206]);
    expect(x0).toBe(0);
    expect(at(0, row)).toBe(206);
  });

  it("never lets old ink shine through the soft edge", () => {
    const page = createImage(100, 60, [10, 10, 10]);
    const patch = extractPatch(page, replacementOf("abc", "xyz", [20, 20, 60, 40]));
    const image = createImage(patch.image.width, patch.image.height, [240, 240, 240]);
    pastePatch(page, patch, { id: patch.id, image }, { featherPx: 3 });
    const [x0, y0] = onPage(patch);
    expect(page.data[(y0 * 100 + x0) * 3]).toBe(240);
  });

  it("twice is as once", () => {
    const page = noisyPage(120, 60, 3);
    const patch = extractPatch(page, replacementOf("abc", "xyz", [20, 20, 80, 40]));
    const result = { id: patch.id, image: noisyPage(patch.image.width, patch.image.height, 5) };
    pastePatch(page, patch, result);
    const once = copyImage(page);
    pastePatch(page, patch, result);
    expect(page).toEqual(once);
  });

  it("refuses results and pages of another size", () => {
    const page = createImage(120, 60);
    const patch = extractPatch(page, replacementOf("abc", "xyz", [20, 20, 80, 40]));
    const wrong = createImage(patch.image.width - 1, patch.image.height);
    expect(() => pastePatch(page, patch, { id: patch.id, image: wrong })).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }),
    );
    expect(() => pastePatch(createImage(30, 30), patch, { id: patch.id, image: patch.image })).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }),
    );
    expect(() => pastePatch(page, patch, { id: patch.id, image: patch.image }, { featherPx: -1 })).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }),
    );
  });
});
