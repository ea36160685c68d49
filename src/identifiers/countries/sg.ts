/** Singapore. */
import { twoDigits, weighted } from "../check-digits.ts";
import { fill, pickFrom, scheme } from "../scheme.ts";

/** What is added to the sum by the first letter, and the check letters in the order of the remainder of 11. */
const series: Readonly<Record<string, { readonly add: number; readonly letters: string }>> = {
  S: { add: 0, letters: "JZIHGFEDCBA" },
  T: { add: 4, letters: "JZIHGFEDCBA" },
  F: { add: 0, letters: "XWUTRQPNMLK" },
  G: { add: 4, letters: "XWUTRQPNMLK" },
  M: { add: 3, letters: "XWUTRQPNJLK" },
};

/** The order that the check character of other entities counts in. */
const entityCharacters = "ABCDEFGHJKLMNPQRSTUVWX0123456789";

export const singapore = [
  // NRIC (citizens and residents: S, T) and FIN (others: F, G, M since 2022) of the Immigration and Checkpoints
  // Authority. The rule was never printed officially; it is the one that all checkers in use share.
  scheme({
    name: "sg-nric",
    country: "SG",
    kind: "person",
    form: /^([STFGM]\d{7})([A-Z])()$/,
    check: (body) => {
      const { add, letters } = series[body[0]!]!;
      return [letters[(add + weighted(body.slice(1), [2, 7, 6, 5, 4, 3, 2])) % 11]!];
    },
    body: (draw, like) => fill(`${like?.[0] ?? pickFrom("SSTFG", draw)}#######`, draw) + pickFrom("AB", draw),
  }),
  // Unique entity number (ACRA): businesses, companies by year of registration, and other entities.
  scheme({
    name: "sg-uen-business",
    country: "SG",
    kind: "tax",
    form: /^(\d{8})([A-Z])()$/,
    check: (body) => ["XMKECAWLJDB"[weighted(body, [10, 4, 9, 3, 8, 2, 7, 1]) % 11]!],
    body: (draw) => fill("#########", draw).replace(/.$/, "A"),
  }),
  scheme({
    name: "sg-uen-company",
    country: "SG",
    kind: "tax",
    form: /^((?:19|20)\d{7})([A-Z])()$/,
    check: (body) => ["ZKCMDNERGWH"[weighted(body, [10, 8, 6, 4, 9, 7, 5, 3, 1]) % 11]!],
    body: (draw) => `${1970 + draw(55)}${fill("#####", draw)}A`,
  }),
  scheme({
    name: "sg-uen-other",
    country: "SG",
    kind: "tax",
    form: /^([RST]\d{2}[A-Z][A-Z\d]\d{4})([A-Z\d])()$/,
    check: (body) => {
      const sum = [4, 3, 5, 3, 10, 2, 2, 5, 7].reduce(
        (total, weight, i) => total + weight * entityCharacters.indexOf(body[i]!),
        0,
      );
      return [entityCharacters[(((sum - 5) % 11) + 11) % 11]!];
    },
    accepts: (uen) => [...uen].every((character) => entityCharacters.includes(character)),
    // "T" counts from 2000.
    body: (draw, like) => {
      const series = like?.[0] ?? "T";
      const year = series === "T" ? twoDigits(draw(26)) : fill("##", draw);
      return `${series}${year}${like?.slice(3, 5) ?? "FC"}${fill("####", draw)}A`;
    },
  }),
];
