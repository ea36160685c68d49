/**
 * Decides whether a painted box is good enough.
 *
 * The gate is relative: a reading may be imperfect, but must lie clearly on the side of the invented value. With
 * s(fake) and s(orig) the similarities of the reading, and e that of the invented value itself to the original, a
 * perfect drawing has s(fake) = 1 and s(orig) = e. A box passes when
 *
 *   confidence ≥ minConfidence (see confidence.ts)   and   s(fake) − s(orig) ≥ ½ · (1 − e)
 *
 * so at least half of the distance between the two values must be seen in the reading. A solid box shows nothing; it
 * passes unless the original is still read there.
 */
import { regionConfidence } from "./confidence.ts";
import type { RegionCheck } from "./region-check.ts";

export type GateVerdict = "accepted" | "illegible" | "near_original" | "original_readable";

export interface GateOptions {
  /** Lowest confidence of a region. */
  readonly minConfidence: number;
  /** Similarity to the original from which it counts as readable. */
  readonly leakSimilarity: number;
}

export function judgeRegion(check: RegionCheck, solid: boolean, options: GateOptions): GateVerdict {
  const { similarityToFake, similarityToOriginal, expectedSimilarity } = check;
  if (solid) return similarityToOriginal >= options.leakSimilarity ? "original_readable" : "accepted";
  // An invented value that reads like the original proves nothing, however well it is drawn.
  if (expectedSimilarity >= 1 - 1e-9) return "near_original";
  const readable = similarityToOriginal >= options.leakSimilarity && similarityToOriginal > expectedSimilarity;
  if (readable && similarityToFake <= similarityToOriginal) return "original_readable";
  if (similarityToFake < options.minConfidence) return "illegible";
  const nearer = similarityToFake - similarityToOriginal >= 0.5 * (1 - expectedSimilarity);
  return nearer && regionConfidence(check, false) >= options.minConfidence ? "accepted" : "near_original";
}
