/** Numbers of persons and companies: behind a label, or in a form that needs none. */
import { compactOf, type IdentifierScheme } from "../../identifiers/scheme.ts";
import { schemesOf } from "../../identifiers/schemes.ts";
import type { EntityType, Finding } from "../entity.ts";
import { identifierForms } from "../identifier-forms.ts";
import { type Label, type Located, valueCandidates } from "../labels.ts";
import { findMatches } from "../matches.ts";
import type { OcrPage } from "../ocr.ts";
import { countDigits, isAmount } from "../text-shapes.ts";

/** Longest number with its groups and separators. */
const maxLength = 34;

const dateOrTime = /^\W*(?:\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d{2}-\d{2}|\d{1,2}:\d{2})/;

/**
 * The number at the start of a value: groups of digits and short groups of letters ("JM 0325955-V", "0016 6993 5104",
 * "A/12-345"). undefined when there are fewer than `minDigits` digits, or when it is an amount or a date.
 */
export function numberAtStart(value: Located, minDigits: number): Located | undefined {
  let end = 0;
  let digits = 0;
  const offset = /^[^\p{L}\p{N}]*/u.exec(value.text)![0].length;
  for (const match of value.text.slice(offset).matchAll(/\S+/g)) {
    const group = match[0];
    const count = countDigits(group);
    const letters = group.match(/\p{L}/gu)?.length ?? 0;
    // A word of letters ends it, but for a country's or series' letters.
    if (count === 0 && (letters > 3 || (letters > 0 && !/^[\p{Lu}\p{P}]+$/u.test(group)))) break;
    if (count > 0 && letters > count + 6) break;
    if (match.index + group.length > maxLength) break;
    if (digits >= minDigits && dateOrTime.test(group)) break;
    end = match.index + group.length;
    digits += count;
  }
  const text = value.text.slice(offset, offset + end).replace(/[^\p{L}\p{N})<]+$/u, "");
  const open = text.split("(").length - text.split(")").length;
  const closed = open < 0 ? text.replace(/\)[^)]*$/, "") : text;
  if (digits < minDigits || isAmount(closed) || dateOrTime.test(closed) || /\d[.,]\d{2}$/.test(closed))
    return undefined;
  const start = value.span[0] + offset;
  return { line: value.line, span: [start, start + closed.length], text: closed };
}

/** The numbers that belong to labels of some kinds. */
export function labelledNumbers(
  page: OcrPage,
  labels: readonly Label[],
  type: EntityType,
  options: { readonly minDigits: number; readonly score: number },
): Finding[] {
  return labels.flatMap((label) => {
    for (const candidate of valueCandidates(page, label)) {
      const value = numberAtStart(candidate, options.minDigits);
      // Under a label anything may stand; only a line that is the number alone is its value.
      if (value === undefined || (candidate.place === "below" && value.text.length < 0.7 * candidate.text.length))
        continue;
      const known = checkedScheme(value.text, label.word);
      const checked = known !== undefined;
      return [
        {
          type,
          line: value.line,
          span: value.span,
          score: checked ? Math.max(options.score, 0.9) : options.score,
          reason: checked ? "label and check digits" : "label",
          evidence: { cue: label.word, ...(known && { check: known.name }) },
        },
      ];
    }
    return [];
  });
}

/**
 * The scheme whose check digits speak for a number behind a label: the one that the label names, else one that few
 * numbers satisfy by chance. One in ten runs of nine digits satisfies some country's rule.
 */
function checkedScheme(text: string, label: string): IdentifierScheme | undefined {
  const known = schemesOf(text).filter(({ kind, shownBy }) => kind !== "general" && shownBy === "check");
  const compact = compactOf(text);
  const rare = compact.length >= 11 || /[A-Z]/.test(compact);
  return known.find(({ name }) => label.includes(name.slice(3).replaceAll("-", ""))) ?? (rare ? known[0] : undefined);
}

/** The numbers of a type that need no label. */
export function standingAlone(page: OcrPage, type: EntityType): Finding[] {
  const forms = identifierForms.filter((form) => form.type === type);
  // All have digits; a line without any is not worth a dozen patterns.
  return page.lines.flatMap(({ text }, line) =>
    /\d/.test(text) ? forms.flatMap(({ pattern, judge }) => findMatches(type, line, text, pattern, judge)) : [],
  );
}
