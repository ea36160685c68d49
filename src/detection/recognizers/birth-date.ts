import { findDamagedDate, findDates, findPartialDate } from "../date-shapes.ts";
import type { Finding, Recognizer } from "../entity.ts";
import { fold } from "../fold.ts";
import { type Label, labelsOf, valueCandidates } from "../labels.ts";
import type { OcrPage } from "../ocr.ts";
import { paragraphFindings, paragraphsOf } from "../paragraphs.ts";

/** Right before a date in running text. */
const spoken =
  /(?<!\p{L})(?:born(?:\s+on)?|geboren(?:\s+am)?|geb\.?|nee?\s+le|ne\(e\)\s+le|nacid[oa]\s+el|nat[oa]\s+(?:a\s+[\p{L}' ]{2,30}?\s+)?il|geboren\s+op|lahir\s+pada|date\s+of\s+birth|dob)\W{0,3}(?:the\s+|den\s+)?$/u;

/** Dates of birth: a date beside or below such a label, or behind "born on" in a sentence. */
export const birthDateRecognizer: Recognizer = {
  name: "birth_date",
  types: ["birth_date"],
  needs: ["layout", "labels"],
  find(page) {
    const findings: Finding[] = labelsOf(page).flatMap((label) =>
      label.kind === "birth_date" ? labelled(page, label) : [],
    );
    for (const paragraph of paragraphsOf(page)) {
      for (const { start, end } of findDates(paragraph.text)) {
        const cue = spoken.exec(fold(paragraph.text.slice(0, start)));
        if (cue === null) continue;
        const evidence = { cue: cue[0].trim().split(/\W/u)[0]! };
        findings.push(
          ...paragraphFindings(paragraph, [start, end], {
            type: "birth_date",
            score: 0.92,
            reason: "sentence",
            evidence,
          }),
        );
      }
    }
    return findings;
  },
};

/** The nearest date of the label: "Berlin, 3. Mai 1980" behind "born" has a place first. */
function labelled(page: OcrPage, label: Label): Finding[] {
  for (const { text, line, span } of valueCandidates(page, label)) {
    const full = findDates(text)[0];
    const partial = full ?? findPartialDate(text) ?? findDamagedDate(text);
    const year = /(?<!\d)(?:19|20)\d\d(?!\d)/.exec(text);
    const date = partial ?? (year ? { start: year.index, end: year.index + 4 } : undefined);
    if (date === undefined) continue;
    const score = full ? 0.95 : 0.75;
    return [
      {
        type: "birth_date",
        line,
        span: [span[0] + date.start, span[0] + date.end],
        score,
        reason: "label",
        evidence: { cue: label.word },
      },
    ];
  }
  return [];
}
