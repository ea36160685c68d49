import { findDates, findPartialDate } from "../date-shapes.ts";
import type { Finding, Recognizer } from "../entity.ts";
import { labelsOf, valueCandidates } from "../labels.ts";
import { isAmount } from "../text-shapes.ts";

/** Full dates in numbers or words, and dates without day or year behind a label ("Expires 03/27"). */
export const dateRecognizer: Recognizer = {
  name: "date",
  types: ["date"],
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
    for (const label of labelsOf(page)) {
      if (label.kind !== "date") continue;
      for (const { text, line, span } of valueCandidates(page, label)) {
        const date = findPartialDate(text);
        if (date === undefined || date.start > 3 || isAmount(text)) continue;
        findings.push({
          type: "date",
          line,
          span: [span[0] + date.start, span[0] + date.end],
          score: 0.7,
          reason: "label",
        });
        break;
      }
    }
    return findings;
  },
};
