/**
 * Pages that lie on their side or stand on their head are turned upright for the whole flow and back again when the
 * result is encoded. Quarter turns are exact, so what is not drawn on stays as it was. Pages whose lines slope are turned
 * level besides; canvas.ts says how the page as it lies keeps its pixels. In every report boxes are those of the page as
 * it came, with level sides.
 */

import { completeReading } from "../detection/complete-reading.ts";
import type { ImageRegion } from "../detection/image-regions/image-region.ts";
import { levelPage } from "../detection/level-page.ts";
import type { OcrEngine, OcrOptions, OcrPage } from "../detection/ocr.ts";
import { findUprightTurn } from "../detection/orientation.ts";
import type { DecodedDocument, Page } from "../documents/document.ts";
import type { Box, Size } from "../documents/geometry.ts";
import { copyImage, type RasterImage } from "../documents/image.ts";
import { boxOnLevel, boxOnPage, type LevelFrame, toPage } from "../documents/level-frame.ts";
import { putBack } from "../documents/level-image.ts";
import { type QuarterTurn, turnBack, turnBox, turnImage, turnSize } from "../documents/turn.ts";
import { inParallel } from "../in-parallel.ts";
import type { Replacement } from "../replacement/replacement.ts";
import type { Report } from "../report.ts";

/** A document whose pages are upright and level; what the file states of them (`dpi`, `points`) is that of the pages as they came. */
export interface UprightDocument extends DecodedDocument {
  /** Degrees clockwise by which each page was turned. */
  readonly turns: readonly QuarterTurn[];
  /** Of each page whose lines slope, turned by its quarter turn: how it lies, and itself. */
  readonly sloping: readonly (SlopingPage | undefined)[];
  /** Indices of pages that could not be made level. */
  readonly notLevel: readonly number[];
}

export interface SlopingPage {
  readonly frame: LevelFrame;
  readonly image: RasterImage;
}

export interface ReadDocument {
  readonly document: UprightDocument;
  /** All that was read on each page. */
  readonly readings: readonly OcrPage[];
  /** What the first engine alone read. */
  readonly firstReadings: readonly OcrPage[];
}

/**
 * Reads the pages, upright and level. What only one of `others` sees on a page
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
    const { frame, ...level } = await levelPage(image, reading, ocr, readOptions);
    let complete = level.reading;
    for (const other of others) complete = completeReading(complete, await other.read(level.image, readOptions));
    onPage?.();
    const sloping = frame && { frame, image };
    return { ...level, page: { ...page, image: level.image }, complete, turn, sloping };
  });
  return {
    document: {
      ...document,
      pages: read.map(({ page }) => page),
      turns: read.map(({ turn }) => turn),
      sloping: read.map(({ sloping }) => sloping),
      notLevel: [...read.keys()].filter((i) => !read[i]!.level),
    },
    readings: read.map(({ complete }) => complete),
    firstReadings: read.map(({ reading }) => reading),
  };
}

/** The pages upright, but as they slope. */
export const pagesAsTheyLie = ({ pages, sloping }: UprightDocument): RasterImage[] =>
  pages.map(({ image }, i) => sloping[i]?.image ?? image);

/** The same with what was covered on `covered`, the pages turned level, within the regions' boxes. Rejects with ERR_ABORTED. */
export async function coversAsTheyLie(
  document: UprightDocument,
  covered: readonly RasterImage[],
  regions: readonly ImageRegion[],
  signal?: AbortSignal,
): Promise<RasterImage[]> {
  const pages: RasterImage[] = [];
  for (const [i, after] of covered.entries()) {
    const { sloping } = document;
    const page = sloping[i];
    if (page === undefined) pages.push(after);
    else {
      const image = copyImage(page.image);
      const change = { before: document.pages[i]!.image, after };
      for (const { box } of regions.filter(({ page: at }) => at === i))
        await putBack(image, change, page.frame, box, signal);
      pages.push(image);
    }
  }
  return pages;
}

/** Pages with these images, which lie as they do, instead of their own, as they came. */
export async function pagesAsTheyCame(
  { pages, turns }: UprightDocument,
  images: readonly RasterImage[],
): Promise<Page[]> {
  const made: Page[] = [];
  for (const [i, page] of pages.entries())
    made.push({ ...page, image: await turnImage(images[i]!, turnBack(turns[i]!)) });
  return made;
}

type Turned = Pick<UprightDocument, "pages" | "turns" | "sloping">;

/** Of a page turned by its quarter turn alone. */
const lyingSize = ({ pages, sloping }: Turned, page: number): Size => sloping[page]?.image ?? pages[page]!.image;

/** A box of an upright page on the page as it came. */
function boxAsItCame(document: Turned, page: number, box: Box): Box {
  const frame = document.sloping[page]?.frame;
  const lying = frame === undefined ? box : boxOnPage(frame, box);
  return turnBox(lying, lyingSize(document, page), turnBack(document.turns[page]!));
}

/** A box that `boxAsItCame` gave on the upright page again. */
export function boxUpright(document: Turned, page: number, box: Box): Box {
  const turn = document.turns[page]!;
  const lying = turnBox(box, turnSize(lyingSize(document, page), turnBack(turn)), turn);
  const frame = document.sloping[page]?.frame;
  return frame === undefined ? lying : boxOnLevel(frame, lying);
}

function pointAsItCame(document: Turned, page: number, [x, y]: readonly [number, number]): readonly [number, number] {
  const frame = document.sloping[page]?.frame;
  const [px, py] = frame === undefined ? [x, y] : toPage(frame, x, y);
  const [left, top] = turnBox([px, py, px, py], lyingSize(document, page), turnBack(document.turns[page]!));
  return [left, top];
}

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
    const corners = code.corners.map((corner) =>
      pointAsItCame(document, page, corner),
    ) as unknown as typeof code.corners;
    return { ...moved, code: { ...code, corners } };
  });

/** A report on upright pages as one on the pages as they came. */
export function reportAsItCame(report: Report, document: Turned): Report {
  if (document.turns.every((turn) => turn === 0) && document.sloping.every((page) => page === undefined)) return report;
  const at = (page: number, box: Box): [number, number, number, number] => [...boxAsItCame(document, page, box)];
  const { verification } = report;
  return {
    ...report,
    document: {
      ...report.document,
      pages: report.document.pages.map((page) => {
        const turned = document.turns[page.index]!;
        const { width, height } = turnSize(lyingSize(document, page.index), turned);
        const skew = document.sloping[page.index]?.frame.skew;
        return {
          ...page,
          width,
          height,
          ...(turned !== 0 && { turned }),
          ...(skew !== undefined && { skew: Math.round(skew * 100) / 100 }),
        };
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
