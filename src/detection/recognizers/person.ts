import { boxHeight } from "../../documents/geometry.ts";
import { isCompanyLike } from "../company-words.ts";
import type { Finding, Recognizer } from "../entity.ts";
import { fold } from "../fold.ts";
import { type Label, type Located, labelledSegments, labelsOf, valueCandidates, wholeSegment } from "../labels.ts";
import { layoutOf, type Segment } from "../layout.ts";
import type { OcrPage } from "../ocr.ts";
import { isNameShaped, isProse, namePart } from "../text-shapes.ts";
import { inItemTable } from "../zones.ts";
import { namesInSentences } from "./names-in-sentences.ts";
import { partyNames } from "./party-names.ts";

const titles =
  /(?<![\p{L}])(?:mr|mrs|ms|miss|mdm|madam|dr|prof|herrn?|frau|mme|mlle|monsieur|madame|sr|sra|srta|señor|señora|sig|sig\.ra|signor|signora|dott|dott\.ssa|dhr|mevr|mw|dato'?|datuk|tuan|puan|encik|cik)\.?\s+(?=\p{Lu})/giu;

const salutation =
  /^\W*(?:dear|hello|hi|sehr\s+geehrte[rs]?|liebe[rs]?|guten\s+tag|hallo|cher|chere|bonjour|estimad[oa](?:[/(]a\)?)?|querid[oa]|muy\s+sr\.?|egregi[oa](?:[/(]a\)?)?|gentil[ei](?:ssim[oa])?|car[oa]|geachte|beste|kepada)\s+/u;
const polite =
  /^(?:(?:mr|mrs|ms|miss|dr|prof|herrn?|frau|mme|mlle|madame|monsieur|m|sr|sra|señor|señora|sig|sig\.ra|signor|signora|dott|heer|mevrouw|meneer|dhr|mevr|and|und|et|y|or|oder|of)[./]*\s*)+/iu;

const closing =
  /(?:sincerely|faithfully|truly\s+yours|yours\s+truly|regards|best\s+wishes|with\s+best|respectfully|gru(?:ss|ß|b)|hochachtungsvoll|cordialement|salutations|sentiments|respectueusement|atentamente|saludos?|cordialmente|saluti|distintamente|groet(?:en)?|hoogachtend|hormat)/u;

/** Persons: by label, form of address, salutation and closing of letters, above addresses, and names inside sentences. */
export const personRecognizer: Recognizer = {
  name: "person",
  types: ["person"],
  find(page) {
    const findings: Finding[] = [];
    const inTable = inItemTable(page);
    for (const label of labelsOf(page)) {
      if (label.kind === "person" || label.kind === "party") findings.push(...labelledPerson(page, label, inTable));
    }
    findings.push(...unmarkedLabels(page, inTable));
    for (const { value, type, score } of partyNames(page))
      if (type === "person") findings.push(asPerson(value, score, "name above an address"));
    page.lines.forEach(({ text }, line) => {
      for (const match of text.matchAll(titles)) {
        const start = match.index + match[0].length;
        const value = namePart(text.slice(start));
        if (!isNameShaped(value, true)) continue;
        findings.push({
          type: "person",
          line,
          span: [start, start + value.length],
          score: 0.8,
          reason: "form of address",
        });
      }
      const match = salutation.exec(fold(text));
      if (match) {
        const start = match[0].length + (polite.exec(text.slice(match[0].length))?.[0].length ?? 0);
        const value = namePart(text.slice(start));
        if (isNameShaped(value, true) && text.length - start - value.length < 3) {
          findings.push({
            type: "person",
            line,
            span: [start, start + value.length],
            score: 0.85,
            reason: "salutation",
          });
        }
      }
      for (const mrz of text.matchAll(
        /(?<!\S)(?:[A-Z]{1,2}[<«‹]?[A-Z]{3})?[A-Z]+(?:[<«‹][A-Z]+)*[<«‹]{2,}[A-Z<«‹]{4,}(?!\S)/g,
      )) {
        findings.push({
          type: "person",
          line,
          span: [mrz.index, mrz.index + mrz[0].length],
          score: 0.95,
          reason: "machine-readable line",
        });
      }
    });
    findings.push(...signatures(page), ...namesInSentences(page));
    return findings;
  },
};

const asPerson = ({ line, span }: Located, score: number, reason: string): Finding => ({
  type: "person",
  line,
  span,
  score,
  reason,
});

function labelledPerson(page: OcrPage, label: Label, inTable: (segment: Segment) => boolean): Finding[] {
  for (const candidate of valueCandidates(page, label)) {
    const { text, place, line, span } = candidate;
    if (isProse(text) || (place !== "same" && inTable(candidate.segment))) continue;
    if (label.kind === "party" && (place === "below" || isCompanyLike(text))) continue;
    const value = namePart(text);
    // One word is enough behind a mark or alone under the label, not after words like "customer" in a line of text.
    const single = label.marked || place !== "same" || label.kind === "person";
    if (!isNameShaped(value, single) || isLabelText(value) || (place === "below" && value.length < 0.6 * text.length))
      continue;
    const words = value.split(/\s+/).length;
    const score = words > 1 ? 0.85 : place === "below" ? 0.7 : 0.75;
    return [{ type: "person", line, span: [span[0], span[0] + value.length], score, reason: "label" }];
  }
  return [];
}

const unmarked =
  /^\W*(?:name|nom|nome|naam|nama|nombre|staff|customer|client|kunde|kundin|klant|cliente|contact|member|guest|patient|operator|sales|host|hostess|driver)\s+/u;

/** "NAME CHRISTIE POLLICH": a word too common to be a label, with nothing but a name behind it on its line. */
function unmarkedLabels(page: OcrPage, inTable: (segment: Segment) => boolean): Finding[] {
  return layoutOf(page).segments.flatMap((segment) => {
    const start = unmarked.exec(segment.folded)?.[0].length;
    if (start === undefined || inTable(segment)) return [];
    const rest = segment.text.slice(start);
    if (!isNameShaped(rest, true) || isLabelText(rest) || isCompanyLike(rest) || rest.split(/\s+/).length > 4)
      return [];
    const from = segment.span[0] + start;
    return [
      {
        type: "person" as const,
        line: segment.line,
        span: [from, segment.span[1]] as const,
        score: 0.6,
        reason: "label without a mark",
      },
    ];
  });
}

/** Names under the closing of a letter: the signature and the typed name. */
function signatures(page: OcrPage): Finding[] {
  const { segments } = layoutOf(page);
  const labelled = labelledSegments(page);
  return segments.flatMap((segment) => {
    if (isProse(segment.text) || segment.text.split(/\s+/).length > 7 || !closing.test(segment.folded)) return [];
    const findings: Finding[] = [];
    for (const below of under(segment, segments).slice(0, 3)) {
      const value = wholeSegment(below);
      if (value === undefined || labelled.has(below)) break;
      const name = namePart(value.text.replace(/^(?:i\.\s?[av]\.|p\.?\s?p\.|ppa\.)\s*/i, ""));
      if (!isNameShaped(name) || isCompanyLike(name)) {
        if (findings.length > 0) break;
        continue;
      }
      const start = value.span[0] + value.text.indexOf(name);
      findings.push({
        type: "person",
        line: value.line,
        span: [start, start + name.length],
        score: 0.7,
        reason: "signature",
      });
    }
    return findings;
  });
}

/** Segments below in the same column, nearest first, as far as a signature takes. */
function under({ box }: Segment, segments: readonly Segment[]): Segment[] {
  return segments
    .filter((other) => other.box[1] >= box[3] - 0.3 * boxHeight(box) && other.box[1] - box[3] < 9 * boxHeight(box))
    .filter((other) => Math.min(box[2], other.box[2]) - Math.max(box[0], other.box[0]) > 0 && /\p{L}/u.test(other.text))
    .sort((a, b) => a.box[1] - b.box[1]);
}
