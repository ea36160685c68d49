/** Tax, registration, customer and document numbers. */
import { otherCharacters } from "../letters.ts";
import { checkSchemes, withLuhnDigit } from "./check-digits.ts";
import type { FakeContext, FakeMaker } from "./fake.ts";

const draws = 200;

/** Letters for letters and digits for digits; check digits are right where the original's were. */
export const fakeIdentifier: FakeMaker = (original, context) => {
  const compact = original.toUpperCase().replace(/[^A-Z0-9]/g, "");
  const scheme = checkSchemes.find((s) => s.valid(compact));
  if (!scheme) return withBirthDate(original, context) ?? otherCharacters(original, context.random);
  const country = /^[A-Z]{2,3}/.exec(compact)?.[0] ?? "";
  for (let i = 0; i < draws; i++) {
    const body = compact.slice(country.length).replace(/\d/g, () => String(context.random.int(10)));
    const completed = scheme.complete(country + (scheme.name === "fr-vat" ? withValidSiren(body) : body));
    if (completed !== null && completed !== compact) return likeOriginal(completed, original);
  }
  return otherCharacters(original, context.random);
};

/** A tax number: as an identifier, and a country prefix stays. */
export const fakeTaxId: FakeMaker = (original, context) => {
  const prefix = /^\s*[A-Z]{2}(?=[\sU]?\d)/u.exec(original)?.[0] ?? "";
  const whole = fakeIdentifier(original, context);
  return prefix === "" ? whole : prefix + whole.slice(prefix.length);
};

/** Sets the last digit of the nine-digit company number inside a French VAT number right. */
const withValidSiren = (body: string): string => body.slice(0, 2) + withLuhnDigit(body.slice(2, 11));

function likeOriginal(compact: string, original: string): string {
  let next = 0;
  return original.replace(/[a-z0-9]/giu, (old) => {
    const character = compact[next++]!;
    return old !== old.toUpperCase() ? character.toLowerCase() : character;
  });
}

/** Twelve digits that begin with a date of birth (YYMMDD-PP-NNNN, Malaysia): the fake begins with a valid one too. */
function withBirthDate(original: string, { random }: FakeContext): string | null {
  const parts = /^(\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([-\s]?)(\d\d)([-\s]?)(\d{4})$/.exec(original.trim());
  if (!parts) return null;
  const two = (value: number): string => String(value).padStart(2, "0");
  const [, , , , first = "", , second = ""] = parts;
  const birth = two(random.int(100)) + two(1 + random.int(12)) + two(1 + random.int(28));
  return `${birth}${first}${two(1 + random.int(14))}${second}${String(random.int(10_000)).padStart(4, "0")}`;
}
