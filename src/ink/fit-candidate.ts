/** How a text may have been set, and what follows from it. */

import type { FontFace } from "../rendering/fonts.ts";
import { measureText, renderCoverage } from "../rendering/text.ts";
import type { InkEdges } from "./ink-edges.ts";
import { createPlane, type Plane } from "./planes.ts";

/** Lengths in pixels of the plane that was fitted. */
export interface TextFit {
  readonly face: FontFace;
  readonly sizePx: number;
  readonly scaleX: number;
  readonly letterSpacing: number;
  /** Start of the line and its baseline there. */
  readonly x: number;
  readonly baseline: number;
  readonly slope: number;
  /** Zeros are written as capital O, because the face's own has a mark that the print does not. */
  readonly plainZero: boolean;
  /** Correlation with the ink, −1…1 (less for unusual typefaces); above 0.7 the text lies on the old one letter by letter. */
  readonly score: number;
}

/** Ink edges plus spacing: what is varied. Size and stretch follow from them. */
export interface Candidate {
  readonly face: FontFace;
  readonly plainZero: boolean;
  readonly edges: InkEdges;
  /** Letter spacing as a part of the font size. */
  readonly spacing: number;
}

const stretchRange = [0.45, 2.5] as const;
export const spacingRange = [-0.08, 0.7] as const;
/** The characters that are set for `text`. */
export const written = (text: string, { plainZero }: Pick<TextFit, "plainZero">): string =>
  plainZero ? text.replaceAll("0", "O") : text;

/** Size and stretch that put the ink of `text` between the edges; null when that is out of range. */
export function solve(
  { face, plainZero, edges, spacing }: Candidate,
  text: string,
): { sizePx: number; scaleX: number; left: number; bottom: number } | null {
  const unit = measureText(written(text, { plainZero }), { face, sizePx: 1000 }).ink;
  if (!unit) return null;
  const sizePx = (1000 * (edges.bottom - edges.top)) / (unit.bottom - unit.top);
  const gaps = ([...text].length - 1) * spacing * sizePx;
  const scaleX = (edges.right - edges.left - gaps) / (((unit.right - unit.left) * sizePx) / 1000);
  if (!(sizePx >= 3 && sizePx < 2000) || !(scaleX >= stretchRange[0] && scaleX <= stretchRange[1])) return null;
  if (spacing < spacingRange[0] || spacing > spacingRange[1]) return null;
  return { sizePx, scaleX, left: (unit.left * sizePx * scaleX) / 1000, bottom: (unit.bottom * sizePx) / 1000 };
}

export function toFit(candidate: Candidate, text: string, slope: number, plane: Plane): Omit<TextFit, "score"> | null {
  const shape = solve(candidate, text);
  if (!shape) return null;
  const x = candidate.edges.left - shape.left;
  return {
    face: candidate.face,
    plainZero: candidate.plainZero,
    sizePx: shape.sizePx,
    scaleX: shape.scaleX,
    letterSpacing: candidate.spacing * shape.sizePx,
    x,
    baseline: candidate.edges.bottom - shape.bottom + slope * (x - plane.width / 2),
    slope,
  };
}

/** The text as the fit says, 0…1 per pixel. */
export function drawPlane(
  text: string,
  fit: Omit<TextFit, "score">,
  width: number,
  height: number,
  embolden = 0,
): Plane {
  const coverage = renderCoverage(written(text, fit), { ...fit, width, height, embolden, allowFallback: true });
  const plane = createPlane(width, height);
  for (let i = 0; i < coverage.length; i++) if (coverage[i]! > 0) plane.data[i] = coverage[i]! / 255;
  return plane;
}
