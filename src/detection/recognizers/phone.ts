import { parsePhoneNumberFromString } from "libphonenumber-js/min";
import { boxHeight } from "../../documents/geometry.ts";
import type { Finding, Recognizer } from "../entity.ts";
import { labelBefore } from "../labels.ts";
import { layoutOf } from "../layout.ts";
import type { Judgement } from "../matches.ts";
import type { OcrPage } from "../ocr.ts";
import { textBefore } from "../paragraphs.ts";
import { findParties } from "../zones.ts";

/** Digits with the signs that stand between them; O, l and I are what OCR makes of 0 and 1. */
const pattern = /(?:\+\s?|\(\s?\+?)?\d(?:[\dOolI]|[\s().\-–/](?=[\s().\-–/]*[\dOolI+])){5,}/gu;
const looksLikeDate = /^\(?\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?!\d|[./-]\d)/;
/** The form of a national number as people write it: a leading 0 and groups, or three groups or more. */
const nationalForm = /^(?:0\d{1,4}[\s/.-]\d{2,}|0\d{8,11}$|\d{2,4}(?:[\s.-]\d{2,4}){2,})/;
/** Words before a number in a sentence: "can be reached at", "erreichbar unter", "joignable au". */
const spoken =
  /(?<!\p{L})(?:phon\p{L}*|call\p{L}*|tel[eé]?[fp]h?on\p{L}*|tel|reach\p{L}*|ring|fax|mobile|dial|erreich\p{L}*|anruf\p{L}*|raggiung\p{L}*|chiam\p{L}*|joign\p{L}*|appel\p{L}*|localiza\p{L}*|llam\p{L}*|bereik\p{L}*|bel(?:len)?|hubungi)[^\d.;:]{0,16}$/iu;

/** All that may follow a number that stands for itself: whose it is. */
const titledName =
  /^[\s,:()-]*(?:mr|mrs|ms|miss|mdm|dr|encik|puan|herr|frau|mme|sig|sr|sra|dhr|mevr)\.?\s*\p{Lu}[\p{L}.' ]*\W*$/iu;

const digitsIn = (text: string): number => text.replace(/[OolI]/g, "0").replace(/\D/g, "").length;

/**
 * Telephone numbers. Digits alone prove nothing, so a number needs a label before it, a leading "+" or "(", a word like
 * "call" in a sentence, or to stand alone among a sender's or addressee's lines.
 */
export const phoneRecognizer: Recognizer = {
  name: "phone",
  types: ["phone"],
  needs: ["layout", "labels", "parties"],
  find(page) {
    const findings: Finding[] = [];
    const nearParty = partyLines(page);
    page.lines.forEach(({ text }, line) => {
      let numbered = false;
      for (const match of text.matchAll(pattern)) {
        const value = match[0].replace(/[\s().\-–/]+$/u, "");
        const count = digitsIn(value);
        if (count < 6 || count > 30 || looksLikeDate.test(value)) continue;
        const evidence = judge(page, line, match.index, value, count, numbered, nearParty);
        if (evidence === undefined) continue;
        numbered = true;
        findings.push({ type: "phone", line, span: [match.index, match.index + value.length], ...evidence });
      }
    });
    return findings;
  },
};

function judge(
  page: OcrPage,
  line: number,
  at: number,
  value: string,
  count: number,
  afterNumber: boolean,
  nearParty: ReadonlySet<number>,
): Judgement | undefined {
  const { text } = page.lines[line]!;
  const label = labelBefore(page, line, at);
  if (label?.kind === "phone") return { score: 0.95, reason: "label", evidence: { cue: label.word } };
  if (label && ["tax_id", "id_number", "account", "card"].includes(label.kind)) return undefined;
  if (/^[+]|^\(\s?\+/.test(value)) {
    const possible = parsePhoneNumberFromString(value.replace(/[()\s.\-–/]/g, ""))?.isPossible() ?? false;
    return possible ? { score: 0.9, reason: "international form" } : undefined;
  }
  if (count < 7 || count > 13) return undefined;
  if (/^\(\s?\d{2,4}\s?\)/.test(value)) return { score: 0.75, reason: "area code in brackets" };
  if (!nationalForm.test(value)) return undefined;
  // "TEL: 03-7832 6929 , 012-659 9829"
  if (afterNumber && /[,/;&|]\s*$/.test(text.slice(0, at))) return { score: 0.8, reason: "after another number" };
  const sentence = textBefore(page, line, at);
  if (sentence !== undefined) return spoken.test(sentence) ? { score: 0.75, reason: "sentence" } : undefined;
  if (/@|www\./i.test(text)) return { score: 0.7, reason: "beside other contacts" };
  if (label && label.kind === "other") return undefined;
  const alone = value.length > 0.7 * text.trim().length || titledName.test(text.slice(at + value.length));
  if (alone && nearParty.has(line)) return { score: 0.75, reason: "alone beside an address" };
  // "Name : ESWARAN 012-6369400"
  if (label?.kind === "person" || label?.kind === "party") return { score: 0.7, reason: "beside a name" };
  return undefined;
}

/** Lines in and within three lines of the blocks of names and addresses. */
function partyLines(page: OcrPage): Set<number> {
  const near = new Set<number>();
  const parts = findParties(page).map((party) => [...party.names, ...party.address]);
  for (const { line, box } of layoutOf(page).segments) {
    const reach = 3.5 * boxHeight(box);
    const touches = parts.some((segments) =>
      segments.some(
        (other) =>
          other.box[1] - box[3] < reach &&
          box[1] - other.box[3] < reach &&
          other.box[0] < box[2] &&
          box[0] < other.box[2],
      ),
    );
    if (touches) near.add(line);
  }
  return near;
}
