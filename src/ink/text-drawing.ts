/** Puts ink on paper: a text in the type, weight, softness, colour and grain of an old one. */

import type { Pacer } from "../pacer.ts";
import type { Random } from "../random/random.ts";
import { coveringFace } from "../rendering/fonts.ts";
import { drawPlane, type TextFit } from "./fit-candidate.ts";
import type { InkStyle } from "./ink-style.ts";
import type { EmptyPaper } from "./paper-texture.ts";
import { blurPlane, createPlane, type Plane } from "./planes.ts";
import { type Layout, layoutText } from "./text-layout.ts";

/** Where the plane that fit and style were measured on lies in the mask, in pixels of the mask. */
export interface MeasuredPlace {
  /** Pixels of the mask per pixel of the plane. */
  readonly factor: number;
  readonly x: number;
  readonly y: number;
}

/** Empty pixels between the new ink and the edge of the mask. */
const clearance = 1;
/** Pixels that are drawn in one go. */
const stripPixels = 60_000;
const rowsAtOnce = 32;

/** Draws the text onto `paper`, which covers its mask. */
export async function drawText(
  paper: EmptyPaper,
  { text, original }: { readonly text: string; readonly original: string },
  fit: TextFit,
  style: InkStyle,
  place: MeasuredPlace,
  random: Random,
  pacer: Pacer,
): Promise<void> {
  const width = paper.box[2] - paper.box[0];
  const height = paper.box[3] - paper.box[1];
  const { factor } = place;
  const full: TextFit = {
    ...fit,
    sizePx: fit.sizePx * factor,
    letterSpacing: fit.letterSpacing * factor,
    x: fit.x * factor + place.x,
    baseline: fit.baseline * factor + place.y,
  };
  // A mask of few pixels has none to spare.
  const edge = Math.min(clearance + Math.max(0, style.embolden * factor), (Math.min(width, height) - 1) / 2);
  const room = { left: edge, top: edge, right: width - edge, bottom: height - edge };
  const layout = layoutText(text, coveringFace(text, fit.face), original.trim(), full, room);
  const drawn = await drawInStrips(text, layout, width, height, style, factor, pacer);
  for (let y = 0; y < height; y++) {
    if (y % rowsAtOnce === 0) await pacer.pause();
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      const cover = style.cut === null ? drawn.data[i]! : drawn.data[i]! >= style.cut ? 1 : 0;
      if (cover <= 0) continue;
      const column = Math.floor((x - place.x) / factor);
      const fade = style.fade[Math.min(style.fade.length - 1, Math.max(0, column))] ?? 1;
      const strength = cover * fade * (1 + style.grain * random.normal());
      for (let channel = 0; channel < 3; channel++) paper.levels[i * 3 + channel]! -= strength * style.depth[channel]!;
    }
  }
}

/** Draws and softens a long line piece by piece, so that no piece takes long. 0…1 per pixel. */
async function drawInStrips(
  text: string,
  layout: Layout,
  width: number,
  height: number,
  style: InkStyle,
  factor: number,
  pacer: Pacer,
): Promise<Plane> {
  const blur = style.blur * factor;
  const border = Math.ceil(blur * 2.6) + 1;
  const step = Math.max(64, Math.floor(stripPixels / height));
  const result = createPlane(width, height);
  for (let from = 0; from < width; from += step) {
    await pacer.pause();
    const columns = Math.min(step, width - from);
    const shifted = { ...layout, x: layout.x - from + border };
    const sharp = drawPlane(text, shifted, columns + 2 * border, height, style.embolden * factor);
    const strip = style.cut === null ? blurPlane(sharp, blur) : sharp;
    for (let y = 0; y < height; y++) {
      const row = y * strip.width + border;
      result.data.set(strip.data.subarray(row, row + columns), y * width + from);
    }
  }
  return result;
}
