/**
 * How much a text that was read resembles a text that is known.
 *
 * Texts are folded first, so that differences an OCR engine makes up (case, spaces, punctuation, accents, look-alike
 * glyphs) cost nothing. Distances are Levenshtein's (Levenshtein 1966); the best place of a text inside a longer one
 * is found by the same recurrence with a free start and end (Sellers 1980).
 */
import { similarity } from "../text/similarity.ts";

/** Glyphs that OCR engines take for each other, after lower-casing. One representative per class. */
const lookAlikes: Readonly<Record<string, string>> = {
  o: "0",
  l: "1",
  i: "1",
  "|": "1",
  z: "2",
  s: "5",
  $: "5",
  g: "6",
  b: "8",
  q: "9",
};

function foldCharacter(character: string): string {
  let folded = "";
  for (const part of character.normalize("NFKD").toLowerCase()) {
    folded += lookAlikes[part] ?? (/[\p{L}\p{N}]/u.test(part) ? part : "");
  }
  return folded;
}

const ascii: readonly string[] = Array.from({ length: 128 }, (_, code) => foldCharacter(String.fromCharCode(code)));

/** A folded text that remembers where each of its characters came from. */
export interface FoldedText {
  readonly text: string;
  /** For each folded character the index of its source character. */
  readonly from: readonly number[];
}

/** Letters and digits only: lower case, without accents, look-alikes made equal. */
export function foldWithSource(text: string): FoldedText {
  let folded = "";
  const from: number[] = [];
  let index = 0;
  for (const character of text) {
    const kept = ascii[character.charCodeAt(0)] ?? foldCharacter(character);
    for (let i = 0; i < kept.length; i++) from.push(index);
    folded += kept;
    index += character.length;
  }
  return { text: folded, from };
}

/** The folded text alone: "O1ga Sm" and "0lga 5m" fold alike. */
export const foldText = (text: string): string => foldWithSource(text).text;

/** `similarity` of the folded texts: 0 (nothing alike) … 1 (alike). */
export const readingSimilarity = (a: string, b: string): number => similarity(foldText(a), foldText(b));

/** A stretch of a folded text, end exclusive, that resembles a folded needle. */
export interface TextWindow {
  readonly start: number;
  readonly end: number;
  /** 1 − edits ÷ length of the needle, 0…1. */
  readonly similarity: number;
}

/**
 * Every stretch of `haystack` whose similarity to `needle` is at least `minSimilarity`, best ones first where they
 * overlap, in order of position. Both texts are already folded.
 */
export function findWindows(needle: string, haystack: string, minSimilarity: number): TextWindow[] {
  if (needle.length === 0 || haystack.length === 0) return [];
  const found: TextWindow[] = [];
  const allowed = needle.length * (1 - minSimilarity) + 1e-9;
  scan(needle, haystack, (end, edits, start) => {
    if (edits <= allowed && end > start) found.push({ start, end, similarity: 1 - edits / needle.length });
  });
  // Around one occurrence several ends are good enough: keep the best, the shorter one of equals.
  found.sort((a, b) => b.similarity - a.similarity || a.end - a.start - (b.end - b.start) || a.start - b.start);
  const kept: TextWindow[] = [];
  for (const window of found) {
    if (!kept.some((k) => window.start < k.end && k.start < window.end)) kept.push(window);
  }
  return kept.sort((a, b) => a.start - b.start);
}

/** Similarity of `needle` to the stretch of `haystack` that resembles it most, 0…1; 0 when either has no letters or digits. */
export function windowSimilarity(needle: string, haystack: string): number {
  const folded = foldText(needle);
  if (folded.length === 0) return 0;
  let best = folded.length;
  scan(folded, foldText(haystack), (_end, edits) => {
    if (edits < best) best = edits;
  });
  return 1 - best / folded.length;
}

/** Calls `visit` for every end position of `haystack` with the fewest edits of a stretch ending there, and its start. */
function scan(needle: string, haystack: string, visit: (end: number, edits: number, start: number) => void): void {
  const m = needle.length;
  const edits = new Int32Array(m + 1);
  const starts = new Int32Array(m + 1);
  for (let i = 0; i <= m; i++) edits[i] = i;
  for (let j = 0; j < haystack.length; j++) {
    const c = haystack.charCodeAt(j);
    let diagonal = edits[0]!;
    let diagonalStart = starts[0]!;
    edits[0] = 0;
    starts[0] = j + 1;
    for (let i = 1; i <= m; i++) {
      const substituted = diagonal + (needle.charCodeAt(i - 1) === c ? 0 : 1);
      const dropped = edits[i]! + 1;
      const inserted = edits[i - 1]! + 1;
      const insertedStart = starts[i - 1]!;
      const start = diagonalStart;
      diagonal = edits[i]!;
      diagonalStart = starts[i]!;
      if (substituted <= dropped && substituted <= inserted) {
        edits[i] = substituted;
        starts[i] = start;
      } else if (dropped <= inserted) {
        edits[i] = dropped;
      } else {
        edits[i] = inserted;
        starts[i] = insertedStart;
      }
    }
    visit(j + 1, edits[m]!, starts[m]!);
  }
}
