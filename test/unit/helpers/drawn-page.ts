import type { Box } from "../../../src/documents/geometry.ts";
import { createImage, luma, pasteImage, type RasterImage } from "../../../src/documents/image.ts";
import { Random } from "../../../src/random/random.ts";
import { type FontFace, fontFace } from "../../../src/rendering/fonts.ts";
import { renderText } from "../../../src/rendering/text.ts";
import type { Replacement } from "../../../src/replacement/replacement.ts";
import { entitiesOf } from "./entities.ts";

type Colour = readonly [number, number, number];

export interface DrawnLine {
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly sizePx?: number;
  readonly face?: FontFace;
}

/** A page with lines of text and the tight box around the ink of each. */
export function drawPage(
  width: number,
  height: number,
  lines: readonly DrawnLine[],
  { paper = [236, 234, 228] as Colour, ink = [40, 42, 50] as Colour, noise = 2.5 } = {},
): { page: RasterImage; boxes: Box[] } {
  const page = createImage(width, height, paper);
  const boxes = lines.map(({ text, x, y, sizePx = 24, face = fontFace("arimo-400") }): Box => {
    const image = renderText(text, { face, sizePx, colour: ink, background: paper, padding: 0 });
    pasteImage(page, image, x, y);
    return [x, y, x + image.width, y + image.height];
  });
  const random = new Random(99);
  for (let i = 0; i < page.data.length; i += 3) {
    const value = random.normal() * noise;
    for (let channel = 0; channel < 3; channel++) {
      page.data[i + channel] = Math.min(255, Math.max(0, Math.round(page.data[i + channel]! + value)));
    }
  }
  return { page, boxes };
}

export const replacementOf = (original: string, fake: string, box: Box, id = "p0-e0"): Replacement => ({
  entity: { ...entitiesOf("person", [original])[0]!, id, box },
  fake,
});

/** Number of pixels in which two images differ, inside and outside a box. */
export function changes(before: RasterImage, after: RasterImage, box: Box): { inside: number; outside: number } {
  let inside = 0;
  let outside = 0;
  for (let i = 0; i < before.data.length; i += 3) {
    const same =
      before.data[i] === after.data[i] &&
      before.data[i + 1] === after.data[i + 1] &&
      before.data[i + 2] === after.data[i + 2];
    if (same) continue;
    const x = (i / 3) % before.width;
    const y = Math.floor(i / 3 / before.width);
    if (x >= box[0] && x < box[2] && y >= box[1] && y < box[3]) inside++;
    else outside++;
  }
  return { inside, outside };
}

/** Pixels of `box` whose luma is below (or, `above`, over) a level. */
export function countPixels(image: RasterImage, box: Box, level: number, above = false): number {
  let count = 0;
  for (let y = box[1]; y < box[3]; y++) {
    for (let x = box[0]; x < box[2]; x++) {
      const value = luma(image.data, (y * image.width + x) * 3);
      if (above ? value > level : value < level) count++;
    }
  }
  return count;
}
