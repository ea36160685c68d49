/** What a run will do, known before the first step and without the native addon. */
import type { TrainerConfig, UNetTrainerConfig, VAETrainerConfig } from "../config/training-config.ts";
import { bucketSizes } from "../datasets/aspect-buckets.ts";
import { codedError } from "../errors.ts";
import {
  checkInpaintingUnet,
  glyphSize,
  type ModelFolder,
  numberOf,
  perceptualName,
  readModelFolder,
  sizeMultiple,
} from "../models/model-folder.ts";
import type { SafetensorsHeader, TensorInfo } from "../models/safetensors-header.ts";
import { type AdapterPlan, loraLayers, planAdapter } from "./adapter-plan.ts";
import { countParameters, type ParameterCounts } from "./frozen-modules.ts";
import { estimateMemory, type MemoryEstimate } from "./memory-estimate.ts";

/** The model folders of a run, read and verified. */
export interface TrainingModels {
  readonly model: ModelFolder;
  readonly vae?: ModelFolder;
  readonly glyphEncoder?: ModelFolder;
  readonly perceptual?: ModelFolder;
}

export interface TrainingPlan {
  readonly kind: "vae" | "unet";
  readonly name: string;
  readonly preset: string;
  /** Samples of one forward pass. */
  readonly microBatch: number;
  readonly accumulation: number;
  readonly ranks: number;
  /** Samples of one optimizer step: micro-batch × accumulation × ranks. */
  readonly effectiveBatch: number;
  readonly steps: number;
  readonly samplesPerEpoch: number;
  readonly epochs: number;
  readonly parameters: ParameterCounts;
  /** The adapters that are trained in place of the weights. */
  readonly adapter?: AdapterPlan;
  /** Values of the networks that are only run. */
  readonly helperParameters: number;
  /** What the perceptual network is; never "lpips" unless it is. */
  readonly perceptual?: string;
  readonly memory: MemoryEstimate;
}

/** Reads and verifies every model folder that `config` names; errors as `readModelFolder`. */
export async function readTrainingModels(config: TrainerConfig, signal?: AbortSignal): Promise<TrainingModels> {
  const model = await readModelFolder(config.model.path, config.kind, signal);
  if (config.kind === "vae") {
    if (config.perceptual === undefined || config.loss.perceptual_weight === 0) return { model };
    return { model, perceptual: await readModelFolder(config.perceptual.path, "vgg16", signal) };
  }
  return {
    model,
    vae: await readModelFolder(config.vae.path, "vae", signal),
    glyphEncoder: await readModelFolder(config.glyph_encoder.path, "glyph_encoder", signal),
  };
}

/** Role → SHA-256 of the weights. */
export function weightHashes(models: TrainingModels): Record<string, string> {
  const entries: [string, ModelFolder | undefined][] = [
    ["model", models.model],
    ["vae", models.vae],
    ["glyph_encoder", models.glyphEncoder],
    ["perceptual", models.perceptual],
  ];
  return Object.fromEntries(
    entries.flatMap(([role, folder]) =>
      folder === undefined ? [] : [[role, folder.metadata.sha256["model.safetensors"]!]],
    ),
  );
}

/** Width of the condition, and the linear layer between encoder and UNet where their widths differ. */
export function textProjection(
  models: TrainingModels,
): { inputWidth: number; outputWidth: number; weights?: string } | undefined {
  if (models.glyphEncoder === undefined) return undefined;
  const inputWidth = numberOf(models.glyphEncoder, "hidden_size");
  const outputWidth = numberOf(models.model, "cross_attention_dim");
  if (inputWidth === outputWidth) return undefined;
  return {
    inputWidth,
    outputWidth,
    ...(models.model.textProjection === undefined ? {} : { weights: models.model.textProjection }),
  };
}

/** Height and width of a crop must be multiples of this many pixels. */
export function requiredMultiple(config: TrainerConfig, models: TrainingModels): number {
  const multiple = sizeMultiple(models.vae ?? models.model);
  return config.kind === "unet" ? multiple * sizeMultiple(models.model) : multiple;
}

/** Throws ERR_CONFIG_INVALID or ERR_MODEL_SHAPE when models, crop size and settings don't fit each other. */
export function checkFit(config: TrainerConfig, models: TrainingModels): void {
  const vae = models.vae ?? models.model;
  const multiple = requiredMultiple(config, models);
  if (config.kind === "unet") {
    const latents = checkInpaintingUnet(models.model);
    const made = numberOf(vae, "latent_channels");
    if (latents !== made) {
      throw codedError(
        "ERR_MODEL_SHAPE",
        `The VAE ${vae.path} makes ${made} latent channels, the UNet ${models.model.path} predicts ${latents}`,
        {
          details: { vae: made, unet: latents },
        },
      );
    }
    glyphSize(models.glyphEncoder!);
    textProjection(models);
  }
  if (config.data.buckets !== undefined) bucketSizes(config.data, config.data.buckets.aspects, multiple);
  if (config.lora !== undefined) loraLayers(models.model, config.lora);
  if (
    config.lora !== undefined &&
    textProjection(models)?.weights === undefined &&
    textProjection(models) !== undefined
  ) {
    throw codedError(
      "ERR_CONFIG_INVALID",
      `lora: ${models.model.path} has no trained text_projection.safetensors, and adapters alone can't replace it; train the UNet first`,
      { details: { path: models.model.path } },
    );
  }
  for (const key of ["height", "width"] as const) {
    const value = config.data[key];
    if (value % multiple !== 0) {
      throw codedError(
        "ERR_CONFIG_INVALID",
        `data.${key}: is ${value}, but these models need a multiple of ${multiple}`,
        {
          details: { key: `data.${key}`, multiple },
        },
      );
    }
  }
}

/** Everything that can be trained: the model, a new text projection, and the glyph encoder where it is trained too. */
function trainableWeights(config: TrainerConfig, models: TrainingModels): SafetensorsHeader {
  const tensors = new Map<string, TensorInfo>(models.model.weights.tensors);
  const projection = textProjection(models);
  if (projection !== undefined) {
    const { inputWidth, outputWidth } = projection;
    tensors.set("text_projection.weight", {
      dtype: "F32",
      shape: [outputWidth, inputWidth],
      values: inputWidth * outputWidth,
    });
    tensors.set("text_projection.bias", { dtype: "F32", shape: [outputWidth], values: outputWidth });
  }
  if (config.kind === "unet" && config.glyph_encoder.trainable) {
    for (const [name, info] of models.glyphEncoder!.weights.tensors) tensors.set(`glyph_encoder.${name}`, info);
  }
  let values = 0;
  for (const tensor of tensors.values()) values += tensor.values;
  return { tensors, metadata: {}, values };
}

/** Puts the plan together. `ranks` is the number of processes that train together. */
export function planTraining(
  config: TrainerConfig,
  models: TrainingModels,
  samplesPerEpoch: number,
  ranks = 1,
): TrainingPlan {
  checkFit(config, models);
  const trained = trainableWeights(config, models);
  const adapter = config.lora === undefined ? undefined : planAdapter(models.model, config.lora);
  const parameters =
    adapter === undefined
      ? countParameters(trained, config.freeze)
      : { total: trained.values + adapter.values, trainable: adapter.values, frozen: trained.values };
  const trainsGlyphEncoder = config.kind === "unet" && config.glyph_encoder.trainable;
  const helpers = [models.vae, trainsGlyphEncoder ? undefined : models.glyphEncoder, models.perceptual];
  const helperParameters = helpers.reduce((sum, folder) => sum + (folder?.weights.values ?? 0), 0);
  const effectiveBatch = config.train_batch_size * config.gradient_accumulation_steps * ranks;
  return {
    kind: config.kind,
    name: config.name,
    preset: config.preset,
    microBatch: config.train_batch_size,
    accumulation: config.gradient_accumulation_steps,
    ranks,
    effectiveBatch,
    steps: config.max_train_steps,
    samplesPerEpoch,
    epochs: samplesPerEpoch === 0 ? 0 : (config.max_train_steps * effectiveBatch) / samplesPerEpoch,
    parameters,
    ...(adapter === undefined ? {} : { adapter }),
    helperParameters,
    ...(config.kind === "vae" && models.perceptual !== undefined && config.perceptual !== undefined
      ? { perceptual: perceptualName(models.perceptual, config.perceptual.network) }
      : {}),
    memory: estimateMemory({
      weightValues: parameters.total + helperParameters,
      quantizedValues: adapter?.quantizedValues ?? 0,
      trainableValues: parameters.trainable,
      ema: config.ema_decay > 0,
      precision: config.precision,
      stateBits: config.optimizer.state_bits,
      checkpointing: config.gradient_checkpointing,
      microBatch: config.train_batch_size,
      networks: config.kind === "vae" ? vaeNetworks(config, models) : unetNetworks(config, models),
    }),
  };
}

const firstChannels = (folder: ModelFolder): number => (folder.config["block_out_channels"] as number[])[0] ?? 0;
const layers = (folder: ModelFolder): number => {
  const value = folder.config["layers_per_block"];
  return typeof value === "number" ? value : 2;
};

/** An autoencoder at the size of the crops. */
function autoencoder(folder: ModelFolder, { height, width }: { readonly height: number; readonly width: number }) {
  return { channels: firstChannels(folder), height, width, layersPerBlock: layers(folder), attention: false };
}

function vaeNetworks(config: VAETrainerConfig, models: TrainingModels) {
  const { height, width } = config.data;
  const own = autoencoder(models.model, config.data);
  const taps = models.perceptual?.config["channels"];
  if (!Array.isArray(taps)) return [own];
  return [own, { channels: Number(taps[0]), height, width, layersPerBlock: 1, attention: false }];
}

function unetNetworks(config: UNetTrainerConfig, models: TrainingModels) {
  const factor = sizeMultiple(models.vae!);
  const own = {
    channels: firstChannels(models.model),
    height: config.data.height / factor,
    width: config.data.width / factor,
    layersPerBlock: layers(models.model),
    attention: true,
  };
  const decodes = config.loss.pixel_weight > 0 || config.loss.ssim_weight > 0;
  return decodes ? [own, autoencoder(models.vae!, config.data)] : [own];
}
