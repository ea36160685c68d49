/**
 * Draws new texts without a model: empty paper is resampled from around the old text, the new text is set in the typeface
 * that matches the old one best, and gets its ink's colour, weight, softness and grain.
 */
import { type Box, clipBox, roundOut } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { codedError } from "../errors.ts";
import { type InkAnalysis, inkAnalysis } from "../ink/ink.ts";
import { measuringFactor, type Plane, shrinkLargeImage } from "../ink/planes.ts";
import { createPacer, inSlices, type Pacer } from "../pacer.ts";
import { Random } from "../random/random.ts";
import { defaultFace } from "../rendering/fonts.ts";
import { measureText } from "../rendering/text.ts";
import type { TextFit } from "./fit-candidate.ts";
import { measureStyle } from "./ink-style.ts";
import { type EmptyPaper, paintPaper } from "./paper-texture.ts";
import type { Patch, PatchEngine, PatchResult } from "./patch.ts";
import { findRuledLines, markRuledLines } from "./ruled-lines.ts";
import { commonSizes, patchesByLine, resized } from "./sizes-along-lines.ts";
import { drawText } from "./text-drawing.ts";
import { fitText } from "./text-fit.ts";
import { textInk } from "./text-ink.ts";

/** Lines higher than this are measured at a lower resolution; they are always drawn at the full one. */
const measuredLineHeight = 56;
/** Thinning of strokes, as a part of the font size, from which a lighter typeface is tried. */
const mostThinned = -0.013;
const rowsAtOnce = 32;

/** The engine has no state of its own; `close` only makes later calls fail with ERR_CLOSED. */
export function createClassicalEngine(): PatchEngine {
  let closed = false;
  return {
    name: "classical",
    async generate(patches, { signal, onProgress } = {}) {
      if (closed) throw codedError("ERR_CLOSED", "The classical engine is closed");
      const pacer = createPacer(signal);
      const results: PatchResult[] = [];
      let done = 0;
      for (const line of patchesByLine(patches)) {
        const measured: Measured[] = [];
        for (const at of line) {
          await pacer.pause();
          measured.push(await measurePatch(patches[at]!, pacer));
        }
        const sizes = commonSizes(measured.map(({ patch, fits, factor }) => ({ patch, fit: fits[0], factor })));
        for (const [i, at] of line.entries()) {
          await pacer.pause();
          results[at] = await paint(measured[i]!, sizes[i], pacer);
          onProgress?.(++done, patches.length);
        }
      }
      return results;
    },
    async close() {
      closed = true;
    },
  };
}

interface Measured {
  readonly patch: Patch;
  /** Pixels of the patch per pixel of what was measured. */
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

/** How the old text was printed. */
async function measurePatch(patch: Patch, pacer: Pacer): Promise<Measured> {
  const { image, maskBox, textBox, text, original } = patch;
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
  const fits = text.trim() === "" ? [] : await fitText(unitInk(ink, analysis), original, pacer);
  return { patch, factor, small, mask, box, analysis, lines, ink, fits };
}

/** `size`: the size that the text has in common with others of its line, in pixels of the patch. */
async function paint(measured: Measured, size: number | undefined, pacer: Pacer): Promise<PatchResult> {
  const { patch, factor, small, mask, box, analysis, lines, ink } = measured;
  const { image, maskBox, text, original } = patch;
  const random = new Random("patch", patch.seed);
  const paper = await paintPaper(image, analysis, factor, maskBox, lines, random, pacer);
  const data = image.data.slice();
  if (text.trim() !== "") {
    const fits = size === undefined ? measured.fits : measured.fits.map((fit) => resized(fit, size / factor));
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
    await drawText(paper, patch, fit, style, place, random, pacer);
  }
  await writeLevels(data, image.width, paper, pacer);
  return { id: patch.id, image: { data, width: image.width, height: image.height } };
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
