/** Singapore. */
import { weighted } from "../check-digits.ts";
import { fill, pickFrom, scheme } from "../scheme.ts";

/** What is added to the sum by the first letter, and the check letters in the order of the remainder of 11. */
const series: Readonly<Record<string, { readonly add: number; readonly letters: string }>> = {
  S: { add: 0, letters: "JZIHGFEDCBA" },
  T: { add: 4, letters: "JZIHGFEDCBA" },
  F: { add: 0, letters: "XWUTRQPNMLK" },
  G: { add: 4, letters: "XWUTRQPNMLK" },
  M: { add: 3, letters: "XWUTRQPNJLK" },
};

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
];
