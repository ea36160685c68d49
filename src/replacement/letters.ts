/** Writing invented words and characters in the manner of the originals. */

import { defaultFace } from "../rendering/fonts.ts";
import { measureText } from "../rendering/text.ts";
import type { KeyedRandom } from "./keyed-random.ts";

const isUpper = (c: string): boolean => c !== c.toLowerCase();
const isLower = (c: string): boolean => c !== c.toUpperCase();

const capitalise = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase();

/**
 * `word` in the letter case of `model`: upper, lower or Title. Where reading left a muddle of cases, the majority of
 * the letters after the first decides.
 */
export function inCaseOf(word: string, model: string): string {
  const letters = [...model].filter((c) => isUpper(c) || isLower(c));
  if (letters.length === 0) return word;
  const upper = letters.filter(isUpper).length;
  if (upper === letters.length) return letters.length === 1 && word.length > 1 ? capitalise(word) : word.toUpperCase();
  if (upper === 0) return word.toLowerCase();
  const rest = letters.slice(1);
  const upperRest = rest.filter(isUpper).length;
  if (upperRest * 2 > rest.length) return word.toUpperCase();
  return isUpper(letters[0]!) ? capitalise(word) : word.toLowerCase();
}

/** Whether a lower-case letter of `text` reaches below the baseline. Such a word needs more room than one without. */
export const hasDescender = (text: string): boolean => /[gjpqyçşţ]/u.test(text);

/**
 * How badly `candidate` would fill the place of `model`, 0 = same width: in a proportional and in a monospaced font.
 * Both count as if written with a capital and small letters, so that the choice does not depend on the case that was read.
 */
export function misfit(candidate: string, model: string): number {
  const [drawn, own] = [capitalise(candidate), capitalise(model)];
  const width = (text: string): number => measureText(text, { face: defaultFace, sizePx: 100 }).advance;
  const room = Math.max(1, width(own));
  const proportional = Math.abs(width(drawn) - room) / room;
  const monospaced = Math.abs(drawn.length - own.length) / Math.max(1, own.length);
  return proportional + monospaced + (hasDescender(drawn) && !hasDescender(own) ? 0.15 : 0);
}

const onsets = [
  "b",
  "d",
  "f",
  "h",
  "k",
  "l",
  "m",
  "n",
  "r",
  "s",
  "t",
  "v",
  "w",
  "br",
  "dr",
  "st",
  "tr",
  "kl",
  "p",
  "g",
];
const flatOnsets = onsets.filter((o) => !hasDescender(o));
const vowels = ["a", "e", "i", "o", "u"];
const codas = ["n", "r", "l", "s", "m", "t"];

/** A pronounceable word with as many letters as `model` and in its case; with descenders only where `model` has some. */
export const inventLike = (model: string, random: KeyedRandom): string =>
  inCaseOf(inventWord(model.length, random, !hasDescender(model.toLowerCase())), model);

/** A pronounceable word of exactly `length` letters (at least 1), lower case. `flat`: without descenders. */
export function inventWord(length: number, random: KeyedRandom, flat = false): string {
  if (length <= 1) return random.pick(flat ? [..."abcdefhiklmnorstuvwxz"] : [..."abcdefghijklmnopqrstuvwxyz"]);
  let word = "";
  while (word.length < length) {
    const left = length - word.length;
    if (left === 1) {
      word += random.pick(/[aeiou]$/u.test(word) ? codas : vowels);
      continue;
    }
    const start = word !== "" || random.int(6) > 0 ? random.pick(flat ? flatOnsets : onsets) : "";
    const syllable = `${start}${random.pick(vowels)}${random.int(4) === 0 ? random.pick(codas) : ""}`;
    word += syllable.slice(0, left);
  }
  // Cutting a syllable short can leave two consonants at the end; a vowel there is easier to read.
  return /[^aeiou][^aeiou]$/u.test(word) && length > 2 ? word.slice(0, -1) + random.pick(vowels) : word;
}

/** Digits for digits, never the same run again. Zeros that fill up the front stay, and no run begins with a new one. */
export function otherDigits(digits: string, random: KeyedRandom): string {
  const zeros = /^0*/u.exec(digits)![0].length;
  const kept = digits.length - zeros >= 3 ? zeros : Math.min(zeros, digits.length > 1 ? 1 : 0);
  for (;;) {
    let drawn = digits.slice(0, kept);
    while (drawn.length < digits.length) drawn += String(drawn.length === kept ? 1 + random.int(9) : random.int(10));
    if (drawn !== digits) return drawn;
  }
}

/** Another letter of the same case; what has no case stays a letter of the Latin alphabet in upper case. */
export function otherLetter(letter: string, random: KeyedRandom): string {
  // I and O are left out: readers take them for 1 and 0.
  const drawn = random.pick([..."ABCDEFGHJKLMNPQRSTUVWXYZ"].filter((l) => l !== letter.toUpperCase()));
  return isLower(letter) && !isUpper(letter) ? drawn.toLowerCase() : drawn;
}

/** Every letter and digit replaced by one of its kind, everything else kept. */
export const otherCharacters = (text: string, random: KeyedRandom): string =>
  text.replace(/\p{Nd}+|\p{L}/gu, (part) =>
    /^\p{L}/u.test(part) ? otherLetter(part, random) : otherDigits(part, random),
  );
