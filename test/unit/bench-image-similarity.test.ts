import { describe, expect, it } from "vitest";
import { psnr, ssim } from "../../bench/image-similarity.ts";
import type { Box } from "../../src/documents/geometry.ts";
import { copyImage, type RasterImage } from "../../src/documents/image.ts";
import { random } from "../helpers/tiny.ts";

const filled = (width: number, height: number, value: (x: number, y: number) => number): RasterImage => {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) data.fill(value(i % width, Math.floor(i / width)), i * 3, i * 3 + 3);
  return { data, width, height };
};
const noisy = (width: number, height: number, seed: number): RasterImage => {
  const next = random(seed);
  return filled(width, height, () => Math.floor(next() * 256));
};
const whole = ({ width, height }: RasterImage): Box => [0, 0, width, height];

it("a copied image has its own pixels, also where they came in a Buffer", () => {
  const image = { data: Buffer.alloc(12, 7), width: 2, height: 2 };
  copyImage(image).data.fill(0);
  expect(image.data[0]).toBe(7);
});

describe("image similarity", () => {
  it("is full for equal images, also where the box is lower than a window", () => {
    for (const [width, height] of [
      [40, 8],
      [3, 2],
      [1, 1],
      [7, 7],
    ] as const) {
      const image = noisy(width, height, 1);
      expect(ssim(image, image, whole(image))).toBeCloseTo(1, 12);
      expect(psnr(image, image, whole(image))).toBe(99);
    }
  });

  it("is the formula's value for even greys", () => {
    const [a, b] = [filled(20, 8, () => 100), filled(20, 8, () => 130)];
    const c1 = 2.55 ** 2;
    expect(ssim(a, b, whole(a))).toBeCloseTo((2 * 100 * 130 + c1) / (100 ** 2 + 130 ** 2 + c1), 10);
    expect(psnr(a, b, whole(a))).toBeCloseTo(20 * Math.log10(255 / 30), 10);
  });

  it("agrees with the windows counted one by one", () => {
    const [a, b] = [noisy(19, 9, 2), noisy(19, 9, 3)];
    const grey = ({ data, width }: RasterImage, x: number, y: number): number => data[(y * width + x) * 3]!;
    let total = 0;
    let count = 0;
    for (let y = 0; y + 7 <= 9; y++) {
      for (let x = 0; x + 7 <= 19; x++) {
        const pairs = Array.from({ length: 49 }, (_, i) => [x + (i % 7), y + Math.floor(i / 7)] as const).map(
          ([u, v]) => [grey(a, u, v), grey(b, u, v)] as const,
        );
        const mean = (of: (pair: readonly [number, number]) => number): number =>
          pairs.reduce((sum, pair) => sum + of(pair), 0) / 49;
        const [mx, my] = [mean(([p]) => p), mean(([, q]) => q)];
        const spread = (of: (pair: readonly [number, number]) => number): number => (mean(of) * 49) / 48;
        const [vx, vy] = [spread(([p]) => (p - mx) ** 2), spread(([, q]) => (q - my) ** 2)];
        const cov = spread(([p, q]) => (p - mx) * (q - my));
        total += ((2 * mx * my + 6.5025) * (2 * cov + 58.5225)) / ((mx * mx + my * my + 6.5025) * (vx + vy + 58.5225));
        count++;
      }
    }
    expect(ssim(a, b, whole(a))).toBeCloseTo(total / count, 8);
  });

  it("looks only into the box", () => {
    const a = noisy(30, 20, 4);
    const b = { ...a, data: a.data.slice() };
    b.data.fill(0, 0, 30 * 3);
    expect(ssim(a, b, [0, 1, 30, 20])).toBeCloseTo(1, 12);
    expect(psnr(a, b, [0, 1, 30, 20])).toBe(99);
    expect(psnr(a, b, [0, 0, 30, 20])).toBeLessThan(30);
  });
});
