/**
 * Where the words of a line stand. The time steps say about where each character is; the ink of the line's image says
 * where exactly the gaps between the words are and how high the letters reach.
 */
import type { CtcCharacter } from "./ctc.ts";
import { type LineImage, lineHeight, stepWidth } from "./line-image.ts";

export interface PlacedText {
  readonly text: string;
  /** Mean over the characters, 0…1. */
  readonly confidence: number;
  /** In pixels of the line's image: [x0, y0, x1, y1]. */
  readonly box: readonly [number, number, number, number];
}

/** Rows in the middle of a line: letters are there, neighbouring lines and rules are not. */
const core: readonly [number, number] = [Math.round(lineHeight * 0.25), Math.round(lineHeight * 0.75)];
/** White of this width parts words even where no space was read. */
const wideGap = lineHeight * 0.75;
/** White rows of this height end a letter; the gap below an accent or a dot is lower. */
const endOfLetter = 4;

/** The words of a line, left to right. */
export function placeWords(characters: readonly CtcCharacter[], image: LineImage): PlacedText[] {
  const ink = findInk(image);
  const columns = columnsOf(ink, image.width);
  const groups = splitWords(characters, columns, image.width);
  return groups.map((group, i) => {
    const [first, last] = [centre(group[0]!, image.width), centre(group.at(-1)!, image.width)];
    const left = i === 0 ? 0 : parting(groups[i - 1]!, group, columns, image.width);
    const right = i === groups.length - 1 ? image.width : parting(group, groups[i + 1]!, columns, image.width);
    let [x0, x1] = [left, right];
    // Time steps say where a character is give or take one step.
    while (x0 < Math.min(first + stepWidth, x1 - 1) && columns[x0] === 0) x0++;
    while (x1 > Math.max(last - stepWidth, x0 + 1) && columns[x1 - 1] === 0) x1--;
    const [y0, y1] = rowsOf(ink, image.width, x0, x1);
    return {
      text: group.map((character) => character.text).join(""),
      confidence: group.reduce((sum, character) => sum + character.confidence, 0) / group.length,
      box: [x0, y0, x1, y1],
    };
  });
}

const centre = (character: CtcCharacter, width: number): number =>
  Math.min(width - 1, ((character.start + character.end) / 2) * stepWidth);

function splitWords(characters: readonly CtcCharacter[], columns: Uint16Array, width: number): CtcCharacter[][] {
  const words: CtcCharacter[][] = [];
  let word: CtcCharacter[] = [];
  for (const character of characters) {
    if (character.text === " " || character.text === "") {
      if (word.length > 0) words.push(word);
      word = [];
      continue;
    }
    const before = word.at(-1);
    if (before) {
      const [start, end] = widestGap(columns, centre(before, width), centre(character, width));
      if (end - start > wideGap) {
        words.push(word);
        word = [];
      }
    }
    word.push(character);
  }
  if (word.length > 0) words.push(word);
  return words;
}

/** The middle of the white between two words; where there is none, the column with the least ink. */
function parting(
  word: readonly CtcCharacter[],
  next: readonly CtcCharacter[],
  columns: Uint16Array,
  width: number,
): number {
  const [from, to] = [centre(word.at(-1)!, width), centre(next[0]!, width)];
  const [start, end] = widestGap(columns, from, to);
  if (end > start) return Math.round((start + end) / 2);
  let least = Math.round((from + to) / 2);
  for (let x = Math.ceil(from); x < to; x++) if (columns[x]! < columns[least]!) least = x;
  return least;
}

/** The longest stretch without ink between two columns. */
function widestGap(columns: Uint16Array, from: number, to: number): readonly [start: number, end: number] {
  let best: readonly [number, number] = [0, 0];
  let start = Math.ceil(from);
  for (let x = start; x <= Math.floor(to); x++) {
    if (columns[x] !== 0) start = x + 1;
    else if (x + 1 - start > best[1] - best[0]) best = [start, x + 1];
  }
  return best;
}

/** 1 where a pixel differs clearly from the ground, be the print dark or light. */
function findInk({ planes, width }: LineImage): Uint8Array {
  const length = width * lineHeight;
  const grey = new Uint8Array(length);
  const counts = new Uint32Array(256);
  for (let i = 0; i < length; i++) {
    grey[i] = 0.299 * planes[i]! + 0.587 * planes[length + i]! + 0.114 * planes[2 * length + i]!;
    counts[grey[i]!]!++;
  }
  const level = (share: number): number => {
    let left = share * length;
    for (let value = 0; value < 256; value++) {
      left -= counts[value]!;
      if (left < 0) return value;
    }
    return 255;
  };
  // Print covers less than half of a line.
  const ground = level(0.6);
  const [dark, light] = [ground - level(0.03), level(0.97) - level(0.4)];
  const isDark = dark >= light;
  const threshold = Math.max(12, 0.4 * (isDark ? dark : light));
  const paper = isDark ? ground : level(0.4);
  return grey.map((value) => ((isDark ? paper - value : value - paper) > threshold ? 1 : 0));
}

function columnsOf(ink: Uint8Array, width: number): Uint16Array {
  const columns = new Uint16Array(width);
  for (let y = core[0] - 4; y < core[1] + 4; y++) for (let x = 0; x < width; x++) columns[x]! += ink[y * width + x]!;
  return columns;
}

/** How high the print between two columns reaches: from the middle outwards until white or the image ends it. */
function rowsOf(ink: Uint8Array, width: number, x0: number, x1: number): readonly [number, number] {
  const inked = (y: number): boolean => {
    for (let x = x0; x < x1; x++) if (ink[y * width + x]) return true;
    return false;
  };
  const reach = (from: number, step: 1 | -1): number => {
    let edge = from;
    for (let y = from, white = 0; y >= 0 && y < lineHeight && white < endOfLetter; y += step) {
      white = inked(y) ? 0 : white + 1;
      if (white === 0) edge = y;
    }
    return edge;
  };
  const middle: number[] = [];
  for (let y = core[0]; y < core[1]; y++) if (inked(y)) middle.push(y);
  if (middle.length === 0) return [core[0], core[1]];
  return [reach(middle[0]!, -1), reach(middle.at(-1)!, 1) + 1];
}
