/**
 * Machine-readable lines of travel documents (ICAO 9303 parts 3 to 6): TD3 (passports, two lines of 44), TD2 (two of
 * 36) and TD1 (cards, three of 30). Fillers are "<".
 */
import { type Draw, drawDate, fill } from "./scheme.ts";

/** Weights 7, 3, 1; A = 10 … Z = 35, filler 0 (part 3, section 4.9). */
export function mrzDigit(text: string): string {
  let sum = 0;
  for (let i = 0; i < text.length; i++) {
    const value = text[i] === "<" ? 0 : Number.parseInt(text[i]!, 36);
    sum += value * [7, 3, 1][i % 3]!;
  }
  return String(sum % 10);
}

/** What the places of a line are: "k" kept (kinds, states, sex), "d" a date, "n" a number's characters, "c" a check digit. */
interface LineForm {
  readonly form: RegExp;
  readonly places: string;
  /** Place of a check digit and the ranges it covers, end exclusive, in the order to be set. */
  readonly checks: readonly (readonly [place: number, ...covered: readonly (readonly [number, number])[]])[];
}

const lineForms: readonly LineForm[] = [
  {
    // TD3, line 2
    form: /^[A-Z\d<]{9}\d[A-Z<]{3}\d{7}[MFX<]\d{7}[A-Z\d<]{14}[\d<]\d$/,
    places: `${"n".repeat(9)}ckkkddddddckddddddc${"n".repeat(14)}cc`,
    checks: [
      [9, [0, 9]],
      [19, [13, 19]],
      [27, [21, 27]],
      [42, [28, 42]],
      [43, [0, 10], [13, 20], [21, 43]],
    ],
  },
  {
    // TD2, line 2
    form: /^[A-Z\d<]{9}\d[A-Z<]{3}\d{7}[MFX<]\d{7}[A-Z\d<]{7}\d$/,
    places: `${"n".repeat(9)}ckkkddddddckddddddc${"n".repeat(7)}c`,
    checks: [
      [9, [0, 9]],
      [19, [13, 19]],
      [27, [21, 27]],
      [35, [0, 10], [13, 20], [21, 35]],
    ],
  },
  {
    // TD1, line 1
    form: /^[ACI][A-Z<][A-Z<]{3}[A-Z\d<]{9}\d[A-Z\d<]{15}$/,
    places: `kkkkk${"n".repeat(9)}c${"n".repeat(15)}`,
    checks: [[14, [5, 14]]],
  },
  {
    // TD1, line 2: its last digit covers line 1 too and can't be told from this line alone
    form: /^\d{7}[MFX<]\d{7}[A-Z<]{3}[A-Z\d<]{11}\d$/,
    places: `ddddddckddddddckkk${"n".repeat(11)}k`,
    checks: [
      [6, [0, 6]],
      [14, [8, 14]],
    ],
  },
];

/** OCR reads "<" as "«" or "‹" too. */
const plainFillers = (line: string): string => line.replace(/[«‹]/g, "<");

const covered = (line: string, ranges: readonly (readonly [number, number])[]): string =>
  ranges.map(([from, to]) => line.slice(from, to)).join("");

/** An empty optional part may have a filler for its check digit (part 4, note on place 43). */
const isRight = (line: string, place: number, text: string): boolean =>
  line[place] === mrzDigit(text) || (line[place] === "<" && /^<+$/.test(text));

const formOf = (line: string): LineForm | undefined =>
  lineForms.find(
    ({ form, checks }) =>
      form.test(line) && checks.every(([place, ...ranges]) => isRight(line, place, covered(line, ranges))),
  );

/** Whether a line with a number in it has the form of a document's line and all its check digits are right. */
export const passesMrz = (line: string): boolean => formOf(plainFillers(line)) !== undefined;

/**
 * Another line like one that passes: states, sex and kind stay, dates become other dates, numbers other characters, and
 * check digits are right. The last digit of a card's second line covers its first line too and stays as it is.
 */
export function inventMrz(like: string, draw: Draw): string {
  const line = plainFillers(like);
  const form = formOf(line);
  if (form === undefined) throw new Error("Not a machine-readable line with right check digits");
  const { places, checks } = form;
  let made = "";
  for (let i = 0; i < line.length; i++) {
    if (places[i] === "d") {
      made += drawDate(draw);
      i += 5;
    } else if (places[i] === "n") made += fill(/\d/.test(line[i]!) ? "#" : line[i] === "<" ? "<" : "@", draw);
    else made += line[i];
  }
  for (const [place, ...ranges] of checks) {
    if (line[place] !== "<") made = made.slice(0, place) + mrzDigit(covered(made, ranges)) + made.slice(place + 1);
  }
  return made;
}
