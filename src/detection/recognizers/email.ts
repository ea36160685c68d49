import { hostName } from "../domains.ts";
import type { Recognizer } from "../entity.ts";
import { findMatches } from "../matches.ts";

/** Begins where a word does: else every letter of a long word would be tried. */
const name = String.raw`(?<![\p{L}\d])[\p{L}\d](?:[\p{L}\d._%+-]*[\p{L}\d_-])?`;
// OCR puts spaces around "@" and points, loses points, and reads "@" as other round signs.
const patterns = [
  new RegExp(`${name}\\s?[@©®]\\s?${hostName}(?![\\p{L}\\d])`, "giu"),
  new RegExp(`${name}\\s?[@©®]\\s?[\\p{L}\\d-]+(?:\\s?\\.\\s?[\\p{L}\\d-]+)*\\s?\\.\\s?\\p{L}{2,}`, "giu"),
];

/** E-mail addresses by their form. */
export const emailRecognizer: Recognizer = {
  name: "email",
  types: ["email"],
  find: (page) =>
    page.lines.flatMap(({ text }, line) =>
      // Without one of the signs the patterns would try every letter of the line for nothing.
      !/[@©®]/.test(text)
        ? []
        : patterns.flatMap((pattern) => findMatches("email", line, text, pattern, { score: 0.95, reason: "form" })),
    ),
};
