/** The ink of one text, cut free from its surroundings. */
import { type Box, clipBox, growBox } from "../documents/geometry.ts";
import { findComponents, ownComponents } from "./components.ts";
import type { InkAnalysis } from "./ink.ts";
import { createPlane, dilate, type Plane } from "./planes.ts";

/**
 * Contrast of the text's own ink inside `region` in levels, 0 elsewhere: neighbouring lines that reach into the region,
 * rules (`ruled`, 1 = pixel of a rule) and specks do not count.
 */
export function textInk(analysis: InkAnalysis, textBox: Box, region: Box, ruled: Uint8Array): Plane {
  const { width, height, contrast } = analysis;
  const ink = analysis.ink.slice();
  for (let i = 0; i < ink.length; i++) if (ruled[i]) ink[i] = 0;
  const { labels, list } = findComponents(ink, width, height);
  const lineHeight = textBox[3] - textBox[1];
  const own = ownComponents(
    labels,
    list.map((c) => c.area),
    clipBox(growBox(textBox, 2), analysis),
    width,
  );
  const largest = Math.max(0, ...[...own].map((label) => list[label - 1]!.area));
  const speck = Math.min(largest * 0.05, Math.max(1, lineHeight * lineHeight * 0.002));
  const mine = new Uint8Array(ink.length);
  const others = new Uint8Array(ink.length);
  for (let i = 0; i < ink.length; i++) {
    const label = labels[i]!;
    if (label === 0) continue;
    if (own.has(label)) {
      if (list[label - 1]!.area > speck) mine[i] = 1;
    } else others[i] = 1;
  }
  // The soft edge of a stroke belongs to it, too.
  const near = dilate(mine, width, height, Math.max(1, Math.min(3, Math.round(lineHeight / 24))));
  const plane = createPlane(region[2] - region[0], region[3] - region[1]);
  for (let y = region[1]; y < region[3]; y++) {
    for (let x = region[0]; x < region[2]; x++) {
      const i = y * width + x;
      if (!near[i] || others[i] || ruled[i]) continue;
      plane.data[(y - region[1]) * plane.width + x - region[0]] = Math.max(0, contrast.data[i]!);
    }
  }
  return plane;
}
