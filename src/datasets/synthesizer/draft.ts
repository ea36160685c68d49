/** A laid-out document before it is put on the scanner. */
import type { Random } from "../../random/random.ts";
import type { Inventor } from "./inventor.ts";
import type { PaperKind } from "./scan-look.ts";
import type { Content, Piece, Sheet } from "./sheet.ts";

export const documentKinds = ["receipt", "invoice", "letter", "form", "id_card"] as const;
export type DocumentKind = (typeof documentKinds)[number];

export interface Draft {
  readonly sheet: Sheet;
  /** Size of the paper in pixels. */
  readonly width: number;
  readonly height: number;
  readonly paper: PaperKind;
  /** What the document says, by name ("company", "total"), exactly as printed. */
  readonly fields: Readonly<Record<string, string>>;
}

export interface DraftContext {
  readonly random: Random;
  readonly inventor: Inventor;
  /** Draw what is not text: logos, rules, stamps, codes, scribbles, dust. */
  readonly decorations: boolean;
}

export type Drafter = (context: DraftContext) => Draft;

/** `content` with every text changed by `change`. */
export function mapContent(content: Content, change: (text: string) => string): Piece[] {
  return (typeof content === "string" ? [content] : content).map((piece) =>
    typeof piece === "string" ? change(piece) : { ...piece, text: change(piece.text) },
  );
}

/** Upper case that keeps the number of characters ("ß" stays, as on old tills). */
export const upper = (text: string): string => text.replace(/[^ß]+/g, (part) => part.toUpperCase());
