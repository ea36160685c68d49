/** What `train()` tells: a union discriminated by `type`. `step` counts finished optimizer steps, from 1. */

/** VAE: total, recon, kl, perceptual. UNet: total, denoising. Unweighted terms; `total` is the weighted sum. */
export type Losses = Readonly<Record<string, number>>;

export interface StepEvent {
  readonly type: "step";
  readonly step: number;
  readonly maxSteps: number;
  /** Passes through the training split so far, as a fraction. */
  readonly epoch: number;
  readonly losses: Losses;
  /** L2 norm of all gradients before clipping. */
  readonly gradNorm: number;
  readonly learningRate: number;
  /** Micro-batch × accumulation × ranks. */
  readonly effectiveBatch: number;
  readonly microBatch: number;
  readonly samplesPerSecond: number;
  readonly etaSeconds: number;
  /** Milliseconds this step waited for its batches. */
  readonly dataWaitMs: number;
  /** Share of the last steps' time that was spent waiting for batches, 0 … 1. */
  readonly dataWaitShare: number;
  /** Milliseconds of computation on the job thread. */
  readonly computeMs: number;
  /** fp16 only: scale of the next step's loss. */
  readonly lossScale?: number;
  /** fp16 only: a scaled gradient overflowed, the weights were left as they are. */
  readonly skipped?: boolean;
  /** Memory of this process that lies in RAM, in bytes. */
  readonly rssBytes: number;
  /** First step of a run only: gradient norm of each weighted loss term before any update. */
  readonly gradientNorms?: Readonly<Record<string, number>>;
}

export interface ValidationEvent {
  readonly type: "validation";
  readonly step: number;
  /** Means over the validation batches. */
  readonly losses: Losses;
  readonly batches: number;
  readonly samples: number;
}

export interface SampleEvent {
  readonly type: "sample";
  readonly step: number;
  /** The PNG: a row for each sample with original, mask (UNet), result. */
  readonly path: string;
  readonly rows: number;
  readonly columns: readonly string[];
}

export interface CheckpointEvent {
  readonly type: "checkpoint";
  readonly step: number;
  readonly path: string;
  readonly bytes: number;
  readonly reason: "interval" | "end" | "abort";
  /** What is trained in place of the weights, in words. */
  readonly adapter?: string;
}

export interface WarningEvent {
  readonly type: "warning";
  readonly step: number;
  readonly code: WarningCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export type WarningCode =
  | "kl_dominates"
  | "no_perceptual_gradient"
  | "perceptual_not_lpips"
  | "out_of_memory"
  | "checkpoint_damaged"
  | "config_changed"
  | "no_validation_data"
  | "samples_skipped"
  | "checkpoints_set_aside"
  | "checkpoint_not_sent"
  | "cache_damaged"
  | "cache_full"
  | "cache_not_written";

/** Samples that could not be used, since the beginning of the run, resumed or not. */
export interface SkippedSummary {
  readonly count: number;
  /** Reason → count. */
  readonly reasons: Readonly<Record<string, number>>;
  /** The first 100: id of the page, index of the region where only that is skipped. */
  readonly samples: readonly { readonly id: string; readonly region?: number; readonly reason: string }[];
}

export interface DoneEvent {
  readonly type: "done";
  readonly step: number;
  readonly epoch: number;
  /** Of the last step. */
  readonly losses: Losses;
  /** Of the last validation, where there was one. */
  readonly validation?: Losses;
  readonly samples: number;
  readonly seconds: number;
  readonly skipped?: SkippedSummary;
  /** Samples that the latent cache had, and that it had to make. */
  readonly cache?: { readonly hits: number; readonly made: number };
  /** What was trained in place of the weights, in words. */
  readonly adapter?: string;
}

export type TrainingEvent = StepEvent | ValidationEvent | SampleEvent | CheckpointEvent | WarningEvent | DoneEvent;
