import type { SKRSContext2D } from "@napi-rs/canvas";

/**
 * Sets a canvas up so that every glyph lies where the advances in the font file say: no kerning, no ligatures and no
 * contextual forms, which some faces have and `measureText` does not count. From the baseline, round joins.
 */
export function setExactText(context: SKRSContext2D): void {
  context.lang = "en";
  context.fontKerning = "none";
  context.textRendering = "optimizeSpeed";
  context.textBaseline = "alphabetic";
  context.textAlign = "left";
  context.lineJoin = "round";
}
