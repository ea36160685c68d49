/** Looks words up among the labels, also misread ones. */
import { distance } from "fastest-levenshtein";
import { fold } from "./fold.ts";
import {
  type LabelKind,
  labelWords,
  nameLikeLabels,
  numberWords,
  personalNumberNouns,
  weakLabels,
} from "./label-words.ts";

export interface LabelEntry {
  readonly kind: LabelKind;
  /** As in the dictionary: letters and digits, folded. */
  readonly word: string;
}

/** Letters and digits of a text, folded: "dateofbirth". */
export const labelWordOf = (text: string): string => fold(text).replace(/[^\p{L}\p{N}]/gu, "");

const split = (text: string): string[] => text.split(",").map(labelWordOf);

const dictionary = new Map<string, LabelKind>();
for (const kind of Object.keys(labelWords) as LabelKind[]) {
  for (const word of split(labelWords[kind])) if (!dictionary.has(word)) dictionary.set(word, kind);
}

/** What OCR confuses is written alike: "rn" and "m", "1" and "l" and "i", "0" and "o". */
const blurred = (word: string): string =>
  word
    .replace(/rn/g, "m")
    .replace(/vv/g, "w")
    .replace(/[1i|]/g, "l")
    .replace(/0/g, "o")
    .replace(/5/g, "s")
    .replace(/8/g, "b");

/** Words long enough to be known with a letter wrong, by first letter and length. */
const similar = new Map<string, { readonly blurred: string; readonly word: string }[]>();
/** Those that begin with a letter that OCR makes "l" or "I" of, with it so ("lelefon"). */
const misreadStart = new Map<string, string>();
const minSimilarLength = 7;
for (const word of dictionary.keys()) {
  const key = blurred(word);
  if (key.length < minSimilarLength) continue;
  if (/^[tfj]/.test(key)) misreadStart.set(`l${key.slice(1)}`, word);
  for (const length of [key.length - 1, key.length, key.length + 1]) {
    const bucket = `${key[0]}${length}`;
    similar.set(bucket, [...(similar.get(bucket) ?? []), { blurred: key, word }]);
  }
}

const numbers = new Set(split(numberWords));
for (const noun of split(personalNumberNouns)) {
  for (const number of numbers) {
    dictionary.set(noun + number, "id_number");
    // "N° de dossier", "numero di tessera"
    for (const link of ["", "de", "d", "di", "del", "du", "van"]) dictionary.set(number + link + noun, "id_number");
  }
}
const weak = new Set(split(weakLabels));
const nameLike = new Set(split(nameLikeLabels));

/** "no", "Nr", "number". */
export const isNumberWord = (word: string): boolean => numbers.has(word);
/** Needs a colon, or to stand alone. */
export const isWeakLabel = (word: string): boolean => weak.has(word);
/** A name too: needs a colon. */
export const isNameLikeLabel = (word: string): boolean => nameLike.has(word);

/** A label exactly so, but for "0" and "1" in the place of letters, and "1" or "l" in that of "i" ("C.1.F."). */
export function findLabel(word: string): LabelEntry | undefined {
  const kind = dictionary.get(word);
  if (kind !== undefined) return { kind, word };
  const letters = word.replace(/0/g, "o");
  for (const mended of [letters.replace(/1/g, "l"), letters.replace(/[1l]/g, "i")]) {
    const mendedKind = mended === word ? undefined : dictionary.get(mended);
    if (mendedKind !== undefined) return { kind: mendedKind, word: mended };
  }
  return undefined;
}

/** A label with a letter misread ("Sumame", "Date of bisth"); only for long words. */
export function findSimilarLabel(word: string): LabelEntry | undefined {
  const key = blurred(word);
  if (key.length < minSimilarLength - 1) return undefined;
  for (const candidate of similar.get(`${key[0]}${key.length}`) ?? []) {
    if (candidate.blurred === key || distance(candidate.blurred, key) <= 1) {
      return { kind: dictionary.get(candidate.word)!, word: candidate.word };
    }
  }
  const other = misreadStart.get(key);
  return other === undefined ? undefined : { kind: dictionary.get(other)!, word: other };
}

/**
 * Whether a text is nothing but a label's word, or "number" in some language; names that are words too ("Price") are not
 * counted.
 */
export function isLabelText(text: string): boolean {
  const word = labelWordOf(text);
  return (dictionary.has(word) && !nameLike.has(word)) || (word.length > 3 && numbers.has(word));
}
