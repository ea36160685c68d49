/**
 * How sure the proof makes us, as numbers derived from the checks.
 *
 * Region: c = (1 − trace) · shown
 *   shown = s(fake), the similarity of the reading to the invented value; ½ for a solid box: the original is gone, but
 *           nothing stands in its place
 *   trace = what the reading shows of the original beyond what the invented value itself has in common with it (e):
 *           x = (s(orig) − e) / (1 − e), clamped to 0…1. Unrelated texts resemble each other up to about a half, so
 *           trace = max(0, 2x − 1)
 *   A perfect drawing has 1, an untouched original 0.
 *
 * Document: 0 when an original was found or a pixel outside the boxes changed; otherwise
 *   C = mean of c over all regions (1 without regions) · 0.9^u · 0.95^d · (1 − ½ · unread)
 *   u      = number of findings on the result that are no invented values
 *   d      = number of words beside the boxes that can't be recognised any more
 *   unread = share of the ink that was read by no word or by doubtful ones only: nothing can be said about it
 */
import type { RegionCheck } from "./region-check.ts";

/** 0…1. */
export function regionConfidence(check: RegionCheck, solid: boolean): number {
  const { similarityToFake, similarityToOriginal, expectedSimilarity } = check;
  const excess = Math.max(0, similarityToOriginal - expectedSimilarity) / Math.max(1e-6, 1 - expectedSimilarity);
  const trace = Math.max(0, 2 * Math.min(1, excess) - 1);
  return round((1 - trace) * (solid ? 0.5 : similarityToFake));
}

/** What the checks of a document found. */
export interface DocumentEvidence {
  /** Confidence of each region. */
  readonly regions: readonly number[];
  readonly leaks: number;
  readonly pixelsChangedOutside: number;
  readonly unknownFindings: number;
  readonly damagedNeighbours: number;
  /** Share of ink not read, 0…1. */
  readonly unreadShare: number;
}

/** 0…1. */
export function documentConfidence(evidence: DocumentEvidence): number {
  if (evidence.leaks > 0 || evidence.pixelsChangedOutside > 0) return 0;
  const { regions } = evidence;
  const mean = regions.length === 0 ? 1 : regions.reduce((sum, c) => sum + c, 0) / regions.length;
  const doubts = 0.9 ** evidence.unknownFindings * 0.95 ** evidence.damagedNeighbours;
  return round(mean * doubts * (1 - 0.5 * Math.min(1, Math.max(0, evidence.unreadShare))));
}

const round = (value: number): number => Math.round(value * 1e4) / 1e4;
