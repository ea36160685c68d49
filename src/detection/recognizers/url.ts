import type { Recognizer } from "../entity.ts";

const domain = String.raw`(?:[a-z\d](?:[a-z\d-]*[a-z\d])?\.)+(?:com|net|org|biz|info|io|shop|store|eu|de|fr|it|es|nl|be|at|ch|uk|us|my|sg|in)(?:\.[a-z]{2})?(?:\/[\w./?=&%-]*)?`;
const pattern = new RegExp(String.raw`(?:https?:\s?\/\/\s?|www\s?\.\s?)?(?<![@\p{L}\d])${domain}(?![\p{L}\d@])`, "giu");

/** Web addresses: with a scheme or "www", or a domain of a known ending. */
export const urlRecognizer: Recognizer = {
  name: "url",
  types: ["url"],
  find: (page) =>
    page.lines.flatMap(({ text }, line) =>
      [...text.matchAll(pattern)]
        .filter((match) => text[match.index - 1] !== "@" && text[match.index + match[0].length] !== "@")
        .map((match) => ({
          type: "url" as const,
          line,
          span: [match.index, match.index + match[0].length] as const,
          score: /^(?:https?:|www)/i.test(match[0]) ? 0.95 : 0.7,
          reason: "form",
        })),
    ),
};
