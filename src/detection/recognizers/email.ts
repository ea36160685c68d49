import { hostName } from "../domains.ts";
import type { Finding, Recognizer } from "../entity.ts";
import { type Located, labelsOf, valueCandidates } from "../labels.ts";
import { spansOverlap } from "../lines.ts";
import { findMatches } from "../matches.ts";

/** Begins where a word does: else every letter of a long word would be tried. */
// "03-2398 5764contact@…": reading lost the mark between a number and the address.
const name = String.raw`(?:(?<![\p{L}\d])(?!(?<=\d[\s-])\d{3,4}\p{L})[\p{L}\d]|(?<=\d[\s-]\d{3,4})\p{L})(?:[\p{L}\d._%+-]*[\p{L}\d_-])?`;
// OCR puts spaces around "@" and points, loses points, and reads "@" as other round signs.
const patterns = [
  // "info(a example.de", "contact(example.es": the sign was read as a bracket.
  new RegExp(`${name}\\(\\p{Ll}(?:\\p{Ll}?\\s)?${hostName}(?![\\p{L}\\d(])`, "gu"),
  new RegExp(`${name}\\s?[@©®]\\s?${hostName}(?![\\p{L}\\d])`, "giu"),
  new RegExp(`${name}\\s?[@©®]\\s?[\\p{L}\\d-]+(?:\\s?\\.\\s?[\\p{L}\\d-]+)*\\s?\\.\\s?\\p{L}{2,}`, "giu"),
];

/** "(at)", as it is written against collectors of addresses. */
const written = String.raw`\s?[([{]\s?at\s?[)\]}]\s?`;
const dot = String.raw`(?:\.|\s?[([{]\s?dot\s?[)\]}]\s?)`;
const signs = new RegExp(`[@©®]|\\p{Ll}\\(\\p{Ll}|${written}`, "iu");
patterns.push(
  new RegExp(`${name}${written}[\\p{L}\\d-]+(?:${dot}[\\p{L}\\d-]+)*${dot}\\p{L}{2,}(?![\\p{L}\\d])`, "giu"),
);

/** An address whose "@" was not read: one long word, or the parts of a host name that lost their points. */
const withoutSign = new RegExp(
  `^(?:[\\p{L}\\d._+-]{8,}(?!\\S)|[\\p{L}\\d._+-]{2,}[^\\p{L}\\d\\s]?\\s?${hostName}(?!\\S))`,
  "iu",
);

/** E-mail addresses by their form; behind a label also what OCR left of one. */
export const emailRecognizer: Recognizer = {
  name: "email",
  types: ["email"],
  needs: ["layout", "labels"],
  find(page) {
    const findings: Finding[] = page.lines.flatMap(({ text }, line) =>
      // Without one of the signs the patterns would try every letter of the line for nothing.
      !signs.test(text)
        ? []
        : patterns.flatMap((pattern) => findMatches("email", line, text, pattern, { score: 0.95, reason: "form" })),
    );
    const isFound = ({ line, span }: Located): boolean =>
      findings.some((finding) => finding.line === line && spansOverlap(finding.span, span));
    for (const label of labelsOf(page)) {
      if (label.kind !== "email") continue;
      const [value] = valueCandidates(page, label);
      const match = value && !isFound(value) && withoutSign.exec(value.text);
      if (!match) continue;
      const { line, span } = value;
      const evidence = { cue: label.word };
      findings.push({
        type: "email",
        line,
        span: [span[0], span[0] + match[0].length],
        score: 0.55,
        reason: "label",
        evidence,
      });
    }
    return findings;
  },
};
