import { hostName, plainHostName } from "../domains.ts";
import type { Finding, Recognizer } from "../entity.ts";
import { findMatches } from "../matches.ts";

const path = String.raw`(?:\/[\w./?=&%#~-]*)?`;
/** With a scheme or "www", OCR's spaces and lost points are forgiven. */
const marked = new RegExp(
  String.raw`(?<![\p{L}\d@])(?:h[it]{1,2}ps?\s?[:;]?\s?[/\\]{1,2}\s?(?:www\s?[.,]?\s?)?|https?\s?[:;]?\s?[/\\]{0,2}\s?www\s?[.,]?\s?|w{2,3}\s?[.,]\s?|www\s)${hostName}(?![\p{L}\d])${path}`,
  "giu",
);
const bareDomain = new RegExp(String.raw`(?<![@\p{L}\d.-])${plainHostName}(?![\p{L}\d@-])${path}`, "giu");

/** What the patterns can't do without; looked for first, because they try every letter of a line. */
const beforeHost = /h[it]{1,2}ps?|ww/i;
const inDomain = /[\p{L}\d]\.[a-z]{2}/iu;

/** Web addresses: with a scheme or "www", or a domain with a known ending. */
export const urlRecognizer: Recognizer = {
  name: "url",
  types: ["url"],
  find: (page) =>
    page.lines.flatMap(({ text }, line) => {
      const found = (pattern: RegExp, score: number): Finding[] =>
        findMatches("url", line, text, pattern, { score, reason: "form" });
      return [
        ...(beforeHost.test(text) ? found(marked, 0.93) : []),
        ...(inDomain.test(text) ? found(bareDomain, 0.7) : []),
      ];
    }),
};
