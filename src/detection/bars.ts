/** Light print on dark bars: titles of cards, heads of tables. */
import { setImmediate } from "node:timers/promises";
import { type Box, boxArea, boxHeight, boxWidth } from "../documents/geometry.ts";
import { findComponents, type GreyImage } from "./components.ts";

const chunkPixels = 1 << 17;
/** On a page whose paper is white. */
const darkLevel = 120;
/** Share of a bar that is dark; the rest is its print. */
const minDensity = 0.55;

/**
 * Turns dark bars with their light print into dark print on white, in place. `textHeight` in pixels. A bar is higher
 * than a line and several letters wide; borders of the scan and whole dark pages are none.
 */
export async function invertBars(image: GreyImage, textHeight: number): Promise<void> {
  // Coarse: bars are large, and letters in them should not part them.
  const step = Math.max(2, Math.floor(textHeight / 6));
  const width = Math.floor(image.width / step);
  const height = Math.floor(image.height / step);
  const mask = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    if ((y * width) % chunkPixels < width) await setImmediate();
    for (let x = 0; x < width; x++)
      if (image.data[y * step * image.width + x * step]! < darkLevel) mask[y * width + x] = 1;
  }
  for (const box of await findComponents(mask, width, height)) {
    if (boxWidth(box) * step < 5 * textHeight || boxHeight(box) * step < 1.3 * textHeight) continue;
    if (boxArea(box) > 0.6 * width * height || density(mask, width, box) < minDensity) continue;
    await invert(image, [
      box[0] * step,
      box[1] * step,
      Math.min(image.width, box[2] * step),
      Math.min(image.height, box[3] * step),
    ]);
  }
}

function density(mask: Uint8Array, width: number, [x0, y0, x1, y1]: Box): number {
  let dark = 0;
  for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) dark += mask[y * width + x]!;
  return dark / ((x1 - x0) * (y1 - y0));
}

/** The bar's own grey becomes white, white becomes black. */
async function invert({ data, width }: GreyImage, [x0, y0, x1, y1]: Box): Promise<void> {
  const counts = new Uint32Array(256);
  for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) counts[data[y * width + x]!]!++;
  await setImmediate();
  let ground = 0;
  for (let left = ((x1 - x0) * (y1 - y0)) / 2; ground < 255; ground++) {
    left -= counts[ground]!;
    if (left < 0) break;
  }
  const table = Uint8Array.from(
    { length: 256 },
    (_, v) => 255 - (Math.max(0, v - ground) * 255) / Math.max(1, 255 - ground),
  );
  for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) data[y * width + x] = table[data[y * width + x]!]!;
  await setImmediate();
}
