import { describe, expect, it } from "vitest";
import {
  convexHull,
  growRotated,
  pointIn,
  quadIn,
  type RotatedBox,
  scaleRotated,
  smallestBox,
  turnReading,
} from "../../src/detection/ppocr/rotated-box.ts";
import { findTextBoxes, type ProbabilityMap } from "../../src/detection/ppocr/text-boxes.ts";
import { random } from "../helpers/tiny.ts";

const degrees = (value: number): number => (value * Math.PI) / 180;

/** A map in which the pixels inside the boxes have the given probability. */
function mapOf(
  width: number,
  height: number,
  cores: readonly (RotatedBox & { readonly p?: number })[],
): ProbabilityMap {
  const data = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (const { cx, cy, width: w, height: h, angle, p = 0.9 } of cores) {
        const [dx, dy] = [x + 0.5 - cx, y + 0.5 - cy];
        const u = dx * Math.cos(angle) + dy * Math.sin(angle);
        const v = dy * Math.cos(angle) - dx * Math.sin(angle);
        if (Math.abs(u) <= w / 2 && Math.abs(v) <= h / 2) data[y * width + x] = p;
      }
    }
  }
  return { data, width, height };
}

/** What the paper's formula grows a core by: area × ratio ÷ perimeter. */
const growth = (width: number, height: number): number => (width * height * 1.8) / (2 * (width + height));

describe("the smallest box around points", () => {
  it.each([0, 7, -12, 30, 44, -44])("has the sides and the angle of a rectangle turned by %d°", (turn) => {
    const box: RotatedBox = { cx: 51.5, cy: 40.25, width: 60, height: 13, angle: degrees(turn) };
    const inside = random(3);
    const corners = [quadIn(box, 0, 0, 60, 13)].flat();
    const points = Array.from({ length: 50 }, () => pointIn(box, 60 * inside(), 13 * inside())).flat();
    const found = smallestBox([...points, ...corners]);
    for (const key of ["cx", "cy", "width", "height", "angle"] as const) expect(found[key]).toBeCloseTo(box[key], 6);
  });

  it("never is larger than the upright one, and holds every point", () => {
    const next = random(8);
    for (let n = 0; n < 200; n++) {
      const points = Array.from({ length: 2 * (1 + Math.floor(20 * next())) }, () => 100 * next());
      const [xs, ys] = [points.filter((_, i) => i % 2 === 0), points.filter((_, i) => i % 2 === 1)];
      const upright = (Math.max(...xs) - Math.min(...xs)) * (Math.max(...ys) - Math.min(...ys));
      const box = smallestBox(points);
      expect(box.width * box.height).toBeLessThanOrEqual(upright + 1e-6);
      expect(Math.abs(box.angle)).toBeLessThanOrEqual(Math.PI / 4 + 1e-9);
      for (let i = 0; i < xs.length; i++) {
        const [dx, dy] = [xs[i]! - box.cx, ys[i]! - box.cy];
        const u = dx * Math.cos(box.angle) + dy * Math.sin(box.angle);
        const v = dy * Math.cos(box.angle) - dx * Math.sin(box.angle);
        expect(Math.abs(u)).toBeLessThanOrEqual(box.width / 2 + 1e-6);
        expect(Math.abs(v)).toBeLessThanOrEqual(box.height / 2 + 1e-6);
      }
    }
  });

  it("has a hull without points on its edges", () => {
    expect(convexHull([0, 0, 5, 0, 10, 0, 10, 10, 5, 5, 0, 10, 0, 5]).length / 2).toBe(4);
    expect(convexHull([3, 4])).toEqual([3, 4]);
  });

  it("keeps its corners when it is read in another direction", () => {
    const box: RotatedBox = { cx: 20, cy: 30, width: 8, height: 20, angle: 0 };
    const [x, y] = pointIn(turnReading(box, 1), 0, 0);
    // Read downwards, a line begins at the top right.
    expect([x, y].map((value) => Math.round(value))).toEqual([24, 20]);
    expect(turnReading(box, 1)).toMatchObject({ width: 20, height: 8 });
  });

  it("is carried into another size of the image", () => {
    const scaled = scaleRotated({ cx: 10, cy: 20, width: 30, height: 4, angle: degrees(10) }, 2, 2);
    expect(scaled).toMatchObject({ cx: 20, cy: 40 });
    expect(scaled.width).toBeCloseTo(60);
    expect(scaled.angle).toBeCloseTo(degrees(10));
    expect(growRotated(scaled, 3).height).toBeCloseTo(14);
  });
});

describe("boxes from a map of probabilities", () => {
  it("are cores grown back by what the network shrank them", () => {
    const core = { cx: 100, cy: 40, width: 120, height: 10, angle: 0 };
    const found = findTextBoxes(mapOf(200, 80, [core]));
    expect(found).toHaveLength(1);
    const { box, score } = found[0]!;
    // The core is thickened by a pixel to the right and below.
    expect(box.cx).toBeCloseTo(100.5);
    expect(box.cy).toBeCloseTo(40.5);
    expect(box.width).toBeCloseTo(121 + 2 * growth(121, 11));
    expect(box.height).toBeCloseTo(11 + 2 * growth(121, 11));
    expect(box.angle).toBe(0);
    expect(score).toBeGreaterThan(0.75);
  });

  it.each([3, -9, 25, -40])("lie along a line turned by %d°", (turn) => {
    const core = { cx: 150, cy: 150, width: 180, height: 16, angle: degrees(turn) };
    const found = findTextBoxes(mapOf(300, 300, [core]));
    expect(found).toHaveLength(1);
    const { box } = found[0]!;
    expect(Math.abs(box.angle - core.angle)).toBeLessThan(degrees(0.6));
    expect(Math.abs(box.cx - 150.5)).toBeLessThan(1);
    expect(Math.abs(box.cy - 150.5)).toBeLessThan(1);
    expect(Math.abs(box.width - (181 + 2 * growth(181, 17)))).toBeLessThan(6);
    expect(Math.abs(box.height - (17 + 2 * growth(181, 17)))).toBeLessThan(6);
  });

  it("are as many as there are lines, also where turned lines share rows and columns", () => {
    const cores = [0, 1, 2, 3].map((i) => ({ cx: 150, cy: 90 + 36 * i, width: 200, height: 9, angle: degrees(12) }));
    expect(findTextBoxes(mapOf(300, 300, cores))).toHaveLength(4);
  });

  it("join what is torn by a pixel and nothing that is farther apart", () => {
    const left = { cx: 40, cy: 20, width: 40, height: 8, angle: 0 };
    const at = (x: number) => ({ ...left, cx: x });
    expect(findTextBoxes(mapOf(140, 40, [left, at(81)]))).toHaveLength(1);
    expect(findTextBoxes(mapOf(140, 40, [left, at(84)]))).toHaveLength(2);
  });

  it("are none for specks, for faint areas and for an empty page", () => {
    expect(findTextBoxes(mapOf(60, 60, [{ cx: 30, cy: 30, width: 2, height: 2, angle: 0 }]))).toEqual([]);
    expect(findTextBoxes(mapOf(60, 60, [{ cx: 30, cy: 30, width: 40, height: 10, angle: 0, p: 0.4 }]))).toEqual([]);
    expect(findTextBoxes(mapOf(60, 60, []))).toEqual([]);
  });

  it("of a U-shaped area count once", () => {
    const cores = [
      { cx: 20, cy: 30, width: 6, height: 40, angle: 0 },
      { cx: 60, cy: 30, width: 6, height: 40, angle: 0 },
      { cx: 40, cy: 47, width: 46, height: 6, angle: 0 },
    ];
    const found = findTextBoxes({ ...mapOf(90, 70, cores) });
    // Mostly paper inside its box: not a line of text.
    expect(found.length).toBeLessThanOrEqual(1);
  });
});
