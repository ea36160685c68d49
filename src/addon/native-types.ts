/** The one typed view of the native binary. Values are already checked when they get here; policy lives above. */

import type { SamplerName, TimestepSpacing } from "./samplers.ts";

export type DType = "float32" | "float64" | "float16" | "bfloat16" | "int64" | "int32" | "uint8" | "bool";

/** Typed arrays that carry tensor data; float16 and bfloat16 travel as Uint16Array bit patterns. */
export type TensorData = Float32Array | Float64Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array;

export interface HostTensor {
  readonly data: TensorData;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** Files of one model folder, absolute paths. A staged graph (`stages.pt`) runs with activation checkpointing. */
export interface ModelFiles {
  readonly graph: string;
  readonly weights: string;
}

export interface DeviceInfo {
  readonly name: string;
  readonly index: number;
  readonly totalBytes: number;
}

export interface NativeInfo {
  /** LibTorch the binary runs with, "2.13.0". */
  readonly libtorch: string;
  readonly cuda: readonly DeviceInfo[];
  /** Intra-op threads LibTorch would use by default. */
  readonly threads: number;
}

export interface ScheduleOptions {
  readonly type: "constant" | "constant_with_warmup" | "linear" | "cosine" | "cosine_with_restarts";
  readonly warmupSteps: number;
  /** Optimizer steps of the whole run. */
  readonly totalSteps: number;
  readonly cycles: number;
}

export interface OptimizerOptions {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** 0 = no clipping. */
  readonly maxGradNorm: number;
  /** Bits of a stored moment. 8: blocks of 256 values with a dynamic code, for parameters of 4096 values and more. */
  readonly stateBits: 8 | 32;
}

/** A patch discriminator that the decoder has to deceive (hinge loss, adaptive weight). */
export interface AdversarialOptions {
  /** Optimizer step (from 0) from which it takes part. */
  readonly startStep: number;
  readonly weight: number;
  readonly channels: number;
  readonly layers: number;
  readonly optimizer: OptimizerOptions;
}

export interface VaeLossOptions {
  readonly reduction: "mean" | "sum";
  readonly reconstruction: "mse" | "l1";
  readonly klWeight: number;
  /** 0 = the perceptual network is not run. */
  readonly perceptualWeight: number;
  readonly perceptual: "lpips" | "vgg16";
}

export interface UnetLossOptions {
  readonly predictionType: "epsilon" | "v_prediction";
  /** 0 = off. */
  readonly snrGamma: number;
  /** Weight of the masked region; 1 = plain mean. */
  readonly maskedWeight: number;
  readonly maskedFill: MaskedFill;
  /** Timesteps from `begin` up to `end` (exclusive, 0 … 1000) are drawn so many times as often as others. */
  readonly timestepBias?: { readonly begin: number; readonly end: number; readonly multiplier: number };
  readonly conditionDropout: number;
  readonly fullMaskShare: number;
  readonly scalingFactor: number;
  readonly trainGlyphEncoder: boolean;
  /** 0 = off. */
  readonly offsetNoise: number;
  readonly inputPerturbation: number;
  /** Of the mean absolute error of repainted pixels, in [-1, 1], beside that of the latents; 0 = nothing is decoded. */
  readonly pixelWeight: number;
  /** Of 1 − SSIM of repainted pixels; 0 = off. */
  readonly ssimWeight: number;
  /** Step from which both are added. */
  readonly pixelStartStep: number;
}

export interface AugmentOptions {
  /** Degrees, uniform in ±rotation. */
  readonly rotation: number;
  /** Factor uniform in 1±brightness. */
  readonly brightness: number;
  /** Factor uniform in 1±contrast. */
  readonly contrast: number;
}

/** Low-rank adapters trained in place of the model's weights. */
export interface NativeLoraOptions {
  /** Full names of the Linear and Conv2d layers that get a pair A, B. */
  readonly layers: readonly string[];
  readonly rank: number;
  readonly alpha: number;
  /** Scale α/√r in place of α/r. */
  readonly rslora: boolean;
  readonly init: "kaiming_uniform" | "gaussian";
  /** Keep the frozen weights of Linear and Conv2d layers in 8 bits. */
  readonly quantizeBase: boolean;
}

/** A file of adapters and where its tensors belong. */
export interface NativeAdapter {
  /** A safetensors file. */
  readonly path: string;
  readonly weight: number;
  /** `a` and `b` name the file's tensors A [r, in] or [r, in, k, k] and B [out, r] or [out, r, 1, 1]. */
  readonly layers: readonly {
    readonly name: string;
    readonly a: string;
    readonly b: string;
    readonly scale: number;
  }[];
}

/** This process among those that train together. */
export interface NativeDistributedOptions {
  readonly rank: number;
  readonly worldSize: number;
  readonly masterAddress: string;
  readonly masterPort: number;
  /** The launcher hosts the store; else rank 0 does. */
  readonly agentStore: boolean;
  /** Keys of the store that belong to this start of the group. */
  readonly keyPrefix: string;
  readonly timeoutSeconds: number;
  /** Connections stay on this machine. */
  readonly loopback: boolean;
  /** "" = the one of the machine's own name. */
  readonly networkInterface: string;
  /** Must be the same on all ranks. */
  readonly fingerprint: string;
  /** Path of the NCCL addon; "" = Gloo alone. */
  readonly ncclLibrary: string;
  readonly bucketBytes: number;
  /** ZeRO stage 1. */
  readonly shardOptimizer: boolean;
}

export interface NativeTrainerOptions {
  readonly kind: "vae" | "unet";
  /** "cpu", "cuda" or "cuda:N". */
  readonly device: string;
  /** Of the forward pass under autocast; weights stay float32. fp16 scales the loss. */
  readonly precision: "fp32" | "bf16" | "fp16";
  /** Weights of convolutions in NHWC order. */
  readonly channelsLast: boolean;
  /** 0 = LibTorch's default. */
  readonly threads: number;
  readonly seed: number;
  readonly rank: number;
  readonly model: ModelFiles;
  /** kind "unet" only. */
  readonly vae?: ModelFiles;
  readonly glyphEncoder?: ModelFiles;
  /** kind "unet" only: linear layer from the encoder's width to the UNet's when they differ; made if the file is absent. */
  readonly textProjection?: { readonly inputWidth: number; readonly outputWidth: number; readonly weights?: string };
  /** kind "vae" only: the VGG16 features. */
  readonly perceptual?: ModelFiles;
  readonly vaeLoss?: VaeLossOptions;
  /** kind "vae" only. */
  readonly adversarial?: AdversarialOptions;
  readonly unetLoss?: UnetLossOptions;
  readonly optimizer: OptimizerOptions;
  readonly schedule: ScheduleOptions;
  /** 0 = no EMA. */
  readonly emaDecay: number;
  readonly augment: AugmentOptions;
  /** Module names whose parameters stay fixed ("encoder", "quant_conv"). Each must match at least one parameter. */
  readonly freeze: readonly string[];
  readonly lora?: NativeLoraOptions;
  /** Absent for a process that trains alone. */
  readonly distributed?: NativeDistributedOptions;
}

/** What the frozen networks of a UNet's training make of samples; given back in place of pixels. */
export interface NativeCachedInputs {
  /** Posterior of the crops' unscaled latents, float32 [B, C, h, w]. */
  readonly mean: HostTensor;
  readonly logvar: HostTensor;
  /** Mean of the masked crops' unscaled latents, float32 [B, C, h, w]. */
  readonly masked: HostTensor;
  /** uint8 [B, 1, h, w], 1 = repaint. */
  readonly mask: HostTensor;
  /** The glyph encoder's last hidden state [B, S, D]; absent where the encoder is trained. */
  readonly glyphs?: HostTensor;
}

/** What stands under the mask of the masked image: a value, or the text roughly drawn. */
export type MaskedFill = "0" | "-1" | "draft";

export interface NativeBatch {
  readonly ids: BigUint64Array;
  /** uint8 [B, height, width, 3], or float32 of the same shape in [-1, 1]. Not looked at where `cached` is given. */
  readonly images: Uint8Array | Float32Array;
  readonly height: number;
  readonly width: number;
  /** uint8 [B, height, width]. */
  readonly masks?: Uint8Array;
  /** uint8 [B, height, width, 3]; needed where `maskedFill` is "draft". */
  readonly drafts?: Uint8Array;
  /** uint8 [B, glyphHeight, glyphWidth, 3]. */
  readonly glyphs?: Uint8Array;
  readonly glyphHeight?: number;
  readonly glyphWidth?: number;
  /** In place of images and masks, and of glyphs where it has theirs. For the UNet's loss only. */
  readonly cached?: NativeCachedInputs;
  /** One number a sample that seeds its augmentation in place of the step. */
  readonly variants?: BigUint64Array;
  /** Used in place of drawn values, to compare with another implementation: float32 [B, C, h, w]. */
  readonly posteriorNoise?: HostTensor;
  readonly noise?: HostTensor;
  /** int64 [B], 0…999. */
  readonly timesteps?: HostTensor;
  /** float32 [B, C, 1, 1]. */
  readonly offsetNoise?: HostTensor;
  /** float32 [B, C, h, w]. */
  readonly perturbation?: HostTensor;
}

/** VAE: total, recon, kl, perceptual; with an adversary generator, discriminator. UNet: total, denoising. */
export type NativeLosses = Readonly<Record<string, number>>;

export interface NativeStepResult {
  readonly losses: NativeLosses;
  /** L2 norm of all gradients before clipping. */
  readonly gradNorm: number;
  /** Learning rate used by this step. */
  readonly learningRate: number;
  /** Milliseconds on the job thread: forward+backward, optimizer. */
  readonly computeMs: number;
  /** fp16 only: scale of the next step's loss, and whether this step was left out because a gradient overflowed. */
  readonly lossScale?: number;
  readonly skipped?: boolean;
}

/** Over the elements of a batch's unscaled latents: how many, Σ mean, Σ mean², Σ variance of the posterior. */
export interface NativeLatentSums {
  readonly count: number;
  readonly mean: number;
  readonly squares: number;
  readonly variance: number;
}

export interface NativeParameterInfo {
  readonly name: string;
  readonly shape: readonly number[];
  readonly trainable: boolean;
}

/** One training run's state on one device, with a thread of its own. Calls queue in order. */
export interface NativeTrainer {
  /** With adapters theirs alone, named LAYER.lora_A.weight and LAYER.lora_B.weight. */
  readonly parameters: readonly NativeParameterInfo[];
  /** Bytes that the weights below the adapters take; 0 without adapters. */
  readonly adaptedBaseBytes: number;
  /**
   * One optimizer step: forward and backward over all micro-batches, clip, AdamW, EMA.
   * `globalStep` counts optimizer steps from 0 and seeds noise and augmentation.
   * Rejects with ERR_TRAINING_NAN (weights unchanged), ERR_OUT_OF_MEMORY, ERR_ABORTED, ERR_NATIVE.
   * With several ranks all step together; losses and gradient are those of all their samples. ERR_ABORTED then also
   * means that another rank asked to stop, and ERR_DISTRIBUTED that one is gone.
   */
  step(batches: readonly NativeBatch[], globalStep: number): Promise<NativeStepResult>;
  /**
   * Adds up to 32 values over all ranks. `stop` is true when any rank's is; a rank that wants to stop calls this once,
   * and the next step or exchange of the others sees it.
   */
  exchange(values: readonly number[], stop: boolean): Promise<{ readonly values: number[]; readonly stop: boolean }>;
  /** Losses without augmentation and update. `globalStep` seeds the noise. */
  computeLoss(batch: NativeBatch, globalStep: number): Promise<NativeLosses>;
  /** Gradient norm of each weighted loss term, without an update: { recon, kl, perceptual } or { denoising }. */
  gradientNorms(batch: NativeBatch, globalStep: number): Promise<Readonly<Record<string, number>>>;
  /** Gradient of the total loss by parameter name, without an update. */
  gradients(batch: NativeBatch, globalStep: number): Promise<Readonly<Record<string, HostTensor>>>;
  /**
   * What the frozen networks make of a batch, for `NativeBatch.cached`: of images with masks, augmented as `variants`
   * say, their latents; of glyphs their hidden states. Either may be left out. The UNet's training only
   * (ERR_INVALID_ARGUMENT).
   */
  encode(batch: Omit<NativeBatch, "images"> & Partial<NativeBatch>): Promise<Partial<NativeCachedInputs>>;
  /** VAE: reconstructions (of the mean). UNet: the repainted images after `steps` DDIM steps. uint8 [B, H, W, 3]. */
  preview(batch: NativeBatch, steps: number, useEma: boolean): Promise<HostTensor>;
  /** kind "vae" only (else ERR_INVALID_ARGUMENT). Without augmentation. */
  latentSums(batch: NativeBatch, useEma: boolean): Promise<NativeLatentSums>;
  /** Writes the training state into an existing folder: model.safetensors, optimizer.safetensors, … Returns the file names. Every rank takes part, rank 0 writes. */
  saveState(folder: string): Promise<string[]>;
  loadState(folder: string): Promise<void>;
  /**
   * Writes weights for a model folder: { model: path, textProjection?: path, glyphEncoder?: path }; with adapters
   * { adapter: path } under peft's names.
   */
  exportWeights(
    files: { model?: string; textProjection?: string; glyphEncoder?: string; adapter?: string },
    useEma: boolean,
  ): Promise<void>;
  /** Stops the running call at once (mid-backward); it rejects with ERR_ABORTED. Later calls work. */
  abort(): void;
  /** Waits for the running call, frees everything, joins the thread. */
  close(): Promise<void>;
}

export interface NativePipelineOptions {
  readonly device: string;
  readonly precision: "fp32" | "bf16";
  readonly threads: number;
  readonly vae: ModelFiles;
  readonly unet: ModelFiles;
  readonly glyphEncoder: ModelFiles;
  readonly textProjection?: { readonly inputWidth: number; readonly outputWidth: number; readonly weights: string };
  readonly maskedFill: MaskedFill;
  readonly scalingFactor: number;
  readonly predictionType: "epsilon" | "v_prediction";
  /** Merged into the UNet. ERR_ADAPTER where they don't fit. */
  readonly adapters?: readonly NativeAdapter[];
}

export interface NativeGenerateOptions {
  /** ERR_INVALID_ARGUMENT for any other name, and for more steps than it can take. */
  readonly sampler: SamplerName;
  readonly steps: number;
  /** Default leading. */
  readonly timestepSpacing?: TimestepSpacing;
  /** 1 = no guidance. */
  readonly guidanceScale: number;
  /** Share of the changes to a draft that is taken; default 1. */
  readonly changeScale?: number;
  /** Start from the noised image: 1 = pure noise. */
  readonly strength: number;
  /** One per sample. */
  readonly seeds: BigUint64Array;
  readonly onProgress?: (step: number, steps: number) => void;
  /** Give the scaled latents, float32 [B, C, h, w], in place of the images. */
  readonly returnLatents?: boolean;
}

export interface NativePipeline {
  /** Repaints the masked pixels of a batch of equal size. uint8 [B, H, W, 3]. */
  generate(batch: NativeBatch, options: NativeGenerateOptions): Promise<HostTensor>;
  /** One weight for each adapter. With 0 for all the UNet has its original weights, bit for bit. */
  setAdapterWeights(weights: readonly number[]): Promise<void>;
  abort(): void;
  close(): Promise<void>;
}

export interface NativeTensor {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** A copy of the values on the JS heap. */
  toHost(): HostTensor;
}

export interface NativeBinding {
  info(): NativeInfo;
  /** Stops every job and joins every thread; for the process's exit. */
  stopAll(): void;
  tensor(host: HostTensor): NativeTensor;
  /** `abortable` gets a function that stops the making, which may wait for other ranks; it rejects with ERR_ABORTED. */
  createTrainer(options: NativeTrainerOptions, abortable?: (abort: () => void) => void): Promise<NativeTrainer>;
  createPipeline(options: NativePipelineOptions): Promise<NativePipeline>;
  /** Writes the safetensors file `weights` to `out` with adapters added. ERR_ADAPTER, ERR_MODEL_WEIGHTS, ERR_OUTPUT. */
  mergeWeights(options: { weights: string; adapters: readonly NativeAdapter[]; out: string }): Promise<void>;
  /** What 8-bit storage makes of a float32 weight [out, …]. */
  roundedToInt8(weight: HostTensor): HostTensor;
  /** Factor of the base learning rate at an optimizer step (0-based). */
  learningRateFactor(schedule: ScheduleOptions, step: number): number;
  /** alphas_cumprod of the SD2 noise schedule, 1000 float32 values. */
  alphasCumprod(): Float32Array;
}
