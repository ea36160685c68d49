/** The picture of a text that tells the diffusion model what to write: black on white, one plain typeface. */

import type { RasterImage } from "../documents/image.ts";
import { codedError } from "../errors.ts";
import { coveringFace, coversText, defaultFace, type FontFace } from "./fonts.ts";
import { measureText, renderCoverage } from "./text.ts";

export interface GlyphImageOptions {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** `pad`: letters keep their shape and stand centred; `squash`: the text is stretched to fill the image. */
  readonly fit: "pad" | "squash";
  /** Default Arimo; a face that covers the text is taken when it does not. */
  readonly face?: FontFace;
}

/** Part of each side left white, so that no stroke touches the border. */
const margin = 0.06;

/**
 * `text` in black on white, `width` × `height` RGB. The same arguments give the same pixels. A blank text gives a white
 * image. The line keeps its own vertical place between ascender and descender, so "aa" and "gg" differ in position too.
 */
export function renderGlyphImage(text: string, options: GlyphImageOptions): RasterImage {
  const { width, height, fit } = options;
  if (![width, height].every((n) => Number.isInteger(n) && n >= 8 && n <= 4096)) {
    throw codedError("ERR_INVALID_ARGUMENT", `A glyph image can't be ${width}×${height} px; each side takes 8 to 4096`);
  }
  const data = new Uint8Array(width * height * 3).fill(255);
  const line = text.replace(/\s+/gu, " ").trim();
  if (line === "") return { data, width, height };
  const face = coveringFace(line, options.face ?? defaultFace);
  const unit = measureText(line, { face, sizePx: 100 });
  const left = Math.min(0, unit.ink?.left ?? 0);
  const right = Math.max(unit.advance, unit.ink?.right ?? 0);
  const top = Math.max(unit.ascent, -(unit.ink?.top ?? 0));
  const bottom = Math.max(unit.descent, unit.ink?.bottom ?? 0);
  const roomX = width * (1 - 2 * margin);
  const roomY = height * (1 - 2 * margin);
  const sizePx =
    (fit === "squash" ? roomY / (top + bottom) : Math.min(roomY / (top + bottom), roomX / (right - left))) * 100;
  // The canvas takes 64-fold stretching at most; a single "i" on a wide image would ask for more.
  const scaleX = fit === "squash" ? Math.min(64, Math.max(1 / 64, roomX / ((right - left) * (sizePx / 100)))) : 1;
  const scale = sizePx / 100;
  const coverage = renderCoverage(line, {
    face,
    sizePx,
    scaleX,
    width,
    height,
    x: width / 2 - ((left + right) / 2) * scale * scaleX,
    baseline: Math.round(height / 2 + ((top - bottom) / 2) * scale),
    allowFallback: !coversText(face, line),
  });
  // A character of a system font may be larger than was measured; the border stays white all the same.
  const isBorder = (i: number): boolean =>
    i < width || i >= width * (height - 1) || i % width === 0 || i % width === width - 1;
  for (let i = 0, at = 0; i < coverage.length; i++) {
    const value = isBorder(i) ? 255 : 255 - coverage[i]!;
    data[at++] = value;
    data[at++] = value;
    data[at++] = value;
  }
  return { data, width, height };
}
