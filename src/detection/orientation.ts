/**
 * Which way up a page lies. Text on its head is read as doubtful nonsense, text on its side as nonsense or in boxes that
 * stand upright; so a page with little sure, level text is looked at in all four ways, on a piece of it, and the one
 * counts in which clearly most can be read.
 */
import sharp from "sharp";
import { type Box, boxHeight, boxWidth } from "../documents/geometry.ts";
import { cropImage, type RasterImage } from "../documents/image.ts";
import { type QuarterTurn, quarterTurns, turnImage } from "../documents/turn.ts";
import { AnonymizerError, throwIfAborted } from "../errors.ts";
import { findComponents, inkMask } from "./components.ts";
import type { OcrEngine, OcrOptions, OcrPage } from "./ocr.ts";

/** Words at least this sure count: upside down, tesseract gives hardly any, PP-OCR many above 0.8. */
const sure = 0.9;
/**
 * A page is doubtful when less than this share of its characters is sure and level. Measured on receipts with both
 * engines: upright 0.55 and more, turned 0.2 at most.
 */
const doubtfulShare = 0.4;
/** Letters and digits that must be sure and level in the best direction, */
const minCharacters = 20;
/** and how many times as many as without a turn. */
const clearly = 2.5;
/** Patches of ink as large as letters, below which a page has hardly any text. */
const minLetters = 25;
/** Side of the piece that is read, pixels: text stays as large as it is, and four readings take about as long as one of a page. */
const pieceSide = 1200;
/** The page is searched for letters in this size at most. */
const searchSide = 1600;

/**
 * The turn that makes a page upright, given how it reads as it is: 0 unless another one is clearly better.
 * Rejects with the engine's errors other than ERR_OCR_TIMEOUT, and ERR_ABORTED.
 */
export async function findUprightTurn(
  page: RasterImage,
  reading: OcrPage,
  engine: OcrEngine,
  options: OcrOptions = {},
): Promise<QuarterTurn> {
  const { certain, all } = countCharacters(reading);
  if (all > 0 && certain >= doubtfulShare * all) return 0;
  const box = await densestPiece(page);
  if (box === undefined) return 0;
  const piece = cropImage(page, box);
  const isWhole = piece.width === page.width && piece.height === page.height;
  const counts = new Map<QuarterTurn, number>();
  for (const turn of quarterTurns) {
    throwIfAborted(options.signal);
    if (turn === 0 && isWhole) counts.set(turn, certain);
    else counts.set(turn, await certainCharacters(await turnImage(piece, turn), engine, options));
  }
  const [best, most] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
  return most >= minCharacters && most >= clearly * counts.get(0)! ? best : 0;
}

async function certainCharacters(image: RasterImage, engine: OcrEngine, options: OcrOptions): Promise<number> {
  try {
    return countCharacters(await engine.read(image, options)).certain;
  } catch (error) {
    // Nonsense can take long. What takes too long is not the right way up.
    if (error instanceof AnonymizerError && error.code === "ERR_OCR_TIMEOUT") return 0;
    throw error;
  }
}

/** Letters and digits, and those of words that are sure and level: wider than high, where they have more than two. */
function countCharacters(reading: OcrPage): { certain: number; all: number } {
  let [certain, all] = [0, 0];
  for (const { words } of reading.lines) {
    for (const { text, confidence, box } of words) {
      const characters = text.replace(/[^\p{L}\p{N}]/gu, "").length;
      all += characters;
      const level = characters <= 2 || boxWidth(box) > boxHeight(box);
      if (level && confidence >= sure) certain += characters;
    }
  }
  return { certain, all };
}

/** The piece with the most letters; undefined where there are hardly any. */
async function densestPiece(page: RasterImage): Promise<Box | undefined> {
  const scale = Math.min(1, searchSide / Math.max(page.width, page.height));
  const side = (length: number): number => Math.max(1, Math.round(length * scale));
  const { data, info } = await sharp(page.data, {
    raw: { width: page.width, height: page.height, channels: 3 },
    limitInputPixels: false,
  })
    .resize({ width: side(page.width), height: side(page.height), fit: "fill" })
    .toColourspace("b-w")
    .raw()
    .toBuffer({ resolveWithObject: true });
  const mask = await inkMask({ data, width: info.width, height: info.height });
  const letters = (await findComponents(mask, info.width, info.height)).filter(isLetter);
  if (letters.length < minLetters) return undefined;
  const centres = letters.map(([x0, y0, x1, y1]) => [(x0 + x1) / 2 / scale, (y0 + y1) / 2 / scale] as const);
  let best: Box = [0, 0, 0, 0];
  let most = -1;
  for (const [x0, x1] of ranges(page.width)) {
    for (const [y0, y1] of ranges(page.height)) {
      const held = centres.filter(([x, y]) => x >= x0 && x < x1 && y >= y0 && y < y1).length;
      if (held > most) [best, most] = [[x0, y0, x1, y1], held];
    }
  }
  return best;
}

/** Seen from any side. */
function isLetter([x0, y0, x1, y1]: Box): boolean {
  const [short, long] = [x1 - x0, y1 - y0].sort((a, b) => a - b) as [number, number];
  return short >= 2 && long >= 5 && long <= 150 && long <= 5 * short;
}

/** Ranges of `pieceSide` along a side, half of each in the next one. */
function ranges(length: number): [from: number, to: number][] {
  if (length <= pieceSide) return [[0, length]];
  const steps = Math.ceil((length - pieceSide) / (pieceSide / 2));
  return Array.from({ length: steps + 1 }, (_, i) => {
    const from = Math.round(((length - pieceSide) * i) / steps);
    return [from, from + pieceSide];
  });
}
