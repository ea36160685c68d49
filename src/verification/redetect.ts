/** Runs detection on the result: only the invented values may be found there. */
import type { Entity } from "../detection/entity.ts";
import { leakSimilarity } from "../text/similarity.ts";
import { coveredShare, type PaintedRegion } from "./painted.ts";
import { readingSimilarity } from "./reading-similarity.ts";

export interface Redetection {
  /** Findings that are invented values. */
  readonly known: number;
  /** Personal data that is none of the invented values: the first reading missed it. */
  readonly unknown: readonly Entity[];
}

/**
 * Sorts the findings on the result. One is known when at least two thirds of its box were painted, or its text is at least
 * 80 % similar to an invented value of the document (lines are cut in other places after a change).
 */
export function sortFindings(found: readonly Entity[], painted: readonly PaintedRegion[]): Redetection {
  let known = 0;
  const unknown: Entity[] = [];
  for (const entity of found) {
    const covered = painted
      .filter((region) => region.page === entity.page)
      .reduce((sum, region) => sum + coveredShare(entity.box, region.box), 0);
    const isFake = painted.some(
      (region) => region.fake !== null && readingSimilarity(entity.text, region.fake) >= leakSimilarity,
    );
    if (covered >= 2 / 3 || isFake) known++;
    else unknown.push(entity);
  }
  return { known, unknown };
}
