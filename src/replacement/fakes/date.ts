/**
 * Dates and times. All dates under one key move by the same number of days, so that intervals survive, also those between
 * documents; every date keeps its exact format and stays a date of the calendar.
 */
import type { KeyedRandom } from "../keyed-random.ts";
import { inCaseOf } from "../letters.ts";
import { monthNames, weekdayNames } from "./date-names.ts";

export interface DateShift {
  /** Days added to every date. */
  readonly days: number;
  /** Minutes added to every time of day; the time stays in its half of the day. */
  readonly minutes: number;
}

/**
 * Moves into the past, 410 to 1,050 days, so that no invented date lies in the future. What is left of whole years lies 45
 * days or more from either end: year and month of every date change, so that none resembles itself.
 */
export const drawShift = (random: KeyedRandom): DateShift => ({
  days: -(365 * (1 + random.int(2)) + 45 + random.int(276)),
  minutes: 61 + random.int(598),
});

/**
 * Whether the numbers of numeric dates stand in the order day, month. The first date of the texts that can be read only
 * one way decides; `undefined` when there is none.
 */
export function readsDayFirst(texts: readonly string[]): boolean | undefined {
  for (const text of texts) {
    for (const [, first, , second] of text.matchAll(/(?<!\d)(\d{1,2})([-/.])(\d{1,2})\2(?:\d{4}|\d{2})(?!\d)/gu)) {
      if (Number(first) > 12 && Number(second) <= 12) return true;
      if (Number(second) > 12 && Number(first) <= 12) return false;
    }
  }
  return undefined;
}

interface Field {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

interface Fields {
  readonly start: number;
  readonly end: number;
  readonly day?: Field;
  readonly ordinal?: Field;
  readonly month?: Field;
  readonly monthName?: Field;
  readonly year?: Field;
}

function makePatterns(dayFirst: boolean): RegExp[] {
  const month = `(?<monthName>${monthNames().pattern})`;
  const day = "(?<![\\p{L}\\d])(?<day>\\d{1,2})(?<ordinal>st|nd|rd|th)?";
  const year = "(?<year>\\d{4}|\\d{2})(?![\\d:])";
  const gap = "[\\s.,/'’-]*";
  const numeric = (first: string, second: string): string =>
    `(?<![\\p{L}\\d])(?<${first}>\\d{1,2})(?<gap>\\s?[-/.]\\s?|\\s)(?<${second}>\\d{1,2})\\k<gap>${year}`;
  const wanted = dayFirst ? numeric("day", "month") : numeric("month", "day");
  const other = dayFirst ? numeric("month", "day") : numeric("day", "month");
  return [
    "(?<![\\p{L}\\d])(?<year>\\d{4})(?<gap>\\s?[-/.]\\s?|\\s)(?<month>\\d{1,2})\\k<gap>(?<day>\\d{1,2})(?!\\d)",
    wanted,
    other,
    `${day}${gap}(?:(?:of|de|di)\\s+)?${month}${gap}(?:(?:of|de|di)\\s+)?${year}`,
    `${month}${gap}${day}(?:[\\s.,/'’-]+)${year}`,
    `${day}${gap}(?:(?:of|de|di)\\s+)?${month}`,
    `${month}${gap}(?<year>\\d{4})(?!\\d)`,
    `${month}${gap}${day}(?!\\d)`,
    "(?<![\\p{L}\\d])(?<year>(?:19|20)\\d\\d)(?<month>0[1-9]|1[0-2])(?<day>0[1-9]|[12]\\d|3[01])(?!\\d)",
    dayFirst
      ? "(?<![\\p{L}\\d])(?<day>0[1-9]|[12]\\d|3[01])(?<month>0[1-9]|1[0-2])(?<year>(?:19|20)\\d\\d)(?!\\d)"
      : "(?<![\\p{L}\\d])(?<month>0[1-9]|1[0-2])(?<day>0[1-9]|[12]\\d|3[01])(?<year>(?:19|20)\\d\\d)(?!\\d)",
    "(?<![\\p{L}\\d])(?<month>0?[1-9]|1[0-2])[-/.](?<year>(?:19|20)\\d\\d)(?!\\d)",
    dayFirst
      ? "(?<![\\p{L}\\d])(?<day>\\d{1,2})[-/.](?<month>\\d{1,2})(?![\\d:])"
      : "(?<![\\p{L}\\d])(?<month>\\d{1,2})[-/.](?<day>\\d{1,2})(?![\\d:])",
    "(?<![\\d:])(?<year>(?:19|20)\\d\\d)(?![\\d:])",
  ].map((source) => new RegExp(source, "diu"));
}

const made = new Map<boolean, RegExp[]>();

/** Compiled at the first date, not for every one. */
function patterns(dayFirst: boolean): RegExp[] {
  let known = made.get(dayFirst);
  if (known === undefined) {
    known = makePatterns(dayFirst);
    made.set(dayFirst, known);
  }
  return known;
}

/** The date in `text`, as the first pattern that gives a date of the calendar reads it. */
function findDate(text: string, dayFirst: boolean): { fields: Fields; time: number } | undefined {
  for (const pattern of patterns(dayFirst)) {
    const match = pattern.exec(text);
    if (!match) continue;
    const groups = match.indices!.groups ?? {};
    const field = (name: string): Field | undefined => {
      const range = groups[name];
      return range ? { start: range[0], end: range[1], text: text.slice(range[0], range[1]) } : undefined;
    };
    const fields = { start: match.index, end: match.index + match[0].length } as Record<string, unknown>;
    for (const name of ["day", "ordinal", "month", "monthName", "year"]) {
      const found = field(name);
      if (found) fields[name] = found;
    }
    const read = fields as unknown as Fields;
    const time = timeOf(read);
    if (time !== undefined) return { fields: read, time };
  }
  return undefined;
}

/** Milliseconds since 1970 (UTC); what is not given counts as 2001, June, the 15th. */
function timeOf({ day, month, monthName, year }: Fields): number | undefined {
  const y = year ? (year.text.length === 2 ? 2000 + Number(year.text) : Number(year.text)) : 2001;
  const m = monthName
    ? monthNames().names.get(monthName.text.toLowerCase())!.index
    : month
      ? Number(month.text) - 1
      : 5;
  const d = day ? Number(day.text) : 15;
  const date = new Date(Date.UTC(y, m, d));
  return date.getUTCMonth() === m && date.getUTCDate() === d && y >= 1000 ? date.getTime() : undefined;
}

/** Where no day or no month stands, by whole months or years: two months of a document never become one. */
function movedBy({ day, month, monthName }: Fields, time: number, days: number): Date {
  const date = new Date(time);
  if (day) date.setUTCDate(date.getUTCDate() + days);
  else if (month ?? monthName) date.setUTCMonth(date.getUTCMonth() + Math.round(days / 30.4375));
  else date.setUTCFullYear(date.getUTCFullYear() + Math.round(days / 365.25));
  return date;
}

const ordinalEnding = (day: number): string =>
  day % 10 === 1 && day !== 11
    ? "st"
    : day % 10 === 2 && day !== 12
      ? "nd"
      : day % 10 === 3 && day !== 13
        ? "rd"
        : "th";

/** `value` with as many digits as the model shows: two stay two, one may become two. */
const number = (value: number, model: string): string => String(value).padStart(model.length, "0");

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * `original` with its date moved by `shift.days`, its weekday to fit and its time moved by `shift.minutes`. Undefined where
 * neither date nor time can be read (a garbled one).
 */
export function moveDate(original: string, dayFirst: boolean, shift: DateShift): string | undefined {
  const plainly = findDate(original, dayFirst);
  const text = plainly ? original : withDigits(original);
  const found = plainly ?? findDate(text, dayFirst);
  const edits: Edit[] = [];
  if (found) {
    const { fields, time } = found;
    const moved = movedBy(fields, time, shift.days);
    const put = (field: Field | undefined, write: () => string): void => {
      if (field) edits.push({ start: field.start, end: field.end, text: write() });
    };
    put(fields.day, () => number(moved.getUTCDate(), fields.day!.text));
    put(fields.ordinal, () => inCaseOf(ordinalEnding(moved.getUTCDate()), fields.ordinal!.text));
    put(fields.month, () => number(moved.getUTCMonth() + 1, fields.month!.text));
    put(fields.monthName, () => {
      const name = monthNames().names.get(fields.monthName!.text.toLowerCase())!;
      return inCaseOf(name.series[moved.getUTCMonth()]!, fields.monthName!.text);
    });
    put(fields.year, () => String(moved.getUTCFullYear()).slice(-fields.year!.text.length));
    for (const match of text.matchAll(new RegExp(weekdayNames().pattern, "giu"))) {
      if (match.index < fields.end && match.index + match[0].length > fields.start) continue;
      const name = weekdayNames().names.get(match[0].toLowerCase())!;
      edits.push({
        start: match.index,
        end: match.index + match[0].length,
        text: inCaseOf(name.series[moved.getUTCDay()]!, match[0]),
      });
    }
  }
  const taken = (start: number, end: number): boolean =>
    found !== undefined && start < found.fields.end && end > found.fields.start;
  for (const match of text.matchAll(/(?<!\d)(\d{1,2})([:.h])(\d{2})(?:\2(\d{2}))?(?!\d)(?:\s*([ap])\.?m)?/giu)) {
    if (taken(match.index, match.index + match[0].length)) continue;
    edits.push({ start: match.index, end: match.index + match[0].length, text: shiftTime(match, shift.minutes) });
  }
  let result = text;
  for (const edit of edits.sort((a, b) => b.start - a.start)) {
    result = result.slice(0, edit.start) + edit.text + result.slice(edit.end);
  }
  // Nothing was read as date or time, or only what can't be one ("47:12").
  return result === text ? undefined : result;
}

/** "l2/O3/2O18": letters that readers take for digits, in a word that has digits, are set right. */
const withDigits = (text: string): string =>
  text.replace(/[\dOoIl|SBZ/.:-]*\d[\dOoIl|SBZ/.:-]*/gu, (word) =>
    word.replace(/[OoIl|SBZ]/gu, (letter) => ({ O: "0", o: "0", S: "5", B: "8", Z: "2" })[letter] ?? "1"),
  );

function shiftTime(match: RegExpMatchArray, minutes: number): string {
  const [whole, hour = "", separator = "", minute = "", second, half] = match;
  const h = Number(hour);
  if (h > 23 || Number(minute) > 59) return whole;
  const moved = ((h % 12) * 60 + Number(minute) + minutes) % 720;
  const twelve = half !== undefined && h >= 1 && h <= 12;
  const newHour = twelve ? Math.floor(moved / 60) || 12 : Math.floor(moved / 60) + (h >= 12 ? 12 : 0);
  const clock = `${number(newHour, hour)}${separator}${number(moved % 60, minute)}`;
  const seconds = second === undefined ? "" : `${separator}${number((Number(second) + minutes * 7) % 60, second)}`;
  return (
    clock + seconds + whole.slice(hour.length + 1 + minute.length + (second === undefined ? 0 : second.length + 1))
  );
}

/** `original` with other digits, for what can't be read: four become a year of the same century, one or two a number that is both a day and a month. */
export function plausibleDigits(original: string, random: KeyedRandom): string {
  return original.replace(/\d+/gu, (digits) => {
    if (digits.length === 4) return digits.slice(0, 2) + String(random.int(100)).padStart(2, "0");
    if (digits.length <= 2) return String(1 + random.int(digits.length === 1 ? 9 : 12)).padStart(digits.length, "0");
    return [...digits].map(() => String(random.int(10))).join("");
  });
}
