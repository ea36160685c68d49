/**
 * Check digits of common identifiers. A scheme recognises a valid number and completes an invented one; numbers are
 * given compact, in upper case, without separators. Sources: the issuing authorities' published rules, as collected in
 * ISO 7064 (mod 97-10, mod 11,10), ISO/IEC 7812 (Luhn) and the European VAT number descriptions.
 */

export interface CheckScheme {
  readonly name: string;
  /** Whether the number has this form and right check digits. */
  valid(compact: string): boolean;
  /** The number with its check digits set right; null when none fit (draw another). */
  complete(compact: string): string | null;
}

/** Sum of the Luhn algorithm; a number is valid when it is divisible by ten. */
function luhnSum(digits: string): number {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    let value = Number(digits[digits.length - 1 - i]);
    if (i % 2 === 1) value = value * 2 - (value > 4 ? 9 : 0);
    sum += value;
  }
  return sum;
}

export const isLuhnValid = (digits: string): boolean => /^\d{2,}$/.test(digits) && luhnSum(digits) % 10 === 0;

/** `digits` with its last digit replaced by the right one. */
export const withLuhnDigit = (digits: string): string => {
  const body = digits.slice(0, -1);
  return body + String((10 - (luhnSum(`${body}0`) % 10)) % 10);
};

const weighted = (digits: string, weights: readonly number[]): number =>
  weights.reduce((sum, weight, i) => sum + weight * Number(digits[i]), 0);

/** ISO 7064 mod 11,10: German VAT and tax numbers. */
function mod1110Digit(body: string): number {
  let product = 10;
  for (const digit of body) {
    const sum = (Number(digit) + product) % 10 || 10;
    product = (2 * sum) % 11;
  }
  return (11 - product) % 10;
}

/** A scheme whose check characters are a function of the rest. `form` has the parts (before)(check)(after). */
function scheme(name: string, form: RegExp, check: (before: string, after: string) => string | null): CheckScheme {
  const complete = (compact: string): string | null => {
    const parts = form.exec(compact);
    if (!parts) return null;
    const [, before = "", , after = ""] = parts;
    const digits = check(before, after);
    return digits === null ? null : before + digits + after;
  };
  return { name, complete, valid: (compact) => complete(compact) === compact };
}

const digitsOf = (text: string): string => text.replace(/\D/g, "");
const two = (value: number): string => String(value).padStart(2, "0");

/** National schemes before the general ones: a number is completed under the first one its original satisfies. */
export const checkSchemes: readonly CheckScheme[] = [
  scheme("de-vat", /^(DE[1-9]\d{7})(\d)()$/, (body) => String(mod1110Digit(digitsOf(body)))),
  scheme("at-vat", /^(ATU\d{7})(\d)()$/, (body) => {
    const digits = digitsOf(body);
    const sum = [...digits].reduce(
      (total, d, i) => total + (i % 2 === 0 ? Number(d) : Math.floor(Number(d) / 5) + ((Number(d) * 2) % 10)),
      0,
    );
    return String((10 - ((sum + 4) % 10)) % 10);
  }),
  scheme("be-vat", /^(BE[01]\d{7})(\d\d)()$/, (body) => two(97 - (Number(digitsOf(body)) % 97))),
  scheme("fr-vat", /^(FR)(\d\d)(\d{9})$/, (_, siren) =>
    isLuhnValid(siren) ? two((12 + 3 * (Number(siren) % 97)) % 97) : null,
  ),
  scheme("gb-vat", /^((?:GB)?\d{7})(\d\d)()$/, (body) =>
    two(97 - (weighted(digitsOf(body), [8, 7, 6, 5, 4, 3, 2]) % 97)),
  ),
  scheme("it-vat", /^(IT\d{10})(\d)()$/, (body) => withLuhnDigit(`${digitsOf(body)}0`).slice(-1)),
  scheme("nl-vat", /^(NL\d{8})(\d)(B\d\d)$/, (body) => {
    const check = weighted(digitsOf(body), [9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    return check < 10 ? String(check) : null;
  }),
  scheme("pl-nip", /^((?:PL)?\d{9})(\d)()$/, (body) => {
    const check = weighted(digitsOf(body), [6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11;
    return check < 10 ? String(check) : null;
  }),
  scheme("de-tax-id", /^([1-9]\d{9})(\d)()$/, (body) => String(mod1110Digit(body))),
  scheme("nhs", /^(\d{9})(\d)()$/, (body) => {
    const check = (11 - (weighted(body, [10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11)) % 11;
    return check < 10 ? String(check) : null;
  }),
  scheme("luhn", /^(\d{7,18})(\d)()$/, (body) => withLuhnDigit(`${body}0`).slice(-1)),
];
