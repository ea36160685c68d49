/** A small page with personal data, drawn here: for self-tests. */
import { createImage, pasteImage, type RasterImage } from "../documents/image.ts";
import { defaultFace } from "../rendering/fonts.ts";
import { renderText } from "../rendering/text.ts";

/** Invented, like everything this package draws. */
export const sampleLines = [
  "Delivery note 4711",
  "E-mail: ellen.marlow@example.org",
  "Thank you for your order",
] as const;

/** The lines in black on white, 600 × 240 px. */
export function drawSamplePage(lines: readonly string[] = sampleLines): RasterImage {
  const page = createImage(600, 60 + 60 * lines.length);
  for (const [i, line] of lines.entries())
    pasteImage(page, renderText(line, { face: defaultFace, sizePx: 28 }), 40, 40 + 60 * i);
  return page;
}
