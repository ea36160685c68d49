/**
 * The one training loop, for every kind of model: take batches, step, tell; from time to time validate, draw samples,
 * write a checkpoint.
 *
 * Resuming is exact by construction: step s always takes the loader's batches s·A … s·A + A − 1 (A = accumulation), and
 * crop, augmentation, noise and timestep of a sample follow from seed, step and sample id alone.
 */
import { join } from "node:path";
import type { HostTensor, NativeStepResult } from "../addon/native-types.ts";
import type { TrainingBatch } from "../datasets/batch.ts";
import { AnonymizerError, codedError, throwIfAborted } from "../errors.ts";
import { checkpointName, pruneCheckpoints, writeCheckpoint } from "./checkpoints.ts";
import type {
  CheckpointEvent,
  DoneEvent,
  Losses,
  SampleEvent,
  StepEvent,
  TrainingEvent,
  ValidationEvent,
} from "./events.ts";
import { checkBatch, sliceBatch, smallerMicroBatch, toMicroBatches } from "./micro-batches.ts";
import { previewColumns, writePreviewGrid } from "./preview-grid.ts";
import { describeSkipped } from "./skipped-samples.ts";
import { spreadTimesteps } from "./spread-timesteps.ts";
import type { TrainingRun } from "./training-run.ts";

/** Noise of validation and previews: a fixed number, so that only the weights change between two of them. */
const fixedStep = 0;
/** Steps whose mean duration the remaining time is reckoned from. */
const etaWindow = 20;
type Batches = AsyncGenerator<TrainingBatch, void, void>;

/** How long one step took, and how much of that it waited for its batches. */
interface Pace {
  readonly seconds: number;
  readonly waited: number;
}

/** Trains until `max_train_steps`. Throws what made it stop: ERR_ABORTED, ERR_TRAINING_NAN, ERR_OUT_OF_MEMORY … */
export async function* trainingLoop(run: TrainingRun): AsyncGenerator<TrainingEvent, void, void> {
  const { config, data } = run;
  const begun = performance.now();
  const pace: Pace[] = [];
  let savedAt = begun;
  const startStep = run.step;
  let lastLosses: Losses = {};
  let lastValidation: Losses | undefined;
  let saved: CheckpointEvent | undefined;
  let batches: Batches | undefined;
  try {
    throwIfAborted(run.signal);
    reportSkipped(run);
    yield* takeWarnings(run);
    batches = data.batches({
      split: "train",
      batchSize: config.train_batch_size,
      startBatch: run.step * config.gradient_accumulation_steps,
      cached: true,
      share: run,
      signal: run.signal,
    });
    while (run.step < config.max_train_steps) {
      const started = performance.now();
      const group = await takeGroup(run, batches);
      const dataWaitMs = performance.now() - started;
      const gradientNorms = run.step === 0 ? await gradientReport(run, group[0]!) : undefined;
      const computing = performance.now();
      const result = await stepWithSmallerBatches(run, group);
      noteSkipped(run, group);
      pace.push({ seconds: (dataWaitMs + performance.now() - computing) / 1000, waited: dataWaitMs / 1000 });
      yield* takeWarnings(run);

      if (pace.length > etaWindow) pace.shift();
      lastLosses = result.losses;
      const last = run.step === config.max_train_steps;
      if (run.step % config.logging.every_steps === 0 || run.step === startStep + 1 || last) {
        yield stepEvent(run, result, pace, gradientNorms);
      }
      const due = (every: number): boolean => every > 0 && (last || run.step % every === 0);
      if (due(config.validation.every_steps)) {
        const event = await validate(run);
        if (event !== undefined) {
          lastValidation = event.losses;
          yield event;
        }
      }
      if (run.rank === 0 && due(config.samples.every_steps)) {
        const event = await drawSamples(run);
        if (event !== undefined) yield event;
      }
      if (last || due(config.checkpoint.every_steps) || (await overdue(run, savedAt))) {
        // Where all ranks meet: one that wants to stop says so here, not in the middle of the saving.
        await run.sumOverRanks([]);
        saved = await saveCheckpoint(run, last ? "end" : "interval");
        savedAt = performance.now();
        yield saved;
      }
      yield* takeWarnings(run);
    }
    await run.checkpointStore?.drain();
    if (run.skipped.inTraining.length > 0) reportSkipped(run);
    yield* takeWarnings(run);
    yield doneEvent(run, lastLosses, lastValidation, (performance.now() - begun) / 1000);
  } catch (error) {
    const stopped = run.signal.aborted || run.stoppedByOther;
    if (!stopped || (error instanceof AnonymizerError && error.code === "ERR_DISTRIBUTED")) throw error;
    await run.stopOthers();
    const asked = run.callerSignal?.aborted === true || run.stoppedByOther;
    const wanted = asked && !run.closed && config.checkpoint.save_on_abort;
    if (wanted && run.step > (saved?.step ?? startStep)) {
      saved = await saveCheckpoint(run, "abort");
      yield saved;
    }
    if (!run.closed) {
      await run.checkpointStore?.drain();
      yield* takeWarnings(run);
    }
    throw codedError("ERR_ABORTED", `Training was aborted after step ${run.step}`, {
      cause: error,
      details: { step: run.step, ...(saved === undefined ? {} : { checkpoint: saved.path }) },
    });
  } finally {
    await batches?.return();
  }
}

/** Whether `checkpoint.every_minutes` have passed: rank 0's clock decides for all. */
async function overdue(run: TrainingRun, savedAt: number): Promise<boolean> {
  const minutes = run.config.checkpoint.every_minutes ?? 0;
  if (minutes === 0) return false;
  const mine = run.rank === 0 && performance.now() - savedAt >= minutes * 60_000;
  const [sum] = await run.sumOverRanks([mine ? 1 : 0]);
  return sum! > 0;
}

function* takeWarnings(run: TrainingRun): Generator<TrainingEvent, void, void> {
  for (const { path, error } of run.checkpointStore?.takeFailures() ?? []) {
    run.warn("checkpoint_not_sent", `The checkpoint ${path} could not be sent: ${error.message}`, {
      path,
      code: error.code,
    });
  }
  for (const { code, message, details } of run.data.takeWarnings?.() ?? []) run.warn(code, message, details);
  for (let warning = run.warnings.shift(); warning !== undefined; warning = run.warnings.shift()) yield warning;
}

/** The batches of one optimizer step. */
async function takeGroup(run: TrainingRun, batches: Batches): Promise<TrainingBatch[]> {
  const group: TrainingBatch[] = [];
  while (group.length < run.config.gradient_accumulation_steps) {
    throwIfAborted(run.signal);
    const { value, done } = await batches.next();
    if (done === true || value === undefined) {
      throwIfAborted(run.signal);
      throw codedError("ERR_DATASET_EMPTY", `The dataset gave no further batch at step ${run.step}`, {
        details: run.data.skipped(),
      });
    }
    checkBatch(value, run.config.kind);
    group.push(value);
  }
  return group;
}

/**
 * One optimizer step. When memory runs out the micro-batch is cut and the accumulation grows by as much (the samples of
 * the step stay the same), until it fits or the micro-batch is one sample.
 */
async function stepWithSmallerBatches(run: TrainingRun, group: readonly TrainingBatch[]): Promise<NativeStepResult> {
  return withSmallerBatches(run, () =>
    run.together(async () => {
      const result = await run.native.step(toMicroBatches(group, run.microBatch), run.step);
      run.step += 1;
      return result;
    }),
  );
}

async function withSmallerBatches<T>(run: TrainingRun, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AnonymizerError) || error.code !== "ERR_OUT_OF_MEMORY") throw error;
      const smaller = smallerMicroBatch(run.microBatch);
      if (smaller === undefined) {
        throw codedError("ERR_OUT_OF_MEMORY", `Step ${run.step}: memory ran out with a micro-batch of one sample`, {
          cause: error,
          details: { step: run.step, microBatch: run.microBatch },
        });
      }
      const before = run.microBatch;
      run.microBatch = smaller;
      const accumulation = (run.config.train_batch_size * run.config.gradient_accumulation_steps) / smaller;
      run.warn(
        "out_of_memory",
        `Memory ran out at step ${run.step}: going on with a micro-batch of ${smaller} instead of ${before}, accumulation ${accumulation}; the effective batch stays ${run.plan.effectiveBatch}`,
        { before, microBatch: smaller, accumulation, effectiveBatch: run.plan.effectiveBatch },
      );
    }
  }
}

/** Gradient norm of each weighted loss term before the first update, with warnings about their balance. */
async function gradientReport(run: TrainingRun, batch: TrainingBatch): Promise<Readonly<Record<string, number>>> {
  const norms = await withSmallerBatches(run, () =>
    run.abortable(() => run.native.gradientNorms(sliceBatch(batch, 0, Math.min(batch.size, run.microBatch)), run.step)),
  );
  run.logger.info({ gradientNorms: norms }, "gradient norms of the loss terms before the first step");
  const { recon, kl, perceptual } = norms;
  if (run.config.kind === "vae" && recon !== undefined) {
    if (kl !== undefined && kl > recon) {
      run.warn(
        "kl_dominates",
        `The KL term pulls ${(kl / recon).toPrecision(2)} times as strongly as the reconstruction (gradient norms ${kl.toPrecision(3)} and ${recon.toPrecision(3)}): the latents may collapse. Lower loss.kl_weight, or check that it belongs to reduction ${run.config.loss.reduction}`,
        { kl, recon },
      );
    }
    if (run.config.loss.perceptual_weight > 0 && perceptual === 0) {
      run.warn("no_perceptual_gradient", "The perceptual term has no gradient", { perceptual });
    }
  }
  return norms;
}

function stepEvent(
  run: TrainingRun,
  result: NativeStepResult,
  pace: readonly Pace[],
  gradientNorms: Readonly<Record<string, number>> | undefined,
): StepEvent {
  const seconds = pace.reduce((sum, step) => sum + step.seconds, 0) / pace.length;
  const waited = pace.reduce((sum, step) => sum + step.waited, 0) / pace.length;
  return {
    type: "step",
    step: run.step,
    maxSteps: run.config.max_train_steps,
    epoch: run.epochAt(run.step),
    losses: result.losses,
    gradNorm: result.gradNorm,
    learningRate: result.learningRate,
    effectiveBatch: run.plan.effectiveBatch,
    microBatch: run.microBatch,
    samplesPerSecond: run.plan.effectiveBatch / seconds,
    etaSeconds: (run.config.max_train_steps - run.step) * seconds,
    dataWaitMs: pace.at(-1)!.waited * 1000,
    dataWaitShare: seconds > 0 ? waited / seconds : 0,
    computeMs: result.computeMs,
    ...(result.lossScale === undefined ? {} : { lossScale: result.lossScale, skipped: result.skipped === true }),
    rssBytes: process.memoryUsage.rss(),
    ...(gradientNorms === undefined ? {} : { gradientNorms }),
  };
}

/** Means of the losses over the same held-out batches with the same noise every time. */
async function validate(run: TrainingRun): Promise<ValidationEvent | undefined> {
  const { config, data } = run;
  if (data.samples("validation") === 0) {
    warnNoValidation(run);
    return undefined;
  }
  const sums: Record<string, number> = {};
  let samples = 0;
  let count = 0;
  const batches = data.batches({
    split: "validation",
    batchSize: config.train_batch_size,
    startBatch: 0,
    share: run,
    signal: run.signal,
  });
  try {
    // Each rank has every n-th batch.
    while (run.rank + count * run.ranks < config.validation.batches) {
      const { value: batch, done } = await batches.next();
      if (done === true || batch === undefined) break;
      checkBatch(batch, config.kind);
      const first = (run.rank + count * run.ranks) * batch.size;
      const losses = await withSmallerBatches(run, () => meanLosses(run, batch, first));
      for (const [name, value] of Object.entries(losses)) sums[name] = (sums[name] ?? 0) + value * batch.size;
      samples += batch.size;
      count += 1;
    }
  } finally {
    await batches.return();
  }
  throwIfAborted(run.signal);
  const names = Object.keys(sums);
  const [allBatches, allSamples, ...totals] = await run.sumOverRanks([count, samples, ...Object.values(sums)]);
  const losses = Object.fromEntries(names.map((name, i) => [name, totals[i]! / allSamples!]));
  return { type: "validation", step: run.step, losses, batches: allBatches!, samples: allSamples! };
}

/**
 * Losses of a batch, computed in pieces of the current micro-batch. No update, no augmentation. A denoiser's timesteps
 * are spread over their range by the samples' places, which start at `firstPlace`; noise follows from the sample id.
 */
export async function meanLosses(run: TrainingRun, batch: TrainingBatch, firstPlace = 0): Promise<Losses> {
  const sums: Record<string, number> = {};
  let place = firstPlace;
  for (const piece of toMicroBatches([batch], run.microBatch)) {
    const fixed =
      run.config.kind === "unet" ? { ...piece, timesteps: spreadTimesteps(place, piece.ids.length) } : piece;
    place += piece.ids.length;
    const losses = await run.abortable(() => run.native.computeLoss(fixed, fixedStep));
    for (const [name, value] of Object.entries(losses))
      sums[name] = (sums[name] ?? 0) + (value * piece.ids.length) / batch.size;
  }
  return sums;
}

function warnNoValidation(run: TrainingRun): void {
  if (run.noValidationTold) return;
  run.noValidationTold = true;
  run.warn("no_validation_data", "The validation split has no samples: there will be no validation loss");
}

/** A grid of held-out samples (of training samples where nothing is held out). */
async function drawSamples(run: TrainingRun): Promise<SampleEvent | undefined> {
  const { config, data } = run;
  const split = data.samples("validation") > 0 ? "validation" : "train";
  const batches = data.batches({ split, batchSize: config.samples.count, startBatch: 0, signal: run.signal });
  try {
    const { value: batch } = await batches.next();
    if (batch === undefined) return undefined;
    checkBatch(batch, config.kind);
    const results = await withSmallerBatches(run, () => previews(run, batch));
    const path = join(run.outputDir, "samples", `${checkpointName(run.step)}.png`);
    await writePreviewGrid(path, {
      size: batch.size,
      height: batch.height,
      width: batch.width,
      images: batch.images,
      results,
      ...(batch.masks === undefined ? {} : { masks: batch.masks }),
      ...(batch.drafts === undefined ? {} : { drafts: batch.drafts }),
    });
    return {
      type: "sample",
      step: run.step,
      path,
      rows: batch.size,
      columns: previewColumns(batch),
    };
  } finally {
    await batches.return();
  }
}

/** uint8 images as the native side gives them. */
function bytesOf(tensor: HostTensor): Uint8Array {
  if (tensor.data instanceof Uint8Array) return tensor.data;
  throw codedError("ERR_NATIVE", `A preview came as ${tensor.dtype}, not as uint8`);
}

async function previews(run: TrainingRun, batch: TrainingBatch): Promise<Uint8Array> {
  const image = batch.height * batch.width * 3;
  const results = new Uint8Array(batch.size * image);
  for (let start = 0; start < batch.size; start += run.microBatch) {
    const part = sliceBatch(batch, start, Math.min(batch.size, start + run.microBatch));
    const preview = await run.abortable(() =>
      run.native.preview(part, run.config.samples.inference_steps, run.config.ema_decay > 0),
    );
    results.set(bytesOf(preview), start * image);
  }
  return results;
}

async function saveCheckpoint(run: TrainingRun, reason: CheckpointEvent["reason"]): Promise<CheckpointEvent> {
  const folder = join(run.outputDir, "checkpoints");
  const path = join(folder, checkpointName(run.step));
  if (run.rank !== 0) {
    await run.exclusive(() => run.native.saveState(path)); // its part of the state goes to rank 0, which writes
    return { type: "checkpoint", step: run.step, path, bytes: 0, reason };
  }
  const { bytes } = await run.exclusive(() =>
    writeCheckpoint(path, run.checkpointState(), (to) => run.native.saveState(to)),
  );
  run.checkpointStore?.send(path);
  await pruneCheckpoints(folder, run.config.checkpoint.keep, run.checkpointStore?.needed);
  return { type: "checkpoint", step: run.step, path, bytes, reason, ...adapterOf(run) };
}

const adapterOf = ({ plan }: TrainingRun): { adapter?: string } =>
  plan.adapter === undefined ? {} : { adapter: plan.adapter.description };

function reportSkipped(run: TrainingRun): void {
  const summary = run.skipped.summary();
  if (summary.count === 0) return;
  run.warn("samples_skipped", `Samples that could not be used: ${describeSkipped(summary)}`, { ...summary });
}

/** Takes over what the step's batches had to leave out; tells of the first one, the tenth, the hundredth … at once. */
function noteSkipped(run: TrainingRun, group: readonly TrainingBatch[]): void {
  const before = run.skipped.inTraining.length;
  const after = before + run.skipped.add(group.flatMap((batch) => batch.skipped ?? []));
  const digits = (count: number): number => (count === 0 ? 0 : String(count).length);
  if (digits(after) > digits(before)) reportSkipped(run);
}

function doneEvent(run: TrainingRun, losses: Losses, validation: Losses | undefined, seconds: number): DoneEvent {
  const skipped = run.skipped.summary();
  const cache = run.data.cacheStats?.();
  return {
    type: "done",
    step: run.step,
    epoch: run.epochAt(run.step),
    losses,
    ...(validation === undefined ? {} : { validation }),
    samples: run.step * run.plan.effectiveBatch,
    seconds,
    ...(skipped.count === 0 ? {} : { skipped }),
    ...(cache === undefined ? {} : { cache }),
    ...adapterOf(run),
  };
}
