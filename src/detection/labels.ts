/** Finds labels ("Tel.", "Date of birth:", "Kunden-Nr.") and the text that belongs to them. */
import { type Box, boxHeight } from "../documents/geometry.ts";
import { atOnce, inSlices, type Pacer } from "../pacer.ts";
import { type Token, tokenize } from "./fold.ts";
import { findLabel, findSimilarLabel, isNameLikeLabel, isNumberWord, isWeakLabel } from "./label-dictionary.ts";
import type { LabelKind } from "./label-words.ts";
import { type Layout, layoutOf, type Segment } from "./layout.ts";
import type { OcrPage } from "./ocr.ts";
import { eachStep, type Steps } from "./steps.ts";
import { isProse } from "./text-shapes.ts";

/** A text part of one line. */
export interface Located {
  readonly line: number;
  /** Characters of the line's text. */
  readonly span: readonly [start: number, end: number];
  readonly text: string;
}

export interface Label {
  readonly kind: LabelKind;
  /** Letters and digits of the label, folded: "datfbirth". */
  readonly word: string;
  readonly segment: Segment;
  /** Characters of the segment. */
  readonly span: readonly [start: number, end: number];
  /** A mark like ":" follows, or nothing. */
  readonly marked: boolean;
  /** What follows it in its segment, up to the next label. */
  readonly rest: Located | undefined;
}

/** Most words of a label. */
const maxTokens = 6;

/** Kinds whose values begin with digits: such a label counts in the middle of a line too. */
const numbered = new Set<LabelKind>(["phone", "tax_id", "id_number", "account", "card"]);

const found = new WeakMap<OcrPage, readonly Label[]>();

/** All labels of a page, in reading order; made once per page object. */
export function labelsOf(page: OcrPage): readonly Label[] {
  let labels = found.get(page);
  if (labels === undefined) {
    labels = atOnce(makeLabels(page));
    found.set(page, labels);
  }
  return labels;
}

/** Finds them beforehand, with pauses. */
export async function prepareLabels(page: OcrPage, pacer: Pacer): Promise<void> {
  if (!found.has(page)) found.set(page, await inSlices(makeLabels(page), pacer));
}

function* makeLabels(page: OcrPage): Steps<Label[]> {
  return (yield* eachStep(layoutOf(page).segments, labelsIn)).flat();
}

/** Between words of one label. */
const insideLabel = /^[\s.,\-_/&+()'’"”`ºª°*]*$/;
/** "Vorname(n)", "Surname(s)". */
const plural = /^\s?\((?:s|n|en|e|es|r|in|innen|a|as|i)\)/;
const numberSign = /^[\s.]*(?:#|n[°º]|№)/;
/** What parts a label from its value, or ends the segment. */
const colon = /^[\s.]*[:=#>|\]]|^\s*\.{2,}|^\s*[-–—]\s/;
const ends = /^[\s.)\]}]*$/;
/** What may stand before a label inside a line. */
const opener = /(?:^|[:;|,/()[\]{}·•*–—=<>"]\s*|[-.]\s+|\d\s*)$/;

function labelsIn(segment: Segment): Label[] {
  const { folded, text } = segment;
  const tokens = tokenize(folded);
  const prose = isProse(text);
  const matches: Omit<Label, "rest">[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const match = longestAt(tokens, i, folded);
    if (match === undefined) continue;
    const start = tokens[i]!.start;
    let end = tokens[match.last]!.end;
    end += plural.exec(folded.slice(end))?.[0].length ?? 0;
    end += numberSign.exec(folded.slice(end))?.[0].length ?? 0;
    end += /^[ºª°]+/.exec(folded.slice(end))?.[0].length ?? 0;
    const after = folded.slice(end);
    const first = i === 0 && start <= 4;
    const colonFollows = colon.test(after) || /[#°º]$/.test(folded.slice(0, end));
    const marked = colonFollows || ends.test(after);
    const digitsFollow =
      numbered.has(match.kind) && (match.kind === "phone" || match.word.length > 2) && /^[\s.:]*[+(]?\d/.test(after);
    const placed = prose
      ? /^\s*:/.test(after)
      : first || colonFollows || digitsFollow || opener.test(folded.slice(0, start));
    // A word like "to" or "name" is a label before a colon, or alone.
    const alone =
      first && ends.test(after) && (match.word.length > 2 || match.word === "ms") && !isNameLikeLabel(match.word);
    const strong =
      isWeakLabel(match.word) || isNameLikeLabel(match.word) || match.word.length <= 2 ? colonFollows || alone : true;
    if (!placed || !(strong || (digitsFollow && match.kind === "phone"))) continue;
    matches.push({ kind: match.kind, word: match.word, segment, span: [start, end], marked });
    i = match.last;
  }
  return joinAlternatives(matches, folded).map((label, i, all) => {
    const end = all[i + 1]?.span[0] ?? folded.length;
    return { ...label, rest: locate(segment, label.span[1], end) };
  });
}

/** "Surname / Nom / Nachname" is one label. */
function joinAlternatives(labels: readonly Omit<Label, "rest">[], folded: string): Omit<Label, "rest">[] {
  const joined: Omit<Label, "rest">[] = [];
  for (const label of labels) {
    const last = joined.at(-1);
    if (last && /^\s*[/|(]\s*$/.test(folded.slice(last.span[1], label.span[0]))) {
      const kind = last.kind === "other" ? label.kind : last.kind;
      joined[joined.length - 1] = { ...last, kind, span: [last.span[0], label.span[1]], marked: label.marked };
    } else joined.push(label);
  }
  return joined;
}

interface Match {
  readonly kind: LabelKind;
  readonly word: string;
  /** Index of its last token. */
  readonly last: number;
}

function longestAt(tokens: readonly Token[], first: number, folded: string): Match | undefined {
  let word = "";
  let best: Match | undefined;
  let similar: Match | undefined;
  for (let i = first; i < Math.min(tokens.length, first + maxTokens); i++) {
    if (i > first && !insideLabel.test(folded.slice(tokens[i - 1]!.end, tokens[i]!.start))) break;
    word += tokens[i]!.text;
    const entry = findLabel(word);
    if (entry !== undefined) best = { ...entry, last: i };
    else if (first === 0 || colon.test(folded.slice(tokens[i]!.end))) {
      const near = findSimilarLabel(word);
      if (near !== undefined) similar = { ...near, last: i };
    }
  }
  best ??= similar;
  if (best === undefined) return undefined;
  const next = tokens[best.last + 1];
  if (next && isNumberWord(next.text) && insideLabel.test(folded.slice(tokens[best.last]!.end, next.start))) {
    // "no" and "n" only where a number sign makes sense: "GST No", not "Name N".
    const withNumber = ["person", "company", "address", "party"].includes(best.kind) ? "other" : best.kind;
    return { kind: withNumber, word: best.word + next.text, last: best.last + 1 };
  }
  return best;
}

/** The text between two places of a segment without marks and spaces at its start and end; undefined when nothing is left. */
export function locate(segment: Segment, from: number, to: number): Located | undefined {
  const raw = segment.text.slice(from, to);
  const lead = /^[\s:;.,#=\-–—)\][>|*_]+/.exec(raw)?.[0].length ?? 0;
  const text = raw.slice(lead).replace(/[\s:;,|*_([\]<]+$/, "");
  if (!/[\p{L}\p{N}]/u.test(text)) return undefined;
  const start = segment.span[0] + from + lead;
  return { line: segment.line, span: [start, start + text.length], text };
}

/** A whole segment as a value. */
export const wholeSegment = (segment: Segment): Located | undefined => locate(segment, 0, segment.text.length);

/** Segments that begin with a label. */
export function labelledSegments(page: OcrPage): ReadonlyMap<Segment, Label> {
  let map = labelled.get(page);
  if (map === undefined) {
    const made = new Map<Segment, Label>();
    for (const label of labelsOf(page))
      if (!made.has(label.segment) && label.span[0] <= 4) made.set(label.segment, label);
    labelled.set(page, made);
    map = made;
  }
  return map;
}

const labelled = new WeakMap<OcrPage, ReadonlyMap<Segment, Label>>();

export interface Candidate extends Located {
  /** The segment it is in. */
  readonly segment: Segment;
  readonly place: "same" | "right" | "below";
}

/**
 * Where the value of a label may stand, likeliest first: after it in its segment, to its right in the row, or below it.
 * Other labels are no values.
 */
export function valueCandidates(page: OcrPage, label: Label): Candidate[] {
  const { segment, rest } = label;
  if (rest) return [{ ...rest, segment, place: "same" }];
  const last = labelsOf(page)
    .filter((other) => other.segment === segment)
    .at(-1);
  if (last !== label) return [];
  const layout = layoutOf(page);
  const labelled = labelledSegments(page);
  const take = (at: Segment | undefined, place: "right" | "below"): Candidate[] => {
    if (at === undefined || labelled.has(at)) return [];
    const value = wholeSegment(at);
    return value ? [{ ...value, segment: at, place }] : [];
  };
  let beside = layout.right(segment);
  while (beside && !/[\p{L}\p{N}]/u.test(beside.text)) beside = layout.right(beside);
  const under = layout.below(segment);
  const right = take(beside, "right");
  const below = take(under, "below");
  if (right.length === 0 || below.length === 0) return [...right, ...below];
  // "Name    X" above "Points  : 4": a list, not a grid.
  const next = layout.right(under!);
  const isList = (next !== undefined && /^\s*[:=]/.test(next.text)) || isInValueColumn(beside!, layout, labelled);
  return !isList && standsUnder(segment.box, under!.box, beside!) ? [...below, ...right] : [...right, ...below];
}

/** Below the value of another label that stands to the left of it: the rows are "label   value". */
function isInValueColumn(value: Segment, layout: Layout, labelled: ReadonlyMap<Segment, Label>): boolean {
  const above = layout.above(value);
  if (above === undefined || labelled.has(above)) return false;
  const label = layout.left(above);
  return (
    label !== undefined && labelled.has(label) && Math.abs(above.box[0] - value.box[0]) < 0.5 * boxHeight(value.box)
  );
}

/** A grid of labels with values under them, rather than values to the right. */
function standsUnder(label: Box, under: Box, beside: Segment): boolean {
  if (/^\s*[:=]/.test(beside.text)) return false;
  const height = boxHeight(label);
  const aligned = Math.abs(under[0] - label[0]) < height;
  return aligned && under[1] - label[3] < height && beside.box[0] - label[2] > 3 * height;
}

/** The label that a position on a line belongs to: the last before it in its segment, else the one to the left or above. */
export function labelBefore(page: OcrPage, line: number, at: number): Label | undefined {
  const layout = layoutOf(page);
  const segment = layout.segments.find((s) => s.line === line && s.span[0] <= at && at < s.span[1]);
  if (segment === undefined) return undefined;
  const labels = labelsOf(page);
  const before = labels.filter((label) => label.segment === segment && segment.span[0] + label.span[1] <= at).at(-1);
  if (before) return before;
  for (const label of labels) {
    if (label.rest || label.segment === segment) continue;
    const candidates = valueCandidates(page, label);
    if (candidates.some((candidate) => candidate.segment === segment)) return label;
  }
  return undefined;
}
