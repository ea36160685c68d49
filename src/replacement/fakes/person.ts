/** Names of people. */
import { inCaseOf, inventLike, misfit, otherLetter } from "../letters.ts";
import { isNameParticle, isTitle } from "../vocabulary.ts";
import type { FakeContext, FakeMaker } from "./fake.ts";

const drawsPerName = 16;
/** A drawn name this much wider or narrower than the original is not used; a word is invented instead. */
const worstMisfit = 0.5;

/** A first or last name that takes about the room of `model` (letters only), in its letter case. */
export function nameLike(model: string, kind: "first" | "last", { names, random }: FakeContext): string {
  names.seed(Array.from({ length: 4 }, () => random.int(2 ** 32)));
  let best = "";
  let bestMisfit = worstMisfit;
  for (let i = 0; i < drawsPerName; i++) {
    const drawn = kind === "first" ? names.person.firstName() : names.person.lastName();
    if (!/^\p{L}{2,}$/u.test(drawn)) continue;
    const cost = misfit(drawn, model);
    if (cost < bestMisfit) {
      best = inCaseOf(drawn, model);
      bestMisfit = cost;
    }
  }
  return best || inventLike(model, random);
}

/** Titles ("Dr."), particles ("bin"), initials, hyphens and the order "Last, First" are kept. */
export const fakePerson: FakeMaker = (original, context) => {
  const words = original.split(/(\s+)/u);
  const isName = (word: string): boolean =>
    /\p{L}/u.test(word) && (context.effort === 1 || (!isTitle(word) && !isNameParticle(word)));
  const lastName = words.findLastIndex(isName);
  const commaAt = words.findIndex((word, i) => i < lastName && isName(word) && word.endsWith(","));
  return words
    .map((word, i) => {
      if (!isName(word)) return word.replace(/\p{Nd}/gu, () => String(context.random.int(10)));
      const kind = (commaAt >= 0 ? i <= commaAt : i === lastName) ? "last" : "first";
      return word.replace(/\p{L}[\p{L}\p{M}]*|\p{Nd}/gu, (part) => {
        if (/^\p{Nd}/u.test(part)) return String(context.random.int(10));
        return part.length === 1 ? otherLetter(part, context.random) : nameLike(part, kind, context);
      });
    })
    .join("");
};
