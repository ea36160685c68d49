/**
 * How alike two texts are, and from where on one counts as the other.
 *
 * Texts are compared as they are given. Who compares folds first, each in its own way: replacement leaves letters and
 * digits in lower case without accents (`plain`, the value itself); verification also makes look-alike glyphs equal
 * (`foldText`, what an OCR engine may have read); detection keeps the length (`fold`, positions stay valid).
 */
import { distance } from "fastest-levenshtein";

/** From here on an original counts as readable: the default of `gate.leak_similarity`, and what no invented value may reach. */
export const leakSimilarity = 0.8;

/** 1 − edit distance (Levenshtein 1966) ÷ length of the longer text: 1 = equal, 0 = nothing in common. Two empty texts are equal. */
export function similarity(a: string, b: string): number {
  const longer = Math.max(a.length, b.length);
  return longer === 0 ? 1 : 1 - distance(a, b) / longer;
}
