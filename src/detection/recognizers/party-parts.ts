/** Lines of senders and addressees, part by part: "Schulz GmbH · Am Lindenfeld 68c · 56014 Berlin". */
import { addressScore, strongAddress, weakAddress } from "../address-shapes.ts";
import { findLegalForms } from "../company-words.ts";
import { type Located, labelsOf, locate } from "../labels.ts";
import type { Segment } from "../layout.ts";
import type { OcrPage } from "../ocr.ts";

export interface PartyPart {
  readonly value: Located;
  readonly role: "company" | "address";
}

const separator = /\s+[·•|*–—-]\s+|\s*[·•|]\s*/g;

/** The parts of a line of an address block. Without separators the line is one part. */
export function splitParts(segment: Segment): PartyPart[] {
  const cuts = [...segment.text.matchAll(separator)].map(
    (match) => [match.index, match.index + match[0].length] as const,
  );
  const parts: PartyPart[] = [];
  let from = 0;
  for (const [start, end] of [...cuts, [segment.text.length, segment.text.length] as const]) {
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
