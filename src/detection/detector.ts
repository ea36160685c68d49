/** Runs the recognizers over a page and makes their findings into entities. */

import { setImmediate } from "node:timers/promises";
import { distance } from "fastest-levenshtein";
import { codedError } from "../errors.ts";
import { createPacer, type Pacer } from "../pacer.ts";
import { isCompanyLike } from "./company-words.ts";
import {
  type Entity,
  type EntityType,
  entityTypes,
  type Finding,
  type Preparation,
  type Recognizer,
} from "./entity.ts";
import { labelledSegments, prepareLabels } from "./labels.ts";
import { prepareLayout } from "./layout.ts";
import { spanBox, spansOverlap, wordRange, wordSpans } from "./lines.ts";
import type { OcrPage } from "./ocr.ts";
import { zoneFinder } from "./page-zones.ts";
import { addressRecognizer } from "./recognizers/address.ts";
import { birthDateRecognizer } from "./recognizers/birth-date.ts";
import { cardRecognizer } from "./recognizers/card.ts";
import { companyRecognizer } from "./recognizers/company.ts";
import { dateRecognizer } from "./recognizers/date.ts";
import { emailRecognizer } from "./recognizers/email.ts";
import { ibanRecognizer } from "./recognizers/iban.ts";
import { idNumberRecognizer } from "./recognizers/id-number.ts";
import { licencePlateRecognizer } from "./recognizers/licence-plate.ts";
import { personRecognizer } from "./recognizers/person.ts";
import { phoneRecognizer } from "./recognizers/phone.ts";
import { taxIdRecognizer } from "./recognizers/tax-id.ts";
import { urlRecognizer } from "./recognizers/url.ts";
import { countDigits } from "./text-shapes.ts";
import { prepareParties } from "./zones.ts";

export const builtInRecognizers: readonly Recognizer[] = [
  emailRecognizer,
  urlRecognizer,
  ibanRecognizer,
  cardRecognizer,
  phoneRecognizer,
  dateRecognizer,
  birthDateRecognizer,
  taxIdRecognizer,
  idNumberRecognizer,
  licencePlateRecognizer,
  personRecognizer,
  companyRecognizer,
  addressRecognizer,
];

/** A value that is always found. Without a type it is told by its form: number, company, else person. */
export type DeniedValue = string | { readonly text: string; readonly type: EntityType };

export interface DetectorOptions {
  /** Default: all. */
  readonly types?: readonly EntityType[];
  /** Run besides the built-in ones. */
  readonly recognizers?: readonly Recognizer[];
  /** Findings below are dropped; default 0.5. */
  readonly minScore?: number;
  /** Thresholds of single types. */
  readonly minScores?: Readonly<Partial<Record<EntityType, number>>>;
  /** Values that are left alone; case, spaces and marks don't matter. */
  readonly allow?: readonly string[];
  /** Values that are always found on a line, also with one wrongly read character in eight. */
  readonly deny?: readonly DeniedValue[];
}

export interface Detector {
  /**
   * Personal data of one page in reading order; entities don't overlap. `pageIndex` is 0-based and goes into their ids.
   * Rejects with ERR_INVALID_ARGUMENT when a caller's own recognizer reports a place that does not exist.
   */
  detect(page: OcrPage, pageIndex: number): Promise<Entity[]>;
}

type Named = Finding & { readonly recognizer: string };

const defaultMinScore = 0.5;

/** Throws ERR_INVALID_ARGUMENT for unknown types and scores outside 0…1. */
export function createDetector(options: DetectorOptions = {}): Detector {
  checkOptions(options);
  const types = new Set(options.types ?? entityTypes);
  const recognizers = [...builtInRecognizers, ...(options.recognizers ?? [])].filter((r) =>
    r.types.some((type) => types.has(type)),
  );
  const allowed = new Set((options.allow ?? []).map(bare));
  const denied = (options.deny ?? []).map(typed).filter(({ type }) => types.has(type));
  const threshold = (type: EntityType): number => options.minScores?.[type] ?? options.minScore ?? defaultMinScore;
  return {
    async detect(page, pageIndex) {
      const found: Named[] = [];
      const pacer = createPacer(undefined);
      for (const prepare of preparations(recognizers)) {
        await setImmediate();
        await prepare(page, pacer);
      }
      for (const recognizer of recognizers) {
        // A crowded page takes a recognizer some milliseconds.
        await setImmediate();
        const reported = await recognizer.find(page);
        found.push(...reported.map((finding) => checked(finding, recognizer, page)));
      }
      const kept = found.filter(
        (f) => types.has(f.type) && f.score >= threshold(f.type) && !allowed.has(bare(textOf(f, page))),
      );
      const always = denied.flatMap((value) => findDenied(page, value));
      const zone = recognizers.some(({ needs = [] }) => needs.includes("parties")) ? zoneFinder(page) : undefined;
      return withoutOverlaps([...always, ...kept], page).map((finding, index) =>
        toEntity(zone ? inZone(finding, zone) : finding, page, pageIndex, index),
      );
    },
  };
}

/**
 * What the recognizers share, made first and in pieces: together it takes a crowded page tens of milliseconds. Only what
 * one of them looks at.
 */
function preparations(recognizers: readonly Recognizer[]): ((page: OcrPage, pacer: Pacer) => unknown)[] {
  const needed = new Set(recognizers.flatMap(({ needs = [] }) => needs));
  const steps: Readonly<Record<Preparation, readonly ((page: OcrPage, pacer: Pacer) => unknown)[]>> = {
    layout: [prepareLayout],
    labels: [prepareLabels, labelledSegments],
    parties: [prepareParties, zoneFinder],
  };
  return (Object.keys(steps) as Preparation[]).flatMap((step) => (needed.has(step) ? steps[step] : []));
}

const inZone = (finding: Named, zone: ReturnType<typeof zoneFinder>): Named => ({
  ...finding,
  evidence: { ...finding.evidence, zone: zone(finding.line, finding.span) },
});

function checkOptions({ types = [], deny = [], minScore, minScores = {} }: DetectorOptions): void {
  const used = [
    ...types,
    ...Object.keys(minScores),
    ...deny.flatMap((value) => (typeof value === "string" ? [] : [value.type])),
  ];
  const unknown = used.find((type) => !(entityTypes as readonly string[]).includes(type));
  if (unknown !== undefined)
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `There is no entity type "${unknown}"; there are ${entityTypes.join(", ")}`,
    );
  for (const score of [minScore ?? 0, ...Object.values(minScores)]) {
    if (!(score >= 0 && score <= 1)) throw codedError("ERR_INVALID_ARGUMENT", "A least score must be from 0 to 1");
  }
}

/** A caller's recognizer may be wrong; nothing after this line has to look again. */
function checked(finding: Finding, { name }: Recognizer, page: OcrPage): Named {
  const [start, end] = finding.span;
  const length = page.lines[finding.line]?.text.length ?? -1;
  const fine = Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= length;
  if (!fine || !(finding.score >= 0 && finding.score <= 1)) {
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `The recognizer "${name}" reports characters ${start} to ${end} of line ${finding.line} with score ${finding.score}, which can't be`,
    );
  }
  return { ...finding, recognizer: name };
}

const textOf = ({ line, span }: Finding, page: OcrPage): string => page.lines[line]!.text.slice(span[0], span[1]);

function toEntity(finding: Named, page: OcrPage, pageIndex: number, index: number): Entity {
  const line = page.lines[finding.line]!;
  return {
    id: `p${pageIndex}-e${index}`,
    type: finding.type,
    page: pageIndex,
    line: finding.line,
    words: wordRange(line, finding.span),
    span: finding.span,
    text: textOf(finding, page),
    box: spanBox(line, finding.span),
    score: finding.score,
    recognizer: finding.recognizer,
    reason: finding.reason,
    ...(finding.evidence && { evidence: finding.evidence }),
  };
}

const bare = (text: string): string => text.toUpperCase().replace(/[^\p{L}\d]/gu, "");

function typed(value: DeniedValue): { readonly text: string; readonly type: EntityType } {
  if (typeof value !== "string") return value;
  const digits = countDigits(value);
  if (value.includes("@")) return { text: value, type: "email" };
  if (digits > value.length / 2) return { text: value, type: "id_number" };
  return { text: value, type: isCompanyLike(value) ? "company" : "person" };
}

/** Runs of words on a line that read like the denied text, nearest first, without overlaps. */
function findDenied(page: OcrPage, { text, type }: { readonly text: string; readonly type: EntityType }): Named[] {
  const wanted = bare(text);
  if (wanted === "") return [];
  const tolerance = Math.floor(wanted.length / 8);
  return page.lines.flatMap((line, index) => {
    const spans = wordSpans(line);
    const hits: { readonly span: readonly [number, number]; readonly errors: number }[] = [];
    for (const [first, [start]] of spans.entries()) {
      for (const [, end] of spans.slice(first)) {
        const read = bare(line.text.slice(start, end));
        if (read.length > wanted.length + tolerance) break;
        const errors = distance(read, wanted);
        if (errors <= tolerance) hits.push({ span: [start, end], errors });
      }
    }
    const taken: Named[] = [];
    for (const { span } of hits.sort((a, b) => a.errors - b.errors)) {
      if (taken.some((other) => spansOverlap(other.span, span))) continue;
      taken.push({ type, line: index, span, score: 1, reason: "deny list", recognizer: "deny" });
    }
    return taken;
  });
}

/**
 * The best findings that don't overlap, in reading order. Higher score wins, then the longer one. What is left of an
 * address or company around a better finding stays found: a telephone number inside an address line must not uncover it.
 */
function withoutOverlaps(findings: readonly Named[], page: OcrPage): Named[] {
  const ranked = [...findings].sort((a, b) => b.score - a.score || b.span[1] - b.span[0] - (a.span[1] - a.span[0]));
  const taken: Named[] = [];
  for (const finding of ranked) {
    const parts = uncovered(finding, taken);
    const whole = parts.length === 1 && parts[0]![0] === finding.span[0] && parts[0]![1] === finding.span[1];
    if (!whole && finding.type !== "address" && finding.type !== "company") continue;
    for (const part of parts) {
      const span = trimmed(part, page.lines[finding.line]!.text, whole ? 1 : minLeftover);
      if (span !== undefined) taken.push({ ...finding, span });
    }
  }
  return taken.sort((a, b) => a.line - b.line || a.span[0] - b.span[0]);
}

/** Letters and digits that a rest needs to be worth keeping. */
const minLeftover = 4;

/** The parts of a finding that no finding taken before covers. */
function uncovered({ line, span }: Finding, taken: readonly Finding[]): (readonly [number, number])[] {
  let parts: (readonly [number, number])[] = [span];
  for (const other of taken) {
    if (other.line !== line) continue;
    const [from, to] = other.span;
    parts = parts.flatMap(([start, end]) => {
      if (to <= start || from >= end) return [[start, end] as const];
      return [[start, from] as const, [to, end] as const].filter(([a, b]) => b > a);
    });
  }
  return parts;
}

/** Without marks and spaces at its ends; undefined when too little is left. */
function trimmed(
  [start, end]: readonly [number, number],
  line: string,
  least: number,
): readonly [number, number] | undefined {
  const text = line.slice(start, end);
  if ((text.match(/[\p{L}\d]/gu)?.length ?? 0) < least) return undefined;
  return [start + text.search(/[\p{L}\d(+*<«‹]/u), start + text.replace(/[^\p{L}\d)*<«‹]+$/u, "").length];
}
