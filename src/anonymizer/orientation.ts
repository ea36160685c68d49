/**
 * Pages that lie on their side or stand on their head are turned upright for the whole flow and back again when the
 * result is encoded. Quarter turns are exact, so what is not drawn on stays as it was; in every report boxes are those of
 * the page as it came.
 */

import { completeReading } from "../detection/complete-reading.ts";
import type { ImageRegion } from "../detection/image-regions/image-region.ts";
import type { OcrEngine, OcrOptions, OcrPage } from "../detection/ocr.ts";
import { findUprightTurn } from "../detection/orientation.ts";
import type { DecodedDocument, Page } from "../documents/document.ts";
import type { Box } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { type QuarterTurn, turnBack, turnBox, turnImage, turnSize } from "../documents/turn.ts";
import { inParallel } from "../in-parallel.ts";
import type { Replacement } from "../replacement/replacement.ts";
import type { Report } from "../report.ts";

/** A document whose pages are upright; what the file states of them (`dpi`, `points`) is that of the pages as they came. */
export interface UprightDocument extends DecodedDocument {
  /** Degrees clockwise by which each page was turned. */
  readonly turns: readonly QuarterTurn[];
}

export interface ReadDocument {
  readonly document: UprightDocument;
  /** All that was read on each page. */
  readonly readings: readonly OcrPage[];
  /** What the first engine alone read. */
  readonly firstReadings: readonly OcrPage[];
}

/**
 * Reads the pages, those that don't stand upright in their right direction. What only one of `others` sees on a page
 * completes its reading: text that the first engine is blind to can be found nowhere else. Rejects with the engines' errors.
 */
export async function readUpright(
  document: DecodedDocument,
  ocr: OcrEngine,
  options: OcrOptions & {
    /** Pages at the same time: no more pieces and turned copies are in memory. */
    readonly atOnce: number;
    readonly others?: readonly OcrEngine[];
    readonly onPage?: () => void;
  },
): Promise<ReadDocument> {
  const { atOnce, others = [], onPage, ...readOptions } = options;
  const read = await inParallel(document.pages, atOnce, async (page) => {
    let { image } = page;
    let reading = await ocr.read(image, readOptions);
    const turn = await findUprightTurn(image, reading, ocr, readOptions);
    if (turn !== 0) {
      image = await turnImage(image, turn);
      reading = await ocr.read(image, readOptions);
    }
    let complete = reading;
    for (const other of others) complete = completeReading(complete, await other.read(image, readOptions));
    onPage?.();
    return { page: { ...page, image }, reading, complete, turn };
  });
  return {
    document: { ...document, pages: read.map(({ page }) => page), turns: read.map(({ turn }) => turn) },
    readings: read.map(({ complete }) => complete),
    firstReadings: read.map(({ reading }) => reading),
  };
}

/** Pages with these images instead of their own, as they came. */
export async function pagesAsTheyCame(
  { pages, turns }: UprightDocument,
  images: readonly RasterImage[],
): Promise<Page[]> {
  const made: Page[] = [];
  for (const [i, page] of pages.entries())
    made.push({ ...page, image: await turnImage(images[i]!, turnBack(turns[i]!)) });
  return made;
}

type Turned = Pick<UprightDocument, "pages" | "turns">;

/** A box of an upright page on the page as it came. */
const boxAsItCame = ({ pages, turns }: Turned, page: number, box: Box): Box =>
  turnBox(box, pages[page]!.image, turnBack(turns[page]!));

/** Values with the boxes they have on the pages as they came. */
export const replacementsAsTheyCame = (document: Turned, replacements: readonly Replacement[]): Replacement[] =>
  replacements.map(({ entity, fake }) => ({
    entity: { ...entity, box: boxAsItCame(document, entity.page, entity.box) },
    fake,
  }));

export const regionsAsTheyCame = (document: Turned, regions: readonly ImageRegion[]): ImageRegion[] =>
  regions.map((region) => {
    const { code, page } = region;
    const moved = { ...region, box: boxAsItCame(document, page, region.box) };
    if (code === undefined) return moved;
    const corners = code.corners.map(([x, y]) => {
      const [left, top] = boxAsItCame(document, page, [x, y, x, y]);
      return [left, top] as const;
    }) as unknown as typeof code.corners;
    return { ...moved, code: { ...code, corners } };
  });

/** A report on upright pages as one on the pages as they came. */
export function reportAsItCame(report: Report, document: Turned): Report {
  if (document.turns.every((turn) => turn === 0)) return report;
  const at = (page: number, box: Box): [number, number, number, number] => [...boxAsItCame(document, page, box)];
  const { verification } = report;
  return {
    ...report,
    document: {
      ...report.document,
      pages: report.document.pages.map((page) => {
        const turned = document.turns[page.index]!;
        return turned === 0 ? page : { ...page, ...turnSize(page, turned), turned };
      }),
    },
    entities: report.entities.map((entity) => ({
      ...entity,
      box: at(entity.page, entity.box),
      ...(entity.painted && { painted: at(entity.page, entity.painted) }),
    })),
    image_regions: report.image_regions.map((region) => ({ ...region, box: at(region.page, region.box) })),
    verification: {
      ...verification,
      leaks: verification.leaks.map((leak) => ({ ...leak, boxes: leak.boxes.map((box) => at(leak.page, box)) })),
      redetection: {
        ...verification.redetection,
        unknown: verification.redetection.unknown.map((found) => ({ ...found, box: at(found.page, found.box) })),
      },
    },
  };
}
