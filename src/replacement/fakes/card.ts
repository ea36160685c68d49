/** Payment card numbers. */
import { completeCard } from "../../identifiers/card.ts";
import { passesLuhn } from "../../identifiers/check-digits.ts";
import type { FakeMaker } from "./fake.ts";

/**
 * The two digits of the card's network stay, the rest is drawn anew, and the last digit makes the number Luhn-valid.
 * Grouping stays. In a number partly hidden by stars only the visible digits change.
 */
export const fakeCard: FakeMaker = (original, { random }) => {
  const digits = original.replace(/\D/g, "");
  const hidden = /[*•x#]{2}/iu.test(original);
  const kept = hidden || digits.length < 12 ? 0 : 2;
  let fake = [...digits].map((digit, i) => (i < kept ? digit : String(random.int(10)))).join("");
  if (!hidden && (passesLuhn(digits) || digits.length >= 12)) fake = completeCard(fake);
  let next = 0;
  return original.replace(/\d/g, () => fake[next++]!);
};
