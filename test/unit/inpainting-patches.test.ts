import { describe, expect, it } from "vitest";
import { type Box, intersectBoxes } from "../../src/documents/geometry.ts";
import { createImage, cropImage, pasteImage } from "../../src/documents/image.ts";
import type { Patch } from "../../src/inpainting/patch.ts";
import { bucketed, extractPatch } from "../../src/inpainting/patches.ts";
import { regionSeed } from "../../src/inpainting/region-seed.ts";
import { Random } from "../../src/random/random.ts";
import { changes, drawPage, replacementOf } from "./helpers/drawn-page.ts";
import { checkShape, holds } from "./helpers/patches.ts";

const onPage = ({ pageBox, maskBox }: Patch): Box => [
  pageBox[0] + maskBox[0],
  pageBox[1] + maskBox[1],
  pageBox[0] + maskBox[2],
  pageBox[1] + maskBox[3],
];

describe("a patch", () => {
  const { page, boxes } = drawPage(900, 400, [{ text: "Clara Lindholm", x: 300, y: 180 }]);
  const box = boxes[0]!;

  it("holds its text, a margin and surroundings, in sides that many patches share", () => {
    const patch = extractPatch(page, replacementOf("Clara Lindholm", "Berta Sandvik", box));
    checkShape(patch, 900, 400);
    expect(patch.image.width % 8).toBe(0);
    expect(patch.image.height % 8).toBe(0);
    expect(patch.image).toEqual(cropImage(page, patch.pageBox));
    const mask = onPage(patch);
    for (const side of [0, 1]) expect(mask[side]!).toBeLessThanOrEqual(box[side]! - 2);
    for (const side of [2, 3]) expect(mask[side]!).toBeGreaterThanOrEqual(box[side]! + 2);
    expect(patch).toMatchObject({ id: "p0-e0", text: "Berta Sandvik", original: "Clara Lindholm" });
  });

  it("grows its mask to all of the old ink when the box was drawn too tight", () => {
    const tight: Box = [box[0] + 3, box[1] + 4, box[2] - 4, box[3] - 5];
    expect(holds(onPage(extractPatch(page, replacementOf("Clara Lindholm", "Berta Sandvik", tight))), box)).toBe(true);
  });

  it("is made also where other texts lie across its own from several sides", () => {
    const own: Box = [300, 180, 400, 200];
    const others: Box[] = [
      [230, 140, 335, 215],
      [365, 165, 470, 240],
    ];
    checkShape(extractPatch(page, replacementOf("Clara Lindholm", "Berta Sandvik", own), { others }), 900, 400);
  });

  it("does not swallow a neighbouring line or a long rule", () => {
    const two = drawPage(900, 400, [
      { text: "Clara Lindholm", x: 300, y: 180 },
      { text: "Another line under it", x: 300, y: 210 },
    ]);
    pasteImage(two.page, createImage(900, 2, [30, 30, 30]), 0, 172);
    const mask = onPage(extractPatch(two.page, replacementOf("Clara Lindholm", "Berta Sandvik", two.boxes[0]!)));
    expect(mask[1]).toBeGreaterThan(166);
    expect(mask[3]).toBeLessThanOrEqual(two.boxes[1]![1] + 1);
  });

  it("takes more room to the right for a longer text, where the paper is empty", () => {
    const short = onPage(extractPatch(page, replacementOf("Clara Lindholm", "Berta Lindhol", box)));
    const long = onPage(extractPatch(page, replacementOf("Clara Lindholm", "Bertamina Sandviken", box)));
    expect(long[2]).toBeGreaterThan(short[2] + 10);
    const blocked = drawPage(900, 400, [
      { text: "Clara Lindholm", x: 300, y: 180 },
      { text: "12.50", x: box[2] + 8, y: 180 },
    ]);
    const mask = onPage(
      extractPatch(blocked.page, replacementOf("Clara Lindholm", "Bertamina Sandviken", blocked.boxes[0]!)),
    );
    expect(mask[2]).toBeLessThanOrEqual(blocked.boxes[1]![0]);
  });

  it("has the seed it is given, else one that follows from the entity", () => {
    const make = (id: string, seed?: number) =>
      extractPatch(page, replacementOf("Clara Lindholm", "x", box, id), seed === undefined ? {} : { seed }).seed;
    expect(make("p0-e1", 7)).toBe(7);
    expect(make("p0-e1")).toBe(make("p0-e1"));
    expect(make("p0-e1")).not.toBe(make("p0-e2"));
    expect(regionSeed("doc", "p0-e1")).not.toBe(regionSeed("doc", "p0-e1", 1));
    expect(regionSeed("doc", "p0-e1")).not.toBe(regionSeed("other", "p0-e1"));
  });
});

describe("at the limits", () => {
  it("boxes anywhere on pages of any size give patches that fit", () => {
    const random = new Random(4);
    for (let i = 0; i < 150; i++) {
      const width = 1 + random.below(i % 3 === 0 ? 40 : 600);
      const height = 1 + random.below(i % 3 === 1 ? 40 : 400);
      const page = createImage(width, height, [200, 200, 200]);
      for (let k = 0; k < page.data.length; k += 7) page.data[k] = random.below(256);
      const x0 = random.below(width);
      const y0 = random.below(height);
      const box: Box = [
        x0,
        y0,
        Math.min(width, x0 + 1 + random.below(width)),
        Math.min(height, y0 + 1 + random.below(60)),
      ];
      checkShape(extractPatch(page, replacementOf("abc", "xyz", box)), width, height);
    }
  });

  it("a 3-pixel box on a 20,000-pixel page gives a small patch", () => {
    const page = createImage(20_000, 400);
    const patch = extractPatch(page, replacementOf("a", "b", [12_345, 200, 12_348, 203]));
    checkShape(patch, 20_000, 400);
    expect(patch.image.width).toBeLessThanOrEqual(64);
    expect(patch.image.height).toBeLessThanOrEqual(64);
    expect(patch.image.width).toBeGreaterThanOrEqual(32);
  });

  it("boxes in all four corners of the page stay inside it", () => {
    const page = createImage(500, 300);
    for (const box of [
      [0, 0, 60, 14],
      [440, 0, 500, 14],
      [0, 286, 60, 300],
      [440, 286, 500, 300],
    ] as Box[]) {
      checkShape(extractPatch(page, replacementOf("abc", "abd", box)), 500, 300);
    }
  });

  it("surroundings are bounded, a long text still fits", () => {
    const page = createImage(4000, 900);
    const wide = extractPatch(page, replacementOf("x".repeat(60), "y".repeat(60), [100, 400, 3000, 460]));
    checkShape(wide, 4000, 900);
    expect(wide.image.width).toBeLessThan(3300);
    const tall = extractPatch(page, replacementOf("BIG", "LOW", [100, 100, 900, 700]), { maxSide: 256 });
    expect(tall.image.height).toBeLessThanOrEqual(bucketed(tall.maskBox[3] - tall.maskBox[1]));
  });

  it("a box of more than 16 megapixels is refused, as is one outside the page", () => {
    const page = createImage(5000, 5000);
    expect(() => extractPatch(page, replacementOf("a", "b", [0, 0, 5000, 5000]))).toThrow(
      expect.objectContaining({ code: "ERR_DOCUMENT_LIMIT" }),
    );
    for (const box of [
      [-1, 0, 5, 5],
      [4990, 0, 5010, 9],
      [5, 5, 5, 9],
      [Number.NaN, 0, 5, 5],
    ] as Box[]) {
      expect(() => extractPatch(page, replacementOf("secret", "b", box))).toThrow(
        expect.objectContaining({ code: "ERR_GEOMETRY" }),
      );
      expect(() => extractPatch(page, replacementOf("secret", "b", box))).not.toThrow(/secret/);
    }
  });
});

describe("neighbouring regions", () => {
  it("never share a pixel of their masks, in any arrangement of boxes that can be divided", () => {
    const random = new Random(11);
    const page = createImage(400, 300, [240, 240, 240]);
    for (let i = 0; i < page.data.length; i++) page.data[i] = 200 + random.below(56);
    for (let round = 0; round < 60; round++) {
      const height = 12 + random.below(20);
      const boxes: Box[] = [];
      let y = 20;
      for (let line = 0; line < 4; line++) {
        const x = 20 + random.below(60);
        const middle = x + 60 + random.below(60);
        boxes.push(
          [x, y, middle, y + height],
          [middle + random.below(8) - 2, y + random.below(4), middle + 90, y + height],
        );
        // Lines may overlap by a few pixels, as those of a tight paragraph do.
        y += height - 3 + random.below(9);
      }
      const masks = boxes.map((box, i) =>
        onPage(extractPatch(page, replacementOf("abcdef", "ghijkl", box), { others: boxes.filter((_, k) => k !== i) })),
      );
      for (let a = 0; a < masks.length; a++) {
        for (let b = a + 1; b < masks.length; b++) {
          const common = intersectBoxes(masks[a]!, masks[b]!);
          expect(common[0] >= common[2] || common[1] >= common[3], `${boxes[a]} ${boxes[b]}`).toBe(true);
        }
      }
    }
  });

  it("leave no old pixel between them when their boxes overlap", () => {
    const page = createImage(300, 120);
    const boxes: Box[] = [
      [20, 20, 200, 50],
      [20, 44, 200, 74],
    ];
    const [a, b] = boxes.map((box, i) =>
      onPage(extractPatch(page, replacementOf("abc", "abd", box), { others: [boxes[1 - i]!] })),
    );
    expect(a![3]).toBe(b![1]);
  });
});

describe("the helper of these tests", () => {
  it("sees a changed pixel", () => {
    const page = createImage(4, 4);
    const other = createImage(4, 4);
    other.data[0] = 1;
    expect(changes(page, other, [1, 1, 2, 2])).toEqual({ inside: 0, outside: 1 });
  });
});
