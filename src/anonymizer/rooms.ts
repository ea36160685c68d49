/** The parts an anonymizer works with, made from its configuration. */
import type { AnonymizerConfig } from "../config/anonymizer-config.ts";
import { checkedEngine } from "../detection/checked-engine.ts";
import { createDetector, type Detector } from "../detection/detector.ts";
import { type CodeEngine, createCodeEngine } from "../detection/image-regions/codes.ts";
import type { OcrEngine } from "../detection/ocr.ts";
import { createClassicalEngine } from "../inpainting/classical-engine.ts";
import type { PatchEngine } from "../inpainting/patch.ts";
import { createSolidEngine } from "../inpainting/solid-engine.ts";
import type { Sampling } from "../models/sampling.ts";
import { pullModel } from "../registry/model-registry.ts";
import { isStoreAddress } from "../registry/store-address.ts";
import { createPseudonymizer, type Pseudonymizer } from "../replacement/pseudonyms.ts";
import type { Logger } from "../telemetry/logger.ts";
import { chooseEngine, type EngineChoice } from "./engine-choice.ts";
import { openRecognizers } from "./open-recognizers.ts";
import { chooseReading, type ReadingChoice, type ReadingEngines } from "./reading-choice.ts";

export interface Rooms {
  /** Reads the input. */
  readonly ocr: OcrEngine;
  /** Look at the result besides `ocr`. */
  readonly otherOcr: readonly OcrEngine[];
  readonly readingChoice: ReadingChoice;
  readonly detector: Detector;
  /** Reads and makes codes; its thread starts with the first page. */
  readonly codes: CodeEngine;
  readonly pseudonymizer: Pseudonymizer;
  /** Best first; the solid engine is not among them. */
  readonly engines: readonly PatchEngine[];
  readonly solid: PatchEngine;
  readonly choice: EngineChoice;
  /** Frees what was made here; parts the caller brought stay open. */
  close(): Promise<void>;
}

/** What a caller may bring along instead of the built-in parts. Not closed by the anonymizer. */
export interface CustomParts {
  /** Its readings are checked: what no page can have is ERR_OCR_FAILED. */
  readonly ocr?: OcrEngine;
  /** Looks at the result besides `ocr`; only together with it. */
  readonly verifier?: OcrEngine;
  /** Draws first; the classical engine stays the fallback. */
  readonly patchEngine?: PatchEngine;
}

type Own = <T extends { close(): Promise<void> }>(part: T) => T;

export interface OpenOptions {
  readonly logger: Logger;
  readonly signal?: AbortSignal;
}

/** Rejects with ERR_OCR_FAILED, ERR_MODEL_*, ERR_LIBTORCH_*, ERR_ABORTED; nothing stays open then. */
export async function openRooms(
  config: AnonymizerConfig,
  key: string,
  custom: CustomParts,
  options: OpenOptions,
): Promise<Rooms> {
  const opened: { close(): Promise<void> }[] = [];
  const own: Own = (part) => {
    opened.push(part);
    return part;
  };
  const close = async (): Promise<void> => {
    await Promise.allSettled(opened.map((part) => part.close()));
  };
  try {
    const classical = own(createClassicalEngine());
    const solid = own(createSolidEngine());
    const { choice, first } = await firstEngine(config, custom, own, options);
    const reading = customReading(custom) ?? (await chooseReading(config.ocr, own, options.signal));
    options.logger.info(reading.choice, "OCR engine chosen");
    return {
      ocr: reading.ocr,
      otherOcr: reading.others,
      readingChoice: reading.choice,
      detector: createDetector({
        types: config.types,
        minScore: config.min_score,
        minScores: config.min_scores,
        allow: config.allow,
        deny: config.deny,
        recognizers: await openRecognizers(config, own),
      }),
      codes: own(createCodeEngine()),
      pseudonymizer: createPseudonymizer({ key, locale: config.locale }),
      engines: first ? [first, classical] : [classical],
      solid,
      choice,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function customReading(custom: CustomParts): ReadingEngines | undefined {
  if (custom.ocr === undefined) return undefined;
  const ocr = checkedEngine(custom.ocr);
  const others = custom.verifier === undefined ? [] : [checkedEngine(custom.verifier)];
  const verifiers = [ocr, ...others].map((engine) => engine.name);
  return { choice: { requested: "custom", chosen: ocr.name, reason: "brought by the caller", verifiers }, ocr, others };
}

/** The folder itself, or that of the cache where the address of a registry is given; it is kept while this is open. */
async function locateModels(models: string, own: Own, { logger, signal }: OpenOptions): Promise<string> {
  if (!isStoreAddress(models)) return models;
  const pulled = await pullModel(models, { logger, ...(signal && { signal }) });
  own({ close: pulled.release });
  logger.info({ model: pulled.name, version: pulled.version, stale: pulled.stale }, "models are in the cache");
  return pulled.folder;
}

async function firstEngine(
  config: AnonymizerConfig,
  custom: CustomParts,
  own: Own,
  options: OpenOptions,
): Promise<{ choice: EngineChoice; first: PatchEngine | undefined }> {
  if (custom.patchEngine) {
    const { name } = custom.patchEngine;
    const chosen = name === "diffusion" ? name : "classical";
    return { choice: { requested: config.engine, chosen, reason: "brought by the caller" }, first: custom.patchEngine };
  }
  let sampling: Sampling | undefined;
  const start = async (models: string): Promise<PatchEngine> => {
    // Loaded only when it is used: it brings LibTorch into the process.
    const { createDiffusionEngine } = await import("../inpainting/diffusion-engine.ts");
    const engine = own(
      await createDiffusionEngine({
        models,
        device: config.device,
        precision: config.precision,
        threads: config.threads,
        sampling: askedSampling(config.diffusion),
        batchSize: config.diffusion.batch_size,
        ...(options.signal && { signal: options.signal }),
      }),
    );
    sampling = engine.sampling;
    return engine;
  };
  const { choice, engine } = await chooseEngine(config, start, (models) => locateModels(models, own, options));
  const drawn = sampling ? { ...choice, sampler: sampling.sampler, steps: sampling.steps } : choice;
  options.logger.info(drawn, "engine chosen");
  return { choice: drawn, first: engine };
}

/** `auto` leaves a setting to the models. */
function askedSampling(diffusion: AnonymizerConfig["diffusion"]): Partial<Sampling> {
  const {
    sampler,
    steps,
    timestep_spacing: spacing,
    guidance_scale: guidance,
    strength,
    change_scale: change,
  } = diffusion;
  return {
    ...(sampler !== "auto" && { sampler }),
    ...(steps !== "auto" && { steps }),
    ...(spacing !== "auto" && { timestepSpacing: spacing }),
    ...(guidance !== "auto" && { guidanceScale: guidance }),
    ...(strength !== "auto" && { strength }),
    ...(change !== "auto" && { changeScale: change }),
  };
}
