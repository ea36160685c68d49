/** Phone and fax numbers. */
import { parsePhoneNumberFromString } from "libphonenumber-js/min";
import type { KeyedRandom } from "../keyed-random.ts";
import type { FakeMaker } from "./fake.ts";

const draws = 40;

/**
 * Country code, trunk zero and the first digit of the area stay, every other digit is drawn anew; spaces, brackets and
 * dashes stay where they are. Where the original is a valid international number, so is the fake if one is found.
 */
export const fakePhone: FakeMaker = (original, { random }) => {
  const kept = keptDigits(original);
  const valid = isValid(original);
  let fake = drawDigits(original, kept, random);
  for (let i = 1; valid && !isValid(fake) && i < draws; i++) fake = drawDigits(original, kept, random);
  return fake;
};

const isValid = (text: string): boolean =>
  text.trim().startsWith("+") && parsePhoneNumberFromString(text)?.isValid() === true;

/** How many digits at the start say where the number belongs, not whose it is. */
function keptDigits(original: string): number {
  const digits = original.replace(/\P{Nd}/gu, "");
  if (original.trim().startsWith("+")) {
    const code =
      parsePhoneNumberFromString(original)?.countryCallingCode ?? /\+\s*(\d{1,3})/u.exec(original)?.[1] ?? "";
    return code.length + 1;
  }
  const zeros = /^0*/u.exec(digits)![0].length;
  return Math.min(zeros + 1, Math.max(0, digits.length - 2));
}

function drawDigits(original: string, kept: number, random: KeyedRandom): string {
  let seen = 0;
  return original.replace(/\p{Nd}/gu, (digit) => (seen++ < kept ? digit : String(random.int(10))));
}
