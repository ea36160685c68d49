import type { Finding, Recognizer } from "../entity.ts";

const month =
  "jan(?:uary|uar|vier|uari)?|ene(?:ro)?|genn?(?:aio)?|feb(?:ruary|ruar|ruari|rero|braio)?|févr?(?:ier)?|fev|mar(?:ch|s|zo|et)?|märz|maart|mrt|apr(?:il|ile)?|avr(?:il)?|abr(?:il)?|may|mai|mei|mayo|mag(?:gio)?|june?|juin|juni|jun(?:io)?|giu(?:gno)?|july?|juil(?:let)?|juli|jul(?:io)?|lug(?:lio)?|aug(?:ust|ustus)?|août|aout|ago(?:sto)?|sept?(?:ember|embre|iembre)?|sett?(?:embre)?|set|okt(?:ober)?|oct(?:ober|obre|ubre)?|ott(?:obre)?|nov(?:ember|embre|iembre)?|de[cz](?:ember)?|déc(?:embre)?|dic(?:iembre|embre)?|ogos|disember|mac|julai";

const digit = "[\\dOoIl]";
const forms: readonly RegExp[] = [
  // 31/12/2024, 31.12.24, 31-12-2024, 12/31/2024; OCR spaces around the separator
  new RegExp(
    `(?<![\\d.,/])(${digit}{1,2})\\s?([./-])\\s?(${digit}{1,2})\\s?\\2\\s?(${digit}{4}|${digit}{2})(?![\\d/]|[.,-]\\d)`,
    "giu",
  ),
  // 2024-12-31, 2024/12/31
  /(?<![\d.,/])(?:19|20)\d{2}([./-])\d{1,2}\1\d{1,2}(?!\d)/giu,
  // 31 December 2024, 31-Dec-24, 31. Dezember 2024, le 3 mars 2024, 3 de mayo de 2024
  new RegExp(
    `(?<![\\d\\p{L}])\\d{1,2}(?:st|nd|rd|th|er|\\.|º)?[\\s./-]*(?:de\\s+)?(?:${month})\\.?[\\s.,'/-]*(?:del?\\s+)?(?:(?:19|20)\\d{2}|\\d{2})(?!\\d)`,
    "giu",
  ),
  // December 31, 2024
  new RegExp(`(?<![\\p{L}])(?:${month})\\.?\\s*\\d{1,2}(?:st|nd|rd|th)?\\s*,?\\s*(?:19|20)\\d{2}(?!\\d)`, "giu"),
];

const asNumber = (text: string): number => Number(text.replace(/[Oo]/g, "0").replace(/[Il]/g, "1"));

/** Calendar dates in numbers and words. Times alone are not dates. */
export const dateRecognizer: Recognizer = {
  name: "date",
  types: ["date"],
  find: (page) =>
    page.lines.flatMap(({ text }, line) => {
      const findings: Finding[] = [];
      for (const [index, form] of forms.entries()) {
        for (const match of text.matchAll(form)) {
          if (index === 0 && !possible(match[1]!, match[3]!)) continue;
          findings.push({
            type: "date",
            line,
            span: [match.index, match.index + match[0].length],
            score: 0.9,
            reason: "form",
          });
        }
      }
      return findings;
    }),
};

/** Day and month in either order. */
function possible(first: string, second: string): boolean {
  const [a, b] = [asNumber(first), asNumber(second)];
  return a >= 1 && b >= 1 && Math.min(a, b) <= 12 && Math.max(a, b) <= 31;
}
