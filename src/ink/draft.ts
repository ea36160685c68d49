/**
 * A draft of a text: the old ink covered with paper, and the text set in some typeface about where and as large as the
 * old one was. What a UNet with `masked_fill: draft` gets in the place of a hole, so that it has to restyle and blend a
 * text, not to spell it.
 *
 * For training the text is the true one. Most drafts are what `reprint.ts` makes of it, as at work, but with only some
 * typefaces to choose from, so that the right one may be missing; a few are wrong on purpose: typeface, weight,
 * size, place, colour and softness differ from the print. So the model learns to correct a draft and to keep its letters.
 */
import { type Box, boxHeight, boxWidth, clipBox, growBox, roundOut } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import type { Pacer } from "../pacer.ts";
import type { Random } from "../random/random.ts";
import { coveringFace, type FontFace, fontFaces } from "../rendering/fonts.ts";
import { measureText, renderCoverage } from "../rendering/text.ts";
import { analyseInk, type InkAnalysis, paperAt } from "./ink.ts";
import { estimateSlope, type InkEdges, inkEdges } from "./ink-edges.ts";
import { blurPlane, type Plane } from "./planes.ts";
import { measurePrint, paintPrint } from "./reprint.ts";

/** Raise it when the same arguments give another drawing: what was made with the old ones is made anew. */
export const draftVersion = 4;

/** Share of drafts that are wrong on purpose. */
const wrongShare = 0.03;
/** Least typefaces that a fitted draft chooses from. With fewer, drafts would be worse than they are at work. */
const fewestFaces = 14;

export interface DraftRequest {
  readonly image: RasterImage;
  /** What is covered and drawn on, integer edges; every pixel beside it stays as it is. */
  readonly mask: Box;
  /** Where the text stands, inside `mask`. */
  readonly textBox: Box;
  /** What stands there. */
  readonly text: string;
}

/** RGB, as large as the image. The same random numbers give the same draft. */
export async function drawTrainingDraft(request: DraftRequest, random: Random, pacer: Pacer): Promise<Uint8Array> {
  if (random.chance(wrongShare)) return drawWrongDraft(request, random);
  const { image, mask, textBox, text } = request;
  const faces = random.shuffled(fontFaces).slice(0, random.int(fewestFaces, fontFaces.length));
  const print = { image, maskBox: mask, textBox: roundOut(textBox), text, original: text, seed: random.uint32() };
  return paintPrint(await measurePrint(print, pacer, faces), pacer);
}

function drawWrongDraft({ image, mask, textBox, text }: DraftRequest, random: Random): Uint8Array {
  const analysis = analyseInk(image, textBox);
  const place = locateInk(analysis, mask, textBox);
  const data = Uint8Array.from(image.data);
  const lighter = random.normal(0, 14);
  const ink = inkColour(image, analysis, mask).map((level) => level + lighter + random.normal(0, 5));
  const cover = random.range(0.75, 1.1);
  const shade = random.chance(0.5) ? random.normal(0, 3) : 0;
  const grain = random.range(0, 1.2) * analysis.noise;
  const drawn = setText(text, place, mask, random);
  const paper = new Float32Array(3);
  const width = boxWidth(mask);
  for (let y = mask[1]; y < mask[3]; y++) {
    for (let x = mask[0]; x < mask[2]; x++) {
      paperAt(analysis.paper, x, y, paper);
      const share = Math.min(1, cover * drawn.data[(y - mask[1]) * width + x - mask[0]]!);
      const noise = shade + (grain > 0 ? random.normal(0, grain) : 0);
      for (let channel = 0; channel < 3; channel++) {
        const level = paper[channel]! + (ink[channel]! - paper[channel]!) * share + noise;
        data[(y * image.width + x) * 3 + channel] = Math.min(255, Math.max(0, Math.round(level)));
      }
    }
  }
  return data;
}

interface InkPlace {
  /** In pixels of the mask. */
  readonly edges: InkEdges;
  readonly slope: number;
}

/** Where the ink of the text lies; the text's box where none is found. */
function locateInk(analysis: InkAnalysis, mask: Box, textBox: Box): InkPlace {
  const width = boxWidth(mask);
  const height = boxHeight(mask);
  const inside = clipBox(roundOut(growBox(textBox, 2)), analysis);
  const plane: Plane = { data: new Float32Array(width * height), width, height };
  for (let y = Math.max(mask[1], inside[1]); y < Math.min(mask[3], inside[3]); y++) {
    for (let x = Math.max(mask[0], inside[0]); x < Math.min(mask[2], inside[2]); x++) {
      const i = y * analysis.width + x;
      if (analysis.ink[i])
        plane.data[(y - mask[1]) * width + x - mask[0]] = analysis.contrast.data[i]! / analysis.strength;
    }
  }
  const slope = estimateSlope(plane);
  const found = inkEdges(plane, slope);
  // Faint or speckled print leaves next to nothing, or a ruled line everything.
  const likely =
    found !== null &&
    found.right - found.left > 0.5 * boxWidth(textBox) &&
    found.bottom - found.top > 0.35 * boxHeight(textBox);
  if (likely) return { edges: found, slope };
  const [left, top, right, bottom] = textBox;
  return {
    edges: { left: left - mask[0], top: top - mask[1], right: right - mask[0], bottom: bottom - mask[1] },
    slope: 0,
  };
}

/** Mean colour of the strongest ink; black, or white on dark paper, where there is none. */
function inkColour(image: RasterImage, { contrast, strength, darkInk }: InkAnalysis, mask: Box): number[] {
  const sums = [0, 0, 0, 0];
  for (let y = mask[1]; y < mask[3]; y++) {
    for (let x = mask[0]; x < mask[2]; x++) {
      const i = y * image.width + x;
      if (contrast.data[i]! < 0.8 * strength) continue;
      for (let channel = 0; channel < 3; channel++) sums[channel]! += image.data[i * 3 + channel]!;
      sums[3]!++;
    }
  }
  const fallback = darkInk ? 0 : 255;
  return [0, 1, 2].map((channel) => (sums[3]! > 0 ? sums[channel]! / sums[3]! : fallback));
}

/** The text in a typeface by chance, its ink about between the edges: how much of each pixel of the mask is ink, 0 … 1. */
function setText(text: string, { edges, slope }: InkPlace, mask: Box, random: Random): Plane {
  const width = boxWidth(mask);
  const height = boxHeight(mask);
  const face = coveringFace(text, randomFace(random));
  const unit = measureText(text, { face, sizePx: 1000 }).ink;
  if (unit === null) return { data: new Float32Array(width * height), width, height };
  const inkHeight = edges.bottom - edges.top;
  const inkWidth = edges.right - edges.left;
  const exact = (1000 * inkHeight) / (unit.bottom - unit.top);
  const sizePx = Math.min(512, Math.max(3, exact * random.range(0.9, 1.1)));
  const missing = inkWidth * random.range(0.96, 1.04) - ((unit.right - unit.left) * sizePx) / 1000;
  // What the typeface is too narrow or wide for is made up for by its letters, the room between them, or both.
  const gaps = Math.max(1, [...text].length - 1);
  const byRoom = random.pick([0, 0, 0.5, 1]);
  const letterSpacing = Math.min(0.7, Math.max(-0.08, (byRoom * missing) / gaps / sizePx)) * sizePx;
  const scaleX = Math.min(
    2.5,
    Math.max(0.45, 1 + (missing - letterSpacing * gaps) / (((unit.right - unit.left) * sizePx) / 1000)),
  );
  const x = edges.left - (unit.left * sizePx * scaleX) / 1000 + random.normal(0, 0.03) * inkHeight;
  // Edges are those at the middle of the mask, the line begins at its left.
  const middle = (edges.top + edges.bottom) / 2 + random.normal(0, 0.03) * inkHeight;
  const tilt = slope + (random.chance(0.3) ? random.normal(0, 0.004) : 0);
  const baseline = middle - ((unit.top + unit.bottom) / 2 / 1000) * sizePx - tilt * (width / 2 - x);
  const coverage = renderCoverage(text, {
    face,
    sizePx,
    scaleX,
    letterSpacing,
    width,
    height,
    x,
    baseline,
    slope: tilt,
    embolden: random.range(-0.015, 0.03) * sizePx,
    allowFallback: true,
  });
  const plane = { data: Float32Array.from(coverage, (value) => value / 255), width, height };
  return blurPlane(plane, random.range(0.2, 0.035 * sizePx + 0.4));
}

/** Half of the time a face of a few plain ones, as an engine would choose that does not know the print's own. */
function randomFace(random: Random): FontFace {
  const plain = fontFaces.filter(({ category, italic }) => !italic && ["sans", "mono", "condensed"].includes(category));
  return random.pick(random.chance(0.5) ? plain : fontFaces);
}
