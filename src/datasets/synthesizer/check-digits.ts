/** Invented numbers whose check digits are right, as those on real documents are. */
import type { Random } from "../random.ts";

/** A payment card number: 16 digits, ISO/IEC 7812 (Luhn). Visa or Mastercard by prefix. */
export function cardNumber(random: Random): string {
  const prefix = random.chance(0.55) ? "4" : `5${random.int(1, 5)}`;
  const body = prefix + random.digits(15 - prefix.length);
  return body + luhnDigit(body);
}

/** The digit that makes `body` + digit pass Luhn's check. */
export function luhnDigit(body: string): string {
  let sum = 0;
  for (let i = 0; i < body.length; i++) {
    let digit = Number(body[body.length - 1 - i]);
    if (i % 2 === 0) {
      digit *= 2;
      if (digit > 9) digit -= 9;
    }
    sum += digit;
  }
  return String((10 - (sum % 10)) % 10);
}

const nifLetters = "TRWAGMYFPDXBNJZSQVHLCKE";

/** A VAT or company tax number of the country, with valid check digits where the country has them. */
export function taxId(country: string, random: Random): string {
  switch (country) {
    case "DE": {
      // ISO 7064 MOD 11,10.
      const body = String(random.int(1, 9)) + random.digits(7);
      let product = 10;
      for (const digit of body) {
        const sum = (Number(digit) + product) % 10 || 10;
        product = (2 * sum) % 11;
      }
      return `DE${body}${(11 - product) % 10}`;
    }
    case "FR": {
      const body = random.digits(8);
      const siren = body + luhnDigit(body);
      const key = (12 + 3 * (Number(siren) % 97)) % 97;
      return `FR${String(key).padStart(2, "0")}${siren}`;
    }
    case "ES": {
      if (random.chance(0.4)) {
        const digits = random.digits(8);
        return digits + nifLetters[Number(digits) % 23]!;
      }
      const digits = random.digits(7);
      let sum = 0;
      for (let i = 0; i < 7; i++) {
        const value = Number(digits[i]) * (i % 2 === 0 ? 2 : 1);
        sum += value > 9 ? value - 9 : value;
      }
      return `${random.pick(["A", "B"])}${digits}${(10 - (sum % 10)) % 10}`;
    }
    case "IT": {
      const body = random.digits(10);
      return body + luhnDigit(body);
    }
    case "NL": {
      // The weighted sum of nine digits is 0 modulo 11; some bodies have no fitting last digit.
      for (;;) {
        const body = String(random.int(1, 9)) + random.digits(7);
        let sum = 0;
        for (let i = 0; i < 8; i++) sum += Number(body[i]) * (9 - i);
        if (sum % 11 < 10) return `NL${body}${sum % 11}B0${random.int(1, 3)}`;
      }
    }
    case "GB": {
      // Weighted sum plus check pair is 0 modulo 97.
      const body = String(random.int(1, 9)) + random.digits(6);
      let sum = 0;
      for (let i = 0; i < 7; i++) sum += Number(body[i]) * (8 - i);
      return `GB${body}${String(97 - (sum % 97)).padStart(2, "0")}`;
    }
    case "MY":
      return `000${random.digits(9)}`;
    default:
      return `${random.int(10, 98)}-${random.digits(7)}`;
  }
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const bankLetters = "BCDFGHKLMNPRSTVW";

/** The remainder of a decimal number of any length. */
function remainder(digits: string, divisor: number): number {
  let rest = 0;
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % divisor;
  return rest;
}

/** An IBAN without spaces (ISO 13616), with the country's own check digits inside where it has them. */
export function iban(country: "DE" | "ES" | "FR" | "GB" | "IT" | "NL", random: Random): string {
  const body = accountBody(country, random);
  const digits = [...`${body}${country}00`]
    .map((character) => (/\d/.test(character) ? character : String(letters.indexOf(character) + 10)))
    .join("");
  return `${country}${String(98 - remainder(digits, 97)).padStart(2, "0")}${body}`;
}

function accountBody(country: "DE" | "ES" | "FR" | "GB" | "IT" | "NL", random: Random): string {
  const bankCode = (): string => Array.from({ length: 4 }, () => random.pick([...bankLetters])).join("");
  switch (country) {
    case "DE":
      return String(random.int(1, 8)) + random.digits(17);
    case "GB":
      return bankCode() + random.digits(14);
    case "NL":
      return bankCode() + random.digits(10);
    case "FR": {
      const [bank, branch, account] = [random.digits(5), random.digits(5), random.digits(11)];
      const key = 97 - ((89 * Number(bank) + 15 * Number(branch) + 3 * remainder(account, 97)) % 97);
      return bank + branch + account + String(key).padStart(2, "0");
    }
    case "ES": {
      const [bank, account] = [random.digits(8), random.digits(10)];
      const digit = (tenDigits: string): string => {
        const weights = [1, 2, 4, 8, 5, 10, 9, 7, 3, 6];
        const value = 11 - ([...tenDigits].reduce((sum, d, i) => sum + Number(d) * weights[i]!, 0) % 11);
        return String(value === 11 ? 0 : value === 10 ? 1 : value);
      };
      return bank + digit(`00${bank}`) + digit(account) + account;
    }
    case "IT": {
      const account = random.digits(22);
      const odd = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21];
      const sum = [...account].reduce((total, d, i) => total + (i % 2 === 0 ? odd[Number(d)]! : Number(d)), 0);
      return letters[sum % 26]! + account;
    }
  }
}

/** ICAO 9303 check digit: weights 7, 3, 1; A = 10 … Z = 35, filler 0. */
export function mrzDigit(text: string): string {
  let sum = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const value = code >= 48 && code <= 57 ? code - 48 : code >= 65 && code <= 90 ? code - 55 : 0;
    sum += value * [7, 3, 1][i % 3]!;
  }
  return String(sum % 10);
}
