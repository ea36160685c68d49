/**
 * Signatures: strokes that the reader has no word for, at a label for signatures or under the closing of a letter. It
 * knows no handwriting from other unread ink, only where handwriting is asked for.
 */
import {
  type Box,
  boxArea,
  boxHeight,
  boxWidth,
  clipBox,
  growBox,
  intersectBoxes,
  roundOut,
  uniteBoxes,
} from "../../documents/geometry.ts";
import type { RasterImage } from "../../documents/image.ts";
import { findComponents, strokesIn } from "../components.ts";
import { fold } from "../fold.ts";
import { layoutOf, type Segment } from "../layout.ts";
import type { OcrPage, OcrWord } from "../ocr.ts";
import { isProse } from "../text-shapes.ts";
import type { RegionFinding } from "./image-region.ts";
import { type PageInk, unreadInk } from "./page-ink.ts";

/** English, German, French, Spanish, Italian, Dutch, Malay, Portuguese; folded. */
const cues: readonly (readonly [RegExp, string])[] = [
  [
    /(?<!\p{L})(?:authori[sz]ed\s+)?signature|(?<!\p{L})sign(?:ed)?(?:\s+(?:here|by))?\s*[:._x]|(?<!\p{L})signatory/u,
    "signature",
  ],
  [/(?<!\p{L})(?:unter|kunden|mitarbeiter)?-?unterschrift|(?<!\p{L})gezeichnet/u, "unterschrift"],
  [/(?<!\p{L})(?:signe\s+par|lu\s+et\s+approuve)/u, "signe par"],
  [
    /(?<!\p{L})firma(?:\s+(?:del|de\s+la|y\s+sello|e\s+timbro|autorizada|leggibile|per)|\s*[:._]|\s*$)|(?<!\p{L})firmado/u,
    "firma",
  ],
  [/(?<!\p{L})(?:hand)?tekening(?!\p{L})/u, "handtekening"],
  [/(?<!\p{L})(?:tanda\s?tangan|t\/tangan|tandatangani)/u, "tandatangan"],
  [/(?<!\p{L})assinatura/u, "assinatura"],
  [
    /^\W*(?:(?:yours|sincerely|faithfully|kind|best|warm)\s+(?:sincerely|faithfully|truly|regards|yours)|mit freundlichen gru(?:ss|ß|b)en|hochachtungsvoll|cordialement|atentamente|saludos|cordiali saluti|distinti saluti|met vriendelijke groet(?:en)?|hoogachtend|yang benar)/u,
    "closing",
  ],
];

/** Around a label, in line heights: a signature stands on the line above it, beside it, or under it. */
const reach = { above: 4.5, below: 3.5, left: 2, right: 16 } as const;

/** Signatures of a page, without overlaps. */
export async function findSignatures(page: RasterImage, reading: OcrPage): Promise<RegionFinding[]> {
  const { segments } = layoutOf(reading);
  const labels = segments.flatMap((segment) => {
    if (isProse(segment.text)) return [];
    const cue = cues.find(([pattern]) => pattern.test(fold(segment.text)))?.[1];
    return cue === undefined ? [] : [{ segment, cue }];
  });
  if (labels.length === 0) return [];
  const ink = await unreadInk(page, reading);
  const strokes = (await findComponents(ink.mask, ink.width, ink.height)).filter((box) => isStroke(box, ink));
  const found: RegionFinding[] = [];
  for (const { segment, cue } of labels) {
    const area = areaOf(segment, reading, cue === "closing");
    const inside = strokes.filter((stroke) => insideShare(stroke, area) >= 0.5);
    const words = reading.lines.flatMap((line) => line.words).filter(({ box }) => !isPart(box, segment));
    for (const group of writtenGroups(inside, ink)) {
      const box = clipBox(roundOut(growBox(withWords(group, words, ink.textHeight), 2)), page);
      const score = cue === "closing" ? 0.65 : 0.8;
      const reason = "unread strokes at a label for signatures";
      addUnited(found, { type: "signature", box, score, recognizer: "signatures", reason, evidence: { cue } });
    }
  }
  return found;
}

/** What overlaps is one signature, also where it stands between two labels. */
function addUnited(found: RegionFinding[], finding: RegionFinding): void {
  const others = found.filter(({ box }) => boxArea(intersectBoxes(box, finding.box)) > 0);
  if (others.length === 0) {
    found.push(finding);
    return;
  }
  for (const other of others) found.splice(found.indexOf(other), 1);
  addUnited(found, { ...others[0]!, box: uniteBoxes([finding, ...others].map(({ box }) => box)) });
}

const isPart = (word: Box, { box }: Segment): boolean => insideShare(word, box) >= 0.5;

/** Share of a word from which on strokes have to do with it. */
const touched = 0.2;
/** Words beside strokes, this many text heights or the strokes' own height away at most, go on with them: … */
const beside = 2;
/** … initials, and what is this many times larger than print. */
const initials = 3;
const larger = 1.4;

/** A group with the whole of the words that it runs over, and with what the reader has read of the signature. */
function withWords(group: Box, words: readonly OcrWord[], textHeight: number): Box {
  const reached = growBox(group, Math.max(beside * textHeight, boxHeight(group)), 0);
  const more = words.filter(({ text, box }) => {
    if (insideShare(box, group) >= touched) return true;
    const written = text.replace(/[^\p{L}\p{N}]/gu, "").length <= initials || boxHeight(box) > larger * textHeight;
    return written && besideShare(box, group) >= 0.5 && boxArea(intersectBoxes(box, reached)) > 0;
  });
  const grown = uniteBoxes([group, ...more.map(({ box }) => box)]);
  return boxArea(grown) > boxArea(group) ? withWords(grown, words, textHeight) : group;
}

/** Not a speck, not a frame. */
function isStroke(box: Box, { textHeight, width }: PageInk): boolean {
  const [w, h] = [boxWidth(box), boxHeight(box)];
  if (Math.max(w, h) < 0.35 * textHeight) return false;
  return w < 0.5 * width && h < 8 * textHeight && !(h < 0.15 * textHeight && w > 4 * textHeight);
}

function areaOf({ box, line }: Segment, reading: OcrPage, closing: boolean): Box {
  // The segment's box is that of the page made upright; the line's stands where the pixels are.
  const height = boxHeight(box);
  const own = reading.lines[line]!.box;
  const middle = (own[1] + own[3]) / 2;
  return [
    box[0] - reach.left * height,
    closing ? own[3] : middle - (reach.above + 0.5) * height,
    box[2] + reach.right * height,
    middle + (closing ? 9 : reach.below + 0.5) * height,
  ];
}

const insideShare = (box: Box, area: Box): number => boxArea(intersectBoxes(box, area)) / Math.max(1, boxArea(box));

/** Groups of strokes as large as writing and neither thin nor full, and what stands beside one like a letter of it. */
function writtenGroups(strokes: readonly Box[], ink: PageInk): Box[] {
  const groups = groupsOf(strokes, 1.2 * ink.textHeight);
  const written = groups.filter((box) => isWriting(box, ink));
  const letters = groups.filter(
    (box) =>
      !written.includes(box) &&
      boxHeight(box) >= 0.7 * ink.textHeight &&
      written.some((other) => besideShare(box, other) >= 0.5),
  );
  return [...written, ...letters];
}

/** The boxes of the groups that strokes closer than `gap` make. */
function groupsOf(strokes: readonly Box[], gap: number): Box[] {
  const groups: Box[][] = [];
  for (const stroke of strokes) {
    const near = groups.filter((group) =>
      group.some((other) => boxArea(intersectBoxes(growBox(other, gap), stroke)) > 0),
    );
    const merged = [stroke, ...near.flat()];
    for (const group of near) groups.splice(groups.indexOf(group), 1);
    groups.push(merged);
  }
  return groups.map((group) => uniteBoxes(group));
}

/** Share of a box's height that another one has too. */
const besideShare = (box: Box, other: Box): number =>
  (Math.min(box[3], other[3]) - Math.max(box[1], other[1])) / Math.max(1, boxHeight(box));

/** Strokes of a pen are thin in one direction at least; a shadow or a folded corner is not. */
const thickest = 0.6;

function isWriting(box: Box, { mask, width, textHeight }: PageInk): boolean {
  const [w, h] = [boxWidth(box), boxHeight(box)];
  if (w < 2.2 * textHeight || h < 0.7 * textHeight) return false;
  const { count, thickness } = strokesIn(box, mask, width);
  const share = count / (w * h);
  return share > 0.01 && share < 0.55 && thickness < thickest * textHeight;
}
