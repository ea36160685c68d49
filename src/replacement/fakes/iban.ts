/** International bank account numbers. */
import { isValidIBAN } from "ibantools";
import { completeIban, isFullyValidIban } from "../../identifiers/iban.ts";
import type { KeyedRandom } from "../keyed-random.ts";
import { otherLetter } from "../letters.ts";
import type { FakeMaker } from "./fake.ts";

/** Enough to meet national check digits whose rule is not ours (1 in 100) with certainty for all practical purposes. */
const draws = 5000;

/**
 * Same country, same grouping, right check digits (ISO 13616: mod 97-10), and right national check digits where the
 * country has them and the original's were right.
 */
export const fakeIban: FakeMaker = (original, { random }) => {
  const compact = original.toUpperCase().replace(/[^A-Z0-9]/g, "");
  const national = isValidIBAN(compact);
  let fake = draw(compact, random);
  for (let i = 1; national && i < draws && !isFullyValidIban(fake); i++) fake = draw(compact, random);
  let next = 0;
  return original.replace(/[a-z0-9]/giu, (old) => {
    const character = fake[next++]!;
    return old !== old.toUpperCase() ? character.toLowerCase() : character;
  });
};

function draw(compact: string, random: KeyedRandom): string {
  const country = compact.slice(0, 2);
  const account = [...compact.slice(4)]
    .map((c) => (/\d/.test(c) ? String(random.int(10)) : otherLetter(c, random)))
    .join("");
  return completeIban(`${country}00${account}`);
}
