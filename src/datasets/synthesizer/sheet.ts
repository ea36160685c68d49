/**
 * A sheet to lay a document out on: text lines that know their words and entities, and shapes. Nothing is drawn here;
 * coordinates are pixels of the flat sheet, before it is laid on the scanner (see page-map.ts).
 */
import type { EntityType } from "../../detection/entity.ts";
import { coveringFace, coversText, type FontFace, fontFile } from "../../rendering/fonts.ts";
import { type DotPrint, dotGlyph } from "./dot-print.ts";

export type Rgb = readonly [red: number, green: number, blue: number];
export type Point = readonly [x: number, y: number];

/** How text is set. Lengths in pixels. */
export interface InkStyle {
  readonly face: FontFace;
  readonly size: number;
  readonly colour: Rgb;
  /** Horizontal stretch; default 1. */
  readonly stretch?: number;
  /** Vertical stretch (double-height print); default 1. */
  readonly tall?: number;
  /** Extra space after each character; default 0. */
  readonly spacing?: number;
  /** Widens every stroke by this much on each side: ink that bleeds; default 0. */
  readonly bleed?: number;
  /** 0…1; default 1. */
  readonly alpha?: number;
  /** Ink on top of what is printed there already: it darkens and hides nothing. Default false. */
  readonly over?: boolean;
  /** Set of dots; default: with smooth outlines. */
  readonly dots?: DotPrint;
}

/** Part of a line: plain text, or personal data of a type. Parts follow each other without a space of their own. */
export type Piece = string | { readonly text: string; readonly entity: EntityType };
export type Content = string | readonly Piece[];

/** A run of characters drawn in one go: a word, or part of one where personal data starts inside it. */
export interface Atom {
  readonly text: string;
  readonly style: InkStyle;
  /** Start on the baseline. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  /** Index of the word of the line it belongs to, and of the piece. */
  readonly word: number;
  readonly piece: number;
}

export interface SheetLine {
  readonly kind: "line";
  readonly text: string;
  readonly atoms: readonly Atom[];
  readonly pieces: readonly { readonly text: string; readonly entity?: EntityType }[];
  /** Radians clockwise about the line's start. */
  readonly turn: number;
  readonly origin: Point;
}

export interface Shape {
  readonly kind: "shape";
  readonly points: readonly Point[];
  readonly closed: boolean;
  readonly fill?: Rgb;
  readonly stroke?: Rgb;
  readonly width: number;
  readonly dash?: readonly number[];
  readonly alpha: number;
  /** As in `InkStyle`. */
  readonly over: boolean;
}

interface LineOptions {
  readonly align?: "left" | "center" | "right";
  /** Radians clockwise; default 0. */
  readonly turn?: number;
}

interface ShapeOptions {
  readonly fill?: Rgb;
  readonly stroke?: Rgb;
  readonly width?: number;
  readonly dash?: readonly number[];
  readonly alpha?: number;
  readonly over?: boolean;
}

/** A character's room and ink in pixels, neither stretched nor spaced; y down from the baseline. */
export interface SetGlyph {
  readonly advance: number;
  /** left, top, right, bottom; absent for blanks. */
  readonly ink?: readonly [number, number, number, number];
}

export function setGlyph(character: string, { face, size, dots, bleed = 0 }: InkStyle): SetGlyph {
  if (dots !== undefined) {
    const pitch = size / dots.em;
    const { advance, ink } = dotGlyph(face, dots, character);
    const grow = (dots.dot - 1) / 2;
    const aside = Math.max(0, dots.shift ?? 0);
    return {
      advance: advance * pitch,
      ...(ink === undefined
        ? {}
        : {
            ink: [
              (ink.left - grow) * pitch,
              (ink.top - grow) * pitch,
              (ink.right + grow + aside) * pitch,
              (ink.bottom + grow) * pitch,
            ],
          }),
    };
  }
  const file = fontFile(face);
  const unit = size / file.unitsPerEm;
  const glyph = file.glyph(character.codePointAt(0)!) ?? file.glyph(0x3f);
  return {
    advance: (glyph?.advance ?? file.unitsPerEm / 2) * unit,
    ...(glyph?.ink === undefined
      ? {}
      : {
          ink: [
            glyph.ink.xMin * unit - bleed,
            -glyph.ink.yMax * unit - bleed,
            glyph.ink.xMax * unit + bleed,
            -glyph.ink.yMin * unit + bleed,
          ],
        }),
  };
}

/** Advance of `text` in pixels. */
export function textWidth(text: string, style: InkStyle): number {
  const { stretch = 1, spacing = 0 } = style;
  let width = 0;
  for (const character of text) width += setGlyph(character, style).advance * stretch + spacing;
  return width;
}

export const contentText = (content: Content): string =>
  typeof content === "string"
    ? content
    : content.map((piece) => (typeof piece === "string" ? piece : piece.text)).join("");

/** `style`, `factor` times as large; what is set of dots keeps their distance and gets more or fewer of them. */
export function scaleStyle(style: InkStyle, factor: number): InkStyle {
  const { dots, size } = style;
  if (dots === undefined) return { ...style, size: size * factor };
  // Needles have one size of letters, and another twice as wide and high.
  if (dots.head === "impact") return factor < 1.3 ? style : { ...style, stretch: (style.stretch ?? 1) * 2 };
  const em = Math.max(14, Math.round(dots.em * factor));
  return { ...style, size: (size / dots.em) * em, dots: { ...dots, em } };
}

/** `style`, narrowed (or made smaller, past `minStretch`) until `content` is at most `width` wide. */
export function fitStyle(content: Content, style: InkStyle, width: number, minStretch = 0.8): InkStyle {
  const wide = textWidth(contentText(content), style);
  if (wide <= width) return style;
  const factor = width / wide;
  const stretch = style.stretch ?? 1;
  if (factor >= minStretch) return { ...style, stretch: stretch * factor, spacing: (style.spacing ?? 0) * factor };
  const small = factor / minStretch;
  return { ...style, size: style.size * small, stretch: stretch * minStretch, spacing: (style.spacing ?? 0) * factor };
}

/** Breaks `content` into lines of at most `width`, at spaces. */
export function wrap(content: Content, style: InkStyle, width: number): Piece[][] {
  const pieces = typeof content === "string" ? [content] : content;
  const lines: Piece[][] = [];
  let line: Piece[] = [];
  let used = 0;
  const space = textWidth(" ", style);
  for (const piece of pieces) {
    const entity = typeof piece === "string" ? undefined : piece.entity;
    const text = typeof piece === "string" ? piece : piece.text;
    // Numbers and addresses of the net stay in one line; names and streets may go on in the next.
    const whole =
      entity !== undefined && !["person", "company", "address"].includes(entity) && textWidth(text, style) <= width;
    for (const token of whole ? [text] : text.split(/(?<= )/)) {
      const wide = textWidth(token.trimEnd(), style);
      // A token glued to the one before it (no space between) must not be torn off.
      const glued = line.length > 0 && !contentText(line).endsWith(" ");
      if (line.length > 0 && used + wide > width && !glued) {
        lines.push(line);
        line = [];
        used = 0;
      }
      const last = line.at(-1);
      if (entity === undefined) {
        if (typeof last === "string") line[line.length - 1] = last + token;
        else line.push(token);
      } else if (typeof last === "object" && last.entity === entity)
        line[line.length - 1] = { entity, text: last.text + token };
      else line.push({ text: token, entity });
      used += wide + (token.endsWith(" ") ? space : 0);
    }
  }
  if (line.length > 0) lines.push(line);
  return lines;
}

export class Sheet {
  readonly items: (SheetLine | Shape)[] = [];

  /** Sets one line of text on the baseline `y`; `x` is its left end, middle or right end. Returns its left and right end. */
  line(
    content: Content,
    x: number,
    y: number,
    wanted: InkStyle,
    options: LineOptions = {},
  ): [left: number, right: number] {
    const pieces = (typeof content === "string" ? [content] : content).map((piece) =>
      typeof piece === "string" ? { text: piece } : piece,
    );
    const text = pieces.map((piece) => piece.text).join("");
    const style = coversText(wanted.face, text) ? wanted : { ...wanted, face: coveringFace(text, wanted.face) };
    const width = textWidth(text, style) - (style.spacing ?? 0);
    const left = options.align === "center" ? x - width / 2 : options.align === "right" ? x - width : x;
    const atoms: Atom[] = [];
    let at = left;
    let word = 0;
    pieces.forEach((piece, index) => {
      for (const run of piece.text.split(/(\s+)/)) {
        if (run === "") continue;
        const wide = textWidth(run, style);
        if (run.trim() === "") {
          if (atoms.length > 0) word = atoms.at(-1)!.word + 1;
        } else atoms.push({ text: run, style, x: at, y, width: wide, word, piece: index });
        at += wide;
      }
    });
    if (atoms.length > 0)
      this.items.push({ kind: "line", text, atoms, pieces, turn: options.turn ?? 0, origin: [left, y] });
    return [left, left + width];
  }

  shape(points: readonly Point[], closed: boolean, options: ShapeOptions): void {
    const { fill, stroke, width = 1, dash, alpha = 1, over = false } = options;
    this.items.push({
      kind: "shape",
      points,
      closed,
      width,
      alpha,
      over,
      ...(fill === undefined ? {} : { fill }),
      ...(stroke === undefined ? {} : { stroke }),
      ...(dash === undefined ? {} : { dash }),
    });
  }

  rule(x0: number, y0: number, x1: number, y1: number, colour: Rgb, width = 1, dash?: readonly number[]): void {
    // A long rule bends with the paper, so it gets points in between.
    const steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) / 60));
    const points = Array.from(
      { length: steps + 1 },
      (_, i): Point => [x0 + ((x1 - x0) * i) / steps, y0 + ((y1 - y0) * i) / steps],
    );
    this.shape(points, false, { stroke: colour, width, ...(dash === undefined ? {} : { dash }) });
  }

  rect(x0: number, y0: number, x1: number, y1: number, options: ShapeOptions): void {
    const points: Point[] = [];
    const side = (from: Point, to: Point): void => {
      const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / 80));
      for (let i = 0; i < steps; i++)
        points.push([from[0] + ((to[0] - from[0]) * i) / steps, from[1] + ((to[1] - from[1]) * i) / steps]);
    };
    side([x0, y0], [x1, y0]);
    side([x1, y0], [x1, y1]);
    side([x1, y1], [x0, y1]);
    side([x0, y1], [x0, y0]);
    this.shape(points, true, options);
  }

  ellipse(x: number, y: number, rx: number, ry: number, options: ShapeOptions): void {
    const count = Math.max(12, Math.min(64, Math.ceil((rx + ry) / 2)));
    const points = Array.from(
      { length: count },
      (_, i): Point => [x + rx * Math.cos((i / count) * 2 * Math.PI), y + ry * Math.sin((i / count) * 2 * Math.PI)],
    );
    this.shape(points, true, options);
  }
}
