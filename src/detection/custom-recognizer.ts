/** Recognizers that a user describes in the configuration: patterns, words near them, checks, parts of the page. */
import { RE2JS } from "re2js";
import type { CustomRecognizerConfig } from "../config/recognizer-config.ts";
import { codedError } from "../errors.ts";
import type { Finding, Recognizer } from "./entity.ts";
import { fold } from "./fold.ts";
import type { OcrPage } from "./ocr.ts";
import { zoneFinder } from "./page-zones.ts";
import { type Validator, validatorNamed } from "./validators.ts";

/** Least score of a value whose check digits are right. */
const checkedScore = 0.9;

/** Findings of one pattern on one line; more is no list of personal data but a pattern that fits everything. */
const mostMatches = 200;

/** Throws ERR_CONFIG_INVALID for a pattern that RE2 does not take; a checked configuration holds none. */
export function createCustomRecognizer(config: CustomRecognizerConfig): Recognizer {
  const patterns = config.patterns.map(({ regex, score }) => ({
    score,
    compiled: compile(regex, config.ignore_case),
  }));
  const checks = config.validators.map((name) => validatorNamed(name)!);
  return {
    name: `custom:${config.name}`,
    types: [config.type],
    ...(config.zones.length > 0 && { needs: ["layout", "labels", "parties"] as const }),
    find(page) {
      const zone = config.zones.length > 0 ? zoneFinder(page) : undefined;
      return page.lines.flatMap(({ text }, line) =>
        patterns.flatMap(({ compiled, score }) =>
          matches(compiled, text)
            .filter((span) => !config.whole_words || standsAlone(text, span))
            .filter((span) => zone === undefined || config.zones.includes(zone(line, span)))
            .flatMap((span) => judged(page, config, { line, span, score }, checks)),
        ),
      );
    },
  };
}

function compile(regex: string, ignoreCase: boolean): RE2JS {
  try {
    return RE2JS.compile(regex, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
  } catch (cause) {
    throw codedError("ERR_CONFIG_INVALID", `The pattern ${JSON.stringify(regex)} is none of RE2`, { cause });
  }
}

function matches(pattern: RE2JS, text: string): (readonly [number, number])[] {
  const named = Object.hasOwn(pattern.namedGroups(), "value");
  const matcher = pattern.matcher(text);
  const spans: (readonly [number, number])[] = [];
  while (spans.length < mostMatches && matcher.find()) {
    const [start, end] = named ? [matcher.start("value"), matcher.end("value")] : [matcher.start(), matcher.end()];
    // A part that did not take part in the match stands at -1; spaces at the ends belong to no value.
    if (start < 0 || text.slice(start, end).trim() === "") continue;
    const lead = /^\s*/.exec(text.slice(start, end))![0].length;
    spans.push([start + lead, start + text.slice(start, end).trimEnd().length]);
  }
  return spans;
}

const wordCharacter = /[\p{L}\p{N}]/u;

/** No letter or digit goes on beyond the ends that are letters or digits themselves. */
function standsAlone(text: string, [start, end]: readonly [number, number]): boolean {
  const goesOn = (a: string | undefined, b: string | undefined): boolean =>
    a !== undefined && b !== undefined && wordCharacter.test(a) && wordCharacter.test(b);
  return !goesOn(text[start - 1], text[start]) && !goesOn(text[end - 1], text[end]);
}

function judged(
  page: OcrPage,
  { type, context, validators }: CustomRecognizerConfig,
  { line, span, score }: Pick<Finding, "line" | "span" | "score">,
  checks: readonly Validator[],
): Finding[] {
  const value = page.lines[line]!.text.slice(span[0], span[1]);
  const passed = checks.find((check) => check.accepts(value));
  if (validators.length > 0 && passed === undefined) return [];
  const cue = context && wordNear(page, line, span, context);
  if (context?.required && cue === undefined) return [];
  const boosted = Math.min(1, score + (cue === undefined ? 0 : context!.boost));
  const reasons = [
    "pattern",
    ...(cue === undefined ? [] : ["context"]),
    ...(passed ? [passed.sure ? "check digits" : "form"] : []),
  ];
  return [
    {
      type,
      line,
      span,
      score: passed?.sure ? Math.max(boosted, checkedScore) : boosted,
      reason: reasons.join(" and "),
      evidence: { ...(cue !== undefined && { cue }), ...(passed && { check: passed.name }) },
    },
  ];
}

/** The first context word on the line outside the value, or on the lines right above it. */
function wordNear(
  page: OcrPage,
  line: number,
  span: readonly [number, number],
  { words, lines_above }: NonNullable<CustomRecognizerConfig["context"]>,
): string | undefined {
  const own = page.lines[line]!.text;
  const texts = [`${own.slice(0, span[0])} ${own.slice(span[1])}`];
  for (let i = 1; i <= lines_above && line - i >= 0; i++) texts.push(page.lines[line - i]!.text);
  const near = ` ${texts.map((text) => fold(text).replace(/[^\p{L}\p{N}]+/gu, " ")).join(" ")} `;
  return words.find((word) =>
    near.includes(
      ` ${fold(word)
        .replace(/[^\p{L}\p{N}]+/gu, " ")
        .trim()} `,
    ),
  );
}
