/**
 * Schema of what a user adds to detection: own recognizers, a model for names, regions of images.
 *
 * Patterns are RE2's (package re2js): they run in time linear in the text, so no pattern of a user can stand still a
 * process. What RE2 does not know (looking around, references back) is refused with its place in the file.
 */
import { RE2JS } from "re2js";
import { z } from "zod";
import type { EntityType, Zone } from "../detection/entity.ts";
import { identifierSchemes } from "../identifiers/schemes.ts";

const score = z.number().min(0).max(1);

// Spelled out because configuration lies below detection; the Record types keep them equal to its lists.
const zoneNames: Record<Zone, true> = {
  sender: true,
  addressee: true,
  table: true,
  header: true,
  body: true,
  footer: true,
};

/** Rules a value can be checked by: check digits and forms of single numbers, or of any national one. */
export const validatorNames: readonly string[] = [
  "luhn",
  "iban",
  "card",
  "mrz",
  "vat",
  "date",
  "national",
  ...identifierSchemes.map(({ name }) => name).filter((name) => name !== "luhn"),
];

/** Why a pattern can't be used; undefined when it can. */
export function patternProblem(regex: string): string | undefined {
  try {
    if (RE2JS.compile(regex).matcher("").matches()) return "matches the empty text, and so everywhere";
    return undefined;
  } catch (error) {
    const told = error instanceof Error ? error.message.replace(/^error parsing regexp: /, "") : String(error);
    return `is no pattern of RE2 (${told}); look-around and back-references are not known there`;
  }
}

const regex = z
  .string()
  .min(1)
  .max(1000)
  .superRefine((pattern, context) => {
    const problem = patternProblem(pattern);
    if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
  });

const pattern = z.strictObject({
  regex: regex.describe("RE2's syntax. A group named value (?P<value>…) is the finding; without one all that matches."),
  score: score.default(0.6).describe("Of a match by itself."),
});

/** One recognizer of a user; `entityType` is the enumeration of the types that there are. */
export const customRecognizerSchema = (entityType: z.ZodType<EntityType, EntityType>) =>
  z.strictObject({
    name: z
      .string()
      .regex(/^[a-z][a-z0-9_-]{0,63}$/, "must be small letters, digits, - and _, beginning with a letter")
      .describe("Stands in reports."),
    type: entityType.describe("What its findings are, and so what they become."),
    patterns: z.array(pattern).min(1).max(100).describe("Any of them."),
    ignore_case: z.boolean().default(false).describe("Capital and small letters are the same."),
    whole_words: z.boolean().default(true).describe("A match begins and ends where words do."),
    context: z
      .strictObject({
        words: z.array(z.string().min(2).max(100)).min(1).max(500).describe("Case and accents don't matter."),
        boost: score.default(0.3).describe("Added to the score when one of the words is near."),
        required: z.boolean().default(false).describe("Without one of the words there is no finding."),
        lines_above: z.int().min(0).max(5).default(1).describe("Words count on the same line and this many above it."),
      })
      .optional()
      .describe("Words near a match that speak for it."),
    validators: z
      .array(z.enum(validatorNames as [string, ...string[]]))
      .default([])
      .describe("A match must pass one of them; one with check digits then has a score of at least 0.9."),
    zones: z
      .array(z.enum(Object.keys(zoneNames) as Zone[]))
      .default([])
      .describe("Parts of the page it looks at; empty = everywhere."),
  });

/** A recognizer of a user, checked and completed. */
export type CustomRecognizerConfig = z.output<ReturnType<typeof customRecognizerSchema>>;

/** Labels of token classification models (CoNLL, OntoNotes) and what they are here. */
const usualLabels: Readonly<Record<string, EntityType>> = {
  PER: "person",
  PERSON: "person",
  ORG: "company",
  LOC: "address",
  GPE: "address",
  FAC: "address",
};

export const nerSchema = (entityType: z.ZodType<EntityType, EntityType>) =>
  z.strictObject({
    model: z
      .string()
      .min(1)
      .describe("Folder with model.onnx (or onnx/model.onnx), config.json and tokenizer.json or vocab.txt."),
    labels: z
      .record(z.string().min(1), entityType)
      .default({ ...usualLabels })
      .describe("The model's labels, without B- and I-, and what they are; others are left out."),
    max_tokens: z
      .int()
      .min(16)
      .max(4096)
      .default(256)
      .describe("Tokens of one piece of text, at most the model's own."),
  });

export type NerConfig = z.output<ReturnType<typeof nerSchema>>;

const cover = z.enum(["blur", "solid", "keep"]);

export const imageRegionsSchema = z.strictObject({
  codes: z
    .enum(["replace", "blur", "solid", "keep"])
    .default("replace")
    .describe("Barcodes and QR codes. replace = one of the same kind with an invented content, where it can be drawn."),
  signatures: cover.default("blur").describe("Handwriting at a line for signatures."),
  portraits: cover.default("blur").describe("Photographs set into a page, as on identity cards."),
});
