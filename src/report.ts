/**
 * The report of one document: what was found, what was put in its place, and what the proof says.
 *
 * `schema_version` changes only when a field is renamed or removed; new fields may come at any time. No field holds
 * text of the document, except `entities[].original` when the caller asked for it.
 */
import { z } from "zod";
import { samplers } from "./addon/samplers.ts";
import { entityTypes, zones } from "./detection/entity.ts";
import { imageRegionTypes } from "./detection/image-regions/image-region.ts";
import { coverMethods } from "./inpainting/cover-regions.ts";

const share = z.number().min(0).max(1);
const count = z.int().min(0);
const box = z.tuple([z.number(), z.number(), z.number(), z.number()]).describe("[x0, y0, x1, y1] in page pixels.");
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const engineName = z.enum(["diffusion", "classical", "solid"]);

const attempt = z.object({
  engine: engineName,
  seed: count,
  verdict: z.enum(["accepted", "illegible", "near_original", "original_readable", "leak", "failed"]),
  confidence: share,
  similarity_to_fake: share,
  similarity_to_original: share,
  expected_similarity: share.describe("Of the invented value itself to the original."),
  error: z.string().optional().describe("Error code, when the engine failed."),
});

const evidence = z
  .object({
    cue: z.string().optional().describe("The label or context word, as the dictionary has it."),
    check: z.string().optional().describe("The rule that the value satisfies."),
    zone: z.enum(zones).optional().describe("The part of the page."),
  })
  .optional()
  .describe("What the reason rests on; no text of the document.");

const entity = z.object({
  id: z.string(),
  type: z.enum(entityTypes),
  page: count.describe("0-based."),
  box,
  painted: box.optional().describe("What was repainted, [x0, y0, x1, y1]: nothing outside these boxes has changed."),
  score: share,
  recognizer: z.string(),
  reason: z.string(),
  evidence,
  fake: z.string().nullable().describe("The value drawn; null under a solid box."),
  engine: engineName,
  attempts: z.array(attempt),
  confidence: share,
  original: z.string().optional().describe("Only with include_originals."),
});

const imageRegion = z.object({
  id: z.string(),
  type: z.enum(imageRegionTypes),
  page: count.describe("0-based."),
  box,
  score: share,
  recognizer: z.string(),
  reason: z.string(),
  evidence,
  covered_by: z.enum(coverMethods).describe("replace: another code of its kind with an invented content."),
});

const verification = z.object({
  regions: z.object({ checked: count, accepted: count, solid: count }),
  leaks: z.array(
    z.object({
      entity: z.string().describe("Id of the entity whose value was found."),
      page: count,
      similarity: share,
      boxes: z.array(box),
      regions: z.array(z.string()).describe("Painted regions it touches; empty = untouched text."),
    }),
  ),
  outside: z.object({ compared: count, changed: count }).describe("Pixels outside the boxes."),
  redetection: z.object({
    known: count,
    unknown: z.array(z.object({ type: z.enum(entityTypes), page: count, box, score: share })),
  }),
  neighbours: z
    .object({ checked: count, damaged: count })
    .describe("Words beside the boxes that were to stay, and how many can't be recognised any more."),
  codes: z
    .object({ checked: count, readable: z.array(z.string()).describe("Ids of image regions.") })
    .default({ checked: 0, readable: [] })
    .describe("Codes of the input, and those whose content can still be read on the result."),
  unread: z
    .object({ words: count, areas: count, share })
    .describe(
      "Doubtful words, inky areas without words, share of ink that is writing in either: nothing can be found there.",
    ),
  metadata: z.object({ clean: z.boolean(), found: z.array(z.string()) }).describe("Of the encoded output."),
  rounds: count.describe("How often the document was read again."),
});

export const reportSchema = z.object({
  schema_version: z.literal(1),
  document: z.object({
    name: z.string(),
    format: z.string(),
    bytes: count,
    sha256,
    pages: z.array(
      z.object({
        index: count,
        width: count,
        height: count,
        turned: z
          .literal([90, 180, 270])
          .optional()
          .describe("Degrees clockwise by which a page that was not upright was turned to be read, and turned back."),
        skew: z
          .number()
          .min(-45)
          .max(45)
          .optional()
          .describe(
            "Degrees by which the lines of a page, once upright, fall to the right, where it was turned level. Boxes " +
              "are then those around the turned rectangles that were repainted.",
          ),
      }),
    ),
  }),
  output: z.object({ format: z.string(), bytes: count, sha256 }),
  proven: z.boolean(),
  unproven_because: z.array(z.string()).describe("Empty when proven."),
  confidence: share,
  engine: z.object({
    requested: z.string(),
    chosen: engineName,
    reason: z.string(),
    sampler: z.enum(samplers).optional().describe("Of the diffusion engine."),
    steps: count.optional(),
  }),
  reading: z
    .object({ requested: z.string(), chosen: z.string(), reason: z.string(), verifiers: z.array(z.string()) })
    .describe("The OCR engine that read the input, and every one that read the result."),
  entities: z.array(entity),
  image_regions: z.array(imageRegion).default([]).describe("What was found besides text, and how it was covered."),
  verification,
  timings_ms: z.record(z.string(), z.number()).describe("Per stage and total."),
  key_id: z.string().nullable().describe("Tells keys apart without revealing them; null = a key made for this run."),
  config_sha256: sha256,
  seed: count,
  versions: z.record(z.string(), z.string()),
});

export type Report = z.output<typeof reportSchema>;
export type ReportEntity = z.output<typeof entity>;
export type ReportAttempt = z.output<typeof attempt>;

/** JSON Schema (draft 2020-12) of a report. */
export const reportJsonSchema = (): Record<string, unknown> => z.toJSONSchema(reportSchema, { io: "output" });

/** The text of a report file. */
export const reportText = (report: Report): string => `${JSON.stringify(report, null, 2)}\n`;
