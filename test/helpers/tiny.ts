/** The tiny models and deterministic inputs for tests of the addon. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type {
  HostTensor,
  ModelFiles,
  NativeBatch,
  NativeTrainerOptions,
  UnetLossOptions,
  VaeLossOptions,
} from "../../src/addon/native-types.ts";
import { writeTensors } from "./safetensors.ts";

export const root = join(import.meta.dirname, "..", "..");
export type TinyModel = "vae" | "unet" | "glyph_encoder" | "vgg16";
export const tinyFolder = (kind: TinyModel): string => join(root, "models", "tiny", kind);
export const tinyFiles = (kind: TinyModel): ModelFiles => ({
  graph: join(tinyFolder(kind), "graph.pt"),
  weights: join(tinyFolder(kind), "model.safetensors"),
});
/** Under the names that the reference programs give them. */
export const tinyFolders = {
  vae: tinyFolder("vae"),
  unet: tinyFolder("unet"),
  glyphEncoder: tinyFolder("glyph_encoder"),
} as const;
export const tinyConfig = (kind: TinyModel): Record<string, unknown> =>
  JSON.parse(readFileSync(join(tinyFolder(kind), "config.json"), "utf8")) as Record<string, unknown>;

/** A small fast generator with a seed (mulberry32), uniform in [0, 1). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function normalTensor(shape: readonly number[], seed: number): HostTensor {
  const next = random(seed);
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).map(
    () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  );
  return { data, shape, dtype: "float32" };
}

/** Smooth shapes with dark bars on light paper: structure that a model can learn, unlike noise. */
export function pageLikeBytes(count: number, height: number, width: number, seed: number): Uint8Array {
  const next = random(seed);
  const data = new Uint8Array(count * height * width * 3);
  for (let i = 0; i < count; i++) {
    const paper = 200 + 50 * next();
    const bars = Array.from({ length: 6 }, () => [
      next() * width,
      next() * height * 0.8,
      4 + next() * 20,
      3 + next() * 12,
    ]);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const inked = bars.some(([bx, by, bw, bh]) => x >= bx! && x < bx! + bw! && y >= by! && y < by! + bh!);
        const at = ((i * height + y) * width + x) * 3;
        for (let c = 0; c < 3; c++)
          data[at + c] = Math.max(0, Math.min(255, (inked ? 40 : paper) + 6 * next() + c * 2));
      }
    }
  }
  return data;
}

/** The same network in pieces: runs with activation checkpointing. */
export const stagedFiles = (kind: Parameters<typeof tinyFiles>[0]): ModelFiles => ({
  ...tinyFiles(kind),
  graph: join(tinyFolder(kind), "stages.pt"),
});

export function vaeBatch(size: number, height: number, width: number, seed = 1): NativeBatch {
  return {
    ids: BigUint64Array.from({ length: size }, (_, i) => BigInt(seed * 1000 + i)),
    images: pageLikeBytes(size, height, width, seed),
    height,
    width,
  };
}

export function unetBatch(size: number, height: number, width: number, seed = 1): NativeBatch {
  const [glyphHeight, glyphWidth] = tinyConfig("glyph_encoder")["image_size"] as [number, number];
  const masks = new Uint8Array(size * height * width);
  for (let i = 0; i < size; i++) {
    for (let y = Math.floor(height / 4); y < (height * 3) / 4; y++)
      masks.fill(1, (i * height + y) * width + 10 + i * 3, (i * height + y) * width + width - 12);
  }
  return {
    ...vaeBatch(size, height, width, seed),
    masks,
    drafts: pageLikeBytes(size, height, width, seed + 55),
    glyphs: pageLikeBytes(size, glyphHeight, glyphWidth, seed + 77),
    glyphHeight,
    glyphWidth,
  };
}

export const projectionWidths = (): { inputWidth: number; outputWidth: number } => ({
  inputWidth: tinyConfig("glyph_encoder")["hidden_size"] as number,
  outputWidth: tinyConfig("unet")["cross_attention_dim"] as number,
});

/** A projection with fixed weights, written into `folder`: for the addon, and as the reference programs take it. */
export function tinyProjection(folder: string) {
  const { inputWidth, outputWidth } = projectionWidths();
  const weight = normalTensor([outputWidth, inputWidth], 8);
  const bias = normalTensor([outputWidth], 9);
  const weights = join(folder, "text_projection.safetensors");
  writeTensors(weights, { weight, bias });
  return {
    textProjection: { inputWidth, outputWidth, weights },
    projectionTensors: { "text_projection.weight": weight, "text_projection.bias": bias },
  };
}

/** What a batch holds, under the names that the reference programs give it. */
export function referenceInputs(batch: NativeBatch, prefix = ""): Record<string, HostTensor> {
  const { ids, images, height, width, masks, drafts, glyphs, glyphHeight, glyphWidth } = batch;
  const bytes = (data: unknown, ...shape: number[]): HostTensor => ({
    data: data as Uint8Array,
    shape: [ids.length, ...shape],
    dtype: "uint8",
  });
  const tensors = {
    images: bytes(images, height, width, 3),
    masks: masks && bytes(masks, height, width),
    drafts: drafts && bytes(drafts, height, width, 3),
    glyphs: glyphs && bytes(glyphs, glyphHeight!, glyphWidth!, 3),
    posterior_noise: batch.posteriorNoise,
    noise: batch.noise,
    timesteps: batch.timesteps,
    offset_noise: batch.offsetNoise,
    perturbation: batch.perturbation,
  };
  return Object.fromEntries(
    Object.entries(tensors).flatMap(([name, tensor]) => (tensor === undefined ? [] : [[`${prefix}${name}`, tensor]])),
  );
}

const common = {
  device: "cpu",
  precision: "fp32",
  channelsLast: false,
  threads: 0,
  seed: 5,
  rank: 0,
  optimizer: {
    learningRate: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weightDecay: 0.01,
    maxGradNorm: 1,
    stateBits: 32,
  },
  schedule: { type: "constant", warmupSteps: 0, totalSteps: 100, cycles: 1 },
  emaDecay: 0,
  augment: { rotation: 0, brightness: 0, contrast: 0 },
  freeze: [],
} as const;

export function vaeOptions(
  loss: Partial<VaeLossOptions> = {},
  more: Partial<NativeTrainerOptions> = {},
): NativeTrainerOptions {
  return {
    ...common,
    kind: "vae",
    model: tinyFiles("vae"),
    perceptual: tinyFiles("vgg16"),
    vaeLoss: {
      reduction: "mean",
      reconstruction: "mse",
      klWeight: 1e-4,
      perceptualWeight: 0,
      perceptual: "lpips",
      ...loss,
    },
    ...more,
  };
}

export function unetOptions(
  loss: Partial<UnetLossOptions> = {},
  more: Partial<NativeTrainerOptions> = {},
): NativeTrainerOptions {
  return {
    ...common,
    kind: "unet",
    model: tinyFiles("unet"),
    vae: tinyFiles("vae"),
    glyphEncoder: tinyFiles("glyph_encoder"),
    textProjection: projectionWidths(),
    unetLoss: {
      predictionType: "epsilon",
      snrGamma: 0,
      maskedWeight: 1,
      maskedFill: "0",
      conditionDropout: 0,
      fullMaskShare: 0,
      scalingFactor: 0.18215,
      trainGlyphEncoder: false,
      offsetNoise: 0,
      inputPerturbation: 0,
      pixelWeight: 0,
      ssimWeight: 0,
      pixelStartStep: 0,
      ...loss,
    },
    ...more,
  };
}
