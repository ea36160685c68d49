/** The state of one run, shared by the trainer (its public face) and the loop (its course). */
import type { NativeTrainer } from "../addon/native-types.ts";
import type { TrainerConfig } from "../config/training-config.ts";
import type { SkippedSample } from "../datasets/dataset.ts";
import { AnonymizerError, codedError, throwIfAborted } from "../errors.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { CheckpointStore } from "./checkpoint-store.ts";
import type { CheckpointState } from "./checkpoints.ts";
import type { WarningCode, WarningEvent } from "./events.ts";
import { SkippedSamples } from "./skipped-samples.ts";
import type { TrainingData } from "./training-data.ts";
import type { TrainingPlan } from "./training-plan.ts";

export interface TrainingRunOptions {
  readonly config: TrainerConfig;
  readonly plan: TrainingPlan;
  readonly native: NativeTrainer;
  readonly data: TrainingData;
  readonly logger: Logger;
  /** Absolute. */
  readonly outputDir: string;
  /** Role → SHA-256 of the weights that training starts from. */
  readonly models: Readonly<Record<string, string>>;
  readonly versions: CheckpointState["versions"];
  /** This process among all that train together; default 0 of 1. */
  readonly rank?: number;
  readonly ranks?: number;
  /** The caller's signal. */
  readonly signal?: AbortSignal;
  /** Where checkpoints are sent; of rank 0. */
  readonly checkpointStore?: CheckpointStore;
  /** Where a resumed run goes on. */
  readonly start?: { readonly step: number; readonly microBatch: number; readonly skipped?: readonly SkippedSample[] };
  /** Found out while the run was set up; told first. */
  readonly warnings?: readonly Omit<WarningEvent, "type" | "step">[];
}

export class TrainingRun {
  readonly config: TrainerConfig;
  readonly plan: TrainingPlan;
  readonly native: NativeTrainer;
  readonly data: TrainingData;
  readonly logger: Logger;
  readonly outputDir: string;
  readonly checkpointStore: CheckpointStore | undefined;
  readonly rank: number;
  readonly ranks: number;
  /** Another rank asked to stop, and all do. */
  stoppedByOther = false;
  /** The caller's signal alone: a checkpoint is written when it fires, not when the trainer is closed. */
  readonly callerSignal: AbortSignal | undefined;
  /** Fires when the caller aborts or the trainer is closed. */
  readonly signal: AbortSignal;
  /** Finished optimizer steps. */
  step: number;
  /** Samples of one forward pass; smaller than configured after memory ran out. */
  microBatch: number;
  readonly warnings: WarningEvent[] = [];
  /** Said once a run. */
  noValidationTold = false;
  readonly skipped: SkippedSamples;

  readonly #options: TrainingRunOptions;
  readonly #closing = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: TrainingRunOptions) {
    this.#options = options;
    this.config = options.config;
    this.plan = options.plan;
    this.native = options.native;
    this.data = options.data;
    this.logger = options.logger;
    this.outputDir = options.outputDir;
    this.checkpointStore = options.checkpointStore;
    this.rank = options.rank ?? 0;
    this.ranks = options.ranks ?? 1;
    this.callerSignal = options.signal;
    this.signal =
      options.signal === undefined ? this.#closing.signal : AbortSignal.any([options.signal, this.#closing.signal]);
    this.step = options.start?.step ?? 0;
    this.skipped = new SkippedSamples(options.data.skipped(), options.data.skippedSamples?.());
    this.skipped.add(options.start?.skipped ?? []);
    this.microBatch = options.start?.microBatch ?? options.config.train_batch_size;
    for (const warning of options.warnings ?? []) this.warn(warning.code, warning.message, warning.details);
  }

  get closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Stops what is running; nothing starts any more. */
  markClosed(): void {
    this.#closing.abort(codedError("ERR_CLOSED", "The trainer was closed"));
  }

  /** Passes through the training split after `step` steps. */
  epochAt(step: number): number {
    const perEpoch = this.plan.samplesPerEpoch;
    return perEpoch === 0 ? 0 : (step * this.plan.effectiveBatch) / perEpoch;
  }

  /** Queues a warning event and logs it. */
  warn(code: WarningCode, message: string, details: Readonly<Record<string, unknown>> = {}): void {
    this.warnings.push({ type: "warning", step: this.step, code, message, details });
    this.logger.warn({ code, ...details }, message);
  }

  /** Runs native work one piece at a time, so that nobody sees the state in the middle of a step. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Runs native work that the signal stops at once, mid-backward if need be (ERR_ABORTED). */
  abortable<T>(work: () => Promise<T>): Promise<T> {
    return this.exclusive(async () => {
      throwIfAborted(this.signal);
      const stop = (): void => this.native.abort();
      this.signal.addEventListener("abort", stop, { once: true });
      try {
        return await work();
      } finally {
        this.signal.removeEventListener("abort", stop);
      }
    });
  }

  /**
   * Runs native work that all ranks do together. A signal does not stop it in the middle, where the others would wait for
   * this one in vain: it is told to them at the next exchange, and all stop at the same step.
   */
  together<T>(work: () => Promise<T>): Promise<T> {
    if (this.ranks === 1) return this.abortable(work);
    return this.exclusive(async () => {
      throwIfAborted(this.signal);
      const stop = (): void => this.native.abort();
      this.#closing.signal.addEventListener("abort", stop, { once: true });
      try {
        return await work();
      } catch (error) {
        if (error instanceof AnonymizerError && error.code === "ERR_ABORTED") this.stoppedByOther = true;
        throw error;
      } finally {
        this.#closing.signal.removeEventListener("abort", stop);
      }
    });
  }

  /** Sums over all ranks; ERR_ABORTED when one of them wants to stop. */
  sumOverRanks(values: readonly number[]): Promise<readonly number[]> {
    if (this.ranks === 1) return Promise.resolve(values);
    return this.together(async () => {
      const { values: sums, stop } = await this.native.exchange(values, false);
      if (stop) throw codedError("ERR_ABORTED", "Another rank asked to stop");
      return sums;
    });
  }

  /** Tells the others to stop too, unless they know. */
  async stopOthers(): Promise<void> {
    if (this.ranks === 1 || this.stoppedByOther || this.closed) return;
    await this.exclusive(() => this.native.exchange([], true));
  }

  /** What a checkpoint of this moment holds besides the tensors. Call it inside `exclusive`. */
  checkpointState(): CheckpointState {
    return {
      step: this.step,
      epoch: this.epochAt(this.step),
      kind: this.config.kind,
      config: this.config,
      microBatch: this.microBatch,
      models: this.#options.models,
      dataset: { manifestSha256: this.data.manifestSha256 },
      sampler: { position: this.step * this.config.gradient_accumulation_steps },
      skipped: this.skipped.inTraining,
      ranks: this.ranks,
      seeds: { seed: this.config.seed, rank: 0 },
      versions: this.#options.versions,
    };
  }
}
