/** Great Britain and Northern Ireland. */
import { twoDigits, weighted } from "../check-digits.ts";
import { fill, pickFrom, scheme } from "../scheme.ts";

const ninoFirst = "ABCEGHJKLMNOPRSTWXYZ";
const ninoSecond = "ABCEGHJKLMNPRSTWXYZ";

/** VAT registration number: weighted sum and check pair are 0 modulo 97, or 55 more is (HMRC, "97" and "9755" numbers). */
function vatPairs(body: string): readonly string[] {
  const sum = weighted(body, [8, 7, 6, 5, 4, 3, 2]);
  return [sum, sum + 55].map((total) => twoDigits(97 - (total % 97)));
}

export const britain = [
  scheme({
    name: "gb-vat",
    country: "GB",
    kind: "vat",
    prefix: "GB",
    prefixOptional: true,
    layouts: ["XXXXXXXXXXX", "XX XXX XXXX XX", "XXX XXXX XX"],
    form: /^(\d{7})(\d\d)()$/,
    check: vatPairs,
    body: (draw) => fill("+########", draw),
  }),
  // One of a group's branches: three digits more, only with the country's letters.
  scheme({
    name: "gb-vat-branch",
    country: "GB",
    kind: "vat",
    prefix: "GB",
    layouts: ["XXXXXXXXXXXXXX", "XX XXX XXXX XX XXX"],
    form: /^(\d{7})(\d\d)(\d{3})$/,
    check: vatPairs,
    body: (draw, like) => fill("+########", draw) + (like?.slice(9) ?? "001"),
  }),
  // National Insurance number (HMRC, NIM39110): letters that are used, pairs that are not, and a suffix A … D.
  scheme({
    name: "gb-nino",
    country: "GB",
    kind: "person",
    shownBy: "form",
    layouts: ["XX XX XX XX X", "XXXXXXXXX", "XXXXXXXX X"],
    form: /^((?!BG|GB|NK|KN|TN|NT|ZZ)[ABCEGHJ-PR-TW-Z][ABCEGHJ-NPR-TW-Z]\d{6}[A-D])()()$/,
    body: (draw) =>
      pickFrom(ninoFirst, draw) + pickFrom(ninoSecond, draw) + fill("######", draw) + pickFrom("ABCD", draw),
  }),
  // Driver number (DVLA, INF45): five letters of the surname, decade, month (+5 for women), day, year, initials, and three
  // characters that its issuer alone can check.
  scheme({
    name: "gb-driver",
    country: "GB",
    kind: "person",
    shownBy: "form",
    layouts: ["XXXXX XXXXXX XXXXX XX", "XXXXXXXXXXXXXXXX", "XXXXX XXXXXX XXXXX"],
    form: /^([A-Z]{2}[A-Z9]{3}\d(?:[05][1-9]|[16][0-2])(?:0[1-9]|[12]\d|3[01])\d[A-Z9]{2}[A-Z\d]{3}(?:\d\d)?)()()$/,
    body: (draw, like) =>
      [1, 2, 3, 4, 5].map(() => pickFrom(ninoFirst, draw)).join("") +
      fill("#", draw) +
      pickFrom("05", draw) +
      fill("+", draw) +
      twoDigits(1 + draw(28)) +
      fill("#", draw) +
      pickFrom(ninoFirst, draw) +
      pickFrom(ninoFirst, draw) +
      fill("#", draw) +
      pickFrom(ninoFirst, draw) +
      pickFrom(ninoFirst, draw) +
      ((like?.length ?? 16 + 2 * draw(2)) === 18 ? fill("##", draw) : ""),
  }),
  // NHS number (NHS Data Dictionary): 11 − weighted sum mod 11; 10 is not issued.
  scheme({
    name: "gb-nhs",
    country: "GB",
    kind: "person",
    layouts: ["XXX XXX XXXX", "XXXXXXXXXX", "XXX-XXX-XXXX"],
    form: /^(\d{9})(\d)()$/,
    check: (body) => {
      const check = (11 - (weighted(body, [10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11)) % 11;
      return check < 10 ? [String(check)] : [];
    },
    body: (draw) => fill("+#########", draw),
  }),
  // Unique taxpayer reference: the first digit is the check of the nine behind it (HMRC, modulus 11 check of the UTR).
  scheme({
    name: "gb-utr",
    country: "GB",
    kind: "tax",
    layouts: ["XXXXXXXXXX", "XXXXX XXXXX"],
    form: /^()(\d)(\d{9})$/,
    check: (_, body) => ["21987654321"[weighted(body, [6, 7, 8, 9, 10, 5, 4, 3, 2]) % 11]!],
    body: (draw) => fill("##########", draw),
  }),
];
