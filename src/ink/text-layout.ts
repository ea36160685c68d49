/** Sets a new text where an old one stood, in its type. */

import type { FontFace } from "../rendering/fonts.ts";
import { measureText, type TextMetrics } from "../rendering/text.ts";
import { type TextFit, written } from "./fit-candidate.ts";

/** Where ink may go, pixels of the same plane as the fit. */
export interface Room {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export type Layout = Omit<TextFit, "score">;

/** The letters of the new text may be this much narrower or wider than those of the old one without being noticed. */
const unnoticedStretch = [0.93, 1.08] as const;
/** Letter spacing as a part of the font size that may be added or taken. */
const unnoticedSpacing = 0.025;

/**
 * Lays out `newText` on the baseline and from the left edge of the old text `original`. It is made as wide as the old one
 * where a little stretching and spacing can do that; otherwise it keeps its natural width. Where the room is too small
 * it is squeezed, and last of all made smaller: no letter is ever cut off (the tail of a comma may be).
 */
export function layoutText(newText: string, face: FontFace, original: string, fit: TextFit, room: Room): Layout {
  const plainZero = face === fit.face ? fit.plainZero : face.markedZero;
  const text = written(newText, { plainZero });
  const style = (scaleX: number, letterSpacing: number, sizePx: number) => ({ face, sizePx, scaleX, letterSpacing });
  const inkOf = (metrics: TextMetrics) => metrics.ink ?? { left: 0, right: metrics.advance, top: -1, bottom: 0 };
  const old = inkOf(measureText(written(original, fit), fit));
  const oldWidth = old.right - old.left;
  const left = Math.max(room.left, fit.x + old.left);

  // Height first: the line must fit between the top and the bottom of the room on its baseline. A tilt that needs more
  // height than there is is levelled out around the middle of the line.
  const heightText = text.replace(/[,;_]/gu, ".");
  const level = inkOf(measureText(heightText, { ...fit, face }));
  const steepest = Math.max(0, room.bottom - room.top - (level.bottom - level.top)) / Math.max(1, oldWidth);
  const slope = clamp(fit.slope, -steepest, steepest);
  const tilt = Math.abs(slope) * oldWidth;
  const most = room.bottom - room.top;
  const sizePx = fit.sizePx * Math.min(1, most / Math.max(1, level.bottom - level.top + tilt));
  const set = inkOf(measureText(heightText, style(fit.scaleX, fit.letterSpacing, sizePx)));
  const highest = room.top - set.top + (slope < 0 ? tilt : 0);
  const lowest = room.bottom - set.bottom - (slope > 0 ? tilt : 0);
  const baseline = clamp(fit.baseline + ((fit.slope - slope) * oldWidth) / 2, highest, Math.max(highest, lowest));
  const shrunk = sizePx / fit.sizePx;
  let size = sizePx;
  const letters = Math.max(1, [...text].length - 1);
  const widthOf = (scaleX: number, spacing: number): number => {
    const ink = inkOf(measureText(text, style(scaleX, spacing, size)));
    return ink.right - ink.left;
  };
  let scaleX = fit.scaleX;
  let spacing = fit.letterSpacing * shrunk;
  const natural = widthOf(scaleX, spacing);
  const wanted = Math.min(oldWidth, room.right - left);
  const limits = unnoticedStretch.map((limit) => limit * fit.scaleX) as [number, number];
  // Half of the difference by spacing, the rest by stretching.
  spacing += clamp((wanted - natural) / 2 / letters, -unnoticedSpacing * size, unnoticedSpacing * size);
  scaleX = clamp(scaleX * ratio(wanted, widthOf(scaleX, spacing), letters * spacing), ...limits);
  const widest = room.right - left;
  for (let i = 0; i < 40 && widthOf(scaleX, spacing) > widest; i++) {
    if (scaleX > 0.8 * fit.scaleX) scaleX *= 0.97;
    else if (spacing > -0.05 * size) spacing -= 0.01 * size;
    else break;
  }
  const excess = widthOf(scaleX, spacing) / widest;
  if (excess > 1) {
    size /= excess;
    spacing /= excess;
  }
  const ink = inkOf(measureText(text, style(scaleX, spacing, size)));
  const x = left - ink.left;
  return {
    face,
    plainZero,
    sizePx: size,
    scaleX,
    letterSpacing: spacing,
    x,
    baseline: baseline + slope * (x - fit.x),
    slope,
  };
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** By how much the glyphs must be stretched so that the whole, gaps included, becomes `wanted` wide. */
const ratio = (wanted: number, width: number, gaps: number): number =>
  Math.max(0.2, (wanted - gaps) / Math.max(1, width - gaps));
