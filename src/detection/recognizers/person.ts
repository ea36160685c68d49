import { boxHeight } from "../../documents/geometry.ts";
import { isCompanyLike } from "../company-words.ts";
import type { Finding, Recognizer } from "../entity.ts";
import { inItemTable } from "../item-table.ts";
import { isLabelText } from "../label-dictionary.ts";
import { type Label, type Located, labelledSegments, labelsOf, locate, valueCandidates } from "../labels.ts";
import { layoutOf, type Segment } from "../layout.ts";
import type { OcrPage } from "../ocr.ts";
import { isNameShaped, isProse, isShortName, namePart } from "../text-shapes.ts";
import { letterNames } from "./letter-names.ts";
import { namesInSentences } from "./names-in-sentences.ts";
import { namesWithInitials } from "./names-with-initials.ts";
import { namesWithMarkers } from "./names-with-markers.ts";
import { partyNames } from "./party-names.ts";

/** Forms of address. "SR" in capitals is a tax code on receipts. */
const titles =
  /(?<![\p{L}])(?:(?:[Mm][Rr][Ss]?|[Mm][Ss]|M[Ii][Ss][Ss]|MDM|Mdm|Madam|D[Rr]|Prof|PROF|Herrn?|HERRN?|Frau|FRAU|Mme|MME|Mlle|Monsieur|Madame|Sra?|Srta|SRA|Señora?|Sig|Sig\.ra|Signora?|Dott|Dott\.ssa|Dhr|dhr|Mevr|mevr|Mw|mw|Dato'?|DATO'?|Datuk|Tuan|Puan|Encik|ENCIK|PUAN|Cik)\.?\s+|(?:M[RS]|MRS)\.)(?=\p{Lu})/gu;

/** Machine-readable lines of identity documents that hold the name (ICAO 9303); it has no digits, but OCR reads some. */
const machineReadable = /(?<!\S)(?:[A-Z]{1,2}[<«‹]?[A-Z]{3})?[A-Z01]+(?:[<«‹][A-Z01]+)*[<«‹]{2,}[A-Z01<«‹]{4,}(?!\S)/g;

const signatureLabel = /signature|unterschrift|handtekening|firma|firmado|tandatangan/;

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
      if (label.kind !== "person" && label.kind !== "party") continue;
      const labelled = labelledPerson(page, label, inTable);
      findings.push(...labelled);
      if (labelled.length === 0 && signatureLabel.test(label.word)) findings.push(...nameAbove(page, label));
    }
    for (const segment of layoutOf(page).segments) {
      if (!inTable(segment))
        findings.push(...titled(segment), ...unmarkedLabel(segment), ...namesWithInitials(segment));
      if (!inTable(segment)) findings.push(...namesWithMarkers(segment));
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

/** Before the name of who served: "007 MEI LING", "#12 Olga". */
const staffNumber = /^#?\d{1,6}\s*[-/:.]?\s+(?=\p{Lu})/u;

const asPerson = ({ line, span }: Located, score: number, reason: string): Finding => ({
  type: "person",
  line,
  span,
  score,
  reason,
});

function labelledPerson(page: OcrPage, label: Label, inTable: (segment: Segment) => boolean): Finding[] {
  for (const candidate of valueCandidates(page, label)) {
    const { place, line } = candidate;
    const number = place === "same" ? (staffNumber.exec(candidate.text)?.[0].length ?? 0) : 0;
    const text = candidate.text.slice(number);
    const span = [candidate.span[0] + number, candidate.span[1]] as const;
    if (isProse(text) || (place !== "same" && inTable(candidate.segment))) continue;
    if (label.kind === "party" && (place === "below" || isCompanyLike(text))) continue;
    const value = namePart(text);
    // One word is enough behind a mark or alone under the label, not after words like "customer" in a line of text.
    const single = label.marked || place !== "same" || label.kind === "person";
    const short = label.marked && place === "same" && value === text && isShortName(value);
    if (
      !(isNameShaped(value, single) || short) ||
      isLabelText(value) ||
      numberLabel.test(value) ||
      (number > 0 && value !== text) ||
      (place === "below" && value.length < 0.6 * text.length)
    )
      continue;
    // Where a signature is asked for, a single word is a heading or a scrawl's reading.
    if (signatureLabel.test(label.word) && !/\s/.test(value) && !(label.marked && place === "same")) continue;
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

/** The typed name on the line for a signature, above "Signature of applicant". */
function nameAbove(page: OcrPage, { segment, word }: Label): Finding[] {
  const above = layoutOf(page).above(segment);
  if (above === undefined || segment.box[1] - above.box[3] > 2.5 * boxHeight(segment.box)) return [];
  if (labelledSegments(page).has(above) || isCompanyLike(above.text)) return [];
  const cross = /^\W*[xX]\s+/.exec(above.text)?.[0].length ?? 0;
  const value = locate(above, cross, above.text.length);
  if (value === undefined || !isNameShaped(value.text) || isLabelText(value.text)) return [];
  return [{ ...asPerson(value, 0.65, "above a label for signatures"), evidence: { cue: word } }];
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
