import { checkVat } from "../check-digits.ts";
import type { Recognizer } from "../entity.ts";
import { mendDigits } from "../fold.ts";
import { labelsOf } from "../labels.ts";
import type { OcrPage } from "../ocr.ts";
import { findParties } from "../zones.ts";
import { labelledNumbers } from "./number-value.ts";

const vatNumber =
  /(?<![A-Z\d])(?:DE\s?\d{3}\s?\d{3}\s?\d{3}|GB\s?\d{3}\s?\d{4}\s?\d{2}|FR\s?\d{2}\s?\d{3}\s?\d{3}\s?\d{3}|IT\s?\d{11}|NL\s?\d{9}\s?[B8]\s?\d{2}|ES\s?[A-Z\d]\d{7}[A-Z\d]|AT\s?U\s?\d{8}|BE\s?[01]\d{3}[.\s]?\d{3}[.\s]?\d{3})(?![A-Z\d])/g;

/** Registrations that stand without a label under a company's name: "(801580-T)", "JM0325955-V", "201901012345 (1234567-X)". */
const registration = /(?<![\p{L}\d-])(?:\d{12}\s*\(\s*)?[A-Z]{0,3}\d{4,9}\s?-\s?[A-Z](?![\p{L}\d-])/gu;

/** Tax and registration numbers of companies: by label, by a country's VAT form, or near a sender's name. */
export const taxIdRecognizer: Recognizer = {
  name: "tax_id",
  types: ["tax_id"],
  find(page) {
    const labels = labelsOf(page).filter(({ kind }) => kind === "taxId");
    const findings = labelledNumbers(page, labels, "tax_id", { minDigits: 4, score: 0.85 });
    const header = senderReach(page);
    page.lines.forEach(({ text, box }, line) => {
      for (const match of mendDigits(text).matchAll(vatNumber)) {
        const check = checkVat(match[0].replace(/[^A-Z\d]/g, ""));
        const score = check === "valid" ? 0.95 : 0.65;
        findings.push({
          type: "tax_id",
          line,
          span: [match.index, match.index + match[0].length],
          score,
          reason: check === "valid" ? "check digits" : "form",
        });
      }
      if (box[1] > header) return;
      for (const match of text.toUpperCase().matchAll(registration)) {
        findings.push({
          type: "tax_id",
          line,
          span: [match.index, match.index + match[0].length],
          score: 0.75,
          reason: "form in the header",
        });
      }
    });
    return findings;
  },
};

/** How far down the block of the sender reaches. */
function senderReach(page: OcrPage): number {
  const bottoms = findParties(page)
    .filter((party) => party.sender)
    .flatMap((party) => [...party.names, ...party.address].map((segment) => segment.box[3]));
  return Math.max(0.2 * page.height, ...bottoms.map((bottom) => bottom + 0.08 * page.height));
}
