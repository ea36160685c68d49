import { isFrenchSocialSecurity, isItalianFiscalCode, isSpanishId } from "../check-digits.ts";
import type { Finding, Recognizer } from "../entity.ts";
import { labelsOf } from "../labels.ts";
import { paragraphFindings, paragraphsOf } from "../paragraphs.ts";
import { labelledNumbers } from "./number-value.ts";

interface Form {
  readonly pattern: RegExp;
  readonly score: number;
  readonly reason: string;
  check?(bare: string): boolean;
}

const forms: readonly Form[] = [
  // US social security number; the area is never 000, 666 or above 899
  { pattern: /(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])/g, score: 0.85, reason: "form" },
  // Malaysian identity card: birth date, place, number
  { pattern: /(?<!\d)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-\d{2}-\d{4}(?!\d)/g, score: 0.85, reason: "form" },
  {
    pattern: /(?<![A-Z\d])(?:[XYZ]-?\d{7}|\d{8})-?[A-Z](?![A-Z\d])/g,
    score: 0.75,
    reason: "check letter",
    check: isSpanishId,
  },
  {
    pattern: /(?<![A-Z\d])[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z](?![A-Z\d])/g,
    score: 0.95,
    reason: "check letter",
    check: isItalianFiscalCode,
  },
  {
    pattern: /(?<!\d)[12]\s?\d{2}\s?\d{2}\s?(?:\d{2}|2[AB])\s?\d{3}\s?\d{3}\s?\d{2}(?!\d)/g,
    score: 0.9,
    reason: "check digits",
    check: isFrenchSocialSecurity,
  },
  // Machine-readable lines of identity documents (ICAO 9303): OCR reads "<" as "«" or "‹" too
  {
    pattern: /(?<!\S)(?=\S*\d\S*\d)[A-Z\d<«‹]{6,}(?:[<«‹]{2,}[A-Z\d<«‹]*)+(?!\S)/g,
    score: 0.95,
    reason: "machine-readable line",
  },
  {
    pattern: /(?<!\S)\d{6}\d[MFX<]\d{6}\d[A-Z<«‹]{3}[A-Z\d<«‹]{5,}(?!\S)/g,
    score: 0.95,
    reason: "machine-readable line",
  },
];

/** "quoting the number 75446605", in running text only. */
const quoted =
  /(?<!\p{L})(?:number|no\.|nummer|nr\.|num[eé]ro|n[°º]|n[uú]mero|kenmerk(?: van)?|vermelding van|referen[a-z]+|aktenzeichen|kundennummer)\s+(?:is\s+)?([A-Z]{0,3}-?\d[\dA-Z/-]{3,19})(?![\dA-Z])/giu;

/**
 * Numbers of persons: identity documents, insurances, memberships, customers, bank accounts. By label; by a form with
 * check digits; in running text after a word like "number".
 */
export const idNumberRecognizer: Recognizer = {
  name: "id_number",
  types: ["id_number"],
  find(page) {
    const labels = labelsOf(page);
    const findings: Finding[] = [
      ...labelledNumbers(
        page,
        labels.filter(({ kind }) => kind === "idNumber"),
        "id_number",
        { minDigits: 3, score: 0.8 },
      ),
      ...labelledNumbers(
        page,
        labels.filter(({ kind }) => kind === "account"),
        "id_number",
        { minDigits: 5, score: 0.75 },
      ),
    ];
    page.lines.forEach(({ text }, line) => {
      for (const { pattern, score, reason, check } of forms) {
        for (const match of text.matchAll(pattern)) {
          if (check && !check(match[0].replace(/[^A-Z\d]/g, ""))) continue;
          findings.push({ type: "id_number", line, span: [match.index, match.index + match[0].length], score, reason });
        }
      }
    });
    for (const paragraph of paragraphsOf(page)) {
      for (const match of paragraph.text.matchAll(quoted)) {
        const end = match.index + match[0].length;
        findings.push(
          ...paragraphFindings(paragraph, [end - match[1]!.length, end], {
            type: "id_number",
            score: 0.6,
            reason: "number in a sentence",
          }),
        );
      }
    }
    return findings;
  },
};
