/**
 * How true the drawn text is. Self-replacement: boxes of real scans are repainted with the text that stands in them, and
 * compared with the true pixels. New text: the boxes get invented texts, and these are read again.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { distance } from "fastest-levenshtein";
import type { Entity, EntityType } from "../src/detection/entity.ts";
import type { OcrEngine } from "../src/detection/ocr.ts";
import { decodeDocument } from "../src/documents/decode.ts";
import { type Box, boxHeight, boxWidth, clipBox, roundOut } from "../src/documents/geometry.ts";
import { copyImage, type RasterImage } from "../src/documents/image.ts";
import { pastePatch } from "../src/inpainting/blending.ts";
import type { Patch, PatchEngine } from "../src/inpainting/patch.ts";
import { extractPatch } from "../src/inpainting/patches.ts";
import { createPseudonymizer } from "../src/replacement/pseudonyms.ts";
import { readRegion } from "../src/verification/region-check.ts";
import { psnr, ssim } from "./image-similarity.ts";

export { createClassicalEngine } from "../src/inpainting/classical-engine.ts";
export { createDiffusionEngine } from "../src/inpainting/diffusion-engine.ts";

/** One text line of a scan. */
interface Sample {
  readonly page: number;
  readonly id: string;
  readonly box: Box;
  /** As printed, as far as known. */
  readonly text: string;
  readonly fake: string;
}

interface Page {
  readonly id: string;
  readonly image: RasterImage;
  readonly samples: readonly Sample[];
  /** Boxes of the lines that stay. */
  readonly others: readonly Box[];
}

interface Reading {
  /** 1 − edit distance / longer length, without case and spaces. */
  readonly similarity: number;
  readonly exact: number;
}

export interface EngineFidelity {
  /** Mean over the boxes, dB. */
  readonly psnr: number;
  readonly ssim: number;
  /** By reader: the box's own text drawn, and an invented one drawn. */
  readonly own: Readonly<Record<string, Reading>>;
  readonly fresh: Readonly<Record<string, Reading>>;
  readonly secondsPerBox: number;
}

export interface Fidelity {
  readonly pages: number;
  readonly boxes: number;
  /** Boxes whose letter case is known, because a reader read the transcript. */
  readonly caseKnown: number;
  /** Lowest and median box, pixels. */
  readonly heights: readonly [number, number];
  /** The untouched boxes read the same way: what a perfect drawing would get. */
  readonly untouched: Readonly<Record<string, Reading>>;
  /** The same boxes as even paper in the colour of their brightest tenth: what drawing nothing would get. */
  readonly blank: { readonly psnr: number; readonly ssim: number };
  readonly engines: Readonly<Record<string, EngineFidelity>>;
}

/** What became of one box, for looking at. */
export interface BoxResult {
  readonly id: string;
  readonly engine: string;
  readonly text: string;
  readonly fake: string;
  readonly psnr: number;
  readonly ssim: number;
  readonly before: RasterImage;
  readonly own: RasterImage;
  readonly fresh: RasterImage;
  /** What the first reader read of `own` and of `fresh`. */
  readonly read: readonly [string, string];
  readonly box: Box;
}

export interface FidelityOptions {
  /** Folder with manifest.json and images, as receipts/. */
  readonly folder: string;
  readonly boxes: number;
  readonly engines: Readonly<Record<string, PatchEngine>>;
  readonly readers: Readonly<Record<string, OcrEngine>>;
  readonly onBox?: (result: BoxResult) => Promise<void>;
}

interface TruthPage {
  readonly id: string;
  readonly file: string;
  readonly lines: readonly { readonly box: Box; readonly text: string; readonly field?: string }[];
}

export async function measureFidelity(options: FidelityOptions): Promise<Fidelity> {
  const { readers, engines } = options;
  const { pages, caseKnown } = await choose(options);
  const samples = pages.flatMap((page) => page.samples);
  const names = Object.keys(readers);
  const untouched = await readAll(readers, pages, (page) => page.image, "text");
  const blanks = samples.map((sample) => {
    const { image } = pages[sample.page]!;
    const box = wholeBox(sample.box, image);
    const paper = blankPaper(image, box);
    return { psnr: psnr(image, paper, box), ssim: ssim(image, paper, box) };
  });
  const result: Record<string, EngineFidelity> = {};
  for (const [name, engine] of Object.entries(engines)) {
    const started = performance.now();
    const own: RasterImage[] = [];
    const fresh: RasterImage[] = [];
    for (const page of pages) {
      own.push(await repaint(page, engine, "text"));
      fresh.push(await repaint(page, engine, "fake"));
    }
    const secondsPerBox = (performance.now() - started) / 1000 / samples.length / 2;
    const ownRead = await readAll(readers, pages, (_, i) => own[i]!, "text");
    const freshRead = await readAll(readers, pages, (_, i) => fresh[i]!, "fake");
    const scores = samples.map((sample) => {
      const { image } = pages[sample.page]!;
      const box = wholeBox(sample.box, image);
      return { psnr: psnr(image, own[sample.page]!, box), ssim: ssim(image, own[sample.page]!, box) };
    });
    for (const [i, sample] of samples.entries()) {
      await options.onBox?.({
        ...sample,
        ...scores[i]!,
        engine: name,
        before: pages[sample.page]!.image,
        own: own[sample.page]!,
        fresh: fresh[sample.page]!,
        read: [ownRead[names[0]!]![i]!.text, freshRead[names[0]!]![i]!.text],
      });
    }
    result[name] = {
      psnr: mean(scores.map((score) => score.psnr)),
      ssim: mean(scores.map((score) => score.ssim)),
      own: summary(ownRead),
      fresh: summary(freshRead),
      secondsPerBox,
    };
  }
  const heights = samples.map((sample) => boxHeight(sample.box)).sort((a, b) => a - b);
  return {
    pages: pages.length,
    boxes: samples.length,
    caseKnown,
    heights: [heights[0]!, heights[Math.floor(heights.length / 2)]!],
    untouched: summary(untouched),
    blank: { psnr: mean(blanks.map((b) => b.psnr)), ssim: mean(blanks.map((b) => b.ssim)) },
    engines: result,
  };
}

/**
 * Boxes evenly from all pages and from all of a page: of `boxes` over P pages each page gives its share, at equal steps
 * through its lines. The same count always gives the same boxes.
 */
async function choose({ folder, boxes, readers }: FidelityOptions): Promise<{ pages: Page[]; caseKnown: number }> {
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")) as { items: TruthPage[] };
  const pageCount = Math.min(manifest.items.length, boxes);
  const pseudonymizer = createPseudonymizer({ key: "fidelity bench" });
  const pages: Page[] = [];
  let caseKnown = 0;
  for (let p = 0; p < pageCount; p++) {
    const truth = manifest.items[Math.floor((p * manifest.items.length) / pageCount)]!;
    const image = (await decodeDocument(join(folder, truth.file))).pages[0]!.image;
    const usable = truth.lines.filter(
      ({ box, text }) => boxHeight(box) >= 8 && boxWidth(box) >= 8 && text.replace(/[^\p{L}\p{N}]/gu, "").length >= 3,
    );
    const count = Math.min(
      usable.length,
      Math.floor(((p + 1) * boxes) / pageCount) - Math.floor((p * boxes) / pageCount),
    );
    const chosen = Array.from({ length: count }, (_, i) => usable[Math.floor(((i + 0.5) * usable.length) / count)]!);
    const texts: string[] = [];
    for (const line of chosen) {
      const printed = await printedCase(image, line, readers);
      if (printed !== undefined) caseKnown++;
      texts.push(printed ?? line.text);
    }
    const entities = chosen.map((line, i) => entityOf(line.box, texts[i]!, typeOf(line), `${truth.id}-${i}`));
    const fakes = await pseudonymizer.replace(entities, {
      pageTexts: [truth.lines.map(({ text }) => text).join("\n")],
    });
    pages.push({
      id: truth.id,
      image,
      samples: fakes.map(({ entity, fake }) => ({ page: p, id: entity.id, box: entity.box, text: entity.text, fake })),
      others: truth.lines.filter((line) => !chosen.includes(line)).map(({ box }) => box),
    });
  }
  return { pages, caseKnown };
}

/** Transcripts are mostly in capitals whatever is printed; a reading that agrees with them otherwise has the case. */
async function printedCase(
  image: RasterImage,
  line: { readonly box: Box; readonly text: string },
  readers: FidelityOptions["readers"],
): Promise<string | undefined> {
  for (const reader of Object.values(readers)) {
    const read = [...(await readRegion(image, line.box, reader)).replace(/\s/g, "")];
    if (bare(read.join("")) !== bare(line.text) || read.length !== [...line.text.replace(/\s/g, "")].length) continue;
    let i = 0;
    return [...line.text].map((character) => (/\s/.test(character) ? character : read[i++]!)).join("");
  }
  return undefined;
}

function typeOf({ text, field }: { readonly text: string; readonly field?: string }): EntityType {
  if (field === "company" || field === "address" || field === "date") return field;
  return (text.match(/\d/g)?.length ?? 0) >= 3 ? "id_number" : "company";
}

export const entityOf = (box: Box, text: string, type: EntityType, id: string): Entity => ({
  id,
  type,
  page: 0,
  line: 0,
  words: [0, 1],
  span: [0, text.length],
  text,
  box,
  score: 1,
  recognizer: "bench",
  reason: "bench",
});

/** A copy of the page on which every sample is drawn again. */
export async function repaint(
  page: Pick<Page, "image" | "samples" | "others">,
  engine: PatchEngine,
  what: "text" | "fake",
): Promise<RasterImage> {
  const patches: Patch[] = page.samples.map((sample) => {
    const others = [...page.samples.filter((other) => other !== sample).map(({ box }) => box), ...page.others];
    const entity = entityOf(sample.box, sample.text, "company", sample.id);
    return extractPatch(page.image, { entity, fake: sample[what] }, { others });
  });
  const results = await engine.generate(patches);
  const painted = copyImage(page.image);
  for (const [i, patch] of patches.entries()) pastePatch(painted, patch, results[i]!);
  return painted;
}

type Readings = Record<string, (Reading & { readonly text: string })[]>;

async function readAll(
  readers: FidelityOptions["readers"],
  pages: readonly Page[],
  imageOf: (page: Page, index: number) => RasterImage,
  what: "text" | "fake",
): Promise<Readings> {
  const readings: Readings = {};
  for (const [name, reader] of Object.entries(readers)) {
    const list: Readings[string] = [];
    for (const [index, page] of pages.entries()) {
      for (const sample of page.samples) {
        const text = await readRegion(imageOf(page, index), sample.box, reader);
        list.push({ ...compare(text, sample[what]), text });
      }
    }
    readings[name] = list;
  }
  return readings;
}

function compare(read: string, wanted: string): Reading {
  const [a, b] = [bare(read), bare(wanted)];
  return { similarity: 1 - distance(a, b) / Math.max(1, a.length, b.length), exact: a === b ? 1 : 0 };
}

const summary = (readings: Readings): Record<string, Reading> =>
  Object.fromEntries(
    Object.entries(readings).map(([name, list]) => [
      name,
      { similarity: mean(list.map((r) => r.similarity)), exact: mean(list.map((r) => r.exact)) },
    ]),
  );

function blankPaper(image: RasterImage, box: Box): RasterImage {
  const blank = copyImage(image);
  const colour = [0, 1, 2].map((channel) => {
    const values: number[] = [];
    for (let y = box[1]; y < box[3]; y++)
      for (let x = box[0]; x < box[2]; x++) values.push(image.data[(y * image.width + x) * 3 + channel]!);
    values.sort((a, b) => a - b);
    return values[Math.floor(values.length * 0.9)]!;
  });
  for (let y = box[1]; y < box[3]; y++)
    for (let x = box[0]; x < box[2]; x++) blank.data.set(colour, (y * image.width + x) * 3);
  return blank;
}

const wholeBox = (box: Box, image: RasterImage): Box => clipBox(roundOut(box), image);
const bare = (text: string): string => text.toUpperCase().replace(/\s+/g, "");
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
