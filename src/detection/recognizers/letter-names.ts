/** Names at the beginning and end of letters: the salutation, the signature and the typed name under it. */
import { boxHeight } from "../../documents/geometry.ts";
import { isCompanyLike } from "../company-words.ts";
import type { Finding } from "../entity.ts";
import { isLabelText } from "../label-dictionary.ts";
import { labelledSegments, wholeSegment } from "../labels.ts";
import { type Layout, layoutOf, type Segment } from "../layout.ts";
import type { OcrPage } from "../ocr.ts";
import { isNameShaped, isProse, namePart } from "../text-shapes.ts";

const salutation =
  /^\W*(?:dear|hello|hi|sehr\s+geehrte[rs]?|liebe[rs]?|guten\s+tag|hallo|chere?|bonjour|estimad[oa]|querid[oa]|apreciad[oa]|distinguid[oa]|muy\s+sra?\.?|egregi[oa]|gentil[ei]|gentilissim[oa]|car[oa]|spett(?:abile|\.)|geachte|beste|kepada)(?![\p{L}])/u;
/** What may stand between the greeting and the name. */
const polite =
  /^(?:[\s/(),.]*(?:mr|mrs|ms|miss|dr|prof|herrn?|frau|mme|mlle|madame|monsieur|m|sra?|se[ñn]ora?|sig|ra|signora?|dott|ssa|heer|mevrouw|meneer|dhr|mevr|m[ií]o|m[ií]a|and|und|et|y|or|oder|of|a|e|in|r|n|s)(?![\p{L}])[.)]*)*\s*/iu;

const closing =
  /(?:sincerely|faithfully|truly\s+yours|yours\s+truly|regards|best\s+wishes|with\s+best|respectfully|gru(?:ss|ß|b)|hochachtungsvoll|cordialement|salutations|sentiments|respectueusement|bien\s+a\s+vous|atentamente|saludos?|cordialmente|saluti|distintamente|groet(?:en)?|hoogachtend|hormat)/u;

/** How far below the closing the name may stand, in line heights: room for a signature. */
const signatureRoom = 9;

export function letterNames(page: OcrPage): Finding[] {
  const layout = layoutOf(page);
  return layout.segments.flatMap((segment) => {
    if (isProse(segment.text) || segment.text.split(/\s+/).length > 8) return [];
    return [...greeted(segment, layout), ...signed(page, segment, layout)];
  });
}

/** "Dear Mr Smith,": a known greeting, or any short line with a comma above running text. */
function greeted(segment: Segment, layout: Layout): Finding[] {
  const { text } = segment;
  const known = salutation.exec(segment.folded);
  const below = layout.below(segment);
  if (!known && !(/[,:]\s*$/.test(text) && below && isProse(below.text) && below.box[1] > segment.box[3])) return [];
  let start = known?.[0].length ?? 0;
  start += polite.exec(text.slice(start))![0].length;
  // Without a known greeting: the capitalised words at the end.
  if (!known)
    start =
      /(?:\s(?:(?:van|von|de|der|den|di|da|del|la|le)\s)*\p{Lu}[\p{L}'’.-]*)+[,:]\s*$/u.exec(text)?.index ??
      text.length;
  while (text[start] === " ") start++;
  const value = namePart(text.slice(start));
  if (!isNameShaped(value, true) || isLabelText(value) || text.length - start - value.length > 2) return [];
  const from = segment.span[0] + start;
  return [
    {
      type: "person",
      line: segment.line,
      span: [from, from + value.length],
      score: known ? 0.85 : 0.65,
      reason: "salutation",
    },
  ];
}

/** Under "Yours sincerely," or any short line with a comma below running text. */
function signed(page: OcrPage, segment: Segment, layout: Layout): Finding[] {
  const known = closing.test(segment.folded);
  const above = layout.above(segment);
  const likely = /,\s*$/.test(segment.text) && !/\d/.test(segment.text) && above !== undefined && isProse(above.text);
  if (!known && !likely) return [];
  const labelled = labelledSegments(page);
  const findings: Finding[] = [];
  for (const below of under(segment, layout.segments).slice(0, 3)) {
    const value = wholeSegment(below);
    if (value === undefined || labelled.has(below) || isProse(below.text)) break;
    const name = namePart(value.text.replace(/^(?:i\.\s?[av]\.|p\.?\s?p\.|ppa\.)\s*/i, ""));
    if (!isNameShaped(name) || isCompanyLike(name) || name.length < 0.6 * value.text.length) {
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
}

/** Segments below in the same column, nearest first, as far as a signature takes. */
function under({ box }: Segment, segments: readonly Segment[]): Segment[] {
  const height = boxHeight(box);
  return segments
    .filter((other) => other.box[1] >= box[3] - 0.3 * height && other.box[1] - box[3] < signatureRoom * height)
    .filter((other) => Math.min(box[2], other.box[2]) - Math.max(box[0], other.box[0]) > 0 && /\p{L}/u.test(other.text))
    .sort((a, b) => a.box[1] - b.box[1]);
}
