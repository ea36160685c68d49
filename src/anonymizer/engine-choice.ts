/** Decides which engine draws, and says why. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { packageRoot } from "../addon/package-root.ts";
import type { SamplerName } from "../addon/samplers.ts";
import type { AnonymizerConfig } from "../config/anonymizer-config.ts";
import { AnonymizerError, codedError } from "../errors.ts";
import type { PatchEngine } from "../inpainting/patch.ts";
import { exportCure } from "../models/export-cure.ts";

export interface EngineChoice {
  readonly requested: "auto" | "diffusion" | "classical";
  readonly chosen: "diffusion" | "classical";
  readonly reason: string;
  /** Of the diffusion engine. */
  readonly sampler?: SamplerName;
  readonly steps?: number;
}

const parts = ["vae", "unet", "glyph_encoder"] as const;

/** The parts of a model pack that a folder lacks. */
export async function missingParts(folder: string): Promise<string[]> {
  const missing: string[] = [];
  for (const part of parts) {
    const found = await stat(join(folder, part)).catch(() => undefined);
    if (!found?.isDirectory()) missing.push(part);
  }
  return missing;
}

/** The models that come with the package. */
export async function shippedModels(): Promise<string | undefined> {
  const folder = join(packageRoot(), "models", "document-small");
  return (await missingParts(folder)).length === 0 ? folder : undefined;
}

/**
 * The diffusion engine where it is asked for, or where `auto` finds a model pack and the engine starts; else none,
 * with the reason. Asked for by name it must work: rejects with ERR_MODEL_NOT_FOUND, the engine's own error, or that of
 * `locate`, which finds the folder of what `models` names.
 */
export async function chooseEngine(
  config: Pick<AnonymizerConfig, "engine" | "models">,
  start: (models: string) => Promise<PatchEngine>,
  locate: (models: string) => Promise<string> = async (models) => models,
): Promise<{ choice: EngineChoice; engine: PatchEngine | undefined }> {
  const requested = config.engine;
  const classical = (reason: string) => ({
    choice: { requested, chosen: "classical" as const, reason },
    engine: undefined,
  });
  if (requested === "classical") return classical("asked for");
  const named = config.models ?? (await shippedModels());
  if (named === undefined) {
    if (requested === "diffusion")
      throw codedError("ERR_MODEL_NOT_FOUND", "engine is diffusion, models names no folder, and the package has none");
    return classical("no models folder is set, and the package has none");
  }
  const mayFail = (error: unknown, what: string) => {
    const stopped = error instanceof AnonymizerError && error.code === "ERR_ABORTED";
    if (requested === "diffusion" || stopped) throw error;
    const why = error instanceof AnonymizerError ? `${error.code}: ${error.message}` : "unknown error";
    return classical(`${what}: ${why}`);
  };
  let models: string;
  try {
    models = await locate(named);
  } catch (error) {
    return mayFail(error, `${named} can't be had`);
  }
  const missing = await missingParts(models);
  if (missing.length > 0) {
    const message = `the models folder lacks ${missing.join(", ")}`;
    if (requested === "diffusion") {
      throw codedError("ERR_MODEL_NOT_FOUND", `${models}: ${message}`, {
        details: { models, missing },
        cure: exportCure(models),
      });
    }
    return classical(message);
  }
  try {
    const engine = await start(models);
    const reason = requested === "diffusion" ? "asked for" : "a model pack is installed and LibTorch loads";
    return { choice: { requested, chosen: "diffusion", reason }, engine };
  } catch (error) {
    return mayFail(error, "the diffusion engine does not start");
  }
}
