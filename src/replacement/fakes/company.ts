/** Names of companies, shops and offices. */
import { inCaseOf, inventLike, misfit, otherDigits, otherLetter } from "../letters.ts";
import { isConnector, isLegalForm, isTrade, legalFormsByLength, tradeNames } from "../vocabulary.ts";
import type { FakeContext, FakeMaker } from "./fake.ts";
import { nameLike } from "./person.ts";

/**
 * The legal form ("Sdn Bhd", "GmbH") and small words stay; what the company does becomes another trade of about the
 * same width; names become other names; numbers other numbers.
 */
export const fakeCompany: FakeMaker = (original, context) => {
  const { random, effort } = context;
  const words = original.split(/(\s+)/u);
  const isWord = (word: string): boolean => /\p{L}{2}/u.test(word);
  const hasName = words.some((word) => isWord(word) && !isLegalForm(word) && !isConnector(word));
  if (!hasName && effort === 1) return otherLegalForm(original, context);
  return words
    .map((word) => {
      // "(M)", "S.A.": a bracketed country letter or an abbreviation of the legal form.
      if (effort === 0 && (isLegalForm(word) || isConnector(word) || /^\(?\p{L}\)?\.?$/u.test(word))) return word;
      return word.replace(/\p{L}[\p{L}\p{M}]*|\p{Nd}+/gu, (part) => {
        if (/^\p{Nd}/u.test(part)) return otherDigits(part, random);
        if (part.length === 1) return /['’]/u.test(word) ? part : otherLetter(part, random);
        if (isTrade(part)) return otherTrade(part, context);
        if (part.length <= 3 && !/[aeiou]/iu.test(part))
          return part.replace(/\p{L}/gu, (letter) => otherLetter(letter, random));
        return random.int(2) === 0 ? nameLike(part, "last", context) : inventLike(part, random);
      });
    })
    .join("");
};

function otherTrade(part: string, { random }: FakeContext): string {
  const fitting = tradeNames
    .filter((name) => name.toLowerCase() !== part.toLowerCase())
    .map((name) => ({ name, cost: misfit(name, part) }))
    .sort((a, b) => a.cost - b.cost)
    .slice(0, 5);
  return inCaseOf(random.pick(fitting).name, part);
}

function otherLegalForm(original: string, { random }: FakeContext): string {
  const fitting = legalFormsByLength.filter(
    (form) => Math.abs(form.length - original.length) <= Math.max(2, original.length / 3),
  );
  const form = random.pick(fitting.length > 0 ? fitting : legalFormsByLength);
  return original === original.toUpperCase() ? form.toUpperCase() : form;
}
