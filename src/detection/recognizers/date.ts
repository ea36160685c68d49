import { findDamagedDate, findDates, findPartialDate } from "../date-shapes.ts";
import type { Finding, Recognizer } from "../entity.ts";
import { type Label, labelsOf, valueCandidates } from "../labels.ts";
import type { OcrPage } from "../ocr.ts";
import { isAmount } from "../text-shapes.ts";

/** Full dates in numbers or words, and dates without day or year behind a label ("Expires 03/27"). */
export const dateRecognizer: Recognizer = {
  name: "date",
  types: ["date"],
  needs: ["layout", "labels"],
  find(page) {
    const findings: Finding[] = page.lines.flatMap(({ text }, line) =>
      findDates(text).map(({ start, end }) => ({
        type: "date" as const,
        line,
        span: [start, end] as const,
        score: 0.9,
        reason: "form",
      })),
    );
    for (const label of labelsOf(page))
      if (label.kind === "date" || label.kind === "birth_date") findings.push(...labelledDate(page, label));
    return findings;
  },
};

function labelledDate(page: OcrPage, label: Label): Finding[] {
  for (const { text, line, span } of valueCandidates(page, label)) {
    if (isAmount(text) || findDates(text).length > 0) continue;
    const partial = findPartialDate(text);
    const date = partial && partial.start <= 3 ? partial : findDamagedDate(text);
    if (date === undefined) continue;
    const score = date === partial ? 0.7 : 0.55;
    const evidence = { cue: label.word };
    return [{ type: "date", line, span: [span[0] + date.start, span[0] + date.end], score, reason: "label", evidence }];
  }
  return [];
}
