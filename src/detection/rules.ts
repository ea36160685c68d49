/** Ruled lines of forms and tables. They run into letters and make the OCR engine miss whole cells. */
import { type GreyImage, inkMask } from "./components.ts";
import { forEachRow } from "./tiles.ts";

/**
 * Paints straight lines that are long against the text and thin in the colour of the paper beside them, in place. `textHeight` in pixels. Strokes of letters
 * are shorter, bars and pictures thicker, and both stay.
 */
export async function removeRules(image: GreyImage, textHeight: number): Promise<void> {
  const { width, height } = image;
  const mask = await inkMask(image);
  const minLength = Math.max(40, Math.round(6 * textHeight));
  const maxThickness = Math.max(3, Math.round(textHeight / 3));
  await sweep(image, mask, { count: height, length: width, along: 1, across: width }, minLength, maxThickness);
  await sweep(image, mask, { count: width, length: height, along: width, across: 1 }, minLength, maxThickness);
}

interface Direction {
  /** Number of lines to look along, pixels on each, and distance of neighbours in the array. */
  readonly count: number;
  readonly length: number;
  readonly along: number;
  readonly across: number;
}

async function sweep(
  image: GreyImage,
  mask: Uint8Array,
  way: Direction,
  minLength: number,
  maxThickness: number,
): Promise<void> {
  await forEachRow(way.length, way.count, (line) => {
    const base = line * way.across;
    for (let at = 0; at < way.length; at++) {
      if (mask[base + at * way.along] === 0) continue;
      const start = at;
      let last = at;
      // A gap of one pixel does not end a line.
      for (at++; at < way.length && at - last <= 2; at++) if (mask[base + at * way.along] === 1) last = at;
      if (last - start + 1 < minLength) continue;
      for (let i = start; i <= last; i++) erase(image.data, mask, base + i * way.along, line, way, maxThickness);
    }
  });
}

/** Erases the stroke that crosses `pixel`, with its blurred edge, unless it is thicker than a rule: a letter stands there. */
function erase(
  data: Uint8Array,
  mask: Uint8Array,
  pixel: number,
  line: number,
  way: Direction,
  maxThickness: number,
): void {
  const last = way.count - 1 - line;
  let before = 0;
  while (before <= maxThickness && before < line && mask[pixel - (before + 1) * way.across] === 1) before++;
  let after = 0;
  while (after <= maxThickness && after < last && mask[pixel + (after + 1) * way.across] === 1) after++;
  if (before + after + 1 > maxThickness) return;
  const from = Math.max(-line, -before - 1);
  const to = Math.min(last, after + 1);
  const paper = Math.max(
    data[pixel + Math.max(-line, from - 1) * way.across]!,
    data[pixel + Math.min(last, to + 1) * way.across]!,
  );
  for (let k = from; k <= to; k++) data[pixel + k * way.across] = paper;
}
