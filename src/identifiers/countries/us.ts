/** The United States: but for the NPI these numbers have no check digits, only parts that are or are not in use. */
import { luhnDigit } from "../check-digits.ts";
import { fill, scheme } from "../scheme.ts";

/** First two digits that the Internal Revenue Service gives out ("How EINs are assigned and valid EIN prefixes"). */
const einPrefix = "(?:0[1-6]|1[0-6]|2[0-7]|3\\d|4[0-8]|5\\d|6[0-8]|7[1-7]|8[0-8]|9[0-58-9])";

export const unitedStates = [
  // Social security number (Social Security Administration): area not 000, 666 or above 899, group not 00, serial not
  // 0000. 078-05-1120 and 219-09-9999 were printed in advertisements and withdrawn.
  scheme({
    name: "us-ssn",
    country: "US",
    kind: "person",
    shownBy: "layout",
    layouts: ["XXX-XX-XXXX"],
    form: /^((?!000|666|9)\d{3}(?!00)\d\d(?!0000)\d{4})()()$/,
    accepts: (id) => id !== "078051120" && id !== "219099999",
    body: (draw) => fill("#########", draw),
  }),
  // Individual taxpayer identification number (IRS): 9, and the fourth and fifth digit in the ranges in use.
  scheme({
    name: "us-itin",
    country: "US",
    kind: "tax",
    shownBy: "layout",
    layouts: ["XXX-XX-XXXX"],
    form: /^(9\d\d(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])\d{4})()()$/,
    body: (draw) => fill("9########", draw),
  }),
  // Employer identification number (IRS).
  scheme({
    name: "us-ein",
    country: "US",
    kind: "tax",
    shownBy: "layout",
    layouts: ["XX-XXXXXXX"],
    form: new RegExp(`^(${einPrefix}\\d{7})()()$`),
    body: (draw) => fill("#########", draw),
  }),
  // National provider identifier of physicians and clinics (45 CFR 162.406): Luhn's digit behind the issuer 80840.
  scheme({
    name: "us-npi",
    country: "US",
    kind: "person",
    form: /^([12]\d{8})(\d)()$/,
    check: (body) => [luhnDigit(`80840${body}`)],
    body: (draw) => fill(`${1 + draw(2)}#########`, draw),
  }),
];
