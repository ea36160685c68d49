/** What detection finds. */
import type { Box } from "../documents/geometry.ts";
import type { OcrPage } from "./ocr.ts";

export const entityTypes = [
  "person",
  "company",
  "address",
  "phone",
  "email",
  "url",
  "date",
  "birth_date",
  "iban",
  "card",
  "tax_id",
  "id_number",
  "licence_plate",
] as const;

export type EntityType = (typeof entityTypes)[number];

/** One piece of personal data on one line of one page. A value over several lines gives several entities in one group. */
export interface Entity {
  /** Unique in the document: "p0-e3". */
  readonly id: string;
  readonly type: EntityType;
  /** 0-based. */
  readonly page: number;
  /** Index into `OcrPage.lines`. */
  readonly line: number;
  /** Range of words of that line, end exclusive. */
  readonly words: readonly [start: number, end: number];
  /** Range of characters within `OcrLine.text`, end exclusive: the exact value, without a label in the same word. */
  readonly span: readonly [start: number, end: number];
  /** The original value. Never written to logs, reports or errors. */
  readonly text: string;
  /** Tight box around the value in page pixels (a partly covered word is split in proportion to its characters). */
  readonly box: Box;
  /** 0…1. */
  readonly score: number;
  readonly recognizer: string;
  /** Why, in few words, without document text: "label", "checksum", "header zone". */
  readonly reason: string;
  /** What the reason rests on. */
  readonly evidence?: Evidence;
}

/** What speaks for a finding. Words of this package's own lists, never text of the document. */
export interface Evidence {
  /** The label or context word, as the dictionary has it: "cashier", "dateofbirth". */
  readonly cue?: string;
  /** The rule that the value satisfies: "nl-bsn", "iso-13616", "luhn". */
  readonly check?: string;
  /** Where on the page it stands. */
  readonly zone?: Zone;
}

/**
 * Parts of a page: the block of who sends it, of whom it is for, the table of what was bought, else the part above,
 * below or between.
 */
export const zones = ["sender", "addressee", "table", "header", "body", "footer"] as const;
export type Zone = (typeof zones)[number];

/** What a recognizer reports; the detector adds ids, boxes and solves overlaps. */
export interface Finding {
  readonly type: EntityType;
  readonly line: number;
  readonly span: readonly [start: number, end: number];
  readonly score: number;
  readonly reason: string;
  readonly evidence?: Evidence;
}

/** What a recognizer looks at besides the words: made beforehand, in pieces. */
export type Preparation = "layout" | "labels" | "parties";

/** Looks at a whole page, lines with geometry, not at a flat string. Pure. */
export interface Recognizer {
  readonly name: string;
  readonly types: readonly EntityType[];
  /** Default: nothing. */
  readonly needs?: readonly Preparation[];
  find(page: OcrPage): readonly Finding[] | Promise<readonly Finding[]>;
}
