/** What a launch on Modal would run: worked out here, changed by nothing that is asked of Modal. */
import { loadConfig } from "../../config/load-config.ts";
import { pathKeysOf } from "../../config/schemas.ts";
import type { TrainerConfig } from "../../config/training-config.ts";
import { codedError } from "../../errors.ts";
import { isStoreAddress } from "../../registry/store-address.ts";
import { modalSettings, type TrainingKind } from "./settings.ts";

export interface ModalLaunchOptions {
  /** A YAML file or an object; paths in it as the containers see them. */
  readonly config: string;
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** Name of the run; default: that of the configuration. The same name goes on where it stopped. */
  readonly run?: string;
  /** `function`: the deployed app, segments and retries. `sandbox`: one container, no Python, for trying things out. */
  readonly backend?: "function" | "sandbox";
  /** Of a sandbox: image with this package, REGISTRY/NAME:TAG. */
  readonly image?: string;
  /** Of a sandbox: TYPE or TYPE:COUNT; default: that of the training. */
  readonly gpu?: string;
  /** Of a sandbox: seconds until it is ended; default: those of the training. */
  readonly timeoutSeconds?: number;
  /** Bucket mounted at /data and /models of a sandbox; the deployed app has its own. */
  readonly bucket?: { readonly name: string; readonly endpoint?: string };
  /** Where the finished model is pushed to (r2://BUCKET/PREFIX/NAME@VERSION). */
  readonly push?: string;
  readonly app?: string;
}

export interface ModalMount {
  readonly path: string;
  readonly from: string;
  readonly readOnly: boolean;
}

/** US dollars, by the prices in modal/settings.json: estimates. */
export interface CostEstimate {
  readonly perHour: number;
  /** One container from its start to its time-out. */
  readonly perSegment: number;
  /** All containers of one start: segments, retries, and what the count of their time can miss. */
  readonly most: number;
}

export interface ModalPlan {
  readonly backend: "function" | "sandbox";
  readonly app: string;
  readonly run: string;
  readonly kind: TrainingKind;
  readonly function: string;
  readonly image: string | undefined;
  readonly gpu: { readonly type: string; readonly count: number };
  readonly cpu: number;
  readonly memoryMiB: number;
  readonly timeoutSeconds: number;
  /** Seconds after which the trainer writes a checkpoint and stops by itself. */
  readonly segmentSeconds: number;
  readonly segments: number;
  /** How often Modal starts the function again, for the next segment or after a failure. */
  readonly retries: number;
  /** Seconds of training after which the run stops for good, all containers together. */
  readonly totalSeconds: number;
  readonly mounts: readonly ModalMount[];
  readonly bucket: { readonly name: string; readonly endpoint?: string } | undefined;
  readonly secrets: readonly string[];
  /** Runs in a sandbox; the deployed function makes the same of its arguments. */
  readonly command: readonly string[];
  /** As the trainer gets it. */
  readonly config: TrainerConfig;
  readonly cost: CostEstimate;
  /** What may be meant otherwise. */
  readonly warnings: readonly string[];
}

/** Seconds a sandbox's trainer has for its last checkpoint. */
const sandboxMarginSeconds = 120;
const day = 86_400;

/**
 * Checks everything that can be checked without asking Modal. Rejects with ERR_CONFIG_*, ERR_LAUNCH_CONFIG (a path that
 * no container has), ERR_USAGE.
 */
export async function planModalLaunch(options: ModalLaunchOptions): Promise<ModalPlan> {
  const { push } = options;
  const loaded = await loadConfig(options.config, undefined, {
    overrides: { ...options.overrides, ...(push !== undefined && { publish: push }) },
  });
  if (loaded.kind === "anonymizer")
    throw codedError("ERR_USAGE", "Only trainings are launched: give a vae or unet configuration");
  const config = withCheckpointsByTime(loaded);
  checkPaths(config);
  const { kind } = config;
  const backend = options.backend ?? "function";
  const sizes = modalSettings.training[kind];
  const run = options.run ?? config.name;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(run))
    throw codedError("ERR_USAGE", `--run ${run}: up to 63 letters, digits, dots, dashes and underscores`);
  if (backend === "sandbox" && options.image === undefined)
    throw codedError("ERR_USAGE", "A sandbox needs --image: nothing is built from this folder");
  for (const name of ["image", "gpu", "timeoutSeconds", "bucket"] as const)
    if (backend === "function" && options[name] !== undefined)
      throw codedError("ERR_USAGE", `${name} belongs to a sandbox; the deployed app has its own (modal/settings.json)`);
  const gpu =
    backend === "sandbox" && options.gpu !== undefined ? parseGpu(options.gpu) : { type: sizes.gpu, count: sizes.gpus };
  const timeoutSeconds = options.timeoutSeconds ?? sizes.timeout_seconds;
  if (timeoutSeconds <= sandboxMarginSeconds || timeoutSeconds > day)
    throw codedError("ERR_USAGE", `The time-out must be more than ${sandboxMarginSeconds} and at most ${day} seconds`);
  const segmentSeconds = backend === "sandbox" ? timeoutSeconds - sandboxMarginSeconds : sizes.segment_seconds;
  const segments = backend === "sandbox" ? 1 : sizes.segments;
  const retries = backend === "sandbox" ? 0 : modalSettings.retries.most;
  const totalSeconds = segments * segmentSeconds;
  const { paths, secrets, volume, bucket: prefixes } = modalSettings;
  const buckets = backend === "function" || options.bucket !== undefined;
  const bucketName = options.bucket?.name ?? "the app's bucket";
  return {
    backend,
    app: options.app ?? modalSettings.app,
    run,
    kind,
    function: sizes.function,
    image: options.image,
    gpu,
    cpu: sizes.cpu,
    memoryMiB: sizes.memory_mib,
    timeoutSeconds,
    segmentSeconds,
    segments,
    retries,
    totalSeconds,
    mounts: [
      { path: paths.runs, from: `volume ${volume}`, readOnly: false },
      ...(buckets
        ? [
            { path: paths.data, from: `${bucketName}/${prefixes.data_prefix}`, readOnly: true },
            { path: paths.models, from: `${bucketName}/${prefixes.models_prefix}`, readOnly: true },
          ]
        : []),
    ],
    bucket: options.bucket,
    secrets: [secrets.bucket],
    command: trainingCommand(
      kind,
      backend === "sandbox" ? `${paths.runs}/${run}/config.yaml` : "/tmp/config.yaml",
      `${paths.runs}/${run}`,
      segmentSeconds,
      gpu.count,
    ),
    config,
    cost: estimateCost(
      hourlyPrice(gpu, sizes.cpu, sizes.memory_mib),
      timeoutSeconds,
      totalSeconds + timeoutSeconds - segmentSeconds + (1 + retries) * modalSettings.retries.uncounted_seconds,
    ),
    warnings: warningsOf(config),
  };
}

/** A container can be lost at any time, and what was saved last is what is left. */
function withCheckpointsByTime<C extends TrainerConfig>(config: C): C {
  const { checkpoint } = config;
  const every_minutes = checkpoint.every_minutes ?? modalSettings.checkpoint_minutes;
  return { ...config, checkpoint: { ...checkpoint, every_minutes } };
}

const warningsOf = ({ checkpoint }: TrainerConfig): string[] =>
  checkpoint.store === undefined
    ? [`checkpoint.store is not set: checkpoints lie on the volume ${modalSettings.volume} alone`]
    : [];

/** As modal/app.py makes it. */
const trainingCommand = (
  kind: TrainingKind,
  config: string,
  folder: string,
  seconds: number,
  processes: number,
): string[] => [
  "anonymizer-train",
  kind,
  "--config",
  config,
  "--out",
  folder,
  "--json",
  "--resume",
  "auto",
  "--stop-after",
  String(seconds),
  ...(processes > 1 ? ["--nproc", String(processes), "--max-restarts", "3"] : []),
];

function parseGpu(text: string): { type: string; count: number } {
  const [, type, count = "1"] = /^([A-Za-z0-9-]+)(?::([1-8]))?$/.exec(text) ?? [];
  if (type === undefined)
    throw codedError("ERR_USAGE", `--gpu ${text}: write TYPE or TYPE:COUNT, such as T4 or A100-80GB:2`);
  return { type: type.toUpperCase(), count: Number(count) };
}

/** Paths of this machine mean nothing there. */
function checkPaths(config: TrainerConfig): void {
  const { runs, data, models } = modalSettings.paths;
  const roots = [runs, data, models, "/app"];
  const wrong: string[] = [];
  for (const path of pathKeysOf(config.kind)) {
    if (path.join(".") === "output_dir") continue;
    const value = path.reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], config);
    if (typeof value === "string" && !isStoreAddress(value) && !roots.some((root) => value.startsWith(`${root}/`)))
      wrong.push(`${path.join(".")}: ${value}`);
  }
  if (wrong.length > 0)
    throw codedError("ERR_LAUNCH_CONFIG", `No container has these paths:\n  ${wrong.join("\n  ")}`, {
      details: { wrong },
    });
}

/** US dollars an hour; NaN where the GPU has no price. */
function hourlyPrice(gpu: ModalPlan["gpu"], cpu: number, memoryMiB: number): number {
  const prices: Readonly<Record<string, number>> = modalSettings.usd_per_hour;
  const price = prices[gpu.type] ?? Number.NaN;
  return gpu.count * price + cpu * prices["cpu"]! + (memoryMiB / 1024) * prices["memory_gib"]!;
}

const estimateCost = (perHour: number, segmentSeconds: number, mostSeconds: number): CostEstimate => ({
  perHour,
  perSegment: (perHour * segmentSeconds) / 3600,
  most: (perHour * mostSeconds) / 3600,
});
