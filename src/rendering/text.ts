/** Measuring and drawing one line of text with an exact baseline. */
import { createCanvas } from "@napi-rs/canvas";
import type { RasterImage } from "../documents/image.ts";
import { codedError } from "../errors.ts";
import { setExactText } from "./exact-text.ts";
import { coversText, type FontFace, fontFile, registerFace } from "./fonts.ts";

/** How a line is set. Lengths in pixels of the final image. */
export interface TextStyle {
  readonly face: FontFace;
  /** Font size (em). > 0. */
  readonly sizePx: number;
  /** Horizontal stretch of the glyphs, 1 = as designed. > 0. */
  readonly scaleX?: number;
  /** Extra space after each character, in final pixels (not stretched by `scaleX`). */
  readonly letterSpacing?: number;
}

/** In pixels relative to the start of the line on its baseline: x to the right, y down (so `top` is negative). */
export interface TextMetrics {
  /** Where the next character would start. */
  readonly advance: number;
  /** The box around the ink; null when the text is blank. */
  readonly ink: { readonly left: number; readonly top: number; readonly right: number; readonly bottom: number } | null;
  /** Line ascent and descent of the font; both positive. */
  readonly ascent: number;
  readonly descent: number;
  /** Height of "H" and "x"; both positive. */
  readonly capHeight: number;
  readonly xHeight: number;
}

function checkStyle(style: TextStyle): void {
  const { sizePx, scaleX = 1, letterSpacing = 0 } = style;
  if (!(sizePx > 0 && sizePx <= 4096) || !(scaleX > 0 && scaleX <= 64) || !Number.isFinite(letterSpacing)) {
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `A text can't be set at ${sizePx} px, stretched ${scaleX} times, with ${letterSpacing} px between letters`,
    );
  }
}

/** Size and ink box of `text`, from the outlines in the font file (exact, no rounding, no kerning). */
export function measureText(text: string, style: TextStyle): TextMetrics {
  checkStyle(style);
  const file = fontFile(style.face);
  const unit = style.sizePx / file.unitsPerEm;
  const across = unit * (style.scaleX ?? 1);
  const spacing = style.letterSpacing ?? 0;
  const missing = file.glyph(0x3f) ?? { advance: file.unitsPerEm / 2 };
  let x = 0;
  let left = Number.POSITIVE_INFINITY;
  let right = Number.NEGATIVE_INFINITY;
  let top = Number.POSITIVE_INFINITY;
  let bottom = Number.NEGATIVE_INFINITY;
  for (const character of text) {
    const glyph = file.glyph(character.codePointAt(0)!) ?? missing;
    if (glyph.ink) {
      left = Math.min(left, x + glyph.ink.xMin * across);
      right = Math.max(right, x + glyph.ink.xMax * across);
      top = Math.min(top, -glyph.ink.yMax * unit);
      bottom = Math.max(bottom, -glyph.ink.yMin * unit);
    }
    x += glyph.advance * across + spacing;
  }
  return {
    advance: x,
    ink: left < right ? { left, top, right, bottom } : null,
    ascent: file.ascent * unit,
    descent: file.descent * unit,
    capHeight: (file.glyph(0x48)?.ink?.yMax ?? file.unitsPerEm * 0.7) * unit,
    xHeight: (file.glyph(0x78)?.ink?.yMax ?? file.unitsPerEm * 0.5) * unit,
  };
}

export interface CoverageOptions extends TextStyle {
  /** Size of the result in pixels. */
  readonly width: number;
  readonly height: number;
  /** Where the line starts and its baseline there; fractions count. */
  readonly x: number;
  readonly baseline: number;
  /** Pixels the baseline sinks per pixel to the right (a slightly turned scan). Default 0. */
  readonly slope?: number;
  /** Pixels added to (or, negative, taken from) every edge of the strokes. Default 0. */
  readonly embolden?: number;
  /** Draw characters the face lacks with whatever font the system has. Default false: ERR_RENDER. */
  readonly allowFallback?: boolean;
}

const maxSide = 16_384;

/**
 * Leans the letters by a thousandth, which can't be seen but turns hinting off: strokes then lie where the outlines
 * say, not on whole pixels, as on a scan.
 */
const unhinted = 0.001;
/** The canvas sets level text on whole pixels only; from this slope on it does not. */
const leastSlope = 0.001;

/**
 * Draws one line and gives how much of each pixel is ink: `width * height` bytes, rows from the top, 0 = none, 255 = all.
 * What lies outside the image is cut off.
 */
export function renderCoverage(text: string, options: CoverageOptions): Uint8Array {
  checkStyle(options);
  const { face, sizePx, width, height, x, baseline, scaleX = 1, letterSpacing = 0, slope = 0, embolden = 0 } = options;
  const sizes = [width, height];
  if (
    !sizes.every((n) => Number.isInteger(n) && n >= 1 && n <= maxSide) ||
    ![x, baseline, slope, embolden].every(Number.isFinite)
  ) {
    throw codedError("ERR_INVALID_ARGUMENT", `A text can't be drawn on ${width}×${height} px at (${x}, ${baseline})`);
  }
  if (options.allowFallback !== true && !coversText(face, text)) {
    throw codedError("ERR_RENDER", `The font ${face.id} lacks a character of the text`);
  }
  registerFace(face);
  const canvas = createCanvas(width, height);
  const context = canvas.getContext("2d");
  const tilt = Math.abs(slope) < leastSlope / 2 ? 0 : Math.sign(slope) * Math.max(leastSlope, Math.abs(slope));
  const wholeBaseline = tilt === 0 ? Math.floor(baseline + 1e-6) : baseline;
  context.setTransform(scaleX, tilt * scaleX, unhinted, 1, x, wholeBaseline);
  context.font = `${sizePx}px "${face.family}"`;
  setExactText(context);
  context.letterSpacing = `${letterSpacing / scaleX}px`;
  context.fillStyle = "#000";
  context.fillText(text, 0, 0);
  if (embolden !== 0) {
    if (embolden < 0) context.globalCompositeOperation = "destination-out";
    context.strokeStyle = "#000";
    context.lineWidth = 2 * Math.abs(embolden);
    context.strokeText(text, 0, 0);
  }
  // Four bytes a pixel, alpha last; quicker than getImageData.
  const pixels = canvas.data();
  const coverage = new Uint8Array(width * height);
  for (let i = 0, at = 3; i < coverage.length; i++, at += 4) coverage[i] = pixels[at]!;
  lower(coverage, width, baseline - wholeBaseline);
  return coverage;
}

/** Moves an image down by a fraction of a pixel, in place. */
function lower(coverage: Uint8Array, width: number, by: number): void {
  if (by < 0.01) return;
  for (let i = coverage.length - 1; i >= width; i--) {
    const above = coverage[i - width]!;
    coverage[i] = Math.round(coverage[i]! + (above - coverage[i]!) * by);
  }
  for (let i = 0; i < width; i++) coverage[i] = Math.round(coverage[i]! * (1 - by));
}

export interface RenderTextOptions extends TextStyle {
  /** RGB, 0…255. Default black on white. */
  readonly colour?: readonly [number, number, number];
  readonly background?: readonly [number, number, number];
  /** Empty pixels around the ink. Default 2. */
  readonly padding?: number;
  readonly slope?: number;
  readonly embolden?: number;
  readonly allowFallback?: boolean;
}

/** Draws one line into an image just large enough for its ink and the padding. A blank text gives an empty image. */
export function renderText(text: string, options: RenderTextOptions): RasterImage {
  const { colour = [0, 0, 0], background = [255, 255, 255], padding = 2, slope = 0, embolden = 0 } = options;
  const { ink, advance, ascent, descent } = measureText(text, options);
  const box = ink ?? { left: 0, right: Math.max(1, advance), top: -ascent, bottom: descent };
  const room = padding + Math.max(0, embolden);
  const rise = slope * (box.right - box.left);
  const width = Math.ceil(box.right - box.left + 2 * room) + 1;
  const height = Math.ceil(box.bottom - box.top + 2 * room + Math.abs(rise)) + 1;
  if (width > maxSide || height > maxSide) {
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `A text image of ${width}×${height} px is larger than ${maxSide} px a side`,
    );
  }
  const coverage = renderCoverage(text, {
    ...options,
    width,
    height,
    x: room - box.left,
    baseline: room - box.top + Math.max(0, -rise),
  });
  const data = new Uint8Array(width * height * 3);
  for (let i = 0, at = 0; i < coverage.length; i++) {
    const share = coverage[i]! / 255;
    for (let channel = 0; channel < 3; channel++) {
      data[at++] = Math.round(background[channel]! + (colour[channel]! - background[channel]!) * share);
    }
  }
  return { data, width, height };
}
