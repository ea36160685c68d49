import { electronicFormatIBAN, isValidIBAN } from "ibantools";
import type { Finding, Recognizer } from "../entity.ts";
import { hasLabelBefore, labels } from "../labels.ts";

const pattern = /(?<![A-Za-z\d])[A-Z]{2}\s?[\dOoIl]{2}(?:[\s-]?[A-Za-z\d]){11,30}/g;

/** Letters that OCR puts for digits, in the part of an IBAN that must be digits in most countries. */
const mended = (text: string): string => text.slice(0, 2) + text.slice(2).replace(/[Oo]/g, "0").replace(/[Il]/g, "1");

/** IBANs with valid check digits; with a label also those in which OCR has damaged one. */
export const ibanRecognizer: Recognizer = {
  name: "iban",
  types: ["iban"],
  find(page) {
    const findings: Finding[] = [];
    page.lines.forEach(({ text }, line) => {
      for (const match of text.matchAll(pattern)) {
        const length = validLength(match[0]);
        if (length !== undefined) {
          findings.push({
            type: "iban",
            line,
            span: [match.index, match.index + length],
            score: 0.99,
            reason: "check digits",
          });
        } else if (hasLabelBefore(page, line, match.index, labels.account)) {
          findings.push({
            type: "iban",
            line,
            span: [match.index, match.index + match[0].trimEnd().length],
            score: 0.8,
            reason: "label",
          });
        }
      }
    });
    return findings;
  },
};

/** The longest part from the start that is a valid IBAN; words may follow it on the line. */
function validLength(text: string): number | undefined {
  for (let length = text.length; length >= 15; length--) {
    const part = text.slice(0, length);
    if (/[\s-]$/.test(part)) continue;
    const plain = electronicFormatIBAN(part) ?? "";
    if (isValidIBAN(plain) || isValidIBAN(mended(plain.toUpperCase()))) return length;
  }
  return undefined;
}
