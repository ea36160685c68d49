/** Runs detection on the result: only the invented values may be found there. */
import type { Entity, EntityType } from "../detection/entity.ts";
import type { Box } from "../documents/geometry.ts";
import { coveredShare, type PaintedRegion } from "./painted.ts";
import { similarity } from "./similarity.ts";

/** Personal data found on the result that is none of the invented values. */
export interface UnknownFinding {
  readonly type: EntityType;
  /** 0-based. */
  readonly page: number;
  readonly box: Box;
  readonly score: number;
}

export interface Redetection {
  /** Findings that are invented values. */
  readonly known: number;
  readonly unknown: readonly UnknownFinding[];
}

/**
 * Sorts the findings on the result. One is known when at least half of its box was painted, or its text is at least
 * 60 % similar to an invented value of the document (lines are cut in other places after a change).
 */
export function sortFindings(found: readonly Entity[], painted: readonly PaintedRegion[]): Redetection {
  let known = 0;
  const unknown: UnknownFinding[] = [];
  for (const entity of found) {
    const covered = painted
      .filter((region) => region.page === entity.page)
      .reduce((sum, region) => sum + coveredShare(entity.box, region.box), 0);
    const isFake = painted.some((region) => region.fake !== null && similarity(entity.text, region.fake) >= 0.6);
    if (covered >= 0.5 || isFake) known++;
    else unknown.push({ type: entity.type, page: entity.page, box: entity.box, score: entity.score });
  }
  return { known, unknown };
}
