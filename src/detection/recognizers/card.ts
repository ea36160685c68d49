import { passesLuhn } from "../check-digits.ts";
import type { Finding, Recognizer } from "../entity.ts";
import { mendDigits } from "../fold.ts";
import { labelBefore } from "../labels.ts";

/** In one piece or in the groups that cards have. */
const pattern =
  /(?<![\d*xX])(?:\d{13,19}|\d{4}(?:[ -]\d{4}){2}[ -]\d{1,4}(?:[ -]\d{1,3})?|\d{4}[ -]\d{6}[ -]\d{4,5})(?![\d-])/g;
/** In any groups, behind a label. */
const loosePattern = /(?<![\d*xX])(?:\d[ -]?){12,18}\d(?!\d)/g;
/** "XXXX XXXX XXXX 8381", "4910-12**-****-7501", "************7501". */
const masked = /(?<![\p{L}\d])(?:\d{4}[ -]?)?(?:\d{0,2}[*xX•#]{2,}[ -]?)+[*xX•#\d]*\d{3,4}(?!\d)/gu;

/** First digits and lengths of Visa, Mastercard, American Express, Discover, UnionPay, Diners; barcodes have others. */
const issuer =
  /^(?:4(?:\d{12}|\d{15})|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[012])\d{13}|3[47]\d{13}|(?:6011|64[4-9]\d|65\d\d)\d{12}|62\d{14}|3(?:0[0-5]|[689]\d)\d{11})$/;

/** Payment card numbers: issuer's first digits and check digit, or a label; masked ones with their last digits. */
export const cardRecognizer: Recognizer = {
  name: "card",
  types: ["card"],
  find: (page) =>
    page.lines.flatMap(({ text }, line) => {
      const findings: Finding[] = [];
      const mended = mendDigits(text);
      for (const match of mended.matchAll(pattern)) {
        const digits = match[0].replace(/\D/g, "");
        if (!issuer.test(digits) || !passesLuhn(digits) || /^(\d)\1+$/.test(digits)) continue;
        findings.push({
          type: "card",
          line,
          span: [match.index, match.index + match[0].length],
          score: 0.95,
          reason: "check digit",
        });
      }
      for (const match of mended.matchAll(loosePattern)) {
        if (labelBefore(page, line, match.index)?.kind !== "card") continue;
        findings.push({
          type: "card",
          line,
          span: [match.index, match.index + match[0].length],
          score: 0.85,
          reason: "label",
        });
      }
      for (const match of text.matchAll(masked)) {
        if (match[0].length < 8) continue;
        findings.push({
          type: "card",
          line,
          span: [match.index, match.index + match[0].length],
          score: 0.7,
          reason: "masked number",
        });
      }
      return findings;
    }),
};
