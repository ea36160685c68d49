import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Box, boxHeight, boxWidth, growBox } from "../../src/documents/geometry.ts";
import { copyImage, createImage, pasteImage, type RasterImage } from "../../src/documents/image.ts";
import { boxOnLevel, boxOnPage, levelFrame, rowSpan, toLevel, toPage } from "../../src/documents/level-frame.ts";
import { copyTurned, levelImage, levelPart, putBack } from "../../src/documents/level-image.ts";
import { checkOutside } from "../../src/verification/outside-check.ts";

const frames = fc
  .record({
    width: fc.integer({ min: 20, max: 90 }),
    height: fc.integer({ min: 20, max: 90 }),
    skew: fc.double({ min: 1, max: 45, noNaN: true }),
    sign: fc.constantFrom(1, -1),
  })
  .map(({ width, height, skew, sign }) => levelFrame({ width, height }, sign * skew));

/** Soft waves, so that interpolating loses little. */
function waves(width: number, height: number): RasterImage {
  const page = createImage(width, height);
  for (let i = 0; i < page.data.length; i++) {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    page.data[i] = Math.round(128 + 60 * Math.sin(x / 6 + (i % 3)) + 60 * Math.cos(y / 7));
  }
  return page;
}

describe("a page turned level", () => {
  it("is large enough for all of the page, and every point has its place on both", () => {
    fc.assert(
      fc.property(
        frames,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (frame, a, b) => {
          const [x, y] = [a * frame.page.width, b * frame.page.height];
          const [u, v] = toLevel(frame, x, y);
          expect(u).toBeGreaterThanOrEqual(-1e-9);
          expect(v).toBeGreaterThanOrEqual(-1e-9);
          expect(u).toBeLessThanOrEqual(frame.level.width + 1e-9);
          expect(v).toBeLessThanOrEqual(frame.level.height + 1e-9);
          const [backX, backY] = toPage(frame, u, v);
          expect(backX).toBeCloseTo(x, 6);
          expect(backY).toBeCloseTo(y, 6);
        },
      ),
      { numRuns: 100, seed: 1 },
    );
  });

  it("has level lines where the page's fall to the right", () => {
    const frame = levelFrame({ width: 200, height: 100 }, 10);
    const rise = (x: number): number => 50 + (x - 100) * Math.tan((10 * Math.PI) / 180);
    expect(toLevel(frame, 20, rise(20))[1]).toBeCloseTo(toLevel(frame, 180, rise(180))[1], 6);
  });

  it("shows the page's pixels in their places, and its edge's colour beyond", async () => {
    const page = waves(120, 80);
    const frame = levelFrame(page, 12);
    const level = await levelImage(page, frame);
    let worst = 0;
    for (let y = 4; y < 76; y += 3) {
      for (let x = 4; x < 116; x += 3) {
        const [u, v] = toLevel(frame, x + 0.5, y + 0.5);
        const at = (Math.floor(v) * level.width + Math.floor(u)) * 3;
        worst = Math.max(worst, Math.abs(level.data[at]! - page.data[(y * page.width + x) * 3]!));
      }
    }
    // Half a pixel of the waves.
    expect(worst).toBeLessThan(18);
    const grey = await levelImage(createImage(50, 40, [90, 80, 70]), levelFrame({ width: 50, height: 40 }, 20));
    expect(new Set(grey.data)).toEqual(new Set([90, 80, 70]));
  });

  it("gives boxes that are found again from the ones around them", () => {
    const frame = levelFrame({ width: 1000, height: 800 }, -9);
    const box: Box = [420, 300, 700, 330];
    const again = boxOnLevel(frame, boxOnPage(frame, box));
    for (const side of [0, 1, 2, 3] as const) expect(Math.abs(again[side] - box[side])).toBeLessThan(2);
  });
});

describe("what was changed on the level page", () => {
  const boxOf = (frame: ReturnType<typeof levelFrame>, share: readonly number[]): Box => {
    const { width, height } = frame.level;
    const [x, y] = [Math.floor(share[0]! * (width - 6)), Math.floor(share[1]! * (height - 6))];
    return [x, y, x + 3 + Math.floor(share[2]! * (width - x - 4)), y + 3 + Math.floor(share[3]! * (height - y - 4))];
  };
  const shares = fc.array(fc.double({ min: 0, max: 0.99, noNaN: true }), { minLength: 4, maxLength: 4 });

  it("comes to the pixels whose middles lie in the turned box, and to no other", async () => {
    await fc.assert(
      fc.asyncProperty(frames, shares, async (frame, share) => {
        const box = boxOf(frame, share);
        const page = createImage(frame.page.width, frame.page.height);
        const before = await levelImage(page, frame);
        const after = copyImage(before);
        // More than the box: what an engine changes outside its mask must not come back.
        const wide = growBox(box, 3);
        for (let y = Math.max(0, wide[1]); y < Math.min(after.height, wide[3]); y++)
          for (let x = Math.max(0, wide[0]); x < Math.min(after.width, wide[2]); x++)
            after.data.fill(0, (y * after.width + x) * 3, (y * after.width + x) * 3 + 3);
        const changed = copyImage(page);
        await putBack(changed, { before, after }, frame, box);
        let inside = 0;
        for (let y = 0; y < page.height; y++) {
          for (let x = 0; x < page.width; x++) {
            const [u, v] = toLevel(frame, x + 0.5, y + 0.5);
            const within = u >= box[0] && u < box[2] && v >= box[1] && v < box[3];
            const nearEdge = [u - box[0], u - box[2], v - box[1], v - box[3]].some((d) => Math.abs(d) < 1e-6);
            if (nearEdge) continue;
            if (within) inside++;
            expect(changed.data[(y * page.width + x) * 3]).toBe(within ? 0 : 255);
          }
        }
        const check = await checkOutside(page, changed, [box], undefined, frame);
        expect(check.changed).toBe(0);
        expect(Math.abs(check.compared + inside - page.width * page.height)).toBeLessThanOrEqual(2);
        copyTurned(page, changed, frame, box);
        expect(Buffer.compare(changed.data, page.data)).toBe(0);
      }),
      { numRuns: 40, seed: 1 },
    );
  });

  it("is told when it reaches out of the turned box", async () => {
    const page = createImage(300, 200);
    const frame = levelFrame(page, 9);
    const box: Box = [100, 100, 200, 120];
    const changed = copyImage(page);
    // Inside the box around the turned one, yet outside of it.
    const [x0, , , y1] = boxOnPage(frame, box);
    pasteImage(changed, createImage(2, 2, [0, 0, 0]), x0 + 2, y1 - 4);
    expect((await checkOutside(page, changed, [box], undefined, frame)).changed).toBe(4);
    expect((await checkOutside(page, changed, [boxOnPage(frame, box)])).changed).toBe(0);
  });

  it("leaves the grain of pixels that were not drawn on", async () => {
    const page = createImage(120, 90);
    for (let i = 0; i < page.data.length; i++) page.data[i] = 200 + ((i * 7919) % 31);
    const frame = levelFrame(page, -7);
    const before = await levelImage(page, frame);
    const after = copyImage(before);
    pasteImage(after, createImage(10, 10, [0, 0, 0]), 40, 40);
    const changed = copyImage(page);
    await putBack(changed, { before, after }, frame, [20, 20, 90, 70]);
    const view = copyImage(before);
    await levelPart(view, changed, frame, [0, 0, view.width, view.height]);
    expect(view.data[(45 * view.width + 45) * 3]).toBeLessThan(5);
    expect((await checkOutside(page, changed, [[38, 38, 52, 52]], undefined, frame)).changed).toBe(0);
  });

  it("covers rows of the page without gaps", () => {
    const frame = levelFrame({ width: 400, height: 300 }, 12);
    const box: Box = [100, 120, 300, 150];
    const [, top, , bottom] = boxOnPage(frame, box);
    let area = 0;
    for (let y = top; y < bottom; y++) {
      const [start, end] = rowSpan(frame, box, y);
      area += end - start;
    }
    expect(Math.abs(area - boxWidth(box) * boxHeight(box))).toBeLessThan(60);
  });
});
