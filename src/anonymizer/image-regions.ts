/** Image regions in the anonymize flow: what they become, and what that says about the text on them. */
import type { AnonymizerConfig } from "../config/anonymizer-config.ts";
import type { Entity, EntityType } from "../detection/entity.ts";
import type { CodeEngine } from "../detection/image-regions/codes.ts";
import type { ImageRegion } from "../detection/image-regions/image-region.ts";
import { makeLine } from "../detection/lines.ts";
import type { OcrPage } from "../detection/ocr.ts";
import { boxArea, clipBox, growBox, intersectBoxes, roundOut, type Size, uniteBoxes } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { type CoveredRegion, type CoverMethod, coverRegions } from "../inpainting/cover-regions.ts";
import type { Replacement } from "../replacement/replacement.ts";
import { type LeakSearchOptions, searchLeaks } from "../verification/leak-search.ts";
import { toSameValues } from "./same-value.ts";

const bare = (text: string): string => text.toUpperCase().replace(/[^\p{L}\d]/gu, "");

/** Contents outside these lengths are covered, not replaced. */
const shortest = 4;
const longest = 300;

/** The contents of codes as entities, so that they are invented like any other value. Their ids are the regions'. */
export function codeContents(regions: readonly ImageRegion[]): Entity[] {
  return regions.flatMap(({ id, page, box, score, recognizer, reason, code }) => {
    if (code === undefined || bare(code.text).length < shortest || code.text.length > longest) return [];
    const type: EntityType = /^(?:https?:\/\/|www\.)\S+$/i.test(code.text) ? "url" : "id_number";
    return [{ id, type, page, line: 0, words: [0, 0], span: [0, 0], text: code.text, box, score, recognizer, reason }];
  });
}

/**
 * The content of a code where it is printed in letters, as under most bar codes: it must change with the code, also
 * where a letter of it was misread.
 */
export async function printedContents(
  regions: readonly ImageRegion[],
  readings: readonly OcrPage[],
  options: LeakSearchOptions = {},
): Promise<Entity[]> {
  const contents = codeContents(regions);
  const printed = toSameValues(await searchLeaks(contents, readings, [], options), contents, readings);
  return printed.map(({ entity, of }, i) => {
    const line = readings[entity.page]!.lines[entity.line]!;
    const read = line.text.slice(...entity.span);
    return {
      ...entity,
      id: `${of.id}-t${i}`,
      text: bare(read) === bare(of.text) ? read : entity.text,
      score: 0.95,
      recognizer: "codes",
      reason: "content of a code",
    };
  });
}

/** A reading in which regions that are covered count as read: nothing is left to be found there. */
export const withRegions = (reading: OcrPage, page: number, regions: readonly ImageRegion[]): OcrPage => ({
  ...reading,
  lines: [
    ...reading.lines,
    ...regions.filter((region) => region.page === page).map(({ box }) => makeLine([{ text: "x", box, confidence: 1 }])),
  ],
});

/** How much of a text's box lies in a region that is to hide it. Codes stay as they are: they must hold nearly all. */
const hidden = 0.6;
const inCode = 0.95;

export interface Hidden {
  /** What is drawn, because it stands in no region. */
  readonly drawn: readonly Replacement[];
  /** What is covered with a region: nothing is drawn on top. */
  readonly hidden: readonly Replacement[];
  /** The regions, as large as what they are to hide. */
  readonly regions: readonly ImageRegion[];
}

/** Parts what is covered with a region from what is drawn. `pages` tells the pages' sizes. */
export function hideInRegions(
  replacements: readonly Replacement[],
  regions: readonly ImageRegion[],
  pages: readonly Size[],
): Hidden {
  const hides = (region: ImageRegion, { entity }: Replacement): boolean =>
    region.page === entity.page &&
    boxArea(intersectBoxes(region.box, entity.box)) >= (region.type === "code" ? inCode : hidden) * boxArea(entity.box);
  let grown = [...regions];
  for (let size = -1, now = totalArea(grown); now !== size; now = totalArea(grown)) {
    size = now;
    grown = grown.map((region) => {
      const boxes = replacements.filter((each) => hides(region, each)).map(({ entity }) => growBox(entity.box, 2));
      if (region.type === "code" || boxes.length === 0) return region;
      return { ...region, box: clipBox(roundOut(uniteBoxes([region.box, ...boxes])), pages[region.page]!) };
    });
  }
  const isHidden = (each: Replacement): boolean => grown.some((region) => hides(region, each));
  return {
    drawn: replacements.filter((each) => !isHidden(each)),
    hidden: replacements.filter(isHidden),
    regions: grown,
  };
}

const totalArea = (regions: readonly ImageRegion[]): number => regions.reduce((sum, { box }) => sum + boxArea(box), 0);

/** Covers the regions of all pages. */
export async function coverPages(
  pages: readonly RasterImage[],
  regions: readonly ImageRegion[],
  options: {
    readonly images: AnonymizerConfig["images"];
    readonly contents: ReadonlyMap<string, string>;
    readonly codes: CodeEngine;
    readonly signal?: AbortSignal;
  },
): Promise<{ readonly pages: RasterImage[]; readonly covered: CoveredRegion[] }> {
  const { codes, signatures, portraits } = options.images;
  const method = (wanted: CoverMethod | "keep"): CoverMethod => (wanted === "keep" ? "blur" : wanted);
  const methods = { code: method(codes), signature: method(signatures), portrait: method(portraits) };
  const made: RasterImage[] = [];
  const covered: CoveredRegion[] = [];
  for (const [index, page] of pages.entries()) {
    const here = regions.filter((region) => region.page === index);
    const result = await coverRegions(page, here, { ...options, methods });
    made.push(result.page);
    covered.push(...result.covered);
  }
  return { pages: made, covered };
}

/** Codes of the input whose content can still be read on the result, anywhere. */
export async function readableCodes(
  pages: readonly RasterImage[],
  regions: readonly ImageRegion[],
  codes: CodeEngine,
  signal?: AbortSignal,
): Promise<ImageRegion[]> {
  const coded = regions.filter(({ code }) => code !== undefined);
  if (coded.length === 0) return [];
  const read = new Set<string>();
  for (const page of pages) for (const { text } of await codes.read(page, signal)) read.add(text);
  return coded.filter(({ code }) => read.has(code!.text));
}
