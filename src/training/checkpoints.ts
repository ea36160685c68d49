/**
 * Checkpoints of a run: `checkpoints/step-00005000/` with the training state's files and `checkpoint.json`.
 *
 * A folder is written beside its place, flushed and renamed, so that a killed run leaves either a whole checkpoint or a
 * temporary folder that the next start removes. `checkpoint.json` holds size and hash of every other file; all are
 * checked before anything is loaded.
 */
import { readdir, readFile, rename, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { TrainerConfig } from "../config/training-config.ts";
import type { SkippedSample } from "../datasets/dataset.ts";
import { AnonymizerError, codedError } from "../errors.ts";
import { digestFile, exists, type FileDigest, removeFolder, writeFolder, writeTextFile } from "../models/files.ts";
import { sha256Of } from "../sha256.ts";

export const checkpointFile = "checkpoint.json";
const folderPattern = /^step-(\d{8,})$/;

/** What a run is at one step; everything but the tensors. */
export interface CheckpointState {
  /** Finished optimizer steps. */
  readonly step: number;
  /** Passes through the training split, as a fraction. */
  readonly epoch: number;
  readonly kind: "vae" | "unet";
  readonly config: TrainerConfig;
  /** Size that micro-batches had been cut to after memory ran out; else `train_batch_size`. */
  readonly microBatch: number;
  /** Role (model, vae, glyph_encoder, perceptual) → SHA-256 of the weights the run started from. */
  readonly models: Readonly<Record<string, string>>;
  readonly dataset: { readonly manifestSha256: string };
  /** Loader batches already used. The order itself follows from the seed. */
  readonly sampler: { readonly position: number };
  /** Samples that could not be used so far, so that the rest of the run reports them too. */
  readonly skipped?: readonly SkippedSample[];
  /** Processes that trained together; absent = 1. `position` counts the batches of one of them. */
  readonly ranks?: number;
  /** All randomness comes from hashes of these with step, rank and sample id; there is no generator state. */
  readonly seeds: { readonly seed: number; readonly rank: number };
  readonly versions: { readonly package: string; readonly node: string; readonly libtorch: string };
}

export interface Checkpoint extends CheckpointState {
  readonly format: 1;
  readonly configSha256: string;
  /** Of everything else in the file, independent of the order of its keys. */
  readonly stateSha256: string;
  readonly files: Readonly<Record<string, FileDigest>>;
  /** Absolute path of the folder. */
  readonly path: string;
}

export const checkpointName = (step: number): string => `step-${String(step).padStart(8, "0")}`;

/** Hash of a configuration, independent of the order of its keys. */
export const configHash = (config: TrainerConfig): string => canonicalHash(config);

const canonicalHash = (value: unknown): string => sha256Of(canonical(value));

/** Hash of what `checkpoint.json` says, but for the hash itself. */
function stateHash(content: Readonly<Record<string, unknown>>): string {
  const { stateSha256: _, ...rest } = content;
  return canonicalHash(rest);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value).filter(([, v]) => v !== undefined);
    return `{${entries
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`)
      .join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

/**
 * Writes the checkpoint folder `path`. `saveState` writes the tensors into the folder it is given and returns the names
 * of its files. Returns the size of all files. Throws ERR_OUTPUT.
 */
export async function writeCheckpoint(
  path: string,
  state: CheckpointState,
  saveState: (folder: string) => Promise<readonly string[]>,
): Promise<{ bytes: number }> {
  return writeFolder(path, async (folder) => {
    const files: Record<string, FileDigest> = {};
    let bytes = 0;
    for (const name of await saveState(folder)) {
      files[name] = await digestFile(join(folder, name));
      bytes += files[name].bytes;
    }
    const content = { format: 1, ...state, configSha256: configHash(state.config), files };
    const hashed = { ...content, stateSha256: stateHash(content) };
    await writeTextFile(join(folder, checkpointFile), `${JSON.stringify(hashed, null, 2)}\n`);
    return { bytes };
  });
}

const damaged = (path: string, reason: string, cause?: unknown): AnonymizerError =>
  codedError("ERR_CHECKPOINT_DAMAGED", `The checkpoint ${path} is damaged: ${reason}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { path, reason },
  });

/** Reads and checks a checkpoint folder. Throws ERR_CHECKPOINT_NOT_FOUND, ERR_CHECKPOINT_DAMAGED, ERR_ABORTED. */
export async function readCheckpoint(path: string, signal?: AbortSignal): Promise<Checkpoint> {
  const file = join(path, checkpointFile);
  if (!(await exists(path))) throw notFound(path);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw damaged(path, `${checkpointFile} can't be read`, cause);
  });
  let content: Omit<Checkpoint, "path">;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw damaged(path, `${checkpointFile} is no JSON`, cause);
  }
  if (content?.format !== 1)
    throw damaged(path, `${checkpointFile} has the unknown format ${JSON.stringify(content?.format)}`);
  if (
    !Number.isSafeInteger(content.step) ||
    content.step < 0 ||
    content.config === undefined ||
    content.files === undefined
  ) {
    throw damaged(path, `${checkpointFile} is incomplete`);
  }
  if (configHash(content.config) !== content.configSha256) throw damaged(path, "the configuration in it was changed");
  for (const name of Object.keys(content.files))
    if (name !== basename(name)) throw damaged(path, `${JSON.stringify(name)} is no plain file name`);
  if (stateHash({ ...content }) !== content.stateSha256) throw damaged(path, "the state in it was changed");
  const named = stepOf(path);
  if (named >= 0 && named !== content.step)
    throw damaged(path, `it is of step ${content.step}, not of the one in its name`);
  for (const [name, stated] of Object.entries(content.files)) {
    const info = await stat(join(path, name)).catch(() => undefined);
    if (info === undefined) throw damaged(path, `${name} is missing`);
    if (!info.isFile()) throw damaged(path, `${name} is no file`);
    if (info.size !== stated.bytes) throw damaged(path, `${name} has ${info.size} bytes instead of ${stated.bytes}`);
    const { sha256 } = await digestFile(join(path, name), signal).catch((cause: unknown) => {
      if (cause instanceof AnonymizerError) throw cause;
      throw damaged(path, `${name} can't be read`, cause);
    });
    if (sha256 !== stated.sha256) throw damaged(path, `${name} has another hash than when it was written`);
  }
  return { ...content, path };
}

const notFound = (path: string): AnonymizerError =>
  codedError("ERR_CHECKPOINT_NOT_FOUND", `There is no checkpoint in ${path}`, { details: { path } });

/** Checkpoint folders below `folder`, newest first. */
export async function listCheckpoints(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((name) => folderPattern.test(name))
    .sort((a, b) => stepOf(b) - stepOf(a))
    .map((name) => join(folder, name));
}

/** The step in a checkpoint's name; −1 for other names. */
export const stepOfCheckpoint = (name: string): number => stepOf(name);
const stepOf = (name: string): number => Number(folderPattern.exec(basename(name))?.[1] ?? -1);

export interface FoundCheckpoint {
  readonly checkpoint: Checkpoint;
  /** Newer checkpoints that could not be used, newest first. */
  readonly damaged: readonly { readonly path: string; readonly reason: string }[];
}

/**
 * The newest whole checkpoint of a folder of checkpoints. Damaged ones are passed over and named. Throws
 * ERR_CHECKPOINT_NOT_FOUND when there is none, ERR_CHECKPOINT_DAMAGED when there are only damaged ones.
 */
export async function findLatest(folder: string, signal?: AbortSignal): Promise<FoundCheckpoint> {
  const passedOver: { path: string; reason: string }[] = [];
  let last: unknown;
  for (const path of await listCheckpoints(folder)) {
    try {
      return { checkpoint: await readCheckpoint(path, signal), damaged: passedOver };
    } catch (error) {
      if (!(error instanceof AnonymizerError) || error.code !== "ERR_CHECKPOINT_DAMAGED") throw error;
      passedOver.push({ path, reason: String(error.details["reason"]) });
      last = error;
    }
  }
  throw last ?? notFound(folder);
}

/** A checkpoint folder, or a run folder (then its newest whole checkpoint). Errors as `readCheckpoint` and `findLatest`. */
export async function openCheckpoint(path: string, signal?: AbortSignal): Promise<FoundCheckpoint> {
  if (await exists(join(path, checkpointFile))) return { checkpoint: await readCheckpoint(path, signal), damaged: [] };
  if (folderPattern.test(basename(path)) && (await exists(path))) throw damaged(path, `${checkpointFile} is missing`);
  return findLatest(join(path, "checkpoints"), signal);
}

/** Removes all but the newest `keep` checkpoints and those that are `needed`. Returns what was removed. */
export async function pruneCheckpoints(
  folder: string,
  keep: number,
  needed: readonly string[] = [],
): Promise<string[]> {
  const old = (await listCheckpoints(folder)).slice(keep).filter((path) => !needed.includes(path));
  for (const path of old) await removeFolder(path);
  return old;
}

/**
 * Renames the checkpoints beyond `step` to `<name>.aside` (of several with one name the last stays): a run that goes on
 * after `step` will write its own, and pruning must not take them for its newest. Returns the new paths.
 */
export async function setAside(folder: string, step: number): Promise<string[]> {
  const newer = (await listCheckpoints(folder)).filter((path) => stepOf(path) > step);
  const moved: string[] = [];
  for (const path of newer) {
    const aside = `${path}.aside`;
    if (await exists(aside)) await removeFolder(aside);
    await rename(path, aside);
    moved.push(aside);
  }
  return moved;
}
