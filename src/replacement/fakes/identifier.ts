/** Tax, registration, customer and document numbers. */
import { inventMrz, passesMrz } from "../../identifiers/machine-readable.ts";
import { compactOf } from "../../identifiers/scheme.ts";
import { schemesOf } from "../../identifiers/schemes.ts";
import { otherCharacters } from "../letters.ts";
import type { FakeMaker } from "./fake.ts";

/** Two schemes at once have their like in some ten draws; for three or more it is a matter of luck. */
const draws = 120;

/**
 * Letters for letters and digits for digits. A number that satisfies identifier schemes gets one that satisfies them
 * too (all of them where one is found): check digits, dates and places in it are right where the original's were.
 */
export const fakeIdentifier: FakeMaker = (original, { random }) => {
  const compact = compactOf(original);
  if (passesMrz(original)) return inventMrz(original, random.int);
  const [scheme, ...others] = schemesOf(original);
  if (scheme === undefined) return otherCharacters(original, random);
  let fake = scheme.invent(random.int, compact);
  for (let i = 1; i < draws && !others.every(({ valid }) => valid(fake)); i++)
    fake = scheme.invent(random.int, compact);
  return likeOriginal(fake, original);
};

/** A tax number: as an identifier, and a country prefix stays. */
export const fakeTaxId: FakeMaker = (original, context) => {
  const prefix = /^\s*[A-Z]{2}(?=[\sU]?\d)/u.exec(original)?.[0] ?? "";
  const whole = fakeIdentifier(original, context);
  return prefix === "" ? whole : prefix + whole.slice(prefix.length);
};

function likeOriginal(compact: string, original: string): string {
  let next = 0;
  return original.replace(/[a-z0-9]/giu, (old) => {
    const character = compact[next++]!;
    return old !== old.toUpperCase() ? character.toLowerCase() : character;
  });
}
