import { boxHeight } from "../../documents/geometry.ts";
import { addressScore, strongAddress, weakAddress } from "../address-shapes.ts";
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
import { paragraphFindings, paragraphsOf } from "../paragraphs.ts";
import { isAmount, isProse } from "../text-shapes.ts";
import { findParties } from "../zones.ts";
import { splitParts } from "./party-parts.ts";

const capital = String.raw`\p{Lu}[\p{L}'’.-]*`;
const small = `(?:de|del|della|di|da|du|des|der|den|van|von|la|le|el|los|las|dem|of|the|und|y)`;
/** The word before a house number has small letters: groups of an account number have none. */
const words = `(?:${capital}\\s+(?:(?:${capital}|${small})\\s+){0,4})?\\p{Lu}[\\p{L}'’-]*\\p{Ll}{2,}\\.?`;
const town = `${capital}(?:[\\s-]+(?:${capital}|${small}|aan|am|an|im|in|sur|sous)){0,4}(?:\\s\\([A-Z]{2}\\))?`;
const inSentence: readonly RegExp[] = [
  // Skyedijk 4, 6674 HK Wessing; Am Lindenfeld 68c, 56014 Berlin; Via Roma 3, 80271 Sordio (SO)
  new RegExp(`${words}\\s+\\d{1,4}\\s?[a-z]?(?:,\\s*|\\s+)(?:[A-Z]{1,2}-)?\\d{4,5}(?:\\s?[A-Z]{2})?\\s+${town}`, "gu"),
  // 12 rue de la Paix, 75002 Paris
  new RegExp(`\\d{1,4}(?:\\s?(?:bis|ter|[a-z]))?,?\\s+\\p{L}[\\p{L}'’. -]{3,40},?\\s+\\d{5}\\s+${town}`, "gu"),
  // 869 Tremblay Lane, Springfield, IL 62704; 5 High Street, London SW1A 1AA
  new RegExp(
    `\\d{1,5}[A-Z]?,?\\s+${words},?\\s+${words},?\\s+(?:[A-Z]{2}\\s+\\d{5}(?:-\\d{4})?|[A-Z]{1,2}\\d[A-Z\\d]?\\s\\d[A-Z]{2}|\\d{5}\\s+${town})`,
    "gu",
  ),
];

/** A town before a date, as above signatures and at the top of letters: "Berlin, 3. Mai 2024". */
const placeAndDate = new RegExp(`^(${town}),\\s+(?:(?:den|le|li|il|a)\\s+)?(?:\\d{1,2}|\\d{4})[\\s./-]`, "u");

/**
 * Addresses: the lines of blocks that look like one, values of labels ("Address", "Town", "Place of birth"), and street
 * with town inside sentences.
 */
export const addressRecognizer: Recognizer = {
  name: "address",
  types: ["address"],
  find(page) {
    const findings: Finding[] = [];
    for (const { address, names, sender } of findParties(page)) {
      const score = sender ? 0.8 : 0.75;
      for (const segment of address) {
        for (const { value, role } of splitParts(segment))
          if (role === "address") findings.push(asAddress(value, score, "address block"));
      }
      for (const segment of names) {
        for (const { value, role } of splitParts(segment))
          if (role === "address" && splitParts(segment).length > 1)
            findings.push(asAddress(value, score, "address block"));
      }
    }
    for (const label of labelsOf(page)) if (label.kind === "address") findings.push(...labelledAddress(page, label));
    for (const paragraph of paragraphsOf(page)) {
      for (const form of inSentence) {
        for (const match of paragraph.text.matchAll(form)) {
          const range = [match.index, match.index + match[0].length] as const;
          findings.push(...paragraphFindings(paragraph, range, { type: "address", score: 0.75, reason: "sentence" }));
        }
      }
    }
    page.lines.forEach(({ text }, line) => {
      const match = placeAndDate.exec(text);
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
  const findings = [asAddress(value, 0.75, "label")];
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
    findings.push(asAddress(whole, 0.7, "label"));
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

/** Whether a text is an address by itself. */
export const isAddress = (text: string): boolean => addressScore(text) >= strongAddress;
