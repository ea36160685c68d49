/** Text made comparable without changing its length, so that positions stay valid. */

const folded = new Map<string, string>();

/** Small letters without accents ("É" → "e"). Every UTF-16 unit gives one unit. */
export function fold(text: string): string {
  let out = "";
  for (let i = 0; i < text.length; i++) out += foldUnit(text[i]!);
  return out;
}

function foldUnit(unit: string): string {
  const code = unit.charCodeAt(0);
  if (code < 0x80) return code >= 0x41 && code <= 0x5a ? String.fromCharCode(code + 32) : unit;
  let result = folded.get(unit);
  if (result === undefined) {
    const base = (unit.normalize("NFD")[0] ?? unit).toLowerCase();
    result = base.length === 1 ? base : unit;
    folded.set(unit, result);
  }
  return result;
}

/** A piece of text: letters alone or digits alone. */
export interface Token {
  /** Folded. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Runs of letters and runs of digits of a folded text. The raised letters of "nº" and "1ª" are marks here. */
export function tokenize(foldedText: string): Token[] {
  const tokens: Token[] = [];
  for (const match of foldedText.matchAll(/[^\P{L}ºª]+|\p{N}+/gu)) {
    tokens.push({ text: match[0], start: match.index, end: match.index + match[0].length });
  }
  return tokens;
}

const lookalikes: Readonly<Record<string, string>> = {
  o: "0",
  q: "0",
  d: "0",
  l: "1",
  i: "1",
  "|": "1",
  "!": "1",
  z: "2",
  s: "5",
  b: "8",
};

/**
 * The text with letters that OCR puts for digits made digits again ("O9/l1/2O18" → "09/11/2018"), in words that hold
 * more digits than such letters, and no other ones. Same length.
 */
export function mendDigits(text: string): string {
  return text.replace(/[\p{L}\p{N}|!./,:-]+/gu, (word) => {
    const digits = word.match(/\p{N}/gu)?.length ?? 0;
    const others = word.match(/[\p{L}|!]/gu) ?? [];
    if (others.length === 0 || digits <= others.length) return word;
    if (others.some((unit) => !(unit.toLowerCase() in lookalikes))) return word;
    return word.replace(/[a-z|!]/gi, (unit) => lookalikes[unit.toLowerCase()]!);
  });
}
