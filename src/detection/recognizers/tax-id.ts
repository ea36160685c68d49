import type { Recognizer } from "../entity.ts";
import { mendDigits } from "../fold.ts";
import { vatForm } from "../identifier-forms.ts";
import { labelsOf } from "../labels.ts";
import { findMatches } from "../matches.ts";
import type { OcrPage } from "../ocr.ts";
import { findParties } from "../zones.ts";
import { labelledNumbers, standingAlone } from "./number-value.ts";

/** Registrations that stand without a label under a company's name: "(801580-T)", "JM0325955-V", "201901012345 (1234567-X)". */
const registration = /(?<![\p{L}\d-])(?:\d{12}\s*\(\s*)?[A-Z]{0,3}\d{4,9}\s?-\s?[A-Z](?![\p{L}\d-])/gu;

/** Tax and registration numbers of companies: by label, by a country's VAT form, or near a sender's name. */
export const taxIdRecognizer: Recognizer = {
  name: "tax_id",
  types: ["tax_id"],
  needs: ["layout", "labels", "parties"],
  find(page) {
    const labels = labelsOf(page).filter(({ kind }) => kind === "tax_id");
    const findings = [
      ...labelledNumbers(page, labels, "tax_id", { minDigits: 4, score: 0.85 }),
      ...standingAlone(page, "tax_id"),
      ...page.lines.flatMap(({ text }, line) =>
        findMatches("tax_id", line, mendDigits(text), vatForm.pattern, vatForm.judge),
      ),
    ];
    const header = senderReach(page);
    page.lines.forEach(({ text, box }, line) => {
      if (box[1] > header) return;
      findings.push(
        ...findMatches("tax_id", line, text.toUpperCase(), registration, { score: 0.75, reason: "form in the header" }),
      );
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
