import type { Finding, Recognizer } from "../entity.ts";

const pattern = /(?<![\d*xX])(?:\d[ -]?){12,18}\d(?!\d)/g;
const masked = /(?:[*xX•#]{2,}[\s-]?)+[*xX•#\d]*\d{3,4}(?!\d)/g;

/** First digits and lengths of Visa, Mastercard, American Express, Discover, UnionPay, Diners; barcodes have others. */
const issuer =
  /^(?:4(?:\d{12}|\d{15})|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[012])\d{13}|3[47]\d{13}|(?:6011|64[4-9]\d|65\d\d)\d{12}|62\d{14}|3(?:0[0-5]|[689]\d)\d{11})$/;

/** Check digit of payment cards (Luhn, US patent 2950048). */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  [...digits].reverse().forEach((digit, i) => {
    const value = Number(digit) * (i % 2 === 1 ? 2 : 1);
    sum += value > 9 ? value - 9 : value;
  });
  return sum % 10 === 0;
}

/** Payment card numbers: an issuer's first digits, right length and check digit; and masked ones with their last digits. */
export const cardRecognizer: Recognizer = {
  name: "card",
  types: ["card"],
  find: (page) =>
    page.lines.flatMap(({ text }, line) => {
      const findings: Finding[] = [];
      for (const match of text.matchAll(pattern)) {
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
