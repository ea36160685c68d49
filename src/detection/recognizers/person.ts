import { isCompanyLike } from "../company-words.ts";
import type { Finding, Recognizer } from "../entity.ts";
import { inItemTable } from "../item-table.ts";
import { isLabelText } from "../label-dictionary.ts";
import { type Label, type Located, labelsOf, valueCandidates } from "../labels.ts";
import { layoutOf, type Segment } from "../layout.ts";
import type { OcrPage } from "../ocr.ts";
import { isNameShaped, isProse, namePart } from "../text-shapes.ts";
import { letterNames } from "./letter-names.ts";
import { namesInSentences } from "./names-in-sentences.ts";
import { namesWithInitials } from "./names-with-initials.ts";
import { partyNames } from "./party-names.ts";

/** Forms of address. "SR" in capitals is a tax code on receipts. */
const titles =
  /(?<![\p{L}])(?:(?:[Mm][Rr][Ss]?|[Mm][Ss]|M[Ii][Ss][Ss]|MDM|Mdm|Madam|D[Rr]|Prof|PROF|Herrn?|HERRN?|Frau|FRAU|Mme|MME|Mlle|Monsieur|Madame|Sra?|Srta|SRA|Señora?|Sig|Sig\.ra|Signora?|Dott|Dott\.ssa|Dhr|dhr|Mevr|mevr|Mw|mw|Dato'?|DATO'?|Datuk|Tuan|Puan|Encik|ENCIK|PUAN|Cik)\.?\s+|(?:M[RS]|MRS)\.)(?=\p{Lu})/gu;

/** Machine-readable lines of identity documents that hold the name (ICAO 9303). */
const machineReadable = /(?<!\S)(?:[A-Z]{1,2}[<«‹]?[A-Z]{3})?[A-Z]+(?:[<«‹][A-Z]+)*[<«‹]{2,}[A-Z<«‹]{4,}(?!\S)/g;

/** "NV-No": what is left of a misread label. */
const numberLabel = /(?:^|[\s-])(?:no|nr)\.?$/iu;

/** Words too common to be labels without a mark. */
const unmarked =
  /^\W*(?:name|nom|nome|naam|nama|nombre|staff|customer|client|kunde|kundin|klant|cliente|contact|member|guest|patient|operator|sales|host|hostess|driver)\s+/u;

/** Persons: by label, form of address, initials, salutation and closing of letters, above addresses, and names inside sentences. */
export const personRecognizer: Recognizer = {
  name: "person",
  types: ["person"],
  needs: ["layout", "labels", "parties"],
  find(page) {
    const inTable = inItemTable(page);
    const findings: Finding[] = [];
    for (const label of labelsOf(page)) {
      if (label.kind === "person" || label.kind === "party") findings.push(...labelledPerson(page, label, inTable));
    }
    for (const segment of layoutOf(page).segments) {
      if (!inTable(segment))
        findings.push(...titled(segment), ...unmarkedLabel(segment), ...namesWithInitials(segment));
    }
    page.lines.forEach(({ text }, line) => {
      for (const { index, 0: value } of text.matchAll(machineReadable)) {
        findings.push({
          type: "person",
          line,
          span: [index, index + value.length],
          score: 0.95,
          reason: "machine-readable line",
        });
      }
    });
    for (const { value, type, score } of partyNames(page)) {
      if (type === "person") findings.push(asPerson(value, score, "name above an address"));
    }
    findings.push(...letterNames(page), ...namesInSentences(page));
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
    if (
      !isNameShaped(value, single) ||
      isLabelText(value) ||
      numberLabel.test(value) ||
      (place === "below" && value.length < 0.6 * text.length)
    )
      continue;
    const score = /\s/.test(value) ? 0.85 : place === "below" ? 0.7 : 0.75;
    return [
      {
        type: "person",
        line,
        span: [span[0], span[0] + value.length],
        score,
        reason: "label",
        evidence: { cue: label.word },
      },
    ];
  }
  return [];
}

function titled({ text, line, span }: Segment): Finding[] {
  return [...text.matchAll(titles)].flatMap((match) => {
    const start = match.index + match[0].length;
    const value = namePart(text.slice(start));
    if (!isNameShaped(value, true) || isLabelText(value)) return [];
    const from = span[0] + start;
    return [
      {
        type: "person" as const,
        line,
        span: [from, from + value.length] as const,
        score: 0.8,
        reason: "form of address",
      },
    ];
  });
}

/** "NAME CHRISTIE POLLICH": a word too common to be a label, with nothing but a name behind it on its line. */
function unmarkedLabel({ text, folded, line, span }: Segment): Finding[] {
  const start = unmarked.exec(folded)?.[0].length;
  if (start === undefined) return [];
  const rest = text.slice(start);
  if (!isNameShaped(rest, true) || isLabelText(rest) || isCompanyLike(rest) || rest.split(/\s+/).length > 4) return [];
  return [{ type: "person", line, span: [span[0] + start, span[1]], score: 0.6, reason: "label without a mark" }];
}
