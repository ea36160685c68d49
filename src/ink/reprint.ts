/**
 * Prints a text as an old one was printed: empty paper is resampled from around the old text, the new text is set in the
 * typeface that matches the old one best, and gets its ink's colour, weight, softness and grain.
 */
import { type Box, clipBox, roundOut } from "../documents/geometry.ts";
import { copyImage, type RasterImage } from "../documents/image.ts";
import { inSlices, type Pacer } from "../pacer.ts";
import { Random } from "../random/random.ts";
import { defaultFace, type FontFace, fontFaces } from "../rendering/fonts.ts";
import { measureText } from "../rendering/text.ts";
import type { TextFit } from "./fit-candidate.ts";
import { type InkAnalysis, inkAnalysis } from "./ink.ts";
import { measureStyle } from "./ink-style.ts";
import { type EmptyPaper, paintPaper } from "./paper-texture.ts";
import { measuringFactor, type Plane, shrinkLargeImage } from "./planes.ts";
import { findRuledLines, markRuledLines } from "./ruled-lines.ts";
import { drawText } from "./text-drawing.ts";
import { fitText } from "./text-fit.ts";
import { textInk } from "./text-ink.ts";

/** Lines higher than this are measured at a lower resolution; they are always drawn at the full one. */
const measuredLineHeight = 56;
/** Thinning of strokes, as a part of the font size, from which a lighter typeface is tried. */
const mostThinned = -0.013;
const rowsAtOnce = 32;

/** A text to be printed over another one. Boxes in pixels of the image, integer edges. */
export interface ReprintRequest {
  readonly image: RasterImage;
  /** What may be repainted. */
  readonly maskBox: Box;
  /** Where the old text stands, inside `maskBox`. */
  readonly textBox: Box;
  readonly text: string;
  /** What stands there now, which the typeface is measured by; empty where it is not known. */
  readonly original: string;
  /** The same seed draws the same pixels. */
  readonly seed: number;
}

/** How the old text was printed. */
export interface MeasuredPrint {
  readonly request: ReprintRequest;
  /** Pixels of the image per pixel of what was measured. */
  readonly factor: number;
  readonly small: RasterImage;
  /** The mask and the box of the old text on it. */
  readonly mask: Box;
  readonly box: Box;
  readonly analysis: InkAnalysis;
  readonly lines: ReturnType<typeof findRuledLines>;
  readonly ink: Plane;
  readonly fits: readonly TextFit[];
}

/** `faces`: the typefaces that are tried; default all. */
export async function measurePrint(
  request: ReprintRequest,
  pacer: Pacer,
  faces: readonly FontFace[] = fontFaces,
): Promise<MeasuredPrint> {
  const { image, maskBox, textBox, text, original } = request;
  const factor = measuringFactor(image.width * image.height, textBox[3] - textBox[1], measuredLineHeight);
  const small = await shrinkLargeImage(image, factor, pacer);
  const scaled = (box: Box): Box => clipBox(roundOut(box.map((v) => v / factor) as unknown as Box), small);
  const mask = scaled(maskBox);
  const box = scaled(textBox);
  await pacer.pause();
  const analysis = await inSlices(inkAnalysis(small, box), pacer);
  await pacer.pause();
  const lines = findRuledLines(analysis, mask, box);
  const ink = textInk(analysis, box, mask, markRuledLines(lines, mask, small.width, small.height));
  await pacer.pause();
  const fits = text.trim() === "" ? [] : await fitText(unitInk(ink, analysis), original, pacer, faces);
  return { request, factor, small, mask, box, analysis, lines, ink, fits };
}

/** The image's pixels with the text printed; `fits`: other fits than the measured ones. */
export async function paintPrint(
  measured: MeasuredPrint,
  pacer: Pacer,
  fits: readonly TextFit[] = measured.fits,
): Promise<Uint8Array> {
  const { request, factor, small, mask, box, analysis, lines, ink } = measured;
  const { image, maskBox, text, original } = request;
  const random = new Random("patch", request.seed);
  const paper = await paintPaper(image, analysis, factor, maskBox, lines, random, pacer);
  const { data } = copyImage(image);
  if (text.trim() !== "") {
    // Nothing is known about a text that could not be read: the new one stands in for its shape.
    const model = original.trim() || text;
    const measure = (candidate: TextFit) => measureStyle(ink, candidate, model, analysis, small, mask, pacer);
    let fit = fits[0] ?? plainFit(ink, original, box, mask);
    let style = await measure(fit);
    const { weight, italic } = fit.face;
    const lighter = fits.find((f) => f.face.weight < weight && f.face.italic === italic && f.score > fit.score - 0.1);
    // A bold typeface that has to be thinned much is a regular one in truth.
    if (lighter && style.embolden < mostThinned * fit.sizePx) {
      fit = lighter;
      style = await measure(fit);
    }
    const place = { factor, x: mask[0] * factor - maskBox[0], y: mask[1] * factor - maskBox[1] };
    await drawText(paper, request, fit, style, place, random, pacer);
  }
  await writeLevels(data, image.width, paper, pacer);
  return data;
}

/** Levels of ink as parts of full ink. */
function unitInk(ink: Plane, analysis: InkAnalysis): Plane {
  const scale = 1 / Math.max(1, analysis.strength);
  return { ...ink, data: ink.data.map((value) => Math.min(1.1, value * scale)) };
}

/** A guess from the box alone, for texts without any ink to be measured. */
function plainFit(ink: Plane, original: string, box: Box, mask: Box): TextFit {
  const unit = measureText(original.trim() || "x", { face: defaultFace, sizePx: 100 });
  const sizePx = Math.max(6, ((box[3] - box[1]) / (unit.ascent + unit.descent)) * 100);
  const scaleX = Math.min(1.3, Math.max(0.7, (box[2] - box[0]) / Math.max(1, (unit.advance * sizePx) / 100)));
  return {
    face: defaultFace,
    sizePx,
    scaleX,
    letterSpacing: 0,
    x: box[0] - mask[0],
    baseline: Math.min(ink.height - 1, box[3] - mask[1] - (unit.descent * sizePx) / 100),
    slope: 0,
    plainZero: false,
    score: 0,
  };
}

async function writeLevels(data: Uint8Array, width: number, { box, levels }: EmptyPaper, pacer: Pacer): Promise<void> {
  const columns = box[2] - box[0];
  for (let y = box[1]; y < box[3]; y++) {
    if ((y - box[1]) % rowsAtOnce === 0) await pacer.pause();
    for (let x = box[0]; x < box[2]; x++) {
      const from = ((y - box[1]) * columns + x - box[0]) * 3;
      const to = (y * width + x) * 3;
      for (let channel = 0; channel < 3; channel++)
        data[to + channel] = Math.min(255, Math.max(0, Math.round(levels[from + channel]!)));
    }
  }
}
