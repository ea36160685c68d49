/** What is on a page beside its text: logos, codes, stamps, pen strokes, holes, dust. */
import type { Random } from "../../random/random.ts";
import { type Point, type Rgb, type Sheet, textWidth } from "./sheet.ts";
import type { Typeface } from "./typefaces.ts";

export const black: Rgb = [16, 16, 18];

/** An ink for headings and rules: often plain, sometimes of a house colour. */
export function accentColour(random: Random): Rgb {
  return random.weighted<Rgb>([
    [[20, 20, 22], 4],
    [[24, 52, 110], 2],
    [[140, 24, 30], 1],
    [[16, 92, 60], 1],
    [[96, 32, 110], 0.5],
    [[190, 90, 10], 0.7],
    [[0, 110, 130], 1],
    [[90, 90, 94], 1],
  ]);
}

export const penColour = (random: Random): Rgb =>
  random.weighted<Rgb>([
    [[28, 40, 130], 5],
    [[24, 24, 30], 4],
    [[150, 24, 30], 0.7],
    [[20, 90, 50], 0.4],
  ]);

/** A paler version of a colour; `share` 0 gives white. */
export const tint = (colour: Rgb, share: number): Rgb =>
  colour.map((value) => Math.round(255 - (255 - value) * share)) as unknown as Rgb;

/** A sign of simple shapes around the firm's initials, `size` pixels high. Returns its right edge. */
export function logo(
  sheet: Sheet,
  random: Random,
  x: number,
  y: number,
  size: number,
  name: string,
  colour: Rgb,
  face: Typeface,
): number {
  const kind = random.int(0, 5);
  const cx = x + size / 2;
  const cy = y + size / 2;
  const initials = name
    .split(/[\s&-]+/)
    .filter((part) => /^\p{L}/u.test(part))
    .map((part) => part[0]!.toUpperCase())
    .slice(0, 2)
    .join("");
  const onColour: Rgb = [255, 255, 255];
  if (kind === 0) sheet.ellipse(cx, cy, size / 2, size / 2, { fill: colour });
  else if (kind === 1) sheet.rect(x, y, x + size, y + size, { fill: colour });
  else if (kind === 2) {
    sheet.shape(
      [
        [cx, y],
        [x + size, y + size],
        [x, y + size],
      ],
      true,
      { fill: colour },
    );
    sheet.shape(
      [
        [cx, y + size * 0.35],
        [x + size * 0.8, y + size],
        [x + size * 0.2, y + size],
      ],
      true,
      { fill: tint(colour, 0.4) },
    );
    return x + size;
  } else if (kind === 3) {
    for (let i = 0; i < 3; i++)
      sheet.ellipse(cx + (i - 1) * size * 0.24, cy, size * 0.26, size * 0.26, {
        stroke: colour,
        width: Math.max(1.5, size * 0.05),
      });
    return x + size;
  } else if (kind === 4) {
    for (let i = 0; i < 4; i++)
      sheet.rect(x + i * size * 0.26, y + size * (0.75 - i * 0.25), x + i * size * 0.26 + size * 0.2, y + size, {
        fill: i % 2 ? tint(colour, 0.5) : colour,
      });
    return x + size;
  } else {
    const count = random.int(5, 9);
    const points: Point[] = [];
    for (let i = 0; i < count * 2; i++) {
      const radius = (i % 2 === 0 ? 0.5 : random.range(0.26, 0.4)) * size;
      points.push([cx + radius * Math.cos((i / count) * Math.PI), cy + radius * Math.sin((i / count) * Math.PI)]);
    }
    sheet.shape(points, true, { fill: colour });
    return x + size;
  }
  const style = { face: face.bold, size: size * (initials.length > 1 ? 0.44 : 0.58), colour: onColour };
  sheet.line(initials, cx, cy + style.size * 0.36, style, { align: "center" });
  return x + size;
}

/** A bar code of plausible bars. */
export function barcode(sheet: Sheet, random: Random, x: number, y: number, width: number, height: number): void {
  const unit = Math.max(1, width / 95);
  for (let at = 0; at < width - unit; ) {
    const bar = random.int(1, 3) * unit;
    sheet.shape(
      [
        [x + at, y],
        [x + at + bar, y],
        [x + at + bar, y + height],
        [x + at, y + height],
      ],
      true,
      { fill: black },
    );
    at += bar + random.int(1, 3) * unit;
  }
}

/** Squares that look like a two-dimensional code. */
export function matrixCode(sheet: Sheet, random: Random, x: number, y: number, size: number): void {
  const count = 25;
  const unit = size / count;
  const finder = (fx: number, fy: number): void => {
    sheet.rect(x + (fx + 0.5) * unit, y + (fy + 0.5) * unit, x + (fx + 6.5) * unit, y + (fy + 6.5) * unit, {
      stroke: black,
      width: unit,
    });
    sheet.rect(x + (fx + 2) * unit, y + (fy + 2) * unit, x + (fx + 5) * unit, y + (fy + 5) * unit, { fill: black });
  };
  finder(0, 0);
  finder(count - 7, 0);
  finder(0, count - 7);
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < count; ) {
      const inFinder = (row < 8 && (column < 8 || column >= count - 8)) || (row >= count - 8 && column < 8);
      const run = random.int(1, 3);
      if (!inFinder && random.chance(0.5)) {
        const end = Math.min(count, column + run);
        sheet.shape(
          [
            [x + column * unit, y + row * unit],
            [x + end * unit, y + row * unit],
            [x + end * unit, y + (row + 1) * unit],
            [x + column * unit, y + (row + 1) * unit],
          ],
          true,
          { fill: black },
        );
      }
      column += run;
    }
  }
}

/** A pen stroke through random points, as in a signature; no letters anyone could read. */
export function scribble(
  sheet: Sheet,
  random: Random,
  x: number,
  y: number,
  width: number,
  height: number,
  colour: Rgb,
  pen = 1.6,
): void {
  const knots: Point[] = [];
  const count = random.int(7, 14);
  for (let i = 0; i < count; i++) {
    const sway = i % 2 === 0 ? -1 : 1;
    const tall = random.chance(0.2) ? 1 : 0.45;
    knots.push([
      x + (i / (count - 1)) * width + random.normal(0, width * 0.05),
      y + sway * random.range(0.2, 1) * height * 0.5 * tall,
    ]);
  }
  sheet.shape(smoothCurve(knots), false, { stroke: colour, width: pen });
  if (random.chance(0.6)) {
    const from = x + width * random.range(-0.05, 0.2);
    sheet.shape(
      smoothCurve([
        [from, y + height * 0.4],
        [x + width * 0.6, y + height * random.range(0.3, 0.6)],
        [x + width * random.range(0.9, 1.2), y + height * 0.25],
      ]),
      false,
      { stroke: colour, width: pen * 0.9 },
    );
  }
}

/** Catmull–Rom: a curve through all knots. */
function smoothCurve(knots: readonly Point[]): Point[] {
  const points: Point[] = [];
  for (let i = 0; i < knots.length - 1; i++) {
    const [p0, p1, p2, p3] = [
      knots[Math.max(0, i - 1)]!,
      knots[i]!,
      knots[i + 1]!,
      knots[Math.min(knots.length - 1, i + 2)]!,
    ];
    for (let step = 0; step < 8; step++) {
      const t = step / 8;
      const mixed = (k: 0 | 1): number =>
        0.5 *
        (2 * p1[k] +
          (p2[k] - p0[k]) * t +
          (2 * p0[k] - 5 * p1[k] + 4 * p2[k] - p3[k]) * t * t +
          (3 * p1[k] - p0[k] - 3 * p2[k] + p3[k]) * t * t * t);
      points.push([mixed(0), mixed(1)]);
    }
  }
  points.push(knots.at(-1)!);
  return points;
}

/** A ring drawn by hand around a box. */
export function penRing(
  sheet: Sheet,
  random: Random,
  x0: number,
  y0: number,
  x1: number,
  y1: number,
  colour: Rgb,
): void {
  const rx = (x1 - x0) / 2;
  const ry = (y1 - y0) / 2;
  const start = random.range(0, 6);
  const knots: Point[] = [];
  for (let i = 0; i <= 11; i++) {
    const angle = start + (i / 10) * 2 * Math.PI;
    const wobble = random.range(1, 1.3);
    knots.push([x0 + rx + Math.cos(angle) * (rx + 6) * wobble, y0 + ry + Math.sin(angle) * (ry + 5) * wobble]);
  }
  sheet.shape(smoothCurve(knots), false, { stroke: colour, width: random.range(1.2, 2.6) });
}

/** A rubber stamp: one word in a frame, turned, pale. */
export function stamp(
  sheet: Sheet,
  random: Random,
  cx: number,
  cy: number,
  size: number,
  text: string,
  face: Typeface,
): void {
  const colour = random.pick<Rgb>([
    [170, 40, 50],
    [40, 60, 150],
    [30, 110, 70],
    [90, 50, 120],
  ]);
  const turn = random.normal(0, 0.16);
  const style = { face: face.bold, size, colour, alpha: random.range(0.45, 0.8), spacing: size * 0.08, over: true };
  const half = textWidth(text, style) / 2;
  const at = (dx: number, dy: number): Point => [
    cx + dx * Math.cos(turn) - dy * Math.sin(turn),
    cy + dx * Math.sin(turn) + dy * Math.cos(turn),
  ];
  const [x, y] = at(-half, size * 0.36);
  sheet.line(text, x, y, style, { turn });
  const frame = (grow: number, width: number): void => {
    const w = half + size * 0.4 + grow;
    const h = size * 0.7 + grow;
    sheet.shape([at(-w, -h), at(w, -h), at(w, h), at(-w, h)], true, {
      stroke: colour,
      width,
      alpha: style.alpha,
      over: true,
    });
  };
  frame(0, size * 0.09);
  if (random.chance(0.4)) frame(size * 0.18, size * 0.04);
}

/** Staple or punch holes, specks and hairs. */
export function dust(sheet: Sheet, random: Random, width: number, height: number, amount: number): void {
  for (let i = random.int(0, Math.round(14 * amount)); i > 0; i--) {
    const x = random.range(0, width);
    const y = random.range(0, height);
    const shade = random.int(20, 150);
    const colour: Rgb = [shade, shade, shade];
    if (random.chance(0.12)) {
      const knots = Array.from({ length: 4 }, (_, k): Point => [x + k * random.range(3, 12), y + random.normal(0, 6)]);
      sheet.shape(smoothCurve(knots), false, { stroke: colour, width: random.range(0.5, 1) });
    } else {
      const r = random.range(0.4, random.chance(0.1) ? 2.6 : 1.2);
      sheet.ellipse(x, y, r, r * random.range(0.6, 1.4), { fill: colour });
    }
  }
}

/** Holes of a stapler near the top edge: short dark slits. */
export function stapleHoles(sheet: Sheet, random: Random, x: number, y: number): void {
  for (let i = random.int(1, 3); i > 0; i--) {
    const hx = x + random.normal(0, 30);
    const hy = y + random.normal(0, 6);
    for (const dx of [0, random.range(22, 34)])
      sheet.ellipse(hx + dx, hy, random.range(1.5, 4), random.range(0.8, 2.2), {
        fill: [30, 30, 30],
        alpha: random.range(0.5, 1),
      });
  }
}

/** Two filing holes on the left edge. */
export function punchHoles(sheet: Sheet, random: Random, height: number, pixelsPerMm: number): void {
  const shade = random.weighted([
    [30, 3],
    [200, 2],
  ]);
  for (const side of [-1, 1]) {
    sheet.ellipse(12 * pixelsPerMm, height / 2 + side * 40 * pixelsPerMm, 3 * pixelsPerMm, 3 * pixelsPerMm, {
      fill: [shade, shade, shade],
    });
  }
}

/** What is left of a cup put on the paper. */
export function cupRing(sheet: Sheet, random: Random, x: number, y: number, radius: number): void {
  for (let i = 0; i < 3; i++) {
    const r = radius + random.normal(0, 2);
    sheet.ellipse(x + random.normal(0, 1.5), y + random.normal(0, 1.5), r, r, {
      stroke: [150, 104, 60],
      width: random.range(2, 8),
      alpha: random.range(0.06, 0.2),
    });
  }
}
