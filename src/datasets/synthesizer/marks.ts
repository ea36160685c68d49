/** What comes onto a laid-out page beside its text: underlines, frames, highlighter, printed grounds. */
import type { Random } from "../../random/random.ts";
import { penColour } from "./ornaments.ts";
import { type Point, type Rgb, type Sheet, type SheetLine, textWidth } from "./sheet.ts";

interface MarkOptions {
  /** Paper, pixels. */
  readonly width: number;
  readonly height: number;
  /** Share of the pages with each; 0…1. */
  readonly underlines: number;
  readonly frames: number;
  readonly highlighter: number;
  readonly ground: number;
}

/** Draws by chance over and under `sheet`'s lines. */
export function markLines(sheet: Sheet, random: Random, options: MarkOptions): void {
  const lines = sheet.items.filter((item): item is SheetLine => item.kind === "line" && item.turn === 0);
  if (random.chance(options.ground)) ground(sheet, random, options.width, options.height);
  if (random.chance(options.underlines)) {
    const share = random.range(0.05, 0.35);
    const gap = random.range(0.1, 0.26);
    const thick = random.range(0.05, 0.11);
    for (const line of lines) if (random.chance(share)) underline(sheet, line, gap, thick);
  }
  if (random.chance(options.frames)) {
    const share = random.range(0.04, 0.25);
    const pad = random.range(0.06, 0.35);
    for (const line of lines) if (random.chance(share)) frame(sheet, random, line, pad);
  }
  if (random.chance(options.highlighter)) {
    const colour = random.pick<Rgb>([
      [255, 246, 70],
      [255, 240, 120],
      [170, 255, 120],
      [255, 176, 214],
      [140, 226, 255],
      [255, 200, 110],
    ]);
    for (let i = random.int(1, 4); i > 0 && lines.length > 0; i--) highlight(sheet, random, random.pick(lines), colour);
  }
  if (random.chance(options.highlighter)) {
    const line = lines[random.below(Math.max(1, lines.length))];
    if (line !== undefined) penLine(sheet, random, line);
  }
}

/** Left and right end of the letters, baseline and size. */
function extent(line: SheetLine): { left: number; right: number; y: number; size: number } {
  const last = line.atoms.at(-1)!;
  const { size, tall = 1 } = last.style;
  return {
    left: line.atoms[0]!.x,
    right: last.x + textWidth(last.text, last.style),
    y: last.y,
    size: size * tall,
  };
}

function underline(sheet: Sheet, line: SheetLine, gap: number, thick: number): void {
  const { left, right, y, size } = extent(line);
  const at = y + gap * size;
  sheet.rule(left, at, right, at, line.atoms[0]!.style.colour, Math.max(1, thick * size));
}

/** A box around a line, close enough to touch it; some sides are missing, as in tables. */
function frame(sheet: Sheet, random: Random, line: SheetLine, pad: number): void {
  const { left, right, y, size } = extent(line);
  const colour = line.atoms[0]!.style.colour;
  const width = Math.max(1, size * random.range(0.04, 0.1));
  const [x0, x1] = [left - size * random.range(0.1, 0.8), right + size * random.range(0.1, 2)];
  const [y0, y1] = [y - size * (0.78 + pad), y + size * (0.12 + pad)];
  const missing = random.int(0, 7);
  if (missing !== 0) sheet.rule(x0, y0, x1, y0, colour, width);
  sheet.rule(x0, y1, x1, y1, colour, width);
  if (missing !== 1) sheet.rule(x0, y0, x0, y1, colour, width);
  if (missing > 2) sheet.rule(x1, y0, x1, y1, colour, width);
}

function highlight(sheet: Sheet, random: Random, line: SheetLine, colour: Rgb): void {
  const { left, right, y, size } = extent(line);
  const from = left + (right - left) * (random.chance(0.5) ? 0 : random.range(0, 0.5)) - size * random.range(0, 0.4);
  const to = right + size * random.range(-0.2, 0.5);
  const [top, bottom] = [y - size * random.range(0.75, 1), y + size * random.range(0.05, 0.3)];
  const lean = random.normal(0, size * 0.06);
  const points: Point[] = [
    [from, top],
    [to, top + lean],
    [to + random.normal(0, size * 0.1), bottom + lean],
    [from + random.normal(0, size * 0.1), bottom],
  ];
  sheet.shape(points, true, { fill: colour, alpha: random.range(0.6, 1), over: true });
}

/** A line drawn by hand under a text, or a tick beside it. */
function penLine(sheet: Sheet, random: Random, line: SheetLine): void {
  const { left, right, y, size } = extent(line);
  const stroke = penColour(random);
  const width = size * random.range(0.06, 0.14);
  if (random.chance(0.6)) {
    const sway = (): number => y + size * 0.22 + random.normal(0, size * 0.07);
    const points = [0, 0.33, 0.66, 1].map((t): Point => [left + (right - left) * t, sway()]);
    sheet.shape(points, false, { stroke, width, over: true });
  } else {
    const x = right + size * 0.4;
    const points: Point[] = [
      [x, y - size * 0.3],
      [x + size * 0.25, y + size * 0.05],
      [x + size * random.range(0.7, 1.2), y - size * random.range(0.7, 1.3)],
    ];
    sheet.shape(points, false, { stroke, width, over: true });
  }
}

/** A pale pattern printed on the empty paper: waves, rosettes, hatching, a grid of dots, ruled lines. */
function ground(sheet: Sheet, random: Random, width: number, height: number): void {
  const above = sheet.items.splice(0);
  const base = random.pick<Rgb>([
    [196, 214, 232],
    [214, 226, 206],
    [236, 214, 206],
    [220, 212, 232],
    [224, 222, 210],
    [222, 222, 222],
  ]);
  const kind = random.weighted<"waves" | "rosettes" | "hatching" | "dots" | "ruled">([
    ["waves", 3],
    ["rosettes", 1.5],
    ["hatching", 1.5],
    ["dots", 1],
    ["ruled", 2],
  ]);
  const pen = { stroke: base, width: random.range(0.8, 1.4) };
  const step = Math.max(9, width * random.range(0.012, 0.03));
  const clip = (value: number, limit: number): number => Math.min(limit - 1, Math.max(1, value));
  if (kind === "waves") {
    const swing = step * random.range(0.4, 2.4);
    const length = width * random.range(0.06, 0.4);
    const drift = random.range(0, 0.6);
    for (let y = step / 2, i = 0; y < height; y += step, i++) {
      const points = Array.from({ length: 49 }, (_, k): Point => {
        const x = clip((width * k) / 48, width);
        return [x, clip(y + swing * Math.sin((x / length) * 2 * Math.PI + i * drift), height)];
      });
      sheet.shape(points, false, pen);
    }
  } else if (kind === "rosettes") {
    const radius = width * random.range(0.1, 0.3);
    const petals = random.int(5, 14);
    for (let ring = 0; ring < 7; ring++) {
      const r = radius * (1 - ring * 0.1);
      const points = Array.from({ length: 121 }, (_, k): Point => {
        const angle = (k / 120) * 2 * Math.PI;
        const at = r * (0.8 + 0.2 * Math.cos(petals * angle + ring * 0.5));
        return [clip(width / 2 + at * Math.cos(angle), width), clip(height * 0.45 + at * Math.sin(angle), height)];
      });
      sheet.shape(points, true, pen);
    }
  } else if (kind === "hatching") {
    for (let x = -height; x < width; x += step * 1.5) {
      const from: Point = x < 0 ? [1, -x] : [x, 1];
      const to: Point = x + height > width ? [width - 1, width - x] : [x + height, height - 1];
      sheet.shape([from, to], false, pen);
    }
  } else if (kind === "dots") {
    const r = random.range(0.8, 1.6);
    for (let y = step; y < height; y += step * 2)
      for (let x = step; x < width; x += step * 2) sheet.rect(x - r, y - r, x + r, y + r, { fill: base });
  } else {
    for (let y = step * 2; y < height; y += Math.max(18, step * 2)) sheet.rule(1, y, width - 1, y, base, pen.width);
  }
  sheet.items.push(...above);
}
