/** What was painted, as the checks see it. */
import { type Box, boxArea, intersectBoxes } from "../documents/geometry.ts";

export interface PaintedRegion {
  /** The entity's id. */
  readonly id: string;
  /** 0-based. */
  readonly page: number;
  /** What may have been repainted, page pixels: pixels outside all such boxes are untouched. */
  readonly box: Box;
  /** Where the original stood, page pixels; inside `box`. */
  readonly textBox: Box;
  /** The value that stood there. */
  readonly original: string;
  /** The value that should stand there now; null for a solid box, which shows nothing. */
  readonly fake: string | null;
}

/** Share of `box` covered by `by`, 0…1. */
export function coveredShare(box: Box, by: Box): number {
  const area = boxArea(box);
  return area > 0 ? boxArea(intersectBoxes(box, by)) / area : 0;
}

/** The region that covers most of the box, where one covers at least half of it. */
export function regionOf(box: Box, page: number, regions: readonly PaintedRegion[]): PaintedRegion | undefined {
  let best: PaintedRegion | undefined;
  let most = 0.5;
  for (const region of regions) {
    if (region.page !== page) continue;
    const share = coveredShare(box, region.box);
    if (share >= most) {
      most = share;
      best = region;
    }
  }
  return best;
}
