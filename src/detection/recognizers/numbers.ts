import type { EntityType, Finding, Recognizer } from "../entity.ts";
import { labelled, labels } from "../labels.ts";
import type { OcrPage } from "../ocr.ts";
import { headerZone } from "../zones.ts";

/** A run of letters, digits and joining signs that holds enough digits to be a number of somebody. */
const value = /[A-Z\d](?:[A-Z\d]|[-./](?=[A-Z\d])|\s(?=[-./]?\s?[A-Z]?[\d]|[A-Z]?-|[A-Z](?![A-Z]))){3,30}/iu;

const looksLikeDate = /^\d{1,4}[./-]\d{1,2}[./-]\d{1,4}$/;

function numbersAfter(page: OcrPage, label: RegExp, type: EntityType, score: number): Finding[] {
  return labelled(page, label, /(?:tel|fax|date|time|cashier)\b|[)\]]/).flatMap((located) => {
    const match = value.exec(located.text);
    if (!match || match.index > 3) return [];
    const digits = match[0].match(/\d/g)?.length ?? 0;
    // Amounts and years stand under the same labels in tables and notes.
    if (digits < 5 || /^\d{1,6}[.,]\d{2}$/.test(match[0]) || looksLikeDate.test(match[0])) return [];
    const start = located.span[0] + match.index;
    return [
      { type, line: located.line, span: [start, start + match[0].trimEnd().length] as const, score, reason: "label" },
    ];
  });
}

/** Tax and registration numbers of companies: by label, by a country's VAT form, or in brackets below a name. */
export const taxIdRecognizer: Recognizer = {
  name: "tax_id",
  types: ["tax_id"],
  find(page) {
    const findings = numbersAfter(page, labels.taxId, "tax_id", 0.85);
    const header = headerZone(page).lines;
    const last = (header.at(-1) ?? -1) + 3;
    page.lines.forEach(({ text }, line) => {
      for (const match of text.matchAll(
        /(?<![A-Z\d])(?:DE\s?\d{9}|GB\s?\d{3}\s?\d{4}\s?\d{2}|FR\s?[A-Z\d]{2}\s?\d{9}|IT\s?\d{11}|NL\s?\d{9}B\d{2}|ES\s?[A-Z]\d{7}[A-Z\d]|ATU\d{8}|BE\s?0\d{9})(?![A-Z\d])/g,
      )) {
        findings.push({
          type: "tax_id",
          line,
          span: [match.index, match.index + match[0].length],
          score: 0.8,
          reason: "VAT form",
        });
      }
      if (line > last) return;
      for (const match of text.matchAll(/(?<=\(|^|\s)\d{4,7}\s?-\s?[A-Z](?=\)|\s|$)/g)) {
        findings.push({
          type: "tax_id",
          line,
          span: [match.index, match.index + match[0].length],
          score: 0.75,
          reason: "registration number in the header",
        });
      }
    });
    return findings;
  },
};

/** Numbers of persons: identity documents, memberships, accounts, by label; US social security numbers by form. */
export const idNumberRecognizer: Recognizer = {
  name: "id_number",
  types: ["id_number"],
  find(page) {
    const findings = [
      ...numbersAfter(page, labels.idNumber, "id_number", 0.8),
      ...numbersAfter(page, labels.account, "id_number", 0.7),
    ];
    page.lines.forEach(({ text }, line) => {
      for (const match of text.matchAll(/(?<!\d|-)\d{3}-\d{2}-\d{4}(?!\d|-)|(?<!\d)\d{6}-\d{2}-\d{4}(?!\d)/g)) {
        findings.push({
          type: "id_number",
          line,
          span: [match.index, match.index + match[0].length],
          score: 0.85,
          reason: "form",
        });
      }
    });
    return findings;
  },
};
