import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Box, boxArea } from "../../src/documents/geometry.ts";
import { cropImage } from "../../src/documents/image.ts";
import { quarterTurns, turnBack, turnBox, turnImage, turnSize } from "../../src/documents/turn.ts";

const sides = fc.record({ width: fc.integer({ min: 1, max: 40 }), height: fc.integer({ min: 1, max: 40 }) });
const turns = fc.constantFrom(...quarterTurns);
const seeded = (width: number, height: number) => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) % 251),
});
const part = (share: [number, number], length: number): [number, number] => {
  const [a, b] = share.map((s) => Math.min(length - 1, Math.floor(s * length))) as [number, number];
  return [Math.min(a, b), Math.max(a, b) + 1];
};
const shares = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }));

describe("a quarter turn", () => {
  it("undone gives every pixel back", async () => {
    await fc.assert(
      fc.asyncProperty(sides, turns, async ({ width, height }, turn) => {
        const image = seeded(width, height);
        const turned = await turnImage(image, turn);
        expect({ width: turned.width, height: turned.height }).toEqual(turnSize(image, turn));
        const back = await turnImage(turned, turnBack(turn));
        expect([back.width, back.height]).toEqual([width, height]);
        expect(Buffer.compare(back.data, image.data)).toBe(0);
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it("takes boxes along: what is in them is the same, turned", async () => {
    await fc.assert(
      fc.asyncProperty(sides, turns, shares, shares, async ({ width, height }, turn, xs, ys) => {
        const image = seeded(width, height);
        const [x0, x1] = part(xs, width);
        const [y0, y1] = part(ys, height);
        const box: Box = [x0, y0, x1, y1];
        const moved = turnBox(box, image, turn);
        const inside = cropImage(await turnImage(image, turn), moved);
        const expected = await turnImage(cropImage(image, box), turn);
        expect(Buffer.compare(inside.data, expected.data)).toBe(0);
        expect(boxArea(moved)).toBe(boxArea(box));
        expect(turnBox(moved, turnSize(image, turn), turnBack(turn))).toEqual(box);
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  it("is clockwise", async () => {
    const image = { width: 2, height: 1, data: Uint8Array.from([1, 1, 1, 2, 2, 2]) };
    expect([...(await turnImage(image, 90)).data]).toEqual([1, 1, 1, 2, 2, 2]);
    expect([...(await turnImage(image, 180)).data]).toEqual([2, 2, 2, 1, 1, 1]);
    expect(turnBox([0, 0, 1, 1], image, 270)).toEqual([0, 1, 1, 2]);
  });
});
