/** How a region's text stands on the page. */
import { boxHeight, boxWidth } from "../documents/geometry.ts";
import type { Region } from "./manifest-types.ts";

/** Height of the text in pixels, across the line; from the quad where there is one (a turned line's box is taller). */
export function textHeight(region: Region): number {
  const q = region.quad;
  if (q === undefined) return boxHeight(region.box);
  return (Math.hypot(q[6] - q[0], q[7] - q[1]) + Math.hypot(q[4] - q[2], q[5] - q[3])) / 2;
}

/** Radians the line is turned clockwise; 0 where the region has no quad. */
export function textTurn(region: Region): number {
  const q = region.quad;
  return q === undefined ? 0 : Math.atan2(q[3] - q[1], q[2] - q[0]);
}

/** Lines turned further than this (8°) are not used: a crop of them holds more of other things than of the text. */
const maxTurn = (8 * Math.PI) / 180;

/** Why a region can't be a sample, or undefined when it can. */
export function unusableReason(region: Region, minTextHeight: number): string | undefined {
  if (!/[\p{L}\p{N}]/u.test(region.text)) return "the text has no letter or digit";
  if (textHeight(region) < minTextHeight) return `the text is lower than ${minTextHeight} px`;
  if (boxWidth(region.box) < 4) return "the text is narrower than 4 px";
  if (Math.abs(textTurn(region)) > maxTurn) return "the text is turned by more than 8°";
  if (region.quad === undefined && region.text.trim().length > 2 && boxHeight(region.box) > 1.5 * boxWidth(region.box))
    return "the text runs vertically";
  return undefined;
}
