/** Two readings of one page made into one. Each finds text the other misses and misreads what the other reads. */
import { type Box, boxArea } from "../documents/geometry.ts";

/** A word where the engine saw it. */
export interface ReadWord {
  readonly text: string;
  readonly box: Box;
  /** 0…1. */
  readonly confidence: number;
}

/** A word that only the second reading has must be this sure: sparse text mode also reads specks. */
const minExtraConfidence = 0.6;

const hasLetterOrDigit = /[\p{L}\p{N}]/u;

/**
 * Where both readings have words on the same spot, those of the surer reading; elsewhere what either has. Order is not
 * kept.
 */
export function combineReadings<T extends ReadWord>(main: readonly T[], extra: readonly T[]): T[] {
  const all = [...main, ...extra];
  const parent = all.map((_, i) => i);
  const root = (i: number): number => {
    while (parent[i] !== i) {
      parent[i] = parent[parent[i]!]!;
      i = parent[i]!;
    }
    return i;
  };
  const extraByTop = extra
    .map((word, i) => ({ box: word.box, at: main.length + i }))
    .sort((a, b) => a.box[1] - b.box[1]);
  for (const [i, word] of main.entries()) {
    for (const other of extraByTop) {
      if (other.box[1] >= word.box[3]) break;
      if (sameSpot(word.box, other.box)) parent[root(i)] = root(other.at);
    }
  }
  const groups = new Map<number, { main: T[]; extra: T[] }>();
  for (const [i, word] of all.entries()) {
    const key = root(i);
    const group = groups.get(key) ?? { main: [], extra: [] };
    groups.set(key, group);
    (i < main.length ? group.main : group.extra).push(word);
  }
  return [...groups.values()].flatMap((group) => {
    if (group.main.length > 0) {
      const better = confidence(group.main) >= confidence(group.extra) && !isBloated(group.main, group.extra);
      return better ? group.main : group.extra;
    }
    return confidence(group.extra) >= minExtraConfidence
      ? group.extra.filter((word) => hasLetterOrDigit.test(word.text))
      : [];
  });
}

/** Two rows read as one give boxes as high as both together. */
function isBloated(main: readonly ReadWord[], extra: readonly ReadWord[]): boolean {
  if (characters(extra) < 0.8 * characters(main) || confidence(extra) < minExtraConfidence) return false;
  const area = (words: readonly ReadWord[]): number => words.reduce((sum, word) => sum + boxArea(word.box), 0);
  return area(main) > 1.5 * area(extra);
}

const characters = (words: readonly ReadWord[]): number => words.reduce((sum, word) => sum + word.text.length, 0);

function sameSpot(a: Box, b: Box): boolean {
  const x = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const y = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  return x > 0.2 * Math.min(a[2] - a[0], b[2] - b[0]) && y > 0.4 * Math.min(a[3] - a[1], b[3] - b[1]);
}

/** Mean over the characters; −1 for no words. */
function confidence(words: readonly ReadWord[]): number {
  let sum = 0;
  let characters = 0;
  for (const word of words) {
    sum += word.confidence * word.text.length;
    characters += word.text.length;
  }
  return characters === 0 ? -1 : sum / characters;
}
