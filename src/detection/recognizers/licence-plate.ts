import { plateFormsOf } from "../../identifiers/licence-plates.ts";
import type { Finding, Recognizer } from "../entity.ts";
import { inItemTable } from "../item-table.ts";
import { type Label, labelsOf, valueCandidates } from "../labels.ts";
import { layoutOf } from "../layout.ts";
import type { OcrPage } from "../ocr.ts";

/** A plate at the start of a label's value, in up to four groups, by its look alone. */
const atStart =
  /^(?=[A-ZÄÖÜ\d\s·-]*\d)[A-ZÄÖÜ\d]{1,4}(?:\s?[-·]\s?|\s)?[A-ZÄÖÜ\d]{1,4}(?:(?:\s?-\s?|\s)[A-Z\d]{1,4}){0,2}(?![\p{L}\d])/u;

/** Groups on a line that may be a plate of a form that nothing else has. */
const alone =
  /(?<![\p{L}\d.,:/-])(?:[A-Z]{1,3}|\d{1,2})[ -]?(?:\d{1,4}|[A-Z]{2,3})(?:[ -]?[A-Z\d]{1,3})(?:[ -]?\d{4})?(?![\p{L}\d/-]|[.,:]\d)/gu;

/** Words that stand before plates without a mark. */
const wordBefore =
  /(?<!\p{L})(?:plates?|vehicle|car|lorry|kenderaan|kennzeichen|kfz|immatriculation|immat|matricula|targa|kenteken)(?:\s?(?:no|nr|number))?[\s.:]*$/u;
/** Other things are registered too: only before Britain's form. */
const registration = /(?<!\p{L})reg(?:n|istration)?(?:\s?(?:no|nr|number))?[\s.:]*$/u;

/** Licence plates: behind a label, or of a country's distinct form (Singapore's check letter, hyphens, state codes). */
export const licencePlateRecognizer: Recognizer = {
  name: "licence_plate",
  types: ["licence_plate"],
  needs: ["layout", "labels"],
  find(page) {
    const findings = labelsOf(page).flatMap((label) => (label.kind === "licence_plate" ? labelled(page, label) : []));
    const inTable = inItemTable(page);
    for (const segment of layoutOf(page).segments) {
      if (!/\d/.test(segment.text) || inTable(segment)) continue;
      for (const match of segment.text.matchAll(alone)) {
        const before = segment.folded.slice(0, match.index);
        const forms = plateFormsOf(match[0]);
        const cued = forms.find(
          ({ country }) => wordBefore.test(before) || (country === "GB" && registration.test(before)),
        );
        const known = cued ?? forms.find(({ distinct }) => distinct);
        if (known === undefined || match[0].length < 6) continue;
        // Without a hyphen or a check letter two letters and four digits are an article's number.
        if (!cued && known.country === "SG" && !/[ -]/.test(match[0])) continue;
        const start = segment.span[0] + match.index;
        findings.push({
          type: "licence_plate",
          line: segment.line,
          span: [start, start + match[0].length],
          score: known.complete || cued ? 0.7 : 0.55,
          reason: cued ? "word before it" : known.complete ? "check letter" : "form",
          evidence: { check: `${known.country.toLowerCase()}-plate` },
        });
      }
    }
    return findings;
  },
};

function labelled(page: OcrPage, label: Label): Finding[] {
  for (const { text, line, span } of valueCandidates(page, label)) {
    const match = atStart.exec(text);
    if (match === null || !/\p{L}/u.test(match[0])) continue;
    const value = longestPlate(match[0]) ?? match[0];
    const known = plateFormsOf(value)[0];
    return [
      {
        type: "licence_plate",
        line,
        span: [span[0], span[0] + value.length],
        score: known ? 0.9 : 0.75,
        reason: known ? "label and form" : "label",
        evidence: { cue: label.word, ...(known && { check: `${known.country.toLowerCase()}-plate` }) },
      },
    ];
  }
  return [];
}

/** The longest part from the start that has a country's form: words may follow it. */
function longestPlate(text: string): string | undefined {
  const ends = [...text.matchAll(/[A-ZÄÖÜ\d]+/g)].map((group) => group.index + group[0].length).reverse();
  const end = ends.find((at) => plateFormsOf(text.slice(0, at)).length > 0);
  return end === undefined ? undefined : text.slice(0, end);
}
