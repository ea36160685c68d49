/** Belgium. */
import { twoDigits } from "../check-digits.ts";
import { fill, scheme } from "../scheme.ts";

export const belgium = [
  // Ondernemingsnummer, numéro d'entreprise: 97 − eight digits mod 97 (Royal decree of 24 June 2003, art. 2).
  scheme({
    name: "be-vat",
    country: "BE",
    kind: "vat",
    prefix: "BE",
    prefixOptional: true,
    layouts: ["XX XXXX.XXX.XXX", "XXXXXXXXXXXX", "XXXX.XXX.XXX"],
    form: /^([01]\d{7})(\d\d)()$/,
    check: (body) => [twoDigits(97 - (Number(body) % 97))],
    body: (draw, like) => fill(`${like?.[0] ?? "0"}+########`, draw),
  }),
];
