/** Germany. */
import { crossSums, mod1110Digit, twoDigits } from "../check-digits.ts";
import { mrzDigit } from "../machine-readable.ts";
import { type Draw, fill, pickFrom, scheme } from "../scheme.ts";

/** Of the ten digits exactly one stands twice or three times, then not in one row, and the others at most once. */
function repeatsOnce(id: string): boolean {
  const ten = id.slice(0, 10);
  const repeated = [...new Set(ten)].map((digit) => ten.split(digit).length - 1).filter((count) => count > 1);
  return repeated.length === 1 && repeated[0]! <= 3 && !/(\d)\1\1/.test(ten);
}

/** Nine different digits, one of them a second time: numbers drawn at random seldom have the repetition. */
function tenDigits(draw: Draw): string {
  const digits = [..."0123456789"];
  const chosen = Array.from({ length: 9 }, () => digits.splice(draw(digits.length), 1)[0]!);
  chosen.splice(1 + draw(9), 0, chosen[draw(9)]!);
  return chosen.join("");
}

/** Digits with a letter as its two-digit place in the alphabet. */
const letterAsDigits = (text: string): string =>
  text.replace(/[A-Z]/g, (letter) => twoDigits(letter.charCodeAt(0) - 64));

/** Letters of identity cards: no vowels and nothing that looks like a digit (Personalausweisverordnung). */
const cardLetters = "CFGHJKLMNPRTVWXYZ";

export const germany = [
  // Umsatzsteuer-Identifikationsnummer (Bundeszentralamt für Steuern): ISO 7064 MOD 11,10.
  scheme({
    name: "de-vat",
    country: "DE",
    kind: "vat",
    prefix: "DE",
    layouts: ["XXXXXXXXXXX", "XX XXX XXX XXX"],
    form: /^([1-9]\d{7})(\d)()$/,
    check: (body) => [mod1110Digit(body)],
    body: (draw) => fill("+########", draw),
  }),
  // Steuerliche Identifikationsnummer (§ 139b AO; Bundeszentralamt für Steuern, "Aufbau der Identifikationsnummer").
  scheme({
    name: "de-tax-id",
    country: "DE",
    kind: "tax",
    layouts: ["XX XXX XXX XXX", "XXXXXXXXXXX"],
    form: /^([1-9]\d{9})(\d)()$/,
    check: (body) => [mod1110Digit(body)],
    accepts: repeatsOnce,
    body: (draw) => `${tenDigits(draw)}0`,
  }),
  // Versicherungsnummer of the pension insurance (VKVV § 2, § 4): area, date of birth, letter of the name, serial number.
  scheme({
    name: "de-pension",
    country: "DE",
    kind: "person",
    layouts: ["XXXXXXXXXXXX", "XX XXXXXX X XXX"],
    form: /^(\d{2}(?:0[1-9]|[1-4]\d|5[0-4])\d{4}[A-Z]\d{2})(\d)()$/,
    check: (body) => [String(crossSums(letterAsDigits(body), [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1]) % 10)],
    accepts: (id) => Number(id.slice(4, 6)) <= 12,
    body: (draw) =>
      fill("##", draw) +
      twoDigits(1 + draw(28)) +
      twoDigits(1 + draw(12)) +
      fill(`##${pickFrom("ABCDEFGHJKLMNPRSTVWZ", draw)}###`, draw),
  }),
  // Krankenversichertennummer (Spitzenverband, § 290 SGB V): a letter and eight digits.
  scheme({
    name: "de-health",
    country: "DE",
    kind: "person",
    layouts: ["XXXXXXXXXX", "X XXX XXX XXX"],
    form: /^([A-Z]\d{8})(\d)()$/,
    check: (body) => [String(crossSums(letterAsDigits(body), [1, 2, 1, 2, 1, 2, 1, 2, 1, 2]) % 10)],
    body: (draw) => `${pickFrom("ABCDEFGHJKLMNPRSTVWZ", draw)}${fill("#########", draw)}`,
  }),
  // Serial number of an identity card with its check digit, as old cards print it (ICAO 9303's weights).
  scheme({
    name: "de-identity-card",
    country: "DE",
    kind: "person",
    form: new RegExp(`^([${cardLetters}][${cardLetters}\\d]{8})(\\d)()$`),
    check: (body) => [mrzDigit(body)],
    accepts: (id) => /\d.*\d/.test(id.slice(1, 9)),
    body: (draw) =>
      `${pickFrom("LMNPRTVWXYZ", draw)}${fill("##", draw)}${pickFrom(cardLetters, draw)}${fill("######", draw)}`,
  }),
];
