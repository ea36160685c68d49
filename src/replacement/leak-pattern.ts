/** Originals prepared for being looked for in many invented values. */
import { leakSimilarity, similarity } from "../text/similarity.ts";

/** Shorter originals are not searched for inside longer texts: they would turn up by chance. */
const shortestPart = 5;

/** An original, prepared for being looked for in many texts. */
export interface LeakPattern {
  readonly text: string;
  /** Pieces of which at least one stands unchanged in every text that is similar enough to count. */
  readonly pieces: readonly string[];
}

export function leakPattern(text: string): LeakPattern {
  // At 80 % of a text up to 1.25 times as long, at most a quarter of the characters differ; cut into one piece more
  // than that, one piece is left untouched.
  const count = Math.floor(text.length * 0.25) + 1;
  const pieces = Array.from({ length: count }, (_, i) =>
    text.slice(Math.floor((i * text.length) / count), Math.floor(((i + 1) * text.length) / count)),
  );
  return { text, pieces };
}

/** Whether the original (or something nearly it) can be read in `text`. Both as given by `plain`. */
export function reveals(text: string, { text: original, pieces }: LeakPattern): boolean {
  if (original === "" || !pieces.some((piece) => text.includes(piece))) return false;
  if (similarity(text, original) >= leakSimilarity) return true;
  if (original.length < shortestPart) return false;
  for (let start = 0; start + original.length <= text.length; start++) {
    if (similarity(text.slice(start, start + original.length), original) >= leakSimilarity) return true;
  }
  return false;
}
