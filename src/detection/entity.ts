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
  "iban",
  "card",
  "tax_id",
  "id_number",
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
}

/** What a recognizer reports; the detector adds ids, boxes and solves overlaps. */
export interface Finding {
  readonly type: EntityType;
  readonly line: number;
  readonly span: readonly [start: number, end: number];
  readonly score: number;
  readonly reason: string;
}

/** Looks at a whole page, lines with geometry, not at a flat string. Pure. */
export interface Recognizer {
  readonly name: string;
  readonly types: readonly EntityType[];
  find(page: OcrPage): Finding[];
}
