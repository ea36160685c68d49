/** Schema of the anonymizer's configuration (`configs/engine.yaml`). */
import { z } from "zod";
import { mostSteps, samplers, timestepSpacings } from "../addon/samplers.ts";
import type { EntityType } from "../detection/entity.ts";
import { leakSimilarity } from "../text/similarity.ts";
import { customRecognizerSchema, imageRegionsSchema, nerSchema } from "./recognizer-config.ts";
import { serviceSchema } from "./service-config.ts";

// Spelled out because configuration lies below detection; the Record type keeps it equal to `EntityType`.
const entityTypes: Record<EntityType, true> = {
  person: true,
  company: true,
  address: true,
  phone: true,
  email: true,
  url: true,
  date: true,
  birth_date: true,
  iban: true,
  card: true,
  tax_id: true,
  id_number: true,
  licence_plate: true,
};
const entityTypeNames = Object.keys(entityTypes) as EntityType[];

const score = z.number().min(0).max(1);
const positiveInt = z.int().min(1);
const entityType = z.enum(entityTypeNames);
/** Pages and patches, and so documents, that can be read at the same time. */
export const mostReaders = 64;
const autoOr = (value: z.ZodNumber | z.ZodInt) => z.union([z.literal("auto"), value]).default("auto");

export const anonymizerSchema = z
  .strictObject({
    kind: z.literal("anonymizer").default("anonymizer").describe("What this file configures."),
    engine: z
      .enum(["auto", "diffusion", "classical"])
      .default("auto")
      .describe("Draws the new text. auto = diffusion where models and LibTorch are installed, else classical."),
    models: z
      .string()
      .min(1)
      .optional()
      .describe(
        "Folder with the model folders vae, unet and glyph_encoder of the diffusion engine, or their address in a registry (r2://BUCKET/PREFIX/NAME@VERSION); default: those that come with the package.",
      ),
    device: z
      .string()
      .regex(/^(auto|cpu|cuda(:\d+)?)$/, "must be auto, cpu, cuda or cuda:N")
      .default("auto")
      .describe("Where the diffusion engine runs."),
    precision: z.enum(["fp32", "bf16"]).default("fp32").describe("Precision of the diffusion engine."),
    threads: z
      .int()
      .min(0)
      .max(1024)
      .default(0)
      .describe("CPU threads of the diffusion engine; 0 = LibTorch's default."),
    diffusion: z
      .strictObject({
        sampler: z
          .enum(["auto", ...samplers])
          .default("auto")
          .describe("How noise becomes the picture. auto, here and below = what the models recommend, else ddim."),
        steps: autoOr(positiveInt.max(1000)).describe(
          "Sampling steps; dpmpp_2m and unipc take 998 at most. Where the models recommend none, 20.",
        ),
        timestep_spacing: z
          .enum(["auto", ...timestepSpacings])
          .default("auto")
          .describe(
            "Which timesteps are run; where the models recommend nothing, trailing with models that take drafts, which begins at pure noise however few steps there are, else leading as in Stable Diffusion 2.",
          ),
        guidance_scale: autoOr(z.number().min(1).max(50)).describe(
          "Classifier-free guidance; 1 = none, also where the models recommend nothing.",
        ),
        strength: autoOr(z.number().gt(0).max(1)).describe(
          "1 = from pure noise, also where the models recommend nothing; less = from the draft or the image with noise on it.",
        ),
        change_scale: autoOr(z.number().gt(0).max(1)).describe(
          "Share of what the models change in a draft that is taken; 1 = all, also where they recommend nothing.",
        ),
        batch_size: positiveInt.max(256).default(8).describe("Patches of one forward pass."),
      })
      .prefault({})
      .describe("Settings of the diffusion engine."),
    ocr: z
      .strictObject({
        engine: z
          .enum(["auto", "tesseract", "ppocr"])
          .default("auto")
          .describe(
            "Reads the page. auto = ppocr where onnxruntime-node and its models are installed, else tesseract.",
          ),
        models: z
          .string()
          .min(1)
          .optional()
          .describe("Folder with the models of ppocr; default: where `anonymizer models install` puts them."),
        timeout_ms: positiveInt.default(60_000).describe("Milliseconds one page may take to read."),
        workers: positiveInt.max(mostReaders).default(1).describe("Pages and patches read at the same time."),
      })
      .prefault({})
      .describe("Reading the page."),
    types: z
      .array(entityType)
      .min(1)
      .default([...entityTypeNames])
      .describe("Kinds of personal data that are replaced."),
    min_score: score.default(0.5).describe("Findings below this score are left alone."),
    min_scores: z
      .partialRecord(entityType, score)
      .default({})
      .describe("Thresholds of single types, instead of min_score."),
    allow: z
      .array(z.string().min(1))
      .default([])
      .describe("Values that are never replaced; case and spaces don't matter."),
    deny: z
      .array(z.strictObject({ text: z.string().min(1), type: entityType }))
      .default([])
      .describe("Values that are always replaced, and as what."),
    recognizers: z
      .array(customRecognizerSchema(entityType))
      .max(200)
      .default([])
      .superRefine((recognizers, context) => {
        for (const [i, { name }] of recognizers.entries()) {
          if (recognizers.findIndex((other) => other.name === name) < i)
            context.addIssue({ code: "custom", path: [i, "name"], message: `stands twice: ${name}` });
        }
      })
      .describe("Own recognizers, besides the built-in ones."),
    ner: nerSchema(entityType)
      .optional()
      .describe("A token classification model that finds names; needs the package onnxruntime-node."),
    images: imageRegionsSchema.prefault({}).describe("What is found in the image besides text, and how it is covered."),
    key: z
      .string()
      .min(16)
      .optional()
      .describe(
        "Secret that decides the invented values; only in code, never in a file (use key_file or ANONYMIZER_KEY).",
      ),
    key_file: z.string().min(1).optional().describe("File that holds the key, readable by its owner only (mode 600)."),
    locale: z
      .string()
      .regex(/^[a-z]{2}(_[A-Za-z]{2,5})*$/, "must be a locale such as en, de or pt_BR")
      .default("en")
      .describe("Whose names are invented: en, de, fr, it, es, nl, pt_BR …"),
    vault: z
      .string()
      .min(1)
      .optional()
      .describe("File that keeps, encrypted, which invented value stands for which original. Default: none is kept."),
    vault_key_file: z
      .string()
      .min(1)
      .optional()
      .describe("Key of the vault (mode 600), also ANONYMIZER_VAULT_KEY. Default: the key of the invented values."),
    seed: z.int().min(0).default(0).describe("Seed of everything drawn."),
    gate: z
      .strictObject({
        min_confidence: score
          .default(0.6)
          .describe("A patch below this is drawn again, then by the next simpler engine."),
        leak_similarity: score
          .default(leakSimilarity)
          .describe("Text at least this similar to an original counts as a leak."),
        retries: z.int().min(0).max(10).default(1).describe("New attempts with another seed before the next engine."),
        solid_fallback: z.boolean().default(true).describe("Cover with a solid box what no engine draws well enough."),
      })
      .prefault({})
      .describe("When a result counts as proven."),
    limits: z
      .strictObject({
        max_bytes: positiveInt.default(100 * 2 ** 20).describe("Size of the input file."),
        max_pixels: positiveInt.default(100_000_000).describe("Width × height of one page."),
        max_pages: positiveInt.default(200).describe("Pages of one document."),
        max_decoded_bytes: positiveInt.default(2 * 2 ** 30).describe("Memory of all decoded pages."),
      })
      .prefault({})
      .describe("Checked before anything is decoded."),
    output: z
      .strictObject({
        format: z
          .enum(["same", "png", "jpeg", "webp", "tiff", "pdf"])
          .default("same")
          .describe("same = the input's format."),
        quality: z
          .union([positiveInt.max(100), z.literal("same")])
          .default("same")
          .describe("Of JPEG: 1 to 100, or same = as the input was saved, 95 where it was no JPEG."),
      })
      .prefault({})
      .describe("The written file."),
    report: z
      .strictObject({
        include_originals: z.boolean().default(false).describe("Put the original texts into the report."),
      })
      .prefault({})
      .describe("The JSON report."),
    service: serviceSchema.prefault({}).describe("The HTTP server (`anonymizer serve`)."),
  })
  .superRefine((config, context) => {
    if (config.key !== undefined && config.key_file !== undefined) {
      context.addIssue({ code: "custom", path: ["key_file"], message: "stands beside key; give one of the two" });
    }
    const { sampler, steps } = config.diffusion;
    const most = sampler === "auto" ? 1000 : mostSteps(sampler);
    if (steps !== "auto" && steps > most) {
      const message = `must be at most ${most} with ${sampler}`;
      context.addIssue({ code: "custom", path: ["diffusion", "steps"], message });
    }
  })
  .describe("The anonymizer.");

/** A checked configuration of `Anonymizer`, every default filled in, every path absolute. */
export type AnonymizerConfig = z.output<typeof anonymizerSchema>;
/** What a user may write for it. */
export type AnonymizerConfigInput = z.input<typeof anonymizerSchema>;

export const anonymizerPathKeys = [
  ["models"],
  ["key_file"],
  ["vault"],
  ["vault_key_file"],
  ["ner", "model"],
  ["ocr", "models"],
  ["service", "token_file"],
] as const;
