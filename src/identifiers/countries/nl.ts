/** The Netherlands. */
import { mod97Digits, weighted } from "../check-digits.ts";
import { fill, scheme } from "../scheme.ts";

/** The eleven-test of BSN and RSIN: 9·a + 8·b + … + 2·h − i is 0 modulo 11 (Besluit burgerservicenummer, annex). */
const elevenTest = (body: string): readonly string[] => {
  const check = weighted(body, [9, 8, 7, 6, 5, 4, 3, 2]) % 11;
  return check < 10 ? [String(check)] : [];
};

export const netherlands = [
  // Btw-nummer of a company: its RSIN, B and a count (Belastingdienst).
  scheme({
    name: "nl-vat",
    country: "NL",
    kind: "vat",
    prefix: "NL",
    form: /^((?!0{8})\d{8})(\d)(B(?!00)\d\d)$/,
    check: elevenTest,
    body: (draw, like) => fill("+########", draw) + (like?.slice(9) ?? `B0${1 + draw(3)}`),
  }),
  // Btw-identificatienummer of a sole trader since 2020: ISO 7064 MOD 97-10 over NL, nine digits and B.
  scheme({
    name: "nl-vat-2020",
    country: "NL",
    kind: "vat",
    prefix: "NL",
    form: /^(\d{9}B)(\d\d)()$/,
    check: (body) => [mod97Digits(`NL${body}`)],
    body: (draw) => fill("00+######B00", draw),
  }),
  // Burgerservicenummer.
  scheme({
    name: "nl-bsn",
    country: "NL",
    kind: "person",
    layouts: ["XXXXXXXXX", "XXXX.XX.XXX", "XXX XXX XXX"],
    form: /^((?!0{8})\d{8})(\d)()$/,
    check: elevenTest,
    body: (draw) => fill("+########", draw),
  }),
];
