import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Box,
  boxArea,
  checkBox,
  clipBox,
  growBox,
  intersectBoxes,
  quadBounds,
  roundOut,
  uniteBoxes,
} from "../../src/documents/geometry.ts";
import { createImage, cropImage, pasteImage } from "../../src/documents/image.ts";
import type { Patch } from "../../src/inpainting/patch.ts";
import { extractPatch } from "../../src/inpainting/patches.ts";
import { replacementOf } from "./helpers/drawn-page.ts";
import { checkShape, holds } from "./helpers/patches.ts";

const runs = { numRuns: 300, seed: 5 };
const coordinate = fc.integer({ min: -1e9, max: 1e9 }).map((thousandths) => thousandths / 1000);
const sorted = (a: number, b: number): [number, number] => (a <= b ? [a, b] : [b, a]);
const boxOf = fc.tuple(coordinate, coordinate, coordinate, coordinate).map(([a, b, c, d]): Box => {
  const [x0, x1] = sorted(a, c);
  const [y0, y1] = sorted(b, d);
  return [x0, y0, x1, y1];
});
const size = fc.record({ width: fc.integer({ min: 1, max: 30_000 }), height: fc.integer({ min: 1, max: 30_000 }) });
describe("boxes", () => {
  it("clipped lie on the page, and clipping again changes nothing", () => {
    fc.assert(
      fc.property(boxOf, size, (box, page) => {
        const clipped = clipBox(box, page);
        expect(holds([0, 0, page.width, page.height], clipped)).toBe(true);
        expect(clipBox(clipped, page)).toEqual(clipped);
        expect(boxArea(clipped)).toBeLessThanOrEqual(boxArea(box));
        if (holds([0, 0, page.width, page.height], box)) expect(clipped).toEqual(box);
      }),
      runs,
    );
  });

  it("rounded out hold the box, by less than a pixel a side", () => {
    fc.assert(
      fc.property(boxOf, (box) => {
        const round = roundOut(box);
        expect(round.every(Number.isInteger)).toBe(true);
        expect(holds(round, box)).toBe(true);
        for (const side of [0, 1, 2, 3] as const) expect(Math.abs(round[side] - box[side])).toBeLessThan(1);
      }),
      runs,
    );
  });

  it("common and united parts are bounds of each other", () => {
    fc.assert(
      fc.property(boxOf, boxOf, (a, b) => {
        const common = intersectBoxes(a, b);
        const united = uniteBoxes([a, b]);
        expect(common).toEqual(intersectBoxes(b, a));
        expect(holds(united, a) && holds(united, b)).toBe(true);
        if (boxArea(common) > 0) expect(holds(a, common) && holds(b, common)).toBe(true);
        expect(intersectBoxes(a, united)).toEqual(a);
      }),
      runs,
    );
  });

  it("grown hold what they were; the box around a quad holds its corners", () => {
    fc.assert(
      fc.property(boxOf, fc.double({ min: 0, max: 1e4, noNaN: true }), (box, by) => {
        expect(holds(growBox(box, by), box)).toBe(true);
        const [x0, y0, x1, y1] = box;
        expect(quadBounds([x1, y0, x1, y1, x0, y1, x0, y0])).toEqual(box);
      }),
      runs,
    );
  });

  it("pass the check exactly when they have area and lie on the page", () => {
    const wild = fc.oneof(coordinate, fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -0, 0, 1, 100));
    fc.assert(
      fc.property(wild, wild, wild, wild, size, (x0, y0, x1, y1, page) => {
        const fine = x0 >= 0 && y0 >= 0 && x1 <= page.width && y1 <= page.height && x0 < x1 && y0 < y1;
        const check = () => checkBox([x0, y0, x1, y1], page, "A box");
        if (fine) expect(check()).toEqual([x0, y0, x1, y1]);
        else expect(check).toThrow(expect.objectContaining({ code: "ERR_GEOMETRY" }));
      }),
      { ...runs, numRuns: 600 },
    );
  });

  it("cut out and put back leave the image as it was; outside it nothing can be cut", () => {
    const image = createImage(23, 17);
    for (let i = 0; i < image.data.length; i++) image.data[i] = (i * 31) % 251;
    const edge = fc.integer({ min: -3, max: 26 });
    fc.assert(
      fc.property(edge, edge, edge, edge, (x0, y0, x1, y1) => {
        const fits = x0 >= 0 && y0 >= 0 && x1 <= 23 && y1 <= 17 && x0 < x1 && y0 < y1;
        if (!fits) {
          expect(() => cropImage(image, [x0, y0, x1, y1])).toThrow(expect.objectContaining({ code: "ERR_GEOMETRY" }));
          return;
        }
        const copy = { ...image, data: image.data.slice() };
        pasteImage(copy, cropImage(image, [x0, y0, x1, y1]), x0, y0);
        expect(Buffer.compare(copy.data, image.data)).toBe(0);
      }),
      runs,
    );
  });
});

describe("patches", () => {
  const maxSide = 256;
  /** A page with ink at places that follow from its size, and a box with area on it. */
  const pageAndBox = fc
    .record({ width: fc.integer({ min: 1, max: 900 }), height: fc.integer({ min: 1, max: 500 }), ink: fc.nat(30) })
    .chain(({ width, height, ink }) =>
      fc.record({
        width: fc.constant(width),
        height: fc.constant(height),
        ink: fc.constant(ink),
        xs: fc.tuple(fc.double({ min: 0, max: width, noNaN: true }), fc.double({ min: 0, max: width, noNaN: true })),
        ys: fc.tuple(fc.double({ min: 0, max: height, noNaN: true }), fc.double({ min: 0, max: height, noNaN: true })),
      }),
    );

  const checkPatch = (patch: Patch, width: number, height: number, text: Box): void => {
    checkShape(patch, width, height);
    const { pageBox, maskBox, textBox, image } = patch;
    const onPage: Box = [
      textBox[0] + pageBox[0],
      textBox[1] + pageBox[1],
      textBox[2] + pageBox[0],
      textBox[3] + pageBox[1],
    ];
    expect(holds(onPage, text)).toBe(true);
    // However large the page: the asked-for side, or what the mask needs in the next bucket.
    expect(image.width).toBeLessThanOrEqual(Math.max(maxSide, (maskBox[2] - maskBox[0]) * 1.25 + 32));
    expect(image.height).toBeLessThanOrEqual(Math.max(maxSide, (maskBox[3] - maskBox[1]) * 1.25 + 32));
    // And what may be repainted stays near the text.
    const [w, h] = [textBox[2] - textBox[0], textBox[3] - textBox[1]];
    expect(maskBox[2] - maskBox[0]).toBeLessThanOrEqual(w * 1.3 + 3 * Math.min(h, 400) + 16);
    expect(maskBox[3] - maskBox[1]).toBeLessThanOrEqual(h * 1.3 + 3 * Math.min(h, 400) + 16);
  };

  it("of any box on any page lie on it, hold the text and are bounded", () => {
    fc.assert(
      fc.property(
        pageAndBox,
        fc.string({ maxLength: 12 }),
        fc.string({ minLength: 1, maxLength: 30 }),
        (at, was, fake) => {
          const { width, height, ink, xs, ys } = at;
          const [x0, x1] = sorted(...xs);
          const [y0, y1] = sorted(...ys);
          fc.pre(x0 < x1 && y0 < y1);
          const page = createImage(width, height);
          for (let i = 0; i < ink * 400; i++) page.data[(i * 7919) % page.data.length] = 20;
          checkPatch(extractPatch(page, replacementOf(was, fake, [x0, y0, x1, y1]), { maxSide }), width, height, [
            x0,
            y0,
            x1,
            y1,
          ]);
        },
      ),
      { numRuns: 150, seed: 5 },
    );
  });

  it("of 3 pixels on a page 20,000 pixels wide or high are small, wherever they lie", () => {
    const page = createImage(20_000, 64);
    const at = fc.record({
      x: fc.integer({ min: 0, max: 19_997 }),
      y: fc.integer({ min: 0, max: 61 }),
      tall: fc.boolean(),
    });
    const tallPage = createImage(64, 20_000);
    fc.assert(
      fc.property(at, ({ x, y, tall }) => {
        const box: Box = tall ? [y, x, y + 3, x + 3] : [x, y, x + 3, y + 3];
        const [width, height] = tall ? [64, 20_000] : [20_000, 64];
        const patch = extractPatch(tall ? tallPage : page, replacementOf("a", "b", box));
        checkPatch(patch, width, height, box);
        expect(Math.max(patch.image.width, patch.image.height)).toBeLessThanOrEqual(64);
      }),
      { numRuns: 60, seed: 5 },
    );
  });
});
