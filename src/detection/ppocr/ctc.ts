/** Reads the time steps of a recognition network (connectionist temporal classification, Graves et al. 2006). */

export interface CtcCharacter {
  readonly text: string;
  /** 0…1. */
  readonly confidence: number;
  /** Time steps at which it was seen, end exclusive. */
  readonly start: number;
  readonly end: number;
}

/**
 * Greedy decoding: the likeliest class of every step, repetitions as one, class 0 (blank) as none. `scores` holds
 * `steps` rows of `classes` probabilities from `offset` on; class i+1 is `characters[i]`. A character's confidence is
 * the highest of its steps.
 */
export function decodeCtc(
  scores: Float32Array,
  shape: { readonly steps: number; readonly classes: number; readonly offset?: number },
  characters: readonly string[],
): CtcCharacter[] {
  const { steps, classes, offset = 0 } = shape;
  const read: { text: string; confidence: number; start: number; end: number }[] = [];
  let before = 0;
  for (let step = 0; step < steps; step++) {
    const row = offset + step * classes;
    let best = 0;
    let score = scores[row]!;
    for (let i = 1; i < classes; i++) {
      const value = scores[row + i]!;
      if (value > score) {
        score = value;
        best = i;
      }
    }
    if (best !== 0) {
      const last = read.at(-1);
      if (best === before && last) {
        last.end = step + 1;
        last.confidence = Math.max(last.confidence, score);
      } else {
        read.push({ text: plainForm(characters[best - 1] ?? ""), confidence: score, start: step, end: step + 1 });
      }
    }
    before = best;
  }
  return read;
}

/** Full-width letters, digits and signs, as East Asian print has them, in their usual form; all spaces as one kind. */
function plainForm(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0xff01 && code <= 0xff5e) return String.fromCharCode(code - 0xfee0);
  return /^\s$/u.test(character) ? " " : character;
}
