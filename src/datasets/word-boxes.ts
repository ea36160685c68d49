/**
 * Where the words of a text line are, when only the line's box is known.
 *
 * Cutting a line in proportion to its characters gives crops whose pixels are not their label. Here the gaps between
 * words are looked for in the pixels, and the answer is "unknown" unless the gaps found agree with the text.
 */
import { type Box, roundOut } from "../documents/geometry.ts";
import { luma, type RasterImage } from "../documents/image.ts";
import { defaultFace, fontFile } from "../rendering/fonts.ts";
import type { Region, RegionWord } from "./manifest-types.ts";

interface Gap {
  readonly from: number;
  readonly to: number;
}

/** The words of `region` with their boxes on `page`; undefined when the gaps in the ink don't fit the text. */
export function findWords(page: RasterImage, region: Region): RegionWord[] | undefined {
  if (region.words !== undefined) return region.words.length > 0 ? [...region.words] : undefined;
  const words = region.text.trim().split(/\s+/);
  if (words.length === 1) return [{ box: region.box, text: words[0]! }];
  const box = roundOut(region.box);
  const ink = columnInk(page, box);
  if (ink === undefined) return undefined;
  const height = box[3] - box[1];
  const { first, last, gaps } = findGaps(ink, height);
  const wanted = words.length - 1;
  if (gaps.length < wanted) return undefined;
  const byWidth = [...gaps].sort((a, b) => b.to - b.from - (a.to - a.from) || a.from - b.from);
  const chosen = byWidth.slice(0, wanted).sort((a, b) => a.from - b.from);
  const narrowest = Math.min(...chosen.map((gap) => gap.to - gap.from));
  const next = byWidth[wanted];
  // The gaps between words must stand out from those between letters.
  if (next !== undefined && narrowest < 1.3 * (next.to - next.from) + 1) return undefined;
  if (narrowest < 0.12 * height) return undefined;
  if (!agrees(words, chosen, first, last)) return undefined;
  const edges = [first, ...chosen.flatMap((gap) => [gap.from, gap.to]), last];
  return words.map((text, i) => ({
    text,
    box: [box[0] + edges[2 * i]!, region.box[1], box[0] + edges[2 * i + 1]!, region.box[3]] as Box,
  }));
}

/** Ink per column in pixels, or undefined when there is no clear difference between ink and paper. */
function columnInk(page: RasterImage, box: Box): Float64Array | undefined {
  const [x0, y0, x1, y1] = box;
  const width = x1 - x0;
  const height = y1 - y0;
  const levels = new Float64Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) levels[y * width + x] = luma(page.data, ((y0 + y) * page.width + x0 + x) * 3);
  }
  const sorted = levels.slice().sort();
  const dark = sorted[Math.floor(sorted.length * 0.04)]!;
  const bright = sorted[Math.floor(sorted.length * 0.85)]!;
  if (bright - dark < 40) return undefined;
  const ink = new Float64Array(width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const share = (bright - levels[y * width + x]!) / (bright - dark);
      // Below a third it is paper, noise or blur.
      if (share > 0.33) ink[x]! += Math.min(1, share);
    }
  }
  return ink;
}

/** First and last column with ink, and the blank runs between them. */
function findGaps(ink: Float64Array, height: number): { first: number; last: number; gaps: Gap[] } {
  const isBlank = (x: number): boolean => ink[x]! < Math.max(0.5, height * 0.03);
  let first = 0;
  while (first < ink.length && isBlank(first)) first++;
  let last = ink.length;
  while (last > first && isBlank(last - 1)) last--;
  const gaps: Gap[] = [];
  let from = -1;
  for (let x = first; x < last; x++) {
    if (isBlank(x)) {
      if (from < 0) from = x;
    } else if (from >= 0) {
      gaps.push({ from, to: x });
      from = -1;
    }
  }
  return { first, last, gaps };
}

/** Whether gaps lie where the text has its spaces: as set in equally wide letters, or in a common proportional face. */
function agrees(words: readonly string[], gaps: readonly Gap[], first: number, last: number): boolean {
  const file = fontFile(defaultFace);
  const proportional = (character: string): number =>
    file.glyph(character.codePointAt(0)!)?.advance ?? file.unitsPerEm / 2;
  const text = words.join(" ");
  return [proportional, () => 1].some((advance) => {
    const total = [...text].reduce((sum, character) => sum + advance(character), 0);
    const unit = (last - first) / total;
    const tolerance = Math.max(1.6 * ((last - first) / text.length), 0.05 * (last - first));
    let at = 0;
    return words.slice(0, -1).every((word, i) => {
      at += [...word].reduce((sum, character) => sum + advance(character), 0);
      const expected = first + (at + advance(" ") / 2) * unit;
      at += advance(" ");
      const gap = gaps[i]!;
      return Math.abs((gap.from + gap.to) / 2 - expected) <= tolerance;
    });
  });
}
