/** Italy. */
import { luhnDigit, twoDigits } from "../check-digits.ts";
import { fill, pickFrom, scheme } from "../scheme.ts";

/** Values of 0 … 9 or A … Z at odd places (decree of 23 December 1976, table B); at even ones characters count their order. */
export const oddValues = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

function checkLetter(body: string): string {
  let sum = 0;
  for (let i = 0; i < body.length; i++) {
    const unit = body.charCodeAt(i);
    const value = unit < 65 ? unit - 48 : unit - 65;
    sum += i % 2 === 0 ? oddValues[value]! : value;
  }
  return String.fromCharCode(65 + (sum % 26));
}

/** Letters that stand for digits where two persons would have one code. */
const digitOf = (character: string): string => {
  const place = "LMNPQRSTUV".indexOf(character);
  return place === -1 ? character : String(place);
};

export const italy = [
  // Partita IVA: seven digits, office of the province, Luhn's digit (DPR 26 October 1972 n. 633, art. 35).
  scheme({
    name: "it-vat",
    country: "IT",
    kind: "vat",
    prefix: "IT",
    prefixOptional: true,
    form: /^((?!0{7})\d{7}(?:0(?!00)\d\d|100|12[01]|888|999))(\d)()$/,
    check: (body) => [luhnDigit(body)],
    body: (draw) => `${fill("#######", draw)}0${twoDigits(1 + draw(99))}0`,
  }),
  // Codice fiscale of a person: name, year, month letter, day (40 more for women), place, check letter (same decree).
  scheme({
    name: "it-fiscal-code",
    country: "IT",
    kind: "person",
    layouts: ["XXXXXXXXXXXXXXXX", "XXX XXX XXXXX XXXXX"],
    form: /^([A-Z]{6}[\dLMNPQRSTUV]{2}[ABCDEHLMPRST][\dLMNPQRSTUV]{2}[A-Z][\dLMNPQRSTUV]{3})([A-Z])()$/,
    check: (body) => [checkLetter(body)],
    accepts: (code) => {
      const day = Number([...code.slice(9, 11)].map(digitOf).join("")) % 40;
      return day >= 1 && day <= 31;
    },
    body: (draw) => {
      const consonant = (): string => pickFrom("BCDFGLMNPRSTVZ", draw);
      const name = (): string => consonant() + consonant() + pickFrom("BCDFGLMNPRSTVZAEIO", draw);
      const day = twoDigits(1 + draw(28) + 40 * draw(2));
      return (
        name() +
        name() +
        fill("##", draw) +
        pickFrom("ABCDEHLMPRST", draw) +
        day +
        pickFrom("ABCDEFGHIL", draw) +
        fill("###A", draw)
      );
    },
  }),
];
