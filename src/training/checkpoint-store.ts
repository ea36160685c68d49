/**
 * Checkpoints of a run at a place that outlives the machine. The address is the run: whoever starts with it goes on from
 * what stands there.
 *
 * `checkpoints/step-00000100/FILE`, with `checkpoint.json` written last and removed first: where it stands, the
 * checkpoint is whole. What comes back is checked like any checkpoint, against the hashes in it.
 */
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { AnonymizerError, codedError } from "../errors.ts";
import { lockFile } from "../file-lock.ts";
import { writeFolder } from "../models/files.ts";
import type { ObjectStore, StoreOptions } from "../registry/object-store.ts";
import { openObjectStore } from "../registry/open-store.ts";
import type { Logger } from "../telemetry/logger.ts";
import {
  checkpointFile,
  checkpointName,
  findLatest,
  listCheckpoints,
  readCheckpoint,
  stepOfCheckpoint,
} from "./checkpoints.ts";

const keyPattern = /^checkpoints\/(step-\d{8,})\/([^/]+)$/;
const longWaitMs = 24 * 3600 * 1000;

export interface CheckpointStoreOptions extends StoreOptions {
  /** Newest checkpoints that are kept. */
  readonly keep: number;
}

export class CheckpointStore {
  readonly address: string;
  readonly #store: ObjectStore;
  readonly #keep: number;
  readonly #logger: Logger | undefined;
  readonly #closing = new AbortController();
  readonly #failures: { path: string; error: AnonymizerError }[] = [];
  #waiting: string | undefined;
  #sending: string | undefined;
  #work: Promise<void> = Promise.resolve();

  private constructor(store: ObjectStore, { keep, logger }: CheckpointStoreOptions) {
    this.#store = store;
    this.address = store.address;
    this.#keep = keep;
    this.#logger = logger;
  }

  /** Nothing is sent yet. Rejects with ERR_STORE_ADDRESS, ERR_STORE_CREDENTIALS. */
  static async open(address: string, options: CheckpointStoreOptions): Promise<CheckpointStore> {
    return new CheckpointStore(await openObjectStore(address, options), options);
  }

  /** Steps of the whole checkpoints, the newest first. Rejects with ERR_STORE_*. */
  async steps(signal?: AbortSignal): Promise<number[]> {
    const steps: number[] = [];
    for await (const { key } of this.#store.list("checkpoints/", { ...(signal && { signal }) })) {
      const [, name, file] = keyPattern.exec(key) ?? [];
      if (name !== undefined && file === checkpointFile) steps.push(stepOfCheckpoint(name));
    }
    return steps.sort((a, b) => b - a);
  }

  /**
   * Brings the newest whole checkpoint into `folder`, where that is newer than the whole ones there. Of several processes
   * with one folder one fetches it. Returns those that turned out damaged. Rejects with ERR_STORE_*, ERR_OUTPUT, ERR_ABORTED.
   */
  async fetchNewest(folder: string, signal?: AbortSignal): Promise<{ path: string; reason: string }[]> {
    await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
      throw codedError("ERR_OUTPUT", `The folder ${folder} can't be made`, { cause });
    });
    const lock = await lockFile(join(folder, ".fetch.lock"), { waitMs: longWaitMs, ...(signal && { signal }) });
    try {
      const here = await newestStep(folder, signal);
      const damaged: { path: string; reason: string }[] = [];
      for (const step of await this.steps(signal)) {
        if (step <= here) break;
        try {
          await this.#fetch(step, folder, signal);
          return damaged;
        } catch (error) {
          const spoilt = ["ERR_CHECKPOINT_DAMAGED", "ERR_STORE_DAMAGED", "ERR_STORE_NOT_FOUND"];
          if (!(error instanceof AnonymizerError) || !spoilt.includes(error.code)) throw error;
          damaged.push({ path: `${this.address}/checkpoints/${checkpointName(step)}`, reason: error.message });
        }
      }
      return damaged;
    } finally {
      await lock.release();
    }
  }

  async #fetch(step: number, folder: string, signal: AbortSignal | undefined): Promise<void> {
    const name = checkpointName(step);
    const files: string[] = [];
    for await (const { key } of this.#store.list(`checkpoints/${name}/`, { ...(signal && { signal }) })) {
      const [, , file] = keyPattern.exec(key) ?? [];
      if (file !== undefined && file === basename(file)) files.push(file);
    }
    await writeFolder(join(folder, name), async (temporary) => {
      for (const file of files) {
        await this.#store.downloadFile(`checkpoints/${name}/${file}`, join(temporary, file), {
          ...(signal && { signal }),
        });
      }
      await readCheckpoint(temporary, signal);
    });
  }

  /** The checkpoint that is being sent, or waits for that: it must stay. */
  get needed(): readonly string[] {
    return [this.#sending, this.#waiting].filter((path) => path !== undefined);
  }

  /** Sends a checkpoint while training goes on. Of several that wait only the newest is sent. */
  send(path: string): void {
    const idle = this.#waiting === undefined && this.#sending === undefined;
    this.#waiting = path;
    if (idle) this.#work = this.#sendAll();
  }

  /** Resolves when all that was to be sent is there, or has failed. */
  async drain(): Promise<void> {
    await this.#work;
  }

  /** What could not be sent since the last call. */
  takeFailures(): readonly { readonly path: string; readonly error: AnonymizerError }[] {
    return this.#failures.splice(0);
  }

  /** Stops what is under way. */
  async close(): Promise<void> {
    this.#closing.abort(codedError("ERR_CLOSED", "The trainer was closed"));
    await this.#work;
    this.#store.close();
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting !== undefined) {
      const path = this.#waiting;
      this.#sending = path;
      this.#waiting = undefined;
      try {
        await this.#upload(path);
        this.#logger?.info({ path, store: this.address }, "checkpoint sent");
      } catch (error) {
        const coded =
          error instanceof AnonymizerError
            ? error
            : codedError("ERR_OUTPUT", `${path} can't be read`, { cause: error });
        if (!this.#closing.signal.aborted) this.#failures.push({ path, error: coded });
      }
      this.#sending = undefined;
    }
  }

  async #upload(path: string): Promise<void> {
    const { signal } = this.#closing;
    const name = basename(path);
    const key = (file: string): string => `checkpoints/${name}/${file}`;
    const { files } = await readCheckpoint(path, signal);
    const head = await this.#store.head(key(checkpointFile), { signal });
    // It may be of a course that the run did not take: what replaces it is not whole before its end.
    if (head !== undefined) await this.#store.delete(key(checkpointFile), { signal });
    for (const [file, { sha256, bytes }] of Object.entries(files)) {
      const there = await this.#store.head(key(file), { signal });
      if (there?.sha256 === sha256 && there.bytes === bytes) continue;
      await this.#store.uploadFile(key(file), join(path, file), { sha256, signal });
    }
    await this.#store.uploadFile(key(checkpointFile), join(path, checkpointFile), { signal });
    await this.#prune(stepOfCheckpoint(name), signal);
  }

  /** Keeps the newest; what lies beyond `step` is of a course that the run did not take. */
  async #prune(step: number, signal: AbortSignal): Promise<void> {
    const steps = await this.steps(signal);
    const kept = new Set(steps.filter((other) => other <= step).slice(0, this.#keep));
    for (const other of steps) {
      if (kept.has(other)) continue;
      const prefix = `checkpoints/${checkpointName(other)}/`;
      await this.#store.delete(`${prefix}${checkpointFile}`, { signal });
      for await (const { key } of this.#store.list(prefix, { signal })) await this.#store.delete(key, { signal });
    }
  }
}

/** −1 where there is no whole one. */
async function newestStep(folder: string, signal: AbortSignal | undefined): Promise<number> {
  if ((await listCheckpoints(folder)).length === 0) return -1;
  return findLatest(folder, signal).then(
    ({ checkpoint }) => checkpoint.step,
    (error: unknown) => {
      if (error instanceof AnonymizerError && error.code === "ERR_CHECKPOINT_DAMAGED") return -1;
      throw error;
    },
  );
}
