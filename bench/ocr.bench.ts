/**
 * How well an OCR engine reads real receipts (SROIE) and forms (FUNSD): for every true line the words whose middle lies in
 * its box are compared with its text, without case and spaces.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { distance } from "fastest-levenshtein";
import type { OcrEngine, OcrPage } from "../src/detection/ocr.ts";
import { decodeDocument } from "../src/documents/decode.ts";
import { type Box, boxArea, intersectBoxes } from "../src/documents/geometry.ts";

export interface OcrTable {
  readonly pages: number;
  readonly lines: number;
  /** Share of true lines on which anything was read. */
  readonly found: number;
  /** Share read without a fault. */
  readonly exact: number;
  /** Character error rate. */
  readonly errorRate: number;
  /** Share of lines with four digits or more whose digits are all right. */
  readonly digitsExact: number;
  /** Of the read words whose middle lies in a true line's box, the share of which at least 70 % of the area does. */
  readonly wordsInLines: number;
}

interface TruthPage {
  readonly file: string;
  readonly lines?: readonly { readonly box: Box; readonly text: string }[];
  readonly entities?: readonly { readonly words: readonly { readonly box: Box; readonly text: string }[] }[];
}

export interface MeasureOcrOptions {
  /** Default: receipts, whose lines are whole; of forms every word is a line. */
  readonly set?: "receipts" | "forms";
  /** Every n-th page only. */
  readonly every?: number;
}

export async function measureOcr(
  dataFolder: string,
  engine: OcrEngine,
  options: MeasureOcrOptions = {},
): Promise<OcrTable> {
  const { set = "receipts", every = 1 } = options;
  const folder = join(dataFolder, set);
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")) as { items: TruthPage[] };
  const pages = manifest.items.filter((_, i) => i % every === 0);
  const sum = {
    lines: 0,
    found: 0,
    exact: 0,
    errors: 0,
    characters: 0,
    numbers: 0,
    numbersExact: 0,
    words: 0,
    wordsInside: 0,
  };
  for (const truth of pages) {
    const { pages: images } = await decodeDocument(join(folder, truth.file));
    const read = await engine.read(images[0]!.image);
    const lines = truth.lines ?? truth.entities!.flatMap((entity) => entity.words);
    for (const { box } of read.lines.flatMap((line) => line.words)) {
      const middle = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2] as const;
      const around = lines.filter((line) => holds(line.box, middle));
      if (around.length === 0) continue;
      sum.words++;
      if (around.some((line) => boxArea(intersectBoxes(line.box, box)) >= 0.7 * boxArea(box))) sum.wordsInside++;
    }
    for (const line of lines) {
      const wanted = bare(line.text);
      if (wanted === "") continue;
      const got = bare(textIn(read, line.box));
      const digits = wanted.replace(/\D/g, "");
      sum.lines++;
      sum.found += got === "" ? 0 : 1;
      sum.exact += got === wanted ? 1 : 0;
      sum.errors += Math.min(distance(got, wanted), Math.max(got.length, wanted.length));
      sum.characters += wanted.length;
      if (digits.length < 4) continue;
      sum.numbers++;
      sum.numbersExact += got.replace(/\D/g, "") === digits ? 1 : 0;
    }
  }
  return {
    pages: pages.length,
    lines: sum.lines,
    found: sum.found / sum.lines,
    exact: sum.exact / sum.lines,
    errorRate: sum.errors / sum.characters,
    digitsExact: sum.numbersExact / Math.max(1, sum.numbers),
    wordsInLines: sum.wordsInside / Math.max(1, sum.words),
  };
}

const bare = (text: string): string => text.toUpperCase().replace(/\s+/g, "");

const holds = ([x0, y0, x1, y1]: Box, [x, y]: readonly [number, number]): boolean =>
  x >= x0 && x <= x1 && y >= y0 && y <= y1;

function textIn(page: OcrPage, around: Box): string {
  return page.lines
    .flatMap((line) => line.words)
    .filter(({ box }) => holds(around, [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]))
    .sort((a, b) => a.box[0] - b.box[0])
    .map((word) => word.text)
    .join("");
}
