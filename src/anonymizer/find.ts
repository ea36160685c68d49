/** Finds the personal data of all pages. */

import type { Detector } from "../detection/detector.ts";
import type { Entity } from "../detection/entity.ts";
import { spansOverlap } from "../detection/lines.ts";
import type { OcrPage } from "../detection/ocr.ts";
import { codedError, throwIfAborted } from "../errors.ts";
import type { Pseudonymizer } from "../replacement/pseudonyms.ts";
import type { Replacement } from "../replacement/replacement.ts";
import { findNameParts, partOfFake } from "./name-parts.ts";
import { findSameValues, type SameValue } from "./same-value.ts";

export interface Found {
  readonly entities: readonly Entity[];
  /** Further places of the same values. */
  readonly again: readonly SameValue[];
}

/** What the detector finds on each page, and where else these values stand in the document. */
export async function findEntities(
  readings: readonly OcrPage[],
  detector: Detector,
  options: {
    readonly minSimilarity: number;
    readonly signal?: AbortSignal;
    readonly onPage?: () => void;
    /** Values known beforehand; what the detector finds in their place gives way. */
    readonly printed?: readonly Entity[];
  },
): Promise<Found> {
  const { printed = [] } = options;
  const entities: Entity[] = [...printed];
  const isFree = ({ page, line, span }: Entity): boolean =>
    !printed.some((p) => p.page === page && p.line === line && spansOverlap(p.span, span));
  for (const [index, reading] of readings.entries()) {
    throwIfAborted(options.signal);
    entities.push(...(await detector.detect(reading, index)).filter(isFree));
    options.onPage?.();
  }
  const again = await findSameValues(entities, readings, options.minSimilarity, options.signal);
  const parts = findNameParts([...entities, ...again.map(({ entity }) => entity)], readings);
  return { entities, again: [...again, ...parts] };
}

/** The invented values: one per value, the same wherever it stands. `others` are values that stand in no line. */
export async function invent(
  found: Found,
  pageTexts: readonly string[],
  pseudonymizer: Pseudonymizer,
  signal: AbortSignal,
  others: readonly Entity[] = [],
): Promise<Replacement[]> {
  const parts = found.again.filter((same) => !same.whole).map((same) => same.entity);
  const replacements = await pseudonymizer.replace([...found.entities, ...parts, ...others], { pageTexts, signal });
  const fakes = new Map(replacements.map(({ entity, fake }) => [entity.id, fake]));
  for (const same of found.again) {
    const whole = fakeOf(fakes, same.of.id);
    const fake = same.whole ? whole : partOfFake(whole, same);
    if (fake !== undefined) fakes.set(same.entity.id, fake);
  }
  const copies = found.again.filter((same) => same.whole);
  return [...replacements, ...copies].map(({ entity }) => ({ entity, fake: fakeOf(fakes, entity.id) }));
}

function fakeOf(fakes: ReadonlyMap<string, string>, id: string): string {
  const fake = fakes.get(id);
  if (fake === undefined) throw codedError("ERR_INVALID_ARGUMENT", `No invented value was made for ${id}`);
  return fake;
}

export const textOf = (reading: OcrPage): string => reading.lines.map((line) => line.text).join("\n");
