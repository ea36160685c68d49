/** Calendar dates in numbers and words. Times alone are not dates. */
import { distance } from "fastest-levenshtein";
import { fold, mendDigits } from "./fold.ts";
import { countDigits } from "./text-shapes.ts";

const months =
  "jan(?:uary|uar|vier|uari)?|ene(?:ro)?|genn?(?:aio)?|gen|feb(?:ruary|ruar|ruari|rero|braio)?|fevr?(?:ier)?|mar(?:ch|s|zo|et)?|marz|maart|mrt|mac|apr(?:il|ile)?|avr(?:il)?|abr(?:il)?|may|mai|mei|mayo|mag(?:gio)?|june?|juin|juni|jun(?:io)?|giu(?:gno)?|july?|juil(?:let)?|juli|jul(?:io)?|julai|lug(?:lio)?|aug(?:ust|ustus)?|aout|ago(?:sto)?|ogos|sept?(?:ember|embre|iembre)?|sett?(?:embre)?|set|okt(?:ober)?|oct(?:ober|obre|ubre)?|ott(?:obre)?|nov(?:ember|embre|iembre)?|de[cz](?:ember|embre)?|dic(?:iembre|embre)?|dis(?:ember)?";

const ordinal = String.raw`(?:st|nd|rd|th|er|ste|de|\.|º|°)?`;
const year = "(?:19|20)\\d{2}";

interface Form {
  readonly pattern: RegExp;
  /** Groups with day and month, where they are numbers. */
  readonly numeric?: readonly [number, number];
  /** The group with the separator: a number may be glued to the date by another one ("#19-18/03/2018"). */
  readonly separator?: number;
}

const forms: readonly Form[] = [
  // 31/12/2024, 31.12.24, 31-12-2024, 12/31/2024; OCR puts spaces around the separator, reads it twice, and leaves none
  // before a time
  {
    pattern: new RegExp(
      `(?<![\\d,/])(\\d{1,2})\\s?([./-])\\2?\\s?(\\d{1,2})\\s?\\2{1,2}\\s?(${year}|\\d{2})(?:(?=\\d{2}:\\d{2})|(?![\\d/]|[.,-]\\d))`,
      "gu",
    ),
    numeric: [1, 3],
    separator: 2,
  },
  // 31 12 2024, in boxes of forms
  { pattern: new RegExp(`(?<![\\d.,/-]\\s?)(\\d{2})\\s(\\d{2})\\s(${year})(?!\\s?\\d)`, "gu"), numeric: [1, 2] },
  // 2024-12-31, 2024/12/31, 2024.12.31
  {
    pattern: new RegExp(`(?<![\\d.,/])${year}\\s?([./-])\\s?(\\d{1,2})\\s?\\1\\s?(\\d{1,2})(?!\\d)`, "gu"),
    numeric: [3, 2],
  },
  // 31 December 2024, 31-Dec-24, 31. Dezember 2024, 3 de mayo de 2024, 15JUN18
  {
    pattern: new RegExp(
      `(?<![\\d\\p{L}])\\d{1,2}${ordinal}[\\s./,-]*(?:de\\s+|of\\s+)?(?:${months})[\\s.,'’/-]*(?:del?\\s+)?(?:${year}|\\d{2})(?!\\d)`,
      "gu",
    ),
  },
  // December 31, 2024; Oct 3, 2016
  {
    pattern: new RegExp(`(?<![\\p{L}])(?:${months})\\.?[\\s-]*\\d{1,2}${ordinal}\\s*[,.'’-]?\\s*${year}(?!\\d)`, "gu"),
  },
  { pattern: new RegExp(`(?<![\\p{L}])(?:${months})[\\s.-]+\\d{1,2}[\\s,'’-]+\\d{2}(?![\\d:])`, "gu") },
];

/** A month of five letters or more with one misread: "26 seprembre 2022". */
const misreadMonth = new RegExp(
  `(?<![\\d\\p{L}])\\d{1,2}${ordinal}\\s+(?:de\\s+)?(\\p{L}{5,10})\\.?\\s+(?:del?\\s+)?${year}(?!\\d)`,
  "gu",
);
const monthNames =
  "january february march april august september october november december januar februar august oktober dezember janvier fevrier avril juillet septembre octobre novembre decembre enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre januari februari maart augustus ogos disember".split(
    " ",
  );

/** Without a day or a year: only where a label says it is a date. */
const partial = new RegExp(
  `(?<![\\d./-])\\d{1,2}\\s?[/.-]\\s?(?:${year}|\\d{2})(?![\\d./-])|(?<![\\p{L}])(?:${months})[\\s.]+${year}(?!\\d)|(?<![\\d\\p{L}])\\d{1,2}${ordinal}[\\s.-]*(?:de\\s+)?(?:${months})(?![\\p{L}])|(?<![\\d.])\\d{1,2}[./-]\\d{1,2}[.]?(?![\\d./-])`,
  "gu",
);

/** Ranges of full dates in a text. */
export function findDates(text: string): { readonly start: number; readonly end: number }[] {
  if (countDigits(text) < 3) return [];
  // Letters read for digits are put right first; month names are left alone, they stand in words without digits.
  const plain = fold(mendDigits(text));
  const found: { start: number; end: number }[] = [];
  for (const { pattern, numeric, separator } of forms) {
    for (const match of plain.matchAll(pattern)) {
      const glue = separator && /\d([.-])$/.exec(plain.slice(Math.max(0, match.index - 2), match.index))?.[1];
      if (glue && (glue === match[separator] || !/\d{4}$/.test(match[0]))) continue;
      const timeFollows = /^\s+\d{1,2}[:.]\d{2}/.test(plain.slice(match.index + match[0].length));
      // A time behind it vouches for a date with a misread figure.
      if (numeric && !timeFollows && !possible(match[numeric[0]]!, match[numeric[1]]!) && !nearly(match[0])) continue;
      found.push({ start: match.index, end: match.index + match[0].length });
    }
  }
  for (const match of plain.matchAll(misreadMonth)) {
    const start = match.index;
    if (found.some((date) => date.start <= start && start < date.end)) continue;
    if (monthNames.some((month) => distance(month, match[1]!) === 1))
      found.push({ start, end: start + match[0].length });
  }
  return found;
}

/** The first date without day or year. */
export function findPartialDate(text: string): { readonly start: number; readonly end: number } | undefined {
  for (const match of fold(mendDigits(text)).matchAll(partial))
    return { start: match.index, end: match.index + match[0].length };
  return undefined;
}

/** What is left of a date whose digits or separators are misread ("30-092017", "20/03/201¢"); not a time. */
export function findDamagedDate(text: string): { readonly start: number; readonly end: number } | undefined {
  const match = /^\W*?([\d£$¢OolISBZ|!][^\s:]*(?:\s?[./-]\s?[^\s:]+|\s[£$¢JOolI|!](?=\s)|\s\d[^\s:]*){0,3})/u.exec(
    text,
  );
  if (match === null || countDigits(match[1]!) < 4 || /^\d{4}$/.test(match[1]!)) return undefined;
  const start = match[0].length - match[1]!.length;
  return { start, end: match[0].length };
}

/** "15-17-2010": a figure of the month is misread. With a year of four figures, and separators, it can be little else. */
function nearly(text: string): boolean {
  const [, first, , second] = /^(\d{2})([./-])(\d{2})\2(?:19|20)\d{2}$/.exec(text) ?? [];
  return [first, second].every((part) => Number(part) >= 1 && Number(part) <= 31);
}

/** Day and month in either order; OCR reads 8 for 0. */
function possible(first: string, second: string): boolean {
  const fits = (a: number, b: number): boolean => Math.min(a, b) >= 1 && Math.min(a, b) <= 12 && Math.max(a, b) <= 31;
  const mended = (text: string): number => Number(text.replace(/^8/, "0"));
  return (
    fits(Number(first), Number(second)) ||
    (first.length === 2 && second.length === 2 && fits(mended(first), mended(second)))
  );
}
