/** Lines of senders and addressees, part by part: "Schulz GmbH · Am Lindenfeld 68c · 56014 Berlin". */
import { addressScore, strongAddress, weakAddress } from "../address-shapes.ts";
import { findLegalForms } from "../company-words.ts";
import { type Label, type Located, labelledSegments, labelsOf, locate } from "../labels.ts";
import type { Segment } from "../layout.ts";
import type { OcrPage } from "../ocr.ts";

export interface PartyPart {
  readonly value: Located;
  readonly role: "company" | "address";
  /** The label before it. */
  readonly cue?: string;
}

const separator = /\s+[·•|*–—-]\s+|\s*[·•|]\s*/g;

/** Names the address without being part of it, as "Jalan" and "Via" are. */
const addressNoun = /^(?:.*addr|.*adres|.*anschrift|direccion|domicil|indirizzo|alamat)/;

/** A label before an address: "Address: ", "Anschrift ". */
function addressLabel(page: OcrPage, segment: Segment): Label | undefined {
  const label = labelledSegments(page).get(segment);
  if (label?.kind !== "address" || label.rest === undefined) return undefined;
  return /[:=]\s*$/.test(behind(label)) || addressNoun.test(label.word) ? label : undefined;
}

/** What stands between a label and its value. */
const behind = ({ segment, span, rest }: Label): string => segment.text.slice(span[1], rest!.span[0] - segment.span[0]);

/** The parts of a line of an address block, without the label at its start. Without separators the line is one part. */
export function splitParts(page: OcrPage, segment: Segment): PartyPart[] {
  const label = addressLabel(page, segment);
  const parts = partsFrom(segment, label?.span[1] ?? 0);
  return label ? parts.map((part) => ({ ...part, cue: label.word })) : parts;
}

function partsFrom(segment: Segment, begin: number): PartyPart[] {
  const cuts = [...segment.text.matchAll(separator)].map(
    (match) => [match.index, match.index + match[0].length] as const,
  );
  const parts: PartyPart[] = [];
  let from = begin;
  for (const [start, end] of [...cuts, [segment.text.length, segment.text.length] as const]) {
    if (end <= from) continue;
    parts.push(...splitAtCompany(segment, from, start));
    from = end;
  }
  return parts;
}

/** "Lorillard Inc, 2525 Market Street": the name ends with its legal form. */
function splitAtCompany(segment: Segment, from: number, to: number): PartyPart[] {
  const text = segment.text.slice(from, to);
  const form = findLegalForms(text).at(-1);
  const whole = locate(segment, from, to);
  if (whole === undefined) return [];
  if (form === undefined || addressScore(text) < weakAddress)
    return [{ value: whole, role: form ? "company" : "address" }];
  const rest = text.slice(form.end);
  if (addressScore(rest) < weakAddress)
    return [{ value: whole, role: addressScore(text) >= strongAddress ? "address" : "company" }];
  const name = locate(segment, from, from + form.end);
  const address = locate(segment, from + form.end, to);
  return [
    ...(name ? [{ value: name, role: "company" as const }] : []),
    ...(address ? [{ value: address, role: "address" as const }] : []),
  ];
}

/** The text of a segment behind its label, if it has one. */
export function withoutLabel(page: OcrPage, segment: Segment): Located | undefined {
  const label = labelsOf(page).find((other) => other.segment === segment && other.span[0] <= 4 && other.marked);
  return label ? label.rest : locate(segment, 0, segment.text.length);
}
