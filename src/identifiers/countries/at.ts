/** Austria. */
import { luhnDigit } from "../check-digits.ts";
import { fill, scheme } from "../scheme.ts";

export const austria = [
  // Umsatzsteuer-Identifikationsnummer: Luhn's weights, 4 more (Bundesministerium für Finanzen, construction rules of the UID).
  scheme({
    name: "at-vat",
    country: "AT",
    kind: "vat",
    prefix: "ATU",
    form: /^(\d{7})(\d)()$/,
    check: (body) => [String((Number(luhnDigit(`${body}0`)) + 6) % 10)],
    body: (draw) => fill("########", draw),
  }),
];
