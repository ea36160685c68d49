/** Addresses in running text, or whole in one line: a postcode with its town, and the street before it. */
import { addressScore, weakAddress } from "../address-shapes.ts";
import type { Finding } from "../entity.ts";
import { layoutOf } from "../layout.ts";
import type { OcrPage } from "../ocr.ts";
import { type Paragraph, paragraphFindings, paragraphsOf } from "../paragraphs.ts";

const capital = String.raw`\p{Lu}[\p{L}'’.-]*\p{L}`;
const town = `${capital}(?:(?:[\\s-]+(?:aan|am|an|de|del|der|di|en|im|in|la|le|les|los|op|over|sous|sur|upon))*[\\s-]+${capital}){0,3}`;

/** What an address ends with, that in a table may be a number of an article and its name. */
const inSentences: readonly RegExp[] = [
  // 56014 Berlin, D-10115 Berlin, 80271 Sordio (SO), 83017 Klang, Perak
  new RegExp(`(?<![\\d.,-])(?:[A-Z]{1,2}-)?\\d{5}\\s+${town}(?:\\s\\([A-Z]{2}\\)|,\\s+${capital}(?=[\\s.,;]))?`, "gu"),
  // 6674 HK Wessing
  new RegExp(`(?<![\\d.,-])[1-9]\\d{3}\\s?[A-Z]{2}\\s+${town}`, "gu"),
];

/** What nothing but an address ends with. */
const anywhere: readonly RegExp[] = [
  // Springfield, IL 62704; OCR reads a point for the comma
  new RegExp(`${town}[,.]?\\s+[A-Z]{2}\\s+\\d{5}(?:-\\d{4})?(?!\\d)`, "gu"),
  // London SW1A 1AA
  new RegExp(`${town},?\\s+[A-Z]{1,2}\\d[A-Z\\d]?\\s\\d[A-Z\\d]{2}(?![\\p{L}\\d])`, "gu"),
];
const all = [...inSentences, ...anywhere];

/** Words with a small letter that stand inside streets. */
const inStreet =
  /^(?:de|del|della|di|da|du|des|der|den|dem|van|von|la|le|el|los|las|of|the|und|y|et|bis|ter|aan|am|an|auf|im|in|zum|zur|s\/n\.?,?|n[º°.]?,?|rue|avenue|boulevard|place|allée|chemin|quai|impasse|calle|via|viale|piazza)$/u;
/** What OCR reads at the end of a street for "Avenue,". */
const streetKind = /^(?:avenue|boulevard|drive|highway|lane|parkway|place|road|square|street)\.$/i;
const maxWords = 14;

export function addressesInSentences(page: OcrPage): Finding[] {
  const paragraphs = paragraphsOf(page);
  const running = new Set(paragraphs.flatMap(({ parts }) => parts.map(({ segment }) => segment)));
  const alone = layoutOf(page).segments.filter((segment) => !running.has(segment));
  return [
    ...paragraphs.flatMap((paragraph) => addressesEndingIn(all, paragraph, "sentence")),
    ...alone.flatMap((segment) =>
      addressesEndingIn(anywhere, { text: segment.text, parts: [{ segment, start: 0 }] }, "whole address"),
    ),
  ];
}

function addressesEndingIn(anchors: readonly RegExp[], paragraph: Paragraph, reason: string): Finding[] {
  return anchors.flatMap((anchor) =>
    [...paragraph.text.matchAll(anchor)].flatMap((match) => {
      const start = streetStart(paragraph.text, match.index);
      if (start === undefined) return [];
      const range = [start, match.index + match[0].length] as const;
      return paragraphFindings(paragraph, range, { type: "address", score: 0.75, reason });
    }),
  );
}

/** Goes back over the words of the street; undefined when what stands before is none. */
function streetStart(text: string, anchor: number): number | undefined {
  const words = [...text.slice(0, anchor).matchAll(/\S+/g)].slice(-maxWords);
  let start: number | undefined;
  for (const word of words.reverse()) {
    const part = word[0];
    // The end of the sentence before; "St." and "Nr." are short.
    if ((/\p{Ll}{4,}\.$/u.test(part) && !streetKind.test(part)) || /[:;!?]$/.test(part)) break;
    if (/^["(]?[\p{Lu}\d#]/u.test(part)) start = word.index;
    else if (!inStreet.test(part)) break;
    else if (/^(?:rue|avenue|boulevard|place|allée|chemin|quai|impasse|calle|via|viale|piazza)$/u.test(part))
      start = word.index;
  }
  if (start === undefined) return undefined;
  const street = text.slice(start, anchor);
  return /\d|s\/n/.test(street) || addressScore(street) >= weakAddress ? start : undefined;
}
