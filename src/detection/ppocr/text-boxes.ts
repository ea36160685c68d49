/**
 * From a map of text probabilities to boxes around lines: the post-processing of Differentiable Binarization (Liao et
 * al. 2020, arXiv:1911.08947). The network marks the core of each line, shrunk by a distance that depends on its shape;
 * each connected core is surrounded by its smallest rectangle, which is grown back by that distance.
 */
import { DisjointSets } from "../disjoint-sets.ts";
import { growRotated, pointIn, type RotatedBox, smallestBox } from "./rotated-box.ts";

export interface ProbabilityMap {
  /** `width * height` values, 0…1, rows from the top. */
  readonly data: Float32Array;
  readonly width: number;
  readonly height: number;
}

export interface TextBox {
  readonly box: RotatedBox;
  /** Mean probability in the core, 0…1. */
  readonly score: number;
}

/** As PP-OCR is used with these models, but for a little more paper around the letters (1.6 there): fewer are cut. */
const pixelThreshold = 0.3;
const boxThreshold = 0.5;
const unclipRatio = 1.8;
/** Sides of a core and of a box in map pixels. */
const minCore = 3;
const minSide = 5;
/** More lines than any page has: noise on a damaged scan. The largest are kept. */
const maxBoxes = 3000;

/** Boxes of the lines in pixels of the map, in no order. */
export function findTextBoxes(map: ProbabilityMap): TextBox[] {
  const cores = findCores(map)
    .map(smallestBox)
    .filter((core) => Math.min(core.width, core.height) > minCore)
    .sort((a, b) => b.width * b.height - a.width * a.height)
    .slice(0, maxBoxes);
  const found: TextBox[] = [];
  for (const core of cores) {
    const score = meanInside(map, core);
    if (score < boxThreshold) continue;
    // D' = A · r / L in the paper.
    const box = growRotated(core, (core.width * core.height * unclipRatio) / (2 * (core.width + core.height)));
    if (Math.min(box.width, box.height) >= minSide) found.push({ box, score });
  }
  return found;
}

/** Corner points of the 8-connected areas above the threshold, each area as x, y, x, y, … */
function findCores({ data, width, height }: ProbabilityMap): number[][] {
  const groups = new DisjointSets();
  const points: number[][] = [];
  const isText = (x: number, y: number): boolean => x >= 0 && y >= 0 && data[y * width + x]! > pixelThreshold;
  // Thickened by a pixel to the right and below: what is torn by a pixel is one line.
  const inside = (x: number, y: number): boolean =>
    isText(x, y) || isText(x - 1, y) || isText(x, y - 1) || isText(x - 1, y - 1);

  let above: number[] = []; // runs of the last row: start, end, label, …
  for (let y = 0; y < height; y++) {
    const runs: number[] = [];
    let first = 0;
    for (let x = 0; x < width; x++) {
      if (!inside(x, y)) continue;
      const start = x;
      while (x < width && inside(x, y)) x++;
      while (first < above.length && above[first + 1]! < start) first += 3;
      let label = -1;
      for (let i = first; i < above.length && above[i]! <= x; i += 3) {
        const other = groups.root(above[i + 2]!);
        if (label === -1) label = other;
        else if (other !== label) {
          const [small, large] = points[label]!.length < points[other]!.length ? [label, other] : [other, label];
          groups.join(small, large);
          for (const value of points[small]!) points[large]!.push(value);
          points[small] = [];
          label = large;
        }
      }
      if (label === -1) {
        label = groups.add();
        points.push([]);
      }
      points[label]!.push(start, y, x, y, start, y + 1, x, y + 1);
      runs.push(start, x, label);
    }
    above = runs;
  }
  return points.filter((list) => list.length > 0);
}

/** Mean of the map over the pixels whose middles lie in the box. */
function meanInside({ data, width, height }: ProbabilityMap, box: RotatedBox): number {
  const corners = [pointIn(box, 0, 0), pointIn(box, box.width, 0), pointIn(box, box.width, box.height)];
  corners.push(pointIn(box, 0, box.height));
  const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
  const [x0, x1] = [Math.max(0, Math.floor(Math.min(...xs))), Math.min(width, Math.ceil(Math.max(...xs)))];
  const [y0, y1] = [Math.max(0, Math.floor(Math.min(...ys))), Math.min(height, Math.ceil(Math.max(...ys)))];
  const [cos, sin] = [Math.cos(box.angle), Math.sin(box.angle)];
  let sum = 0;
  let count = 0;
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const [dx, dy] = [x + 0.5 - box.cx, y + 0.5 - box.cy];
      if (Math.abs(dx * cos + dy * sin) > box.width / 2 || Math.abs(dy * cos - dx * sin) > box.height / 2) continue;
      sum += data[y * width + x]!;
      count++;
    }
  }
  return count === 0 ? 0 : sum / count;
}
