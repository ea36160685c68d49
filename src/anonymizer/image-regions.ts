/** Image regions in the anonymize flow: what they become, and what that says about the text on them. */
import type { AnonymizerConfig } from "../config/anonymizer-config.ts";
import type { Entity, EntityType } from "../detection/entity.ts";
import type { CodeEngine } from "../detection/image-regions/codes.ts";
import type { ImageRegion } from "../detection/image-regions/image-region.ts";
import { makeLine, spanBox, wordRange, wordSpans } from "../detection/lines.ts";
import type { OcrPage } from "../detection/ocr.ts";
import { boxArea, intersectBoxes } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { type CoveredRegion, type CoverMethod, coverRegions } from "../inpainting/cover-regions.ts";
import type { Replacement } from "../replacement/replacement.ts";

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

/** The content of a code where it is printed in letters, as under most bar codes: it must change with the code. */
export function printedContents(regions: readonly ImageRegion[], readings: readonly OcrPage[]): Entity[] {
  const found: Entity[] = [];
  for (const content of codeContents(regions)) {
    const wanted = bare(content.text);
    for (const [page, reading] of readings.entries()) {
      for (const [index, line] of reading.lines.entries()) {
        const spans = wordSpans(line);
        for (let first = 0; first < spans.length; first++) {
          for (let last = first; last < spans.length; last++) {
            const span = [spans[first]![0], spans[last]![1]] as const;
            const text = line.text.slice(...span);
            const read = bare(text);
            if (read.length > wanted.length) break;
            const words = [line.words[first]!.text, line.words[last]!.text];
            if (read !== wanted || words.some((word) => bare(word) === "")) continue;
            found.push({
              ...content,
              id: `${content.id}-t${found.length}`,
              page,
              line: index,
              words: wordRange(line, span),
              span,
              text,
              box: spanBox(line, span),
              score: 0.95,
              recognizer: "codes",
              reason: "content of a code",
            });
          }
        }
      }
    }
  }
  return found;
}

/** A reading in which regions that are covered count as read: nothing is left to be found there. */
export const withRegions = (reading: OcrPage, page: number, regions: readonly ImageRegion[]): OcrPage => ({
  ...reading,
  lines: [
    ...reading.lines,
    ...regions.filter((region) => region.page === page).map(({ box }) => makeLine([{ text: "x", box, confidence: 1 }])),
  ],
});

/** How much of a text's box a covered region must hide for the text to be gone with it. */
const hidden = 0.6;

/** Without what stands inside covered regions: it is covered with them, and nothing is drawn on top. */
export const outsideRegions = (replacements: readonly Replacement[], regions: readonly ImageRegion[]): Replacement[] =>
  replacements.filter(({ entity }) =>
    regions.every(
      ({ page, box }) =>
        page !== entity.page || boxArea(intersectBoxes(box, entity.box)) < hidden * boxArea(entity.box),
    ),
  );

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
