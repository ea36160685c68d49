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

/** "(at)", as it is written against collectors of addresses. */
const written = String.raw`\s?[([{]\s?at\s?[)\]}]\s?`;
const dot = String.raw`(?:\.|\s?[([{]\s?dot\s?[)\]}]\s?)`;
const signs = new RegExp(`[@©®]|${written}`, "i");
patterns.push(
  new RegExp(`${name}${written}[\\p{L}\\d-]+(?:${dot}[\\p{L}\\d-]+)*${dot}\\p{L}{2,}(?![\\p{L}\\d])`, "giu"),
);

/** E-mail addresses by their form. */
export const emailRecognizer: Recognizer = {
  name: "email",
  types: ["email"],
  find: (page) =>
    page.lines.flatMap(({ text }, line) =>
      // Without one of the signs the patterns would try every letter of the line for nothing.
      !signs.test(text)
        ? []
        : patterns.flatMap((pattern) => findMatches("email", line, text, pattern, { score: 0.95, reason: "form" })),
    ),
};
