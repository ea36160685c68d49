/**
 * The characters of read pages in one folded text, in the orders in which a value may stand: along the lines, down the
 * columns, and over a page's end.
 */
import { layoutOf, prepareLayout, type Segment } from "../detection/layout.ts";
import { wordSpans } from "../detection/lines.ts";
import type { OcrPage, OcrWord } from "../detection/ocr.ts";
import type { Box } from "../documents/geometry.ts";
import type { Pacer } from "../pacer.ts";
import { type PaintedRegion, regionOf } from "./painted.ts";
import { foldWithSource } from "./reading-similarity.ts";

export interface Glyph {
  /** 0-based. */
  readonly page: number;
  readonly line: number;
  /** Index within the line's words. */
  readonly word: number;
  /** Index within the line's text. */
  readonly at: number;
  /** The whole word it stands in. */
  readonly text: string;
  /** A letter or digit begins (ends) here after (before) anything else. */
  readonly begins: boolean;
  readonly ends: boolean;
  readonly region: PaintedRegion | undefined;
}

export interface Stream {
  /** Folded; one character per glyph. */
  readonly text: string;
  readonly glyphs: readonly Glyph[];
}

/** All streams of a document that differ from each other. Lines first. */
export async function streamsOf(
  pages: readonly OcrPage[],
  painted: readonly PaintedRegion[],
  pacer: Pacer,
): Promise<Stream[]> {
  const lines = pages.map((page, index) => glyphsOfLines(page, index, painted));
  const streams = lines.map((page) => page.flat());
  for (const [index, page] of pages.entries()) {
    await prepareLayout(page, pacer);
    const columns = downColumns(page, lines[index]!);
    if (columns.some((glyph, i) => glyph !== streams[index]![i])) streams.push(columns);
    if (index > 0) streams.push([...lines[index - 1]!.slice(-pageEnd), ...lines[index]!.slice(0, pageEnd)].flat());
  }
  return streams.map((glyphs) => ({ text: glyphs.map(({ folded }) => folded).join(""), glyphs }));
}

/** Lines at a page's end and beginning over which a value may be split. */
const pageEnd = 3;

type FoldedGlyph = Glyph & { readonly folded: string };

/** Without what stands under solid boxes. */
function glyphsOfLines(page: OcrPage, index: number, painted: readonly PaintedRegion[]): FoldedGlyph[][] {
  const regions = painted.filter((region) => region.page === index);
  return page.lines.map((line, lineIndex) => {
    const spans = wordSpans(line);
    return line.words.flatMap((word, wordIndex) => {
      const { text, from } = foldWithSource(word.text);
      return from.flatMap((source, i): FoldedGlyph[] => {
        const region = regionOf(characterBox(word, source), index, regions);
        if (region?.fake === null) return [];
        return [
          {
            page: index,
            line: lineIndex,
            word: wordIndex,
            at: spans[wordIndex]![0] + source,
            text: word.text,
            folded: text[i]!,
            begins: i === 0 || from[i - 1]! < source - 1,
            ends: i === from.length - 1 || from[i + 1]! > source + 1,
            region,
          },
        ];
      });
    });
  });
}

/** About where a character of a word stands: the word's box cut in equal parts. */
function characterBox(word: OcrWord, index: number): Box {
  const step = (word.box[2] - word.box[0]) / word.text.length;
  return [word.box[0] + index * step, word.box[1], word.box[0] + (index + 1) * step, word.box[3]];
}

/** Column by column: each segment is followed by the one that stands under it. */
function downColumns(page: OcrPage, lines: readonly (readonly FoldedGlyph[])[]): FoldedGlyph[] {
  const layout = layoutOf(page);
  const order: Segment[] = [];
  const passed = new Set<Segment>();
  for (const top of layout.segments) {
    for (let segment: Segment | undefined = top; segment && !passed.has(segment); segment = layout.below(segment)) {
      passed.add(segment);
      order.push(segment);
    }
  }
  return order.flatMap(({ line, span }) => lines[line]!.filter(({ at }) => at >= span[0] && at < span[1]));
}
