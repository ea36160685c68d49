/** The check digit procedures that identifiers share. All take bare digits (or letters where it says so). */

/** Σ weight·digit over as many digits as there are weights. */
export const weighted = (digits: string, weights: readonly number[]): number =>
  weights.reduce((sum, weight, i) => sum + weight * Number(digits[i]), 0);

/** Σ over the digits of weight·digit: the sums of the digits of the products. */
export const crossSums = (digits: string, weights: readonly number[]): number =>
  weights.reduce(
    (sum, weight, i) => sum + Math.floor((weight * Number(digits[i])) / 10) + ((weight * Number(digits[i])) % 10),
    0,
  );

/** The remainder of a decimal number of any length. */
export function remainder(digits: string, divisor: number): number {
  let rest = 0;
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % divisor;
  return rest;
}

export const twoDigits = (value: number): string => String(value).padStart(2, "0");

/** The digit that makes `body` + digit divisible by ten under Luhn's weights (ISO/IEC 7812-1, annex B). */
export function luhnDigit(body: string): string {
  let sum = 0;
  for (let i = 0; i < body.length; i++) {
    const value = Number(body[body.length - 1 - i]) * (i % 2 === 0 ? 2 : 1);
    sum += value > 9 ? value - 9 : value;
  }
  return String((10 - (sum % 10)) % 10);
}

/** Whether the last of at least two digits is Luhn's. */
export const passesLuhn = (digits: string): boolean =>
  /^\d{2,}$/.test(digits) && luhnDigit(digits.slice(0, -1)) === digits.at(-1);

/** ISO/IEC 7064, MOD 11,10. */
export function mod1110Digit(body: string): string {
  let product = 10;
  for (const digit of body) {
    const sum = (Number(digit) + product) % 10 || 10;
    product = (2 * sum) % 11;
  }
  return String((11 - product) % 10);
}

/** ISO/IEC 7064, MOD 97-10: the two digits behind `body`, letters counting 10 … 35. */
export function mod97Digits(body: string): string {
  const digits = [...`${body}00`].map((character) => String(Number.parseInt(character, 36))).join("");
  return twoDigits(98 - remainder(digits, 97));
}

/** The dihedral group D5 as Verhoeff numbers it (Verhoeff, Error Detecting Decimal Codes, 1969). */
const dihedralProduct = (a: number, b: number): number =>
  a < 5 ? (b < 5 ? (a + b) % 5 : ((a + b) % 5) + 5) : b < 5 ? ((a - b) % 5) + 5 : (a - b + 5) % 5;
const dihedralInverse = (a: number): number => (a < 5 ? (5 - a) % 5 : a);
const verhoeffPermutation = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

/** Verhoeff's check digit. */
export function verhoeffDigit(body: string): string {
  let product = 0;
  for (let i = 0; i < body.length; i++) {
    let digit = Number(body[body.length - 1 - i]);
    for (let times = 0; times < (i + 1) % 8; times++) digit = verhoeffPermutation[digit]!;
    product = dihedralProduct(product, digit);
  }
  return String(dihedralInverse(product));
}

/** Luhn's procedure in base 36, digits and letters counting 0 … 35 (India's GSTIN). */
export function luhn36Character(body: string): string {
  let sum = 0;
  for (let i = 0; i < body.length; i++) {
    const value = Number.parseInt(body[body.length - 1 - i]!, 36) * (i % 2 === 0 ? 2 : 1);
    sum += Math.floor(value / 36) + (value % 36);
  }
  return ((36 - (sum % 36)) % 36).toString(36).toUpperCase();
}
