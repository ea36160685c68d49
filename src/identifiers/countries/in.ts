/** India. */
import { luhn36Character, luhnDigit, twoDigits, verhoeffDigit } from "../check-digits.ts";
import { fill, pickFrom, scheme } from "../scheme.ts";

/** Fourth letter of a PAN: who holds it (Income Tax Department: association, body, company, firm, person, trust …). */
const holders = "ABCFGHJLPT";
const panForm = `[A-Z]{3}[${holders}][A-Z](?!0000)\\d{4}[A-Z]`;

export const india = [
  // Goods and services tax number (CBIC): state, PAN, count, Z, and a check character in base 36.
  scheme({
    name: "in-gstin",
    country: "IN",
    kind: "vat",
    form: new RegExp(`^((?:0[1-9]|[12]\\d|3[0-8]|97|99)${panForm}[1-9A-Z]Z)([\\dA-Z])()$`),
    check: (body) => [luhn36Character(body)],
    body: (draw, like) =>
      (like?.slice(0, 2) ?? twoDigits(1 + draw(37))) +
      fill(`@@@${like?.[5] ?? pickFrom("CFP", draw)}@####@${like?.[12] ?? "1"}Z0`, draw),
  }),
  // Permanent account number (Rule 114): the form alone is public, the last letter's rule is not.
  scheme({
    name: "in-pan",
    country: "IN",
    kind: "tax",
    shownBy: "form",
    form: new RegExp(`^(${panForm})()()$`),
    body: (draw, like) => fill(`@@@${like?.[3] ?? pickFrom("CFP", draw)}@####@`, draw),
  }),
  // Aadhaar (UIDAI, numbering scheme): never begins with 0 or 1, never reads alike backwards, Verhoeff's digit.
  scheme({
    name: "in-aadhaar",
    country: "IN",
    kind: "person",
    layouts: ["XXXX XXXX XXXX", "XXXXXXXXXXXX", "XXXX-XXXX-XXXX"],
    form: /^([2-9]\d{10})(\d)()$/,
    check: (body) => [verhoeffDigit(body)],
    accepts: (id) => [...id].reverse().join("") !== id,
    body: (draw) => String(2 + draw(8)) + fill("###########", draw),
  }),
  // Electors photo identity card (Election Commission of India): three letters, Luhn's digit.
  scheme({
    name: "in-epic",
    country: "IN",
    kind: "person",
    form: /^([A-Z]{3}\d{6})(\d)()$/,
    check: (body) => [luhnDigit(body.slice(3))],
    body: (draw) => fill("@@@#######", draw),
  }),
];
