/** Whether a run may go on from a checkpoint. */
import type { TrainerConfig } from "../config/training-config.ts";
import { codedError } from "../errors.ts";
import type { Checkpoint } from "./checkpoints.ts";

/** Where these differ the state does not fit, or the run would not be the one that was started. */
const mustAgreeAlways = [
  "kind",
  "seed",
  "train_batch_size",
  "gradient_accumulation_steps",
  "data.height",
  "data.width",
  "data.buckets",
  "freeze",
  "lora",
] as const;
const mustAgree = {
  vae: mustAgreeAlways,
  unet: [
    ...mustAgreeAlways,
    "cache.variants",
    "glyph_encoder.trainable",
    "glyph_encoder.fit",
    "loss.prediction_type",
    "loss.masked_fill",
  ],
} as const;

/** Places and reports; they don't change a number. */
const mayDiffer = [
  "version",
  "name",
  "preset",
  "output_dir",
  "device",
  "threads",
  "checkpoint",
  "publish",
  "distributed",
  "validation",
  "samples",
  "logging",
];
const mayDifferBelow = [
  "model.path",
  "vae.path",
  "glyph_encoder.path",
  "perceptual.path",
  "data.manifest",
  "data.prefetch",
  "data.licence",
  "data.shards.cache_dir",
  "data.shards.cache_bytes",
  "cache.dir",
  "cache.max_bytes",
];

export interface ResumeSubject {
  readonly config: TrainerConfig;
  /** Role → SHA-256 of the weights, as in a checkpoint. */
  readonly models: Readonly<Record<string, string>>;
  readonly manifestSha256: string;
  /** Processes that train together; default 1. */
  readonly ranks?: number;
}

/**
 * A run may go on with another number of ranks as long as its effective batch stays: each step then takes the same
 * samples, and the numbers differ by the order of floating-point sums only.
 *
 * Throws ERR_CHECKPOINT_MISMATCH naming every key that must agree and does not. Returns the keys that differ and change
 * the numbers from here on (a learning rate, a loss weight, the dataset), for a warning.
 */
export function checkResume(checkpoint: Checkpoint, now: ResumeSubject): string[] {
  const conflicts: string[] = [];
  const then = checkpoint.config;
  const [ranksThen, ranksNow] = [checkpoint.ranks ?? 1, now.ranks ?? 1];
  const sameRanks = ranksThen === ranksNow;
  const [batchThen, batchNow] = [effectiveBatch(then, ranksThen), effectiveBatch(now.config, ranksNow)];
  if (!sameRanks && batchThen !== batchNow) {
    conflicts.push(
      `the effective batch is ${batchNow} with ${ranksNow} ranks, was ${batchThen} with ${ranksThen}; choose train_batch_size and gradient_accumulation_steps so that it stays ${batchThen}`,
    );
  }
  for (const key of mustAgree[now.config.kind]) {
    // Another number of ranks cuts the same batch in another way.
    if (!sameRanks && (key === "train_batch_size" || key === "gradient_accumulation_steps")) continue;
    const [a, b] = [valueAt(then, key), valueAt(now.config, key)];
    if (!same(a, b)) conflicts.push(`${key} is ${show(b)}, was ${show(a)}`);
  }
  if (checkpoint.kind === now.config.kind) {
    for (const role of new Set([...Object.keys(checkpoint.models), ...Object.keys(now.models)])) {
      // The perceptual network is part of the loss, not of the state.
      if (role === "perceptual") continue;
      const [a, b] = [checkpoint.models[role], now.models[role]];
      if (a !== b) conflicts.push(`${role}: the weights are ${show(b?.slice(0, 12))}, were ${show(a?.slice(0, 12))}`);
    }
    if (then.ema_decay > 0 !== now.config.ema_decay > 0) {
      conflicts.push(`ema_decay is ${now.config.ema_decay}, was ${then.ema_decay}`);
    }
  }
  if (conflicts.length > 0) {
    throw codedError(
      "ERR_CHECKPOINT_MISMATCH",
      `${checkpoint.path} does not fit this configuration: ${conflicts.join("; ")}`,
      {
        details: { path: checkpoint.path, conflicts },
      },
    );
  }
  const changed = differingKeys(then, now.config).filter(
    (key) =>
      (sameRanks || (key !== "train_batch_size" && key !== "gradient_accumulation_steps")) &&
      !mayDiffer.includes(key.split(".")[0]!) &&
      !mayDifferBelow.includes(key),
  );
  if (checkpoint.models["perceptual"] !== now.models["perceptual"]) changed.push("perceptual (weights)");
  if (checkpoint.dataset.manifestSha256 !== now.manifestSha256) changed.push("data.manifest (content)");
  return changed;
}

const effectiveBatch = (config: TrainerConfig, ranks: number): number =>
  config.train_batch_size * config.gradient_accumulation_steps * ranks;

const show = (value: unknown): string =>
  value === undefined ? "absent" : typeof value === "string" ? value : JSON.stringify(value);

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

function valueAt(config: object, key: string): unknown {
  let value: unknown = config;
  for (const part of key.split(".")) value = (value as Record<string, unknown> | undefined)?.[part];
  return value;
}

function differingKeys(a: unknown, b: unknown, prefix = ""): string[] {
  const isGroup = (v: unknown): v is Record<string, unknown> =>
    v !== null && typeof v === "object" && !Array.isArray(v);
  if (!isGroup(a) || !isGroup(b)) return same(a, b) ? [] : [prefix];
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].flatMap((key) => differingKeys(a[key], b[key], prefix === "" ? key : `${prefix}.${key}`));
}
