import type { Finding, Recognizer } from "../entity.ts";
import { labelled, labels } from "../labels.ts";

/** One to five words of letters; initials, hyphens, apostrophes and the particles of names may stand between. */
const name = /^\p{L}[\p{L}'’.-]*(?:\s+(?:\p{L}[\p{L}'’.-]*|[@&/])){0,4}/u;
const titles =
  /(?<![\p{L}])(?:mr|mrs|ms|miss|mdm|madam|dr|prof|herr|frau|mme|mlle|monsieur|madame|sr|sra|señor|señora|sig|sig\.ra|dhr|mevr|dato'?|datuk|tuan|puan|encik|cik)\.?\s+(\p{Lu}[\p{L}'’.-]*(?:\s+\p{Lu}[\p{L}'’.-]*){0,3})/giu;

/** Words that follow a person's label and are nobody's name. */
const notNames =
  /^(?:cash|card|no|nr|name|names|date|time|total|amount|signature|stamp|copy|order|invoice|receipt|address|code|id|user|admin|counter|table|pos|terminal|pax|walk|walk-in|guest|service|care|support|number|type|details|information|tel|fax|phone|email|to|by|of|the|and|or|here|please|note|n\/a|none|sir|madam|all|account|group|due|paid|change|qty|item|items|description|price|ref|sign|cashier\d*|server|staff|temp|manager|sales)$/iu;

/** What may follow a name on its line. */
const stop =
  /(?<![\p{L}])(?:date|time|tel|fax|phone|table|pos|counter|no|nr|pax|station|terminal|invoice|bill|id|trx|signature)\b|\d{2,}|[:|]|\s-\s/iu;

/** Persons, by the label before their name or a title. */
export const personRecognizer: Recognizer = {
  name: "person",
  types: ["person"],
  find(page) {
    const findings: Finding[] = [];
    for (const located of labelled(page, labels.person, stop)) {
      const match = name.exec(located.text);
      if (!match) continue;
      const text = match[0].trim();
      const parts = text.split(/\s+/);
      if (
        text.match(/\p{L}/gu)!.length < 3 ||
        parts.some((part) => notNames.test(part.replace(/\.$/, ""))) ||
        labels.phone.test(text) ||
        labels.date.test(text)
      )
        continue;
      // Prose after a word like "customer" starts in small letters.
      if (/^\p{Ll}/u.test(text)) continue;
      findings.push({
        type: "person",
        line: located.line,
        span: [located.span[0], located.span[0] + text.length],
        score: parts.length > 1 ? 0.85 : 0.75,
        reason: "label",
      });
    }
    page.lines.forEach(({ text }, line) => {
      for (const match of text.matchAll(titles)) {
        const value = match[1]!.trimEnd();
        if (!/^\p{Lu}/u.test(value) || value.length < 3 || notNames.test(value)) continue;
        const start = match.index + match[0].indexOf(value);
        findings.push({ type: "person", line, span: [start, start + value.length], score: 0.8, reason: "title" });
      }
    });
    return findings;
  },
};
