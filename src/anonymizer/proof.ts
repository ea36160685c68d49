/**
 * What "proven" means.
 *
 * A result is proven when an independent look at it, by reading the finished pixels again, supports all of this:
 *
 *  1. In every painted box the reading is the invented value, or at least clearly nearer to it than to the original
 *     (or the box is solid and the original is not read there).              region-check.ts, gate.ts
 *  2. No original, be it drawn over, covered with an image region or the content of a code, nor anything 80 % similar to
 *     one, is read anywhere in the document, along the lines, down the columns or over a page's end. leak-search.ts says
 *     what is too short or too common to be looked for outside its own box.
 *  3. Not one pixel outside the painted and covered boxes differs from the input.         outside-check.ts
 *  4. No code of the input that is to be covered can still be read.            anonymizer/image-regions.ts
 *  5. The encoded file carries no metadata.                                   checked after encoding
 *  6. On no page of the input more than `gate.max_unread` of the ink is writing that no engine could read.  unread.ts
 *
 * Where two OCR engines are there, both read the result, so the engine that found the originals is not the only judge of
 * their absence: an original is a leak when either engine reads it, an invented value is legible when either does
 * (engines misread correct print, one of them a third of it, but don't read by chance what should stand there).
 *
 * It does not mean that all personal data was found. What the OCR engine could not read can be neither replaced nor
 * searched; `unread` counts it. Nor does it mean that the page is beautiful: `neighbours` counts words beside the boxes
 * that can't be recognised any more, and lowers the confidence. Detection is run on the result too: a finding there that is no invented value doesn't
 * break the proof (detectors err on the side of finding), but lowers the confidence and is listed.
 */

import type { Detector } from "../detection/detector.ts";
import type { Entity } from "../detection/entity.ts";
import type { OcrEngine, OcrPage } from "../detection/ocr.ts";
import { type Box, boxHeight, growBox } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { throwIfAborted } from "../errors.ts";
import type { Replacement } from "../replacement/replacement.ts";
import { documentConfidence } from "../verification/confidence.ts";
import { type GateOptions, judgeRegion } from "../verification/gate.ts";
import { type Occurrence, searchLeaks } from "../verification/leak-search.ts";
import { checkNeighbours, type Neighbours } from "../verification/neighbours.ts";
import { checkOutside, type OutsideCheck } from "../verification/outside-check.ts";
import { type Redetection, sortFindings } from "../verification/redetect.ts";
import { checkRegion } from "../verification/region-check.ts";
import type { UnreadInk } from "../verification/unread.ts";
import { type Painting, touches } from "./painting.ts";

export interface ProofOptions {
  /** The engine that read the input. */
  readonly ocr: OcrEngine;
  /** Further engines that look at the result. */
  readonly others?: readonly OcrEngine[];
  /** The input pages as `ocr` alone read them. */
  readonly inputReadings: readonly OcrPage[];
  /** The input pages, before their image regions were covered; not made level. */
  readonly inputPages: readonly RasterImage[];
  /** Image regions that are covered: their boxes may have changed, too. */
  readonly covered: readonly { readonly page: number; readonly box: Box }[];
  /** Values of the document that are covered with them: contents of codes, text under them. */
  readonly hidden: readonly Replacement[];
  readonly detector: Detector;
  readonly gate: GateOptions;
  /** Milliseconds for one reading. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Called after each page and each region that was read. */
  readonly onRead?: () => void;
}

/** What one engine saw on the result. */
export interface Look {
  /** The result pages as it read them. */
  readonly readings: readonly OcrPage[];
  /** Their lines and words are those of these readings. */
  readonly leaks: readonly Occurrence[];
}

export interface Proof {
  /** One per engine; the first is that of the engine that read the input. */
  readonly looks: readonly [Look, ...Look[]];
  /** Of all engines, each place once. */
  readonly leaks: readonly Occurrence[];
  readonly outside: OutsideCheck;
  readonly redetection: Redetection;
  readonly neighbours: Neighbours;
  /** Ids of the regions the gate refuses. */
  readonly refused: readonly string[];
}

/**
 * Looks at the painting. `changed` holds the regions drawn since `before`; only their pages and boxes are read again.
 * Rejects with the engine's errors and ERR_ABORTED.
 */
export async function prove(
  painting: Painting,
  changed: ReadonlySet<string>,
  before: Proof | undefined,
  options: ProofOptions,
): Promise<Proof> {
  const { ocr, others = [], timeoutMs, signal } = options;
  const painted = painting.painted();
  const fresh = painted.filter((region) => changed.has(region.id));
  const readOptions = { timeoutMs, ...(signal && { signal }) };

  const freshPages = new Set(before ? fresh.map((region) => region.page) : painting.pages.keys());
  const read = (engine: OcrEngine, at: number): Promise<OcrPage[]> =>
    Promise.all(
      painting.pages.map(async (page, index) => {
        if (!freshPages.has(index)) return before!.looks[at]!.readings[index]!;
        const reading = await engine.read(page, readOptions);
        if (at === 0) options.onRead?.();
        return reading;
      }),
    );
  const [readings, ...otherReadings] = (await Promise.all([ocr, ...others].map(read))) as [OcrPage[], ...OcrPage[][]];

  // A drawing next to a fresh one may have got a neighbour's paper into its edge.
  const near = painted.filter((region) =>
    fresh.some((f) => f.page === region.page && touches(f.box, growBox(region.box, boxHeight(region.box) / 2))),
  );
  await Promise.all(
    near.map(async (region) => {
      const pageReading = readings[region.page]!;
      const check = await checkRegion(painting.pages[region.page]!, region, ocr, {
        ...readOptions,
        pageReading,
        others: others.map((other, i) => ({ ocr: other, pageReading: otherReadings[i]![region.page]! })),
      });
      throwIfAborted(signal);
      painting.judge(region.id, check, judgeRegion(check, region.fake === null, options.gate));
      options.onRead?.();
    }),
  );

  const values = [...painting.replacements, ...options.hidden];
  const targets = values.map(({ entity }) => entity);
  const searchOptions = { minSimilarity: options.gate.leakSimilarity, ...(signal && { signal }) };
  const look = async (seen: readonly OcrPage[]): Promise<Look> => ({
    readings: seen,
    leaks: await searchLeaks(targets, seen, painted, searchOptions),
  });
  const looks: [Look, ...Look[]] = [await look(readings)];
  for (const seen of otherReadings) looks.push(await look(seen));
  const leaks = eachPlaceOnce(looks.flatMap((seen) => seen.leaks));
  for (const id of new Set(leaks.flatMap((leak) => leak.regions))) painting.refuse(id);

  let compared = 0;
  let differing = 0;
  for (const [index, page] of painting.finished.entries()) {
    const boxes = [...painted, ...options.covered].filter((region) => region.page === index).map(({ box }) => box);
    const check = await checkOutside(options.inputPages[index]!, page, boxes, signal, painting.frames[index]);
    compared += check.compared;
    differing += check.changed;
  }

  const neighbours = readings.map((reading, index) => {
    const here = painted.filter((region) => region.page === index);
    return checkNeighbours(options.inputReadings[index]!, reading, here);
  });
  const found: Entity[] = [];
  for (const [index, reading] of readings.entries()) found.push(...(await options.detector.detect(reading, index)));
  return {
    looks,
    leaks,
    outside: { compared, changed: differing },
    redetection: sortFindings(found, painted),
    neighbours: {
      checked: neighbours.reduce((sum, page) => sum + page.checked, 0),
      damaged: neighbours.reduce((sum, page) => sum + page.damaged, 0),
    },
    refused: painted.map((r) => r.id).filter((id) => painting.verdict(id)!.verdict !== "accepted"),
  };
}

/** Without the occurrences that touch an earlier one of the same value: two engines saw the same. */
function eachPlaceOnce(leaks: readonly Occurrence[]): Occurrence[] {
  const kept: Occurrence[] = [];
  for (const leak of leaks) {
    const known = kept.some(
      (other) =>
        other.targetId === leak.targetId &&
        other.page === leak.page &&
        other.parts.some((a) => leak.parts.some((b) => touches(a.box, b.box))),
    );
    if (!known) kept.push(leak);
  }
  return kept;
}

/** Why the proof fails, in words for people; empty when it holds. */
export function reasonsAgainst(proof: Proof): string[] {
  const reasons: string[] = [];
  const count = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`;
  if (proof.refused.length > 0) {
    reasons.push(`${count(proof.refused.length, "region was", "regions were")} not drawn well enough`);
  }
  if (proof.leaks.length > 0) {
    reasons.push(`${count(proof.leaks.length, "original value", "original values")} can still be read`);
  }
  if (proof.outside.changed > 0) {
    reasons.push(`${count(proof.outside.changed, "pixel", "pixels")} changed outside the replaced boxes`);
  }
  return reasons;
}

/** The pages of which more was left unread than `most`, in words for people. */
export function unreadPages(pages: readonly UnreadInk[], most: number): string[] {
  return pages.flatMap(({ share }, index) =>
    share > most
      ? [`${Math.round(share * 100)} % of the ink on page ${index + 1} is writing that could not be read`]
      : [],
  );
}

/** The confidence of a document; see confidence.ts for the formula. */
export function confidenceOf(painting: Painting, proof: Proof, unread: UnreadInk): number {
  return documentConfidence({
    regions: painting.painted().map((region) => painting.verdict(region.id)!.confidence),
    leaks: proof.leaks.length,
    pixelsChangedOutside: proof.outside.changed,
    unknownFindings: proof.redetection.unknown.length,
    damagedNeighbours: proof.neighbours.damaged,
    unreadShare: unread.share,
  });
}
