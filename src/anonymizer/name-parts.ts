/**
 * Names that stand elsewhere in a shorter form: "Wilkerson" where "Nick Wilkerson" was found, "LORILLARD" on the
 * letterhead of the Lorillard Tobacco Company. Whoever reads them knows who it was, so they get the same part of the
 * invented value.
 */
import type { Entity } from "../detection/entity.ts";
import { inItemTable } from "../detection/item-table.ts";
import { isLabelText } from "../detection/label-dictionary.ts";
import { layoutOf } from "../detection/layout.ts";
import { spanBox, spansOverlap, wordRange } from "../detection/lines.ts";
import type { OcrPage } from "../detection/ocr.ts";
import { inCaseOf } from "../replacement/letters.ts";
import { plain } from "../replacement/normalise.ts";
import {
  isAddressWord,
  isConnector,
  isLegalForm,
  isNameParticle,
  isTitle,
  isTrade,
} from "../replacement/vocabulary.ts";
import type { SameValue } from "./same-value.ts";

interface NamePart {
  /** As `plain` makes it. */
  readonly text: string;
  /** Which words of the value, end exclusive. */
  readonly words: readonly [start: number, end: number];
  /** It tells little: it counts only where nothing else stands beside it. */
  readonly alone: boolean;
}

/** Findings that are less sure make too many others of the same kind. */
const sureEnough = 0.65;
/** Letters of a single word that still tells whose it is. */
const fewestLetters = 5;

const valueWords = (text: string): string[] => text.trim().split(/\s+/u);

/** What of a name is used by itself; nothing for values of other types. */
export function namePartsOf({ type, text, score }: Pick<Entity, "type" | "text" | "score">): NamePart[] {
  if (score < sureEnough || (type !== "person" && type !== "company")) return [];
  const words = valueWords(text);
  return type === "person" ? familyName(words) : beginnings(words);
}

/** The last name, or the one before a comma. */
function familyName(words: readonly string[]): NamePart[] {
  const names = words.flatMap((word, i) => (isTitle(word) || isNameParticle(word) || plain(word) === "" ? [] : [i]));
  if (names.length < 2) return [];
  const at = names.find((i) => words[i]!.endsWith(",")) ?? names.at(-1)!;
  const part = plain(words[at]!);
  return part.length >= fewestLetters && !/\d/.test(part) ? [{ text: part, words: [at, at + 1], alone: true }] : [];
}

/** "Lorillard Tobacco", "Lorillard": what comes before the legal form and the trade, and its first words. */
function beginnings(words: readonly string[]): NamePart[] {
  const saysMuch = (word: string): boolean =>
    plain(word).length > 1 && !isLegalForm(word) && !isTrade(word) && !isConnector(word) && !isAddressWord(word);
  const parts: NamePart[] = [];
  for (let end = words.length - 1; end > 0; end--) {
    const own = words.slice(0, end).filter(saysMuch);
    const text = plain(words.slice(0, end).join(" "));
    // A name does not end with "&" or "of".
    if (!saysMuch(words[end - 1]!) || own.length === 0 || /\d/.test(text) || text.length < fewestLetters) continue;
    parts.push({ text, words: [0, end], alone: own.length === 1 });
  }
  return parts;
}

/**
 * Places where a part of a found name stands outside all findings, as whole words written alike. Not in the table of
 * what was bought, and not where the words are a label.
 */
export function findNameParts(entities: readonly Entity[], readings: readonly OcrPage[]): SameValue[] {
  const parts = new Map<string, { readonly of: Entity; readonly part: NamePart }>();
  for (const of of entities)
    for (const part of namePartsOf(of)) if (!parts.has(part.text)) parts.set(part.text, { of, part });
  if (parts.size === 0) return [];
  return readings.flatMap((reading, page) => {
    const taken = entities.filter((entity) => entity.page === page);
    const inTable = inItemTable(reading);
    let count = 0;
    return layoutOf(reading).segments.flatMap((segment): SameValue[] => {
      if (inTable(segment) || isLabelText(segment.text)) return [];
      const line = reading.lines[segment.line]!;
      return runsIn(segment.text, parts).flatMap(({ span: [from, to], known: { of, part } }): SameValue[] => {
        const span = [segment.span[0] + from, segment.span[0] + to] as const;
        if (taken.some((e) => e.line === segment.line && spansOverlap(e.span, span))) return [];
        const entity: Entity = {
          id: `p${page}-n${count++}`,
          type: of.type,
          page,
          line: segment.line,
          words: wordRange(line, span),
          span,
          text: line.text.slice(...span),
          box: spanBox(line, span),
          score: of.score,
          recognizer: "same-value",
          reason: "part of a name that stands elsewhere",
        };
        return [{ entity, of, whole: false, words: part.words }];
      });
    });
  });
}

/** Runs of words that are known, the longest first, without overlaps. */
function runsIn<T extends { readonly part: NamePart }>(
  text: string,
  known: ReadonlyMap<string, T>,
): { span: readonly [number, number]; known: T }[] {
  const words = [...text.matchAll(/\S+/gu)];
  const runs: { span: readonly [number, number]; known: T }[] = [];
  for (let first = 0; first < words.length; first++) {
    for (let last = words.length - 1; last >= first; last--) {
      const raw = words
        .slice(first, last + 1)
        .map((match) => match[0])
        .join(" ");
      const found = /^\P{L}*\p{Lu}/u.test(raw) ? known.get(plain(raw)) : undefined;
      if (found === undefined || (found.part.alone && last - first + 1 < words.length)) continue;
      const start = words[first]!.index + raw.search(/[\p{L}\d]/u);
      const end = words[last]!.index + words[last]![0].replace(/[^\p{L}\d]+$/u, "").length;
      runs.push({ span: [start, end], known: found });
      first = last;
      break;
    }
  }
  return runs;
}

/** The same words of the invented value, in the letter case that stands here; undefined where it has other words. */
export function partOfFake(fake: string, { of, words, entity }: SameValue): string | undefined {
  const all = valueWords(fake);
  if (words === undefined || all.length !== valueWords(of.text).length) return undefined;
  const part = all.slice(...words);
  const printed = valueWords(entity.text);
  const inCapitals = (text: string): boolean => text === text.toUpperCase();
  const otherCase = inCapitals(of.text) !== inCapitals(entity.text) && printed.length === part.length;
  const written = otherCase ? part.map((word, i) => inCaseOf(word, printed[i]!)) : part;
  return written.join(" ").replace(/,$/, "");
}
