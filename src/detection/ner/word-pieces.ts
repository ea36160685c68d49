/**
 * BERT's tokenizer: basic tokens (words, single marks), then the longest known pieces from the left (Devlin et al. 2019;
 * Wu et al. 2016, WordPiece). Positions are kept, so that a model's labels can be put back on the text.
 */

export interface WordPieceSettings {
  /** Piece → id. */
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly lowerCase: boolean;
  readonly stripAccents: boolean;
  readonly unknown: string;
  /** Leads every piece but the first of a word. */
  readonly continuing: string;
}

export interface Piece {
  readonly id: number;
  /** Characters of the text. */
  readonly start: number;
  readonly end: number;
  /** The first piece of a basic token. */
  readonly first: boolean;
}

/** Longer words are unknown as a whole. */
const longestWord = 100;

/** The pieces of a text, without the marks at its ends. */
export function wordPieces(text: string, settings: WordPieceSettings): Piece[] {
  return basicTokens(text).flatMap(({ start, end }) => piecesOf(text, start, end, settings));
}

interface Range {
  readonly start: number;
  readonly end: number;
}

const isMark = /[\p{P}\p{S}]/u;
const isIdeograph = /[\p{Script=Han}]/u;
const isBlank = /[\s\p{Cc}\p{Cf}\u{fffd}]/u;

/** Runs of characters between blanks; marks and ideographs alone. */
function basicTokens(text: string): Range[] {
  const tokens: Range[] = [];
  let from: number | undefined;
  let at = 0;
  for (const character of text) {
    const single = isMark.test(character) || isIdeograph.test(character);
    if (single || isBlank.test(character)) {
      if (from !== undefined) tokens.push({ start: from, end: at });
      from = undefined;
      if (single) tokens.push({ start: at, end: at + character.length });
    } else from ??= at;
    at += character.length;
  }
  if (from !== undefined) tokens.push({ start: from, end: at });
  return tokens;
}

/** Characters as the vocabulary has them, each with its place in the text. */
function normalised(text: string, { start, end }: Range, { lowerCase, stripAccents }: WordPieceSettings) {
  const characters: { readonly character: string; readonly at: number; readonly end: number }[] = [];
  let at = start;
  for (const original of text.slice(start, end)) {
    let changed = lowerCase ? original.toLowerCase() : original;
    if (stripAccents) changed = changed.normalize("NFD").replace(/\p{Mn}/gu, "");
    for (const character of changed) characters.push({ character, at, end: at + original.length });
    at += original.length;
  }
  return characters;
}

function piecesOf(text: string, start: number, end: number, settings: WordPieceSettings): Piece[] {
  const { vocabulary, unknown, continuing } = settings;
  const characters = normalised(text, { start, end }, settings);
  const whole: Piece[] = [{ id: vocabulary.get(unknown)!, start, end, first: true }];
  if (characters.length === 0) return [];
  if (characters.length > longestWord) return whole;
  const pieces: Piece[] = [];
  for (let from = 0; from < characters.length; ) {
    let to = characters.length;
    let id: number | undefined;
    for (; to > from; to--) {
      const piece = characters
        .slice(from, to)
        .map(({ character }) => character)
        .join("");
      id = vocabulary.get(from === 0 ? piece : continuing + piece);
      if (id !== undefined) break;
    }
    if (id === undefined) return whole;
    pieces.push({ id, start: characters[from]!.at, end: characters[to - 1]!.end, first: from === 0 });
    from = to;
  }
  return pieces;
}
