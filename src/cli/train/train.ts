/** `anonymizer-train vae` and `anonymizer-train unet`. */
import { join, resolve } from "node:path";
import {
  AnonymizerError,
  checkPublishAddress,
  codedError,
  createLogger,
  createProgress,
  describeTraining,
  formatBytes,
  formatDuration,
  type Logger,
  launchLocalRanks,
  loadConfig,
  parseOverrides,
  publishModel,
  readWorld,
  type StepEvent,
  startedByLauncher,
  type TrainerConfig,
  UNetTrainer,
  VAETrainer,
  whenLauncherEnds,
  withRunLease,
} from "../../index.ts";
import type { Stream, Terminal } from "../terminal.ts";
import { dryRunText, planSummary } from "./print-plan.ts";

export interface TrainOptions {
  readonly config: string;
  readonly resume?: string | true;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly set: readonly string[];
  readonly out?: string;
  readonly merged?: boolean;
  /** A folder. */
  readonly exportOnly?: string;
  readonly nproc?: number;
  readonly maxRestarts?: number;
  /** Seconds. */
  readonly stopAfter?: number;
  readonly log?: LogLevel;
}

type LogLevel = "silent" | "error" | "warn" | "info" | "debug";

/** Lines of JSON on stderr; of several processes each says which one it is. */
export function jsonLogger(terminal: Terminal, level: LogLevel = "info"): Logger {
  const logger = createLogger({ level, stream: { write: (line) => void terminal.stderr.write(line) } });
  return startedByLauncher(process.env) ? logger.child({ rank: Number(process.env["RANK"]) }) : logger;
}

/** Milliseconds that processes which were asked to stop have: a large checkpoint is written and sent within them. */
const stopGraceMs = 600_000;

const runFolderOf = (config: TrainerConfig): string => resolve(config.output_dir ?? join("runs", config.name));

/** Names the owner of the run folder where machines share it. */
const leaseVariable = "ANONYMIZER_LEASE";

/** What a run exits with that --stop-after ended: there is a checkpoint, and steps are left. */
export const unfinishedExitCode = 75;

/** Resolves to the exit code. `args`: the whole command line, for the processes that `--nproc` starts. */
export async function train(
  kind: "vae" | "unet",
  options: TrainOptions,
  terminal: Terminal,
  signal: AbortSignal,
  args: readonly string[],
): Promise<number> {
  if (options.stopAfter === undefined) return trainUntil(kind, options, terminal, signal, args);
  const late = new AbortController();
  // Longer than a timer can count is as good as never: 24 days.
  const timer = setTimeout(() => late.abort(), Math.min(options.stopAfter * 1000, 2 ** 31 - 1));
  const over = (): boolean => late.signal.aborted && !signal.aborted;
  try {
    const code = await trainUntil(kind, options, terminal, AbortSignal.any([signal, late.signal]), args);
    return code === 130 && over() ? unfinishedExitCode : code;
  } catch (error) {
    if (!over() || !(error instanceof AnonymizerError) || error.code !== "ERR_ABORTED") throw error;
    terminal.stderr.write(`stopped after ${options.stopAfter} seconds; go on with --resume\n`);
    return unfinishedExitCode;
  } finally {
    clearTimeout(timer);
  }
}

async function trainUntil(
  kind: "vae" | "unet",
  options: TrainOptions,
  terminal: Terminal,
  signal: AbortSignal,
  args: readonly string[],
): Promise<number> {
  if (options.maxRestarts !== undefined && options.nproc === undefined)
    throw codedError("ERR_USAGE", "--max-restarts belongs to --nproc");
  if (options.exportOnly !== undefined && (options.resume === undefined || options.nproc !== undefined))
    throw codedError(
      "ERR_USAGE",
      "--export-only writes what a checkpoint holds: name it with --resume; one process does",
    );
  const overrides: Record<string, unknown> = parseOverrides(options.set);
  if (options.out !== undefined) overrides["output_dir"] = options.out;
  const config: TrainerConfig = await loadConfig(options.config, kind, { overrides });
  if (options.dryRun === true) {
    const plan = await describeTraining(config, signal, options.nproc ?? readWorld(process.env).size);
    const outputDir = runFolderOf(config);
    terminal.stdout.write(
      options.json === true
        ? `${JSON.stringify({ config, outputDir, plan }, null, 2)}\n`
        : dryRunText(config, outputDir, plan),
    );
    return 0;
  }
  if (options.exportOnly !== undefined) return exportOnly(options.exportOnly, config, options, terminal, signal);
  // Found out now, and not after hours of training.
  if (config.publish !== undefined) await checkPublishAddress(config.publish);
  const owner = process.env[leaseVariable];
  if (owner === undefined || startedByLauncher(process.env))
    return runTraining(config, options, terminal, signal, args);
  return withRunLease(runFolderOf(config), owner, (lost) =>
    runTraining(config, options, terminal, AbortSignal.any([signal, lost]), args),
  );
}

async function runTraining(
  config: TrainerConfig,
  options: TrainOptions,
  terminal: Terminal,
  signal: AbortSignal,
  args: readonly string[],
): Promise<number> {
  if (options.nproc !== undefined && !startedByLauncher(process.env)) {
    return launchLocalRanks({
      command: [process.execPath, ...process.execArgv, process.argv[1]!, ...args],
      ranks: options.nproc,
      ...(options.maxRestarts === undefined ? {} : { maxRestarts: options.maxRestarts }),
      signal,
      graceMs: stopGraceMs,
      stdout: terminal.stdout,
      stderr: terminal.stderr,
    });
  }
  const orphaned = new AbortController();
  whenLauncherEnds(() => orphaned.abort());
  const logger = jsonLogger(terminal, options.log ?? (options.json === true ? "info" : "silent"));
  const trainer = await createTrainer(config, options, logger, AbortSignal.any([signal, orphaned.signal]));
  try {
    if (trainer.rank !== 0) {
      await followSilently(trainer, terminal.stderr);
      return 0;
    }
    if (options.json === true) await logEvents(trainer, logger);
    else {
      terminal.stderr.write(
        `${planSummary(trainer.plan)}\nrun folder  ${trainer.outputDir}\ndevice      ${trainer.device}\n`,
      );
      await showProgress(trainer, terminal.stderr);
    }
    const folder = join(trainer.outputDir, trainer.plan.adapter === undefined ? "models" : "adapter");
    const written = await exportTo(folder, trainer, options);
    await publish(trainer instanceof UNetTrainer ? folder : written, trainer, terminal, signal);
    terminal.stdout.write(`${written}\n`);
    return 0;
  } finally {
    await trainer.close();
  }
}

/** In a run folder of its own: going on from an older checkpoint would set the newer ones of the run aside. */
async function exportOnly(
  folder: string,
  config: TrainerConfig,
  options: TrainOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const run = config.output_dir ?? join("runs", config.name);
  const resume = options.resume === true ? run : options.resume!;
  const logger = jsonLogger(terminal, options.log ?? "silent");
  const trainer = await createTrainer(
    { ...config, output_dir: resolve(folder) },
    { ...options, resume },
    logger,
    signal,
  );
  try {
    terminal.stderr.write(`step ${trainer.step}\n`);
    terminal.stdout.write(`${await exportTo(resolve(folder), trainer, options)}\n`);
    return 0;
  } finally {
    await trainer.close();
  }
}

/** An adapter into the folder itself, else the models below it. Resolves to where what was trained lies. */
async function exportTo(folder: string, trainer: VAETrainer | UNetTrainer, options: TrainOptions): Promise<string> {
  if (trainer.plan.adapter !== undefined) {
    await trainer.exportModel(folder, { merged: options.merged === true });
    return folder;
  }
  const own = join(folder, trainer.config.kind);
  if (trainer instanceof UNetTrainer) await trainer.exportPipeline(folder);
  else await trainer.exportModel(own);
  return own;
}

/** Where the configuration says so. */
async function publish(
  folder: string,
  trainer: VAETrainer | UNetTrainer,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const address = trainer.config.publish;
  if (address === undefined) return;
  const { name, version, sent } = await publishModel(folder, address, { signal });
  terminal.stderr.write(`${name}@${version}: ${sent ? "published" : "was published before, with these weights"}\n`);
}

function createTrainer(
  config: TrainerConfig,
  options: TrainOptions,
  logger: Logger,
  signal: AbortSignal,
): Promise<VAETrainer | UNetTrainer> {
  const resumeFrom = options.resume === true ? "latest" : options.resume;
  const common = {
    signal,
    logger,
    ...(resumeFrom === undefined ? {} : { resumeFrom }),
  };
  return config.kind === "vae" ? VAETrainer.create(config, common) : UNetTrainer.create(config, common);
}

/** A JSON line for each event; warnings are logged where they arise. */
async function logEvents(trainer: VAETrainer | UNetTrainer, logger: Logger): Promise<void> {
  for await (const { type, ...event } of trainer.train()) {
    if (type !== "warning") logger.info({ event: type, ...event }, type);
  }
}

/** Rank 0 tells what happens; the others only what they alone can know. */
async function followSilently(trainer: VAETrainer | UNetTrainer, stream: Stream): Promise<void> {
  for await (const event of trainer.train()) {
    if (event.type === "warning" && event.code === "out_of_memory") stream.write(`warning: ${event.message}\n`);
  }
}

/** A bar with remaining time, losses, rate, gradient norm, speed, memory; what happens beside the steps above it. */
async function showProgress(trainer: VAETrainer | UNetTrainer, stream: Stream): Promise<void> {
  const progress = createProgress({ label: trainer.config.kind, total: trainer.config.max_train_steps, stream });
  if (trainer.step > 0) progress.note(`resumed after step ${trainer.step}`);
  for await (const event of trainer.train()) {
    switch (event.type) {
      case "step":
        if (event.gradientNorms !== undefined) progress.note(`gradient norms: ${numbers(event.gradientNorms)}`);
        progress.update(event.step, stepDetails(event), event.etaSeconds);
        break;
      case "validation":
        progress.note(`step ${event.step}: held-out ${numbers(event.losses)}`);
        break;
      case "sample":
        progress.note(`step ${event.step}: samples in ${event.path}`);
        break;
      case "checkpoint":
        progress.note(`step ${event.step}: checkpoint ${event.path}`);
        break;
      case "warning":
        progress.note(`warning: ${event.message}`);
        break;
      case "done":
        if (event.cache !== undefined)
          progress.note(`latents: ${event.cache.hits} from the cache, ${event.cache.made} made`);
        if (event.skipped !== undefined) progress.note(`samples that could not be used: ${event.skipped.count}`);
        progress.end(
          `${event.step} steps, ${event.samples} samples in ${formatDuration(event.seconds)}; last ${numbers(event.losses)}`,
        );
        break;
    }
  }
}

const numbers = (values: Readonly<Record<string, number>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${value.toPrecision(4)}`)
    .join(", ");

const stepDetails = (event: StepEvent): string =>
  [
    numbers(event.losses),
    `lr ${event.learningRate.toPrecision(2)}`,
    `grad ${event.gradNorm.toPrecision(3)}`,
    `${event.samplesPerSecond.toFixed(1)}/s`,
    `waits ${(100 * event.dataWaitShare).toFixed(0)} %`,
    formatBytes(event.rssBytes),
  ].join("  ");
