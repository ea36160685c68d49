/** Poland. */
import { weighted } from "../check-digits.ts";
import { fill, scheme } from "../scheme.ts";

export const poland = [
  // Numer identyfikacji podatkowej: weighted sum modulo 11; 10 is not issued (Act of 13 October 1995, its regulation).
  scheme({
    name: "pl-nip",
    country: "PL",
    kind: "vat",
    prefix: "PL",
    prefixOptional: true,
    layouts: ["XXX-XXX-XX-XX", "XXXXXXXXXX", "XX XXXXXXXXXX"],
    form: /^([1-9]\d{8})(\d)()$/,
    check: (body) => {
      const check = weighted(body, [6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11;
      return check < 10 ? [String(check)] : [];
    },
    body: (draw) => fill("+#########", draw),
  }),
];
