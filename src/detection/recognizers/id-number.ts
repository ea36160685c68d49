import type { Finding, Recognizer } from "../entity.ts";
import { labelsOf } from "../labels.ts";
import { paragraphFindings, paragraphsOf } from "../paragraphs.ts";
import { labelledNumbers, standingAlone } from "./number-value.ts";

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
  needs: ["layout", "labels"],
  find(page) {
    const labels = labelsOf(page);
    const findings: Finding[] = [
      ...labelledNumbers(
        page,
        labels.filter(({ kind }) => kind === "id_number"),
        "id_number",
        { minDigits: 3, score: 0.8 },
      ),
      ...labelledNumbers(
        page,
        labels.filter(({ kind }) => kind === "account"),
        "id_number",
        { minDigits: 5, score: 0.75 },
      ),
      ...standingAlone(page, "id_number"),
    ];
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
