/** Runs the recognizers over a page and makes their findings into entities. */
import { distance } from "fastest-levenshtein";
import { type Entity, type EntityType, entityTypes, type Finding, type Recognizer } from "./entity.ts";
import { spanBox, wordRange } from "./lines.ts";
import type { OcrPage } from "./ocr.ts";
import { addressRecognizer } from "./recognizers/address.ts";
import { cardRecognizer } from "./recognizers/card.ts";
import { companyRecognizer } from "./recognizers/company.ts";
import { dateRecognizer } from "./recognizers/date.ts";
import { emailRecognizer } from "./recognizers/email.ts";
import { ibanRecognizer } from "./recognizers/iban.ts";
import { idNumberRecognizer } from "./recognizers/id-number.ts";
import { personRecognizer } from "./recognizers/person.ts";
import { phoneRecognizer } from "./recognizers/phone.ts";
import { taxIdRecognizer } from "./recognizers/tax-id.ts";
import { urlRecognizer } from "./recognizers/url.ts";

export const builtInRecognizers: readonly Recognizer[] = [
  emailRecognizer,
  urlRecognizer,
  ibanRecognizer,
  cardRecognizer,
  phoneRecognizer,
  dateRecognizer,
  taxIdRecognizer,
  idNumberRecognizer,
  personRecognizer,
  companyRecognizer,
  addressRecognizer,
];

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
  /** Values that are always found, also with one wrongly read character in eight. */
  readonly deny?: readonly { readonly text: string; readonly type: EntityType }[];
}

export interface Detector {
  /** Personal data of one page; entities don't overlap. */
  detect(page: OcrPage, pageIndex: number): Entity[];
}

type Named = Finding & { readonly recognizer: string };

export function createDetector(options: DetectorOptions = {}): Detector {
  const types = new Set(options.types ?? entityTypes);
  const recognizers = [...builtInRecognizers, ...(options.recognizers ?? [])].filter((r) =>
    r.types.some((type) => types.has(type)),
  );
  const allowed = new Set((options.allow ?? []).map(normalise));
  const threshold = (type: EntityType): number => options.minScores?.[type] ?? options.minScore ?? 0.5;
  return {
    detect(page, pageIndex) {
      const findings: Named[] = recognizers.flatMap((recognizer) =>
        recognizer.find(page).map((finding) => ({ ...finding, recognizer: recognizer.name })),
      );
      const text = ({ line, span }: Finding): string => page.lines[line]!.text.slice(span[0], span[1]);
      const kept = findings.filter(
        (f) => types.has(f.type) && f.score >= threshold(f.type) && !allowed.has(normalise(text(f))),
      );
      const denied = (options.deny ?? [])
        .filter(({ type }) => types.has(type))
        .flatMap((entry) => findDenied(page, entry));
      return withoutOverlaps([...denied, ...kept], page).map((finding, index) => {
        const line = page.lines[finding.line]!;
        return {
          id: `p${pageIndex}-e${index}`,
          type: finding.type,
          page: pageIndex,
          line: finding.line,
          words: wordRange(line, finding.span),
          span: finding.span,
          text: text(finding),
          box: spanBox(line, finding.span),
          score: finding.score,
          recognizer: finding.recognizer,
          reason: finding.reason,
        };
      });
    },
  };
}

const normalise = (text: string): string => text.toUpperCase().replace(/[^\p{L}\d]/gu, "");

/** Runs of words on a line that read like the denied text. */
function findDenied(page: OcrPage, { text, type }: { readonly text: string; readonly type: EntityType }): Named[] {
  const wanted = normalise(text);
  if (wanted === "") return [];
  const tolerance = Math.floor(wanted.length / 8);
  return page.lines.flatMap((line, index) => {
    const starts = line.words.map((_, i) =>
      line.words.slice(0, i).reduce((sum, word) => sum + word.text.length + 1, 0),
    );
    for (let first = 0; first < line.words.length; first++) {
      for (let last = first + 1; last <= line.words.length; last++) {
        const start = starts[first]!;
        const end = starts[last - 1]! + line.words[last - 1]!.text.length;
        if (distance(normalise(line.text.slice(start, end)), wanted) <= tolerance) {
          return [
            { type, line: index, span: [start, end] as const, score: 1, reason: "deny list", recognizer: "deny" },
          ];
        }
      }
    }
    return [];
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
    let parts: (readonly [number, number])[] = [finding.span];
    for (const other of taken) {
      if (other.line !== finding.line) continue;
      parts = parts.flatMap(([start, end]) => {
        if (other.span[1] <= start || other.span[0] >= end) return [[start, end] as const];
        return [[start, other.span[0]] as const, [other.span[1], end] as const].filter(([a, b]) => b > a);
      });
    }
    const whole = parts.length === 1 && parts[0]![0] === finding.span[0] && parts[0]![1] === finding.span[1];
    if (whole) {
      taken.push(finding);
      continue;
    }
    if (finding.type !== "address" && finding.type !== "company") continue;
    for (const [start, end] of parts) {
      const text = page.lines[finding.line]!.text.slice(start, end);
      const lead = text.search(/[\p{L}\d(]/u);
      const length = text.replace(/[^\p{L}\d)]+$/u, "").length;
      if (lead < 0 || (text.match(/[\p{L}\d]/gu)?.length ?? 0) < 4) continue;
      taken.push({ ...finding, span: [start + lead, start + length] });
    }
  }
  return taken.sort((a, b) => a.line - b.line || a.span[0] - b.span[0]);
}
