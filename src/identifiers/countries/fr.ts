/** France. */
import { luhnDigit, passesLuhn, remainder, twoDigits } from "../check-digits.ts";
import { fill, pickFrom, scheme } from "../scheme.ts";

export const france = [
  // Numéro de TVA intracommunautaire: key (12 + 3·(SIREN mod 97)) mod 97 and the SIREN (CGI, art. 286 ter; BOI-TVA-DECLA-20-10).
  scheme({
    name: "fr-vat",
    country: "FR",
    kind: "vat",
    prefix: "FR",
    layouts: ["XXXXXXXXXXXXX", "XXXX XXX XXX XXX", "XX XX XXX XXX XXX"],
    form: /^()(\d\d)(\d{9})$/,
    check: (_, siren) => (passesLuhn(siren) ? [twoDigits((12 + 3 * (Number(siren) % 97)) % 97)] : []),
    body: (draw) => {
      const body = fill("+#######", draw);
      return `00${body}${luhnDigit(body)}`;
    },
  }),
  // Numéro d'inscription au répertoire (INSEE): sex, year, month, department, commune, order, and 97 − the 13 digits
  // mod 97, with Corsica's 2A and 2B as 19 and 18. Months above 12 stand for birth certificates without one.
  scheme({
    name: "fr-nir",
    country: "FR",
    kind: "person",
    layouts: ["X XX XX XX XXX XXX XX", "XXXXXXXXXXXXXXX", "X XX XX XX XXX XXX-XX"],
    form: /^([12]\d\d(?:0[1-9]|1[0-2]|[23]\d|4[0-2]|[5-9]\d)(?:0[1-9]|[1-9]\d|2[AB])\d{6})(\d\d)()$/,
    check: (body) => [twoDigits(97 - (Number(body.replace("2A", "19").replace("2B", "18")) % 97))],
    body: (draw) =>
      fill(`${pickFrom("12", draw)}##`, draw) +
      twoDigits(1 + draw(12)) +
      twoDigits(1 + draw(95)) +
      fill("######00", draw),
  }),
  // Numéro SIREN of an enterprise and SIRET of its establishments (INSEE): Luhn's digit, in a SIRET over the SIREN too.
  scheme({
    name: "fr-siren",
    country: "FR",
    kind: "tax",
    layouts: ["XXXXXXXXX", "XXX XXX XXX"],
    form: /^((?!0{3})\d{8})(\d)()$/,
    check: (body) => [luhnDigit(body)],
    body: (draw) => fill("+########", draw),
  }),
  scheme({
    name: "fr-siret",
    country: "FR",
    kind: "tax",
    layouts: ["XXXXXXXXXXXXXX", "XXX XXX XXX XXXXX"],
    form: /^((?!0{3})\d{13})(\d)()$/,
    // La Poste has more establishments than Luhn's digit allows: there the sum of all digits is a multiple of five.
    check: (body) =>
      body.startsWith("356000000") ? laPoste(body) : passesLuhn(body.slice(0, 9)) ? [luhnDigit(body)] : [],
    body: (draw) => {
      const siren = fill("+#######", draw);
      return `${siren}${luhnDigit(siren)}000${fill("##", draw)}`;
    },
  }),
  // Numéro fiscal de référence of a person (DGFiP): three digits, the ten before them modulo 511.
  scheme({
    name: "fr-tax",
    country: "FR",
    kind: "tax",
    layouts: ["XXXXXXXXXXXXX", "XX XX XXX XXX XXX"],
    form: /^([0-3]\d{9})(\d{3})()$/,
    check: (body) => [String(remainder(body, 511)).padStart(3, "0")],
    body: (draw) => fill(`${draw(4)}#########000`, draw),
  }),
];

function laPoste(body: string): string[] {
  const sum = [...body].reduce((total, digit) => total + Number(digit), 0);
  return [(5 - (sum % 5)) % 5, ((5 - (sum % 5)) % 5) + 5].map(String);
}
