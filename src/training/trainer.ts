/** What both trainers are: one run on one device, from a configuration to an exported model. */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { NativeBinding, NativeTrainer } from "../addon/native-types.ts";
import { refuseAddress } from "../addresses.ts";
import { readWorld, type World } from "../config/torchrun-environment.ts";
import type { TrainerConfig } from "../config/training-config.ts";
import type { TrainingBatch } from "../datasets/batch.ts";
import { codedError, throwIfAborted } from "../errors.ts";
import { removeLeftovers, writeTextFile } from "../models/files.ts";
import { type Logger, silentLogger } from "../telemetry/logger.ts";
import { type MetricsFile, openMetricsFile } from "../telemetry/metrics-file.ts";
import { packageVersion } from "../telemetry/package-version.ts";
import { exportAdapter } from "./adapter-export.ts";
import { type AdapterPlan, checkAdapterTrained } from "./adapter-plan.ts";
import { CheckpointStore } from "./checkpoint-store.ts";
import { type Checkpoint, listCheckpoints, openCheckpoint, setAside, writeCheckpoint } from "./checkpoints.ts";
import { deviceOfRank, distributedOptions, storeListens } from "./distribution.ts";
import type { Losses, TrainingEvent, ValidationEvent, WarningEvent } from "./events.ts";
import { isBelow } from "./frozen-modules.ts";
import { checkBatch } from "./micro-batches.ts";
import { modelCard, type TrainingSummary } from "./model-card.ts";
import { nativeOptions } from "./native-options.ts";
import { checkResume } from "./resume.ts";
import { openTensorBoardLog, type TensorBoardLog } from "./tensorboard-log.ts";
import type { TrainingData } from "./training-data.ts";
import { meanLosses, trainingLoop } from "./training-loop.ts";
import {
  planTraining,
  readTrainingModels,
  type TrainingModels,
  type TrainingPlan,
  weightHashes,
} from "./training-plan.ts";
import { TrainingRun } from "./training-run.ts";

export interface TrainerOptions {
  /** Stops training at once, mid-backward if need be; a checkpoint is written first where the configuration says so. */
  readonly signal?: AbortSignal;
  /** Default: no logging. */
  readonly logger?: Logger;
  /**
   * "latest" (of the run folder), a run folder, or a checkpoint folder. "auto": the newest whole one of the run folder and
   * of `checkpoint.store`; where there is none the run begins.
   */
  readonly resumeFrom?: string;
}

export interface ExportOptions {
  /** Of a run with `lora` also write `DIR/merged`: a model folder with the adapter added to the weights. Default: no. */
  readonly merged?: boolean;
}

/** Where the parts come from; tests put their own here. */
export interface TrainerSources {
  loadNative(): Promise<Pick<NativeBinding, "info" | "createTrainer">>;
  openData(config: TrainerConfig, models: TrainingModels, signal: AbortSignal | undefined): Promise<TrainingData>;
}

/** Everything a trainer is made of, ready for use. */
export interface TrainerParts {
  readonly run: TrainingRun;
  readonly models: TrainingModels;
  readonly libtorch: string;
  readonly device: string;
  readonly resumed: Checkpoint | undefined;
}

/** Run folder of a configuration, absolute. */
export const outputDirOf = (config: TrainerConfig): string => resolve(config.output_dir ?? join("runs", config.name));

/** Reads, checks and opens everything, then makes the native trainer. Nothing stays open when it throws. */
export async function assembleTrainer(
  config: TrainerConfig,
  options: TrainerOptions,
  sources: TrainerSources,
): Promise<TrainerParts> {
  const { signal, logger = silentLogger } = options;
  const world = readWorld(process.env);
  throwIfAborted(signal);
  const outputDir = outputDirOf(config);
  const models = await readTrainingModels(config, signal);
  const data = await sources.openData(config, models, signal);
  const plan = planTraining(config, models, data.samples("train"), world.size);
  const hashes = weightHashes(models);
  const warnings: Omit<WarningEvent, "type" | "step">[] = [...planWarnings(config, plan)];

  if (world.rank === 0) await removeLeftovers(join(outputDir, "checkpoints"));
  const store = await openCheckpointStore(config, logger);
  const resumed = await findResumePoint(options, world, outputDir, config, hashes, data, warnings, store).catch(
    async (error: unknown) => {
      await store?.close();
      throw error;
    },
  );
  // Rank 0 alone sends.
  if (world.rank !== 0) await store?.close();
  try {
    const sending = world.rank === 0 && store !== undefined ? { checkpointStore: store } : {};
    return await makeRun(config, options, sources, {
      world,
      outputDir,
      models,
      data,
      plan,
      hashes,
      warnings,
      resumed,
      sending,
    });
  } catch (error) {
    await store?.close();
    throw error;
  }
}

function openCheckpointStore(config: TrainerConfig, logger: Logger): Promise<CheckpointStore | undefined> {
  const { store, keep } = config.checkpoint;
  return store === undefined ? Promise.resolve(undefined) : CheckpointStore.open(store, { keep, logger });
}

/** What is known before the native trainer is made. */
interface Prepared {
  readonly world: World;
  readonly outputDir: string;
  readonly models: TrainingModels;
  readonly data: TrainingData;
  readonly plan: TrainingPlan;
  readonly hashes: Readonly<Record<string, string>>;
  readonly warnings: Omit<WarningEvent, "type" | "step">[];
  readonly resumed: Checkpoint | undefined;
  readonly sending: { readonly checkpointStore?: CheckpointStore };
}

async function makeRun(
  config: TrainerConfig,
  { signal, logger = silentLogger }: TrainerOptions,
  sources: TrainerSources,
  { world, outputDir, models, data, plan, hashes, warnings, resumed, sending }: Prepared,
): Promise<TrainerParts> {
  const binding = await sources.loadNative();
  const info = binding.info();
  const device = deviceOfRank(config, world, info);
  const distributed = distributedOptions(config, world, device, info.libtorch, {
    version: packageVersion,
    models: hashes,
    manifestSha256: data.manifestSha256,
    start: resumed === undefined ? null : { step: resumed.step, files: resumed.files },
  });
  if (distributed !== undefined) await storeListens(distributed, signal);
  let stopMaking: (() => void) | undefined;
  const onAbort = (): void => stopMaking?.();
  signal?.addEventListener("abort", onAbort);
  const native = await binding
    .createTrainer(
      { ...nativeOptions(config, models, device), ...(distributed === undefined ? {} : { distributed }) },
      (abort) => {
        stopMaking = abort;
      },
    )
    .finally(() => signal?.removeEventListener("abort", onAbort));
  try {
    if (plan.adapter === undefined) checkFrozen(native, config.freeze);
    else checkAdapterTrained(native, plan.adapter, logger);
    if (resumed !== undefined) await native.loadState(resumed.path);
    throwIfAborted(signal);
    data.useEncoder?.(native);
    if (world.rank === 0) warnings.push(...(await setAsideNewer(outputDir, resumed)));
  } catch (error) {
    await native.close();
    throw error;
  }
  const run = new TrainingRun({
    config,
    plan,
    native,
    data,
    logger,
    outputDir,
    models: hashes,
    versions: { package: packageVersion, node: process.versions.node, libtorch: info.libtorch },
    warnings,
    rank: world.rank,
    ranks: world.size,
    ...sending,
    ...(signal === undefined ? {} : { signal }),
    ...(resumed === undefined
      ? {}
      : { start: { ...resumed, microBatch: Math.min(resumed.microBatch, config.train_batch_size) } }),
  });
  return { run, models, libtorch: info.libtorch, device, resumed };
}

function planWarnings(config: TrainerConfig, plan: TrainingPlan): Omit<WarningEvent, "type" | "step">[] {
  const warnings: Omit<WarningEvent, "type" | "step">[] = [];
  if (
    config.kind === "vae" &&
    config.perceptual?.network === "lpips" &&
    plan.perceptual !== undefined &&
    plan.perceptual !== "lpips"
  ) {
    warnings.push({
      code: "perceptual_not_lpips",
      message: `The perceptual network is ${plan.perceptual}, not LPIPS: its backbone or its linear weights are not the published ones`,
      details: { perceptual: plan.perceptual },
    });
  }
  return warnings;
}

async function findResumePoint(
  options: TrainerOptions,
  world: World,
  outputDir: string,
  config: TrainerConfig,
  models: Readonly<Record<string, string>>,
  data: TrainingData,
  warnings: Omit<WarningEvent, "type" | "step">[],
  store: CheckpointStore | undefined,
): Promise<Checkpoint | undefined> {
  const folder = join(outputDir, "checkpoints");
  const auto = options.resumeFrom === "auto";
  const fetched = auto && store !== undefined ? await store.fetchNewest(folder, options.signal) : [];
  const earlier = await listCheckpoints(folder);
  // Started again by the launcher: from where the run was, not from where it began.
  const restarted = world.restarts > 0 && earlier.length > 0;
  if (options.resumeFrom === undefined && !restarted) {
    if (earlier.length === 0) {
      await refuseOtherRun(store, options.signal);
      return undefined;
    }
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `The run folder ${outputDir} holds ${earlier.length} checkpoints of an earlier run; resume it, remove it, or name another output_dir`,
      { details: { outputDir, checkpoints: earlier.length } },
    );
  }
  if (auto && earlier.length === 0 && fetched.length === 0) return undefined;
  const given = options.resumeFrom;
  const here = restarted || given === undefined || given === "latest" || auto;
  const { checkpoint, damaged } = await openCheckpoint(here ? outputDir : resolve(given), options.signal);
  for (const { path, reason } of [...fetched, ...damaged]) {
    warnings.push({
      code: "checkpoint_damaged",
      message: `The checkpoint ${path} is damaged (${reason}); going on from ${checkpoint.path}`,
      details: { path, reason, used: checkpoint.path },
    });
  }
  const changed = checkResume(checkpoint, {
    config,
    models,
    manifestSha256: data.manifestSha256,
    ranks: world.size,
  });
  if (changed.length > 0) {
    warnings.push({
      code: "config_changed",
      message: `The run goes on with other settings than it had: ${changed.join(", ")}`,
      details: { keys: changed },
    });
  }
  return checkpoint;
}

/** A run that begins must not take over another one's address. */
async function refuseOtherRun(store: CheckpointStore | undefined, signal: AbortSignal | undefined): Promise<void> {
  const steps = (await store?.steps(signal)) ?? [];
  if (steps.length === 0) return;
  throw codedError(
    "ERR_INVALID_ARGUMENT",
    `${store!.address} holds checkpoints of an earlier run, the newest of step ${steps[0]}; go on with --resume auto, or name another checkpoint.store`,
    { details: { store: store!.address, checkpoints: steps.length } },
  );
}

/** Checkpoints of a course that the run does not take: they must not be counted, pruned or resumed as its own. */
async function setAsideNewer(
  outputDir: string,
  resumed: Checkpoint | undefined,
): Promise<Omit<WarningEvent, "type" | "step">[]> {
  if (resumed === undefined) return [];
  const moved = await setAside(join(outputDir, "checkpoints"), resumed.step);
  if (moved.length === 0) return [];
  return [
    {
      code: "checkpoints_set_aside",
      message: `The run goes on after step ${resumed.step}; checkpoints beyond it were renamed: ${moved.join(", ")}`,
      details: { step: resumed.step, paths: moved },
    },
  ];
}

/** Frozen means proven: what the native side will train is exactly what the configuration leaves trainable. */
function checkFrozen(native: NativeTrainer, freeze: readonly string[]): void {
  for (const { name, trainable } of native.parameters) {
    if (trainable !== freeze.some((module) => isBelow(name, module))) continue;
    throw codedError(
      "ERR_NATIVE",
      `${name} is ${trainable ? "trained" : "frozen"} against the configuration's freeze`,
      { details: { name } },
    );
  }
}

const measured = ({ losses, step, batches, samples }: ValidationEvent) => ({
  validation: losses,
  validated: { step, batches, samples },
});

/** Common base of `VAETrainer` and `UNetTrainer`. */
export abstract class Trainer {
  protected readonly parts: TrainerParts;
  #training = false;
  #closed: Promise<void> | undefined;
  #losses: Losses = {};
  #validation: ValidationEvent | undefined;

  protected constructor(parts: TrainerParts) {
    this.parts = parts;
  }

  /** Finished optimizer steps. */
  get step(): number {
    return this.parts.run.step;
  }

  /** Effective batch, steps, epochs, parameter counts, memory estimate. */
  get plan(): TrainingPlan {
    return this.parts.run.plan;
  }

  get config(): TrainerConfig {
    return this.parts.run.config;
  }

  /** This process among those that train together; 0 writes checkpoints, samples and files. */
  get rank(): number {
    return this.parts.run.rank;
  }

  /** The run folder: checkpoints/, samples/, tensorboard/, events.jsonl, run.json. */
  get outputDir(): string {
    return this.parts.run.outputDir;
  }

  /** "cpu" or "cuda:N". */
  get device(): string {
    return this.parts.device;
  }

  /**
   * Trains from the current step to `max_train_steps`, telling what happens. Leave the loop to pause: calling `train()`
   * again goes on where it was. The next step starts when the event was taken.
   *
   * Of several ranks each gets these events; losses are those of all ranks, and only rank 0 writes. When one is asked to
   * stop, all stop after the same step.
   *
   * Throws ERR_ABORTED (details: step, checkpoint), ERR_TRAINING_NAN, ERR_DISTRIBUTED, ERR_OUT_OF_MEMORY (not even one sample fits),
   * ERR_OUTPUT, ERR_DATASET_*, ERR_NATIVE, ERR_CLOSED; ERR_INVALID_ARGUMENT when it is running already.
   */
  async *train(): AsyncGenerator<TrainingEvent, void, void> {
    this.checkOpen();
    if (this.#training) throw codedError("ERR_INVALID_ARGUMENT", "train() is running already");
    this.#training = true;
    const { run } = this.parts;
    let events: MetricsFile | undefined;
    let board: TensorBoardLog | undefined;
    try {
      if (run.rank === 0) await this.#openRunFolder();
      if (run.rank === 0 && run.config.logging.events_file) {
        events = await openMetricsFile(join(run.outputDir, "events.jsonl"), { keepUntilStep: run.step });
      }
      if (run.rank === 0 && run.config.logging.tensorboard)
        board = await openTensorBoardLog(run.outputDir, run.config, run.step);
      for await (const event of trainingLoop(run)) {
        if (event.type === "step") this.#losses = event.losses;
        if (event.type === "validation") this.#validation = event;
        await events?.write({ time: new Date().toISOString(), ...event });
        await board?.write(event);
        yield event;
      }
    } finally {
      this.#training = false;
      await events?.close();
      await board?.close();
    }
  }

  async #openRunFolder(): Promise<void> {
    const { run, models, device, libtorch, resumed } = this.parts;
    await mkdir(run.outputDir, { recursive: true }).catch((cause: unknown) => {
      throw codedError("ERR_OUTPUT", `The run folder ${run.outputDir} can't be made`, { cause });
    });
    const report = {
      plan: run.plan,
      config: run.config,
      models: weightHashes(models),
      device,
      libtorch,
      resumedFrom: resumed?.path ?? null,
    };
    await writeTextFile(join(run.outputDir, "run.json"), `${JSON.stringify(report, null, 2)}\n`);
    run.logger.info(
      { plan: run.plan, device, step: run.step },
      `training ${run.plan.kind} ${run.plan.name} (preset ${run.plan.preset})`,
    );
  }

  /**
   * Losses of one batch with fixed noise, without augmentation and update. VAE: total, recon, kl, perceptual; UNet:
   * total, denoising, pixel and ssim where they have a weight. Throws ERR_INVALID_ARGUMENT, ERR_OUT_OF_MEMORY,
   * ERR_NATIVE, ERR_CLOSED.
   */
  async computeLoss(batch: TrainingBatch): Promise<Losses> {
    this.checkOpen();
    checkBatch(batch, this.config.kind);
    return meanLosses(this.parts.run, batch);
  }

  /**
   * Writes a checkpoint to the folder `dir`, replacing what is there. Safe while training. Of several ranks all call it,
   * after the same step, and rank 0 writes. Throws ERR_OUTPUT, ERR_CLOSED.
   */
  async saveCheckpoint(dir: string): Promise<void> {
    const folder = this.folderFor(dir, "saveCheckpoint");
    const { run } = this.parts;
    if (run.rank !== 0) {
      await run.exclusive(() => run.native.saveState(folder));
      return;
    }
    await run.exclusive(() => writeCheckpoint(folder, run.checkpointState(), (to) => run.native.saveState(to)));
  }

  /**
   * Writes a model folder to `dir`: graph, weights (averaged where EMA is on), config, metadata with hashes, model card.
   * Of a run with `lora` the adapter's folder: files for peft, diffusers and kohya's readers, and a card.
   */
  abstract exportModel(dir: string, options?: ExportOptions): Promise<void>;

  /** The adapter's folder. */
  protected async exportAdapterFolder(folder: string, plan: AdapterPlan): Promise<void> {
    const { run, models } = this.parts;
    await run.exclusive(() =>
      exportAdapter(folder, {
        base: models.model,
        name: run.config.name,
        plan,
        step: run.step,
        card: modelCard(run.config.name, run.config, run.plan, this.summary()),
        write: (file) => run.native.exportWeights({ adapter: file }, run.config.ema_decay > 0),
      }),
    );
  }

  /** Stops what is running, frees the device, joins the thread. Can be called twice. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      this.parts.run.markClosed();
      await this.parts.run.checkpointStore?.close();
      await this.parts.run.exclusive(() => this.parts.run.native.close());
    })();
    return this.#closed;
  }

  protected summary(): TrainingSummary {
    const { run, models } = this.parts;
    const { metadata } = models.model;
    return {
      preset: run.config.preset,
      step: run.step,
      epoch: run.epochAt(run.step),
      samples: run.step * run.plan.effectiveBatch,
      effectiveBatch: run.plan.effectiveBatch,
      height: run.config.data.height,
      width: run.config.data.width,
      ema: run.config.ema_decay > 0,
      losses: this.#losses,
      ...(this.#validation === undefined ? {} : measured(this.#validation)),
      ...(run.plan.perceptual === undefined ? {} : { perceptual: run.plan.perceptual }),
      dataset: {
        manifestSha256: run.data.manifestSha256,
        samples: run.plan.samplesPerEpoch,
        heldOut: run.data.samples("validation"),
        licence: run.config.data.licence,
      },
      basedOn: { name: metadata.name, version: metadata.version, weightsSha256: metadata.sha256["model.safetensors"]! },
      versions: { package: packageVersion, node: process.versions.node, libtorch: this.parts.libtorch },
    };
  }

  protected checkOpen(): void {
    if (this.parts.run.closed) throw codedError("ERR_CLOSED", "This trainer was closed");
  }

  /** The folder that `method` writes to. @throws ERR_CLOSED; ERR_OUTPUT for an address. */
  protected folderFor(dir: string, method: string): string {
    this.checkOpen();
    refuseAddress(dir, method, "ERR_OUTPUT");
    return resolve(dir);
  }
}
