import { boxHeight } from "../../documents/geometry.ts";
import { addressScore, weakAddress } from "../address-shapes.ts";
import { findDates } from "../date-shapes.ts";
import type { Finding, Recognizer } from "../entity.ts";
import { fold } from "../fold.ts";
import {
  type Candidate,
  type Label,
  type Located,
  labelledSegments,
  labelsOf,
  valueCandidates,
  wholeSegment,
} from "../labels.ts";
import { layoutOf, type Segment } from "../layout.ts";
import { spanBox } from "../lines.ts";
import type { OcrPage } from "../ocr.ts";
import { isAmount, isProse } from "../text-shapes.ts";
import { findParties } from "../zones.ts";
import { addressesInSentences } from "./addresses-in-sentences.ts";
import { splitParts } from "./party-parts.ts";

/** A town before a date, as above signatures and at the top of letters: "Berlin, 3. Mai 2024". */
const townBefore =
  /^(\p{Lu}[\p{L}'’.-]+(?:[\s-]+(?:\p{Lu}[\p{L}'’.-]+|de|la|le|les|del|di|am|an|der|aan|den|op|sur|in)){0,3}),\s+(?:(?:den|le|li|il|a)\s+)?$/u;

/**
 * Addresses: the lines of blocks that look like one, values of labels ("Address", "Town", "Place of birth"), and street
 * with town inside sentences.
 */
export const addressRecognizer: Recognizer = {
  name: "address",
  types: ["address"],
  needs: ["layout", "labels", "parties"],
  find(page) {
    const findings: Finding[] = [];
    for (const { address, names, sender } of findParties(page)) {
      const score = sender ? 0.8 : 0.75;
      for (const segment of address) {
        for (const { value, role, cue } of splitParts(page, segment))
          if (role === "address")
            findings.push({ ...asAddress(value, score, "address block"), ...(cue && { evidence: { cue } }) });
      }
      for (const segment of names) {
        const parts = splitParts(page, segment);
        for (const { value, role } of parts)
          if (role === "address" && parts.length > 1) findings.push(asAddress(value, score, "address block"));
      }
    }
    for (const label of labelsOf(page)) if (label.kind === "address") findings.push(...labelledAddress(page, label));
    findings.push(...addressesInSentences(page));
    page.lines.forEach(({ text }, line) => {
      const date = findDates(text)[0];
      const match = date && townBefore.exec(text.slice(0, date.start));
      if (match)
        findings.push({ type: "address", line, span: [0, match[1]!.length], score: 0.55, reason: "place and date" });
    });
    return findings;
  },
};

const asAddress = ({ line, span }: Located, score: number, reason: string): Finding => ({
  type: "address",
  line,
  span,
  score,
  reason,
});

const notAddress = /@|www\.|https?:|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|^[+(]?[\d\s/-]{8,}$/;

/** The value of an address label and the lines that go on under it. */
function labelledAddress(page: OcrPage, label: Label): Finding[] {
  const value = valueCandidates(page, label).find((candidate) => plausible(candidate, label));
  if (value === undefined) return [];
  const evidence = { cue: label.word };
  const findings: Finding[] = [{ ...asAddress(value, 0.75, "label"), evidence }];
  const labelled = labelledSegments(page);
  let box = spanBox(page.lines[value.line]!, value.span);
  for (let i = 0; i < 4; i++) {
    const next = segmentUnder(page, box, value.segment);
    if (
      next === undefined ||
      labelled.has(next) ||
      isProse(next.text) ||
      isAmount(next.text) ||
      notAddress.test(next.text)
    )
      break;
    // A value may stand alone above another field's; only what looks like an address goes on.
    if (addressScore(next.text) < weakAddress) break;
    const whole = wholeSegment(next);
    if (whole === undefined) break;
    findings.push({ ...asAddress(whole, 0.7, "label"), evidence });
    box = next.box;
  }
  return findings;
}

function plausible(candidate: Candidate, label: Label): boolean {
  const { text, place } = candidate;
  if (isAmount(text) || notAddress.test(text) || isProse(text)) return false;
  if (addressScore(text) >= weakAddress) return true;
  // A town alone has no sign of its own: the label must be sure.
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  return (
    label.marked &&
    letters >= 3 &&
    /^[^\p{L}]*\p{Lu}/u.test(text) &&
    (place !== "right" || !/[:=]\s*$/.test(fold(text)))
  );
}

function segmentUnder(
  page: OcrPage,
  box: readonly [number, number, number, number],
  from: Segment,
): Segment | undefined {
  const height = boxHeight(box);
  return layoutOf(page).segments.find(
    (other) =>
      other !== from &&
      other.box[1] >= box[1] + 0.5 * height &&
      other.box[1] - box[3] < 1.2 * height &&
      Math.abs(other.box[0] - box[0]) < 1.5 * height,
  );
}
