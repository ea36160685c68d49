/** Lines of an address. */
import { inCaseOf, inventLike, otherDigits, otherLetter } from "../letters.ts";
import { isAddressWord, streetEnding } from "../vocabulary.ts";
import type { FakeMaker } from "./fake.ts";

/**
 * The frame stays ("No.", "Jalan", "Street", all punctuation); house numbers and postcodes change digit for digit, codes
 * such as "47G" or "SW1A" character for character, and other words become invented ones of the same length. A word that
 * stands twice in the line is replaced by the same word twice.
 */
export const fakeAddress: FakeMaker = (original, { random, effort }) => {
  const postBoxes = [...original.matchAll(/P\s?\.?\s?O\s?\.?(?=\s*Box)/giu)];
  const isInPostBox = (at: number): boolean => postBoxes.some((m) => at >= m.index && at < m.index + m[0].length);
  const invented = new Map<string, string>();
  const invent = (word: string): string => {
    const known = word.toLowerCase();
    let other = invented.get(known);
    if (other === undefined) {
      other = inventLike(word, random);
      invented.set(known, other);
    }
    return inCaseOf(other, word);
  };
  return original.replace(/[\p{L}\p{M}]+|\p{Nd}+/gu, (part, at: number) => {
    if (/^\p{Nd}/u.test(part)) return otherDigits(part, random);
    const before = original[at - 1] ?? " ";
    const after = original[at + part.length] ?? " ";
    if (effort === 0 && isInPostBox(at)) return part;
    if (effort === 0 && isAddressWord(part) && (part.length > 1 || after === "." || after === "/")) return part;
    // Letters that touch digits are part of a code; so is a single letter ("Block B").
    const inCode = /\p{Nd}/u.test(before) || /\p{Nd}/u.test(after);
    if (part.length === 1 || (inCode && part.length <= 3))
      return part.replace(/\p{L}/gu, (letter) => otherLetter(letter, random));
    const ending = effort === 0 ? (streetEnding.exec(part)?.[0] ?? "") : "";
    const stem = part.slice(0, part.length - ending.length);
    return stem.length >= 2 ? invent(stem) + ending : invent(part);
  });
};
