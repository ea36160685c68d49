/**
 * Reads a model folder: `graph.pt` (TorchScript without weights), `stages.pt` (the same in pieces), `model.safetensors`, `config.json` (diffusers' or
 * transformers' own), `metadata.json` (name, kind, hashes). A graph is code, so nothing of a folder is used before the
 * hashes of its files were found to be those that its metadata states.
 */
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ModelFiles } from "../addon/native-types.ts";
import { codedError } from "../errors.ts";
import { exportCure } from "./export-cure.ts";
import { digestFile } from "./files.ts";
import { readSafetensorsHeader, type SafetensorsHeader } from "./safetensors-header.ts";

export type ModelKind = "vae" | "unet" | "glyph_encoder" | "vgg16";

export const graphFile = "graph.pt";
/** The same network in pieces, for activation checkpointing. Older folders lack it. */
export const stagesFile = "stages.pt";
export const weightsFile = "model.safetensors";
export const configFile = "config.json";
export const metadataFile = "metadata.json";
export const cardFile = "README.md";
/** Linear layer from the glyph encoder's width to the UNet's; stands in the UNet's folder where the two differ. */
export const textProjectionFile = "text_projection.safetensors";

/** What `metadata.json` says; more keys may stand in it. */
export interface ModelMetadata {
  readonly name: string;
  readonly version: string;
  readonly kind: ModelKind;
  /** File name → hex SHA-256. */
  readonly sha256: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

export interface ModelFolder {
  /** Absolute. */
  readonly path: string;
  readonly kind: ModelKind;
  readonly files: ModelFiles;
  /** The library's own configuration. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly metadata: ModelMetadata;
  readonly weights: SafetensorsHeader;
  /** Absolute path of `stages.pt`, where there is one. */
  readonly stages?: string;
  /** Absolute path of `text_projection.safetensors`, where there is one. */
  readonly textProjection?: string;
}

/**
 * Reads the folder and checks its hashes.
 *
 * Throws ERR_MODEL_NOT_FOUND (folder or file missing), ERR_MODEL_HASH (a file is not the one the metadata describes, or
 * the metadata states no hash), ERR_MODEL_WEIGHTS (damaged safetensors), ERR_MODEL_SHAPE (a model of another kind, or a
 * configuration that does not fit the weights), ERR_ABORTED.
 */
export async function readModelFolder(path: string, kind: ModelKind, signal?: AbortSignal): Promise<ModelFolder> {
  const info = await stat(path).catch(() => undefined);
  if (info?.isDirectory() !== true) {
    throw codedError("ERR_MODEL_NOT_FOUND", `There is no model folder ${path}`, {
      details: { path, kind },
      cure: exportCure(path),
    });
  }
  const metadata = await readMetadata(path);
  if (metadata.kind !== kind) {
    throw codedError("ERR_MODEL_SHAPE", `${path} holds a ${String(metadata.kind)}, but a ${kind} is needed`, {
      details: { path, kind: metadata.kind, needed: kind },
    });
  }
  const config = await readJson(join(path, configFile));
  await verify(path, metadata, graphFile, signal);
  await verify(path, metadata, weightsFile, signal);
  const hasStages = Object.hasOwn(metadata.sha256, stagesFile);
  if (hasStages) await verify(path, metadata, stagesFile, signal);
  const hasProjection = Object.hasOwn(metadata.sha256, textProjectionFile);
  if (hasProjection) await verify(path, metadata, textProjectionFile, signal);
  const folder: ModelFolder = {
    path,
    kind,
    files: { graph: join(path, graphFile), weights: join(path, weightsFile) },
    config,
    metadata,
    weights: await readSafetensorsHeader(join(path, weightsFile)),
    ...(hasStages ? { stages: join(path, stagesFile) } : {}),
    ...(hasProjection ? { textProjection: join(path, textProjectionFile) } : {}),
  };
  checkShapes(folder);
  return folder;
}

async function readJson(path: string): Promise<Record<string, unknown>> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw codedError("ERR_MODEL_NOT_FOUND", `${path} can't be read`, {
      cause,
      details: { path },
      cure: exportCure(dirname(path)),
    });
  });
  try {
    const json: unknown = JSON.parse(text);
    if (json !== null && typeof json === "object" && !Array.isArray(json)) return json as Record<string, unknown>;
  } catch {
    // Falls through to the error below.
  }
  throw codedError("ERR_MODEL_NOT_FOUND", `${path} is not a JSON object`, {
    details: { path },
    cure: exportCure(dirname(path)),
  });
}

async function readMetadata(path: string): Promise<ModelMetadata> {
  const file = join(path, metadataFile);
  const json = await readJson(file);
  const hashes = json["sha256"];
  if (hashes === null || typeof hashes !== "object" || Array.isArray(hashes)) {
    throw codedError("ERR_MODEL_HASH", `${file} states no sha256 of the model's files`, { details: { path: file } });
  }
  return { name: "unnamed", version: "0", ...json } as unknown as ModelMetadata;
}

async function verify(
  path: string,
  metadata: ModelMetadata,
  name: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const stated = metadata.sha256[name];
  const file = join(path, name);
  const { sha256 } = await digestFile(file, signal).catch((cause: unknown) => {
    if (signal?.aborted) throw cause;
    throw codedError("ERR_MODEL_NOT_FOUND", `${file} can't be read`, {
      cause,
      details: { path: file },
      cure: exportCure(path),
    });
  });
  if (typeof stated !== "string" || stated.toLowerCase() !== sha256) {
    throw codedError(
      "ERR_MODEL_HASH",
      `${file} has the hash ${sha256.slice(0, 12)}…, its metadata states ${String(stated).slice(0, 12)}…`,
      {
        details: { path: file, expected: stated, actual: sha256 },
      },
    );
  }
}

function checkShapes(folder: ModelFolder): void {
  if (folder.kind === "unet") checkInpaintingUnet(folder);
}

/** Latent channels C of a UNet for inpainting. Throws ERR_MODEL_SHAPE unless `conv_in` takes 2·C+1 channels. */
export function checkInpaintingUnet(folder: ModelFolder): number {
  const latents = numberOf(folder, "out_channels");
  const weight = folder.weights.tensors.get("conv_in.weight");
  const taken = weight?.shape[1];
  const needed = 2 * latents + 1;
  if (taken !== needed) {
    throw codedError(
      "ERR_MODEL_SHAPE",
      `${folder.path}: the UNet takes ${taken ?? "an unknown number of"} input channels; inpainting needs ${needed} (noisy ${latents}, mask 1, masked image ${latents})`,
      { details: { path: folder.path, channels: taken, needed } },
    );
  }
  return latents;
}

/** A number of `config.json`. Throws ERR_MODEL_SHAPE where it is missing. */
export function numberOf(folder: ModelFolder, key: string): number {
  const value = folder.config[key];
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw codedError("ERR_MODEL_SHAPE", `${folder.path}/${configFile} has no number ${key}`, {
      details: { path: folder.path, key },
    });
  }
  return value;
}

/** Input size of a glyph encoder in pixels. `image_size` is one number for a square or [height, width]. */
export function glyphSize(folder: ModelFolder): { readonly height: number; readonly width: number } {
  const size = folder.config["image_size"];
  const [height, width] = Array.isArray(size) ? (size as unknown[]) : [size, size];
  if (typeof height !== "number" || typeof width !== "number") {
    throw codedError("ERR_MODEL_SHAPE", `${folder.path}/${configFile} has no image_size`, {
      details: { path: folder.path },
    });
  }
  return { height, width };
}

/** Pixels per latent of a VAE, latents per step of a UNet's deepest level: sizes must be multiples of it. */
export function sizeMultiple(folder: ModelFolder): number {
  const blocks = folder.config["block_out_channels"];
  if (!Array.isArray(blocks) || blocks.length === 0) {
    throw codedError("ERR_MODEL_SHAPE", `${folder.path}/${configFile} has no block_out_channels`, {
      details: { path: folder.path },
    });
  }
  const folded = folder.config["space_to_depth"];
  return 2 ** (blocks.length - 1) * (typeof folded === "number" ? folded : 1);
}

/**
 * What a perceptual network may be called. Only calibrated weights on a trained backbone are LPIPS; everything else
 * carries a name that can't be mistaken for it.
 */
export function perceptualName(folder: ModelFolder, network: "lpips" | "vgg16"): string {
  if (folder.config["backbone"] === "random-vgg") return "random-vgg";
  if (network === "vgg16") return "vgg16";
  return folder.config["calibrated"] === true ? "lpips" : "vgg16-uncalibrated";
}

/** Files for a run with activation checkpointing. Throws ERR_MODEL_NOT_FOUND for a folder without a staged graph. */
export function stagedFiles(folder: ModelFolder): ModelFiles {
  if (folder.stages === undefined) {
    throw codedError(
      "ERR_MODEL_NOT_FOUND",
      `${folder.path} has no ${stagesFile}, which gradient_checkpointing needs; export the model again`,
      { details: { path: folder.path, file: stagesFile } },
    );
  }
  return { graph: folder.stages, weights: folder.files.weights };
}
