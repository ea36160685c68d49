/** International bank account numbers (ISO 13616). */
import { isValidBBAN, isValidIBAN } from "ibantools";
import { mod97Digits, remainder, twoDigits } from "./check-digits.ts";
import { oddValues } from "./countries/it.ts";
import { type Draw, fill } from "./scheme.ts";

/** Right check digits, and the account's own where the country has such. */
export const isFullyValidIban = (iban: string): boolean =>
  isValidIBAN(iban) && isValidBBAN(iban.slice(4), iban.slice(0, 2));

/** Sets the international check digits, and the account's own ones for the countries whose rule stands here. */
export function completeIban(iban: string): string {
  const country = iban.slice(0, 2);
  const account = nationalDigits[country]?.(iban.slice(4)) ?? iban.slice(4);
  return country + mod97Digits(account + country) + account;
}

/** Clé RIB (Comité français d'organisation et de normalisation bancaires): letters count 1 … 9, 1 … 9, 2 … 9. */
function withRibKey(account: string): string {
  const digits = account
    .slice(0, -2)
    .replace(/[A-Z]/g, (letter) => String(("ABCDEFGHI JKLMNOPQR  STUVWXYZ".indexOf(letter) % 10) + 1));
  const key =
    97 -
    ((89 * Number(digits.slice(0, 5)) + 15 * Number(digits.slice(5, 10)) + 3 * remainder(digits.slice(10), 97)) % 97);
  return account.slice(0, -2) + twoDigits(key);
}

/** Dígitos de control (Consejo Superior Bancario): one for bank and branch, one for the account. */
function withControlDigits(account: string): string {
  const digit = (tenDigits: string): string => {
    const weights = [1, 2, 4, 8, 5, 10, 9, 7, 3, 6];
    const value = 11 - ([...tenDigits].reduce((sum, d, i) => sum + Number(d) * weights[i]!, 0) % 11);
    return String(value === 11 ? 0 : value === 10 ? 1 : value);
  };
  const [bank, own] = [account.slice(0, 8), account.slice(10)];
  return bank + digit(`00${bank}`) + digit(own) + own;
}

/** CIN (Associazione Bancaria Italiana): a letter before bank, branch and account. */
function withCin(account: string): string {
  const rest = account.slice(1);
  const sum = [...rest].reduce((total, character, i) => {
    const value = Number.parseInt(character, 36);
    const order = value < 10 ? value : value - 10;
    return total + (i % 2 === 0 ? oddValues[order]! : order);
  }, 0);
  return String.fromCharCode(65 + (sum % 26)) + rest;
}

/** Belgium: ten digits modulo 97, 97 for 0. */
const withBelgianDigits = (account: string): string =>
  account.slice(0, 10) + twoDigits(remainder(account.slice(0, 10), 97) || 97);

const nationalDigits: Readonly<Record<string, (account: string) => string>> = {
  FR: withRibKey,
  MC: withRibKey,
  ES: withControlDigits,
  IT: withCin,
  SM: withCin,
  BE: withBelgianDigits,
};

/** Accounts after the country's structure: "#" a digit, "+" one above 0, "*" a letter of a bank's code. */
const structures = {
  DE: "+#################",
  GB: "****##############",
  NL: "****##########",
  FR: "#######################",
  ES: "####################",
  IT: "A######################",
} as const;

export type IbanCountry = keyof typeof structures;

/** An IBAN without spaces, all its check digits right. */
export function inventIban(country: IbanCountry, draw: Draw): string {
  const bankLetters = "BCDFGHKLMNPRSTVW";
  const structure = structures[country].replace(/\*/g, () => bankLetters[draw(bankLetters.length)]!);
  return completeIban(`${country}00${fill(structure, draw)}`);
}
