/**
 * Letters as printers make them of dots: a thermal head heats a row of squares at a time, 203 to the inch; the needles of
 * an impact printer strike round dots, 9 or 24 in a column. Lengths in dots; x to the right from the start of the
 * character, y down from the baseline.
 */
import { createCanvas, Path2D } from "@napi-rs/canvas";
import { setExactText } from "../../rendering/exact-text.ts";
import { type FontFace, fontFile, registerFace } from "../../rendering/fonts.ts";

export interface DotPrint {
  readonly head: "thermal" | "impact";
  /** Dots of the type size (em): whole. */
  readonly em: number;
  /** Width of the letters relative to the typeface's; tills have narrow ones. Default 1. */
  readonly narrow?: number;
  /** Size of a dot; 1 just touches its neighbour. */
  readonly dot: number;
  /** Thermal: ink 0…1 of the first row of a stroke, printed before the head is hot. Default 1. */
  readonly cold?: number;
  /** Impact: ink 0…1 of each needle, from the top one. Default: all 1. */
  readonly needles?: readonly number[];
  /** Impact: how far the rows of the second pass lie to the right of those of the first. Default 0. */
  readonly shift?: number;
}

interface DotGlyph {
  readonly advance: number;
  /** Around all dots as squares of size 1; absent for blanks. */
  readonly ink?: { readonly left: number; readonly top: number; readonly right: number; readonly bottom: number };
  /** Runs of neighbouring dots, row by row. */
  readonly runs: readonly DotRun[];
}

interface DotRun {
  readonly x: number;
  readonly y: number;
  readonly length: number;
  /** Whether the row above is blank there. */
  readonly first: boolean;
}

/** Part of a cell that must be ink for a dot: half for outlines, less for faces that are drawn of dots already. */
const leastInk = (face: FontFace): number => (face.id.startsWith("doto") ? 0.1 : 0.44);

/** Runs of dots (x, y, length) for what Doto draws as stars: stops as needles print them. */
const stops: Readonly<Record<string, readonly (readonly [number, number, number])[]>> = {
  ".": [
    [1, -2, 2],
    [1, -1, 2],
  ],
  ",": [
    [1, -2, 2],
    [1, -1, 2],
    [2, 0, 1],
    [1, 1, 1],
  ],
  ":": [
    [1, -6, 2],
    [1, -5, 2],
    [1, -2, 2],
    [1, -1, 2],
  ],
  ";": [
    [1, -6, 2],
    [1, -5, 2],
    [1, -2, 2],
    [1, -1, 2],
    [2, 0, 1],
    [1, 1, 1],
  ],
};

const glyphs = new Map<string, DotGlyph>();

/** A character in dots. Blank where the face has neither it nor a question mark. */
export function dotGlyph(face: FontFace, { em, narrow = 1 }: DotPrint, character: string): DotGlyph {
  const key = `${face.id} ${em} ${narrow} ${character}`;
  const known = glyphs.get(key);
  if (known !== undefined) return known;
  const file = fontFile(face);
  const shown = file.glyph(character.codePointAt(0)!) === undefined ? "?" : character;
  const metrics = file.glyph(shown.codePointAt(0)!);
  const unit = (em / file.unitsPerEm) * narrow;
  const advance = Math.max(1, Math.round((metrics?.advance ?? file.unitsPerEm / 2) * unit));
  const own = face.id.startsWith("doto") ? stops[shown] : undefined;
  const shape =
    own !== undefined
      ? outlineOf(own.map(([x, y, length]) => ({ x, y, length, first: true })))
      : metrics?.ink === undefined
        ? { runs: [] }
        : rasterise(face, em, narrow, shown);
  const glyph = { advance, ...shape };
  glyphs.set(key, glyph);
  return glyph;
}

function rasterise(face: FontFace, em: number, narrow: number, character: string): Pick<DotGlyph, "ink" | "runs"> {
  registerFace(face);
  const [width, height, x0, y0] = [em * 3, em * 3, em, em * 2];
  const canvas = createCanvas(width, height);
  const context = canvas.getContext("2d");
  setExactText(context);
  context.font = `${em}px "${face.family}"`;
  context.setTransform(narrow, 0, 0, 1, x0, y0);
  context.fillText(character, 0, 0);
  const pixels = canvas.data();
  const least = 255 * leastInk(face);
  const isDot = (x: number, y: number): boolean =>
    x >= 0 && y >= 0 && x < width && pixels[(y * width + x) * 4 + 3]! > least;
  const runs: DotRun[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; ) {
      if (!isDot(x, y)) {
        x++;
        continue;
      }
      const first = !isDot(x, y - 1);
      let end = x + 1;
      while (isDot(end, y) && !isDot(end, y - 1) === first) end++;
      runs.push({ x: x - x0, y: y - y0, length: end - x, first });
      x = end;
    }
  }
  return outlineOf(runs);
}

function outlineOf(runs: readonly DotRun[]): Pick<DotGlyph, "ink" | "runs"> {
  if (runs.length === 0) return { runs };
  return {
    runs,
    ink: {
      left: Math.min(...runs.map((run) => run.x)),
      top: Math.min(...runs.map((run) => run.y)),
      right: Math.max(...runs.map((run) => run.x + run.length)),
      bottom: Math.max(...runs.map((run) => run.y + 1)),
    },
  };
}

/** What `text` leaves on the paper: areas, each with its share of ink. `spacing`: dots added after each character. */
export function dotAreas(
  text: string,
  face: FontFace,
  print: DotPrint,
  spacing = 0,
): { readonly path: Path2D; readonly ink: number }[] {
  const starts: [DotGlyph, number][] = [];
  let x = 0;
  for (const character of text) {
    const glyph = dotGlyph(face, print, character);
    starts.push([glyph, x]);
    x += glyph.advance + spacing;
  }
  return print.head === "thermal" ? squares(starts, print) : strikes(starts, print);
}

function squares(starts: readonly (readonly [DotGlyph, number])[], { dot, cold = 1 }: DotPrint) {
  const grow = (dot - 1) / 2;
  const hot = new Path2D();
  const first = new Path2D();
  for (const [glyph, start] of starts) {
    for (const run of glyph.runs)
      (run.first && cold < 1 ? first : hot).rect(start + run.x - grow, run.y - grow, run.length + 2 * grow, dot);
  }
  return cold < 1
    ? [
        { path: first, ink: cold },
        { path: hot, ink: 1 },
      ]
    : [{ path: hot, ink: 1 }];
}

function strikes(starts: readonly (readonly [DotGlyph, number])[], { dot, needles = [1], shift = 0 }: DotPrint) {
  const top = Math.min(0, ...starts.flatMap(([glyph]) => glyph.runs.map((run) => run.y)));
  const rows: Path2D[] = [];
  for (const [glyph, start] of starts) {
    for (const run of glyph.runs) {
      const row = run.y - top;
      rows[row] ??= new Path2D();
      const aside = run.y % 2 === 0 ? 0 : shift;
      for (let i = 0; i < run.length; i++) {
        const cx = start + run.x + i + 0.5 + aside;
        rows[row].moveTo(cx + dot / 2, run.y + 0.5);
        rows[row].arc(cx, run.y + 0.5, dot / 2, 0, 2 * Math.PI);
      }
    }
  }
  // A needle always prints the same row of a line: counted from the baseline.
  return rows.flatMap((path, row) => {
    const needle = (((row + top) % needles.length) + needles.length) % needles.length;
    return path === undefined ? [] : [{ path, ink: needles[needle]! }];
  });
}
