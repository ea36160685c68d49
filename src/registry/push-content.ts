/** Brings the content of a version into a store, in a way that no garbage collection takes it away again. */
import { join } from "node:path";
import { codedError } from "../errors.ts";
import { inParallel } from "../in-parallel.ts";
import { digestFile } from "../models/files.ts";
import { type Logger, silentLogger } from "../telemetry/logger.ts";
import { type FolderProgress, filesOf, Tally } from "./folders.ts";
import { blobKey, blobsOf, type ModelManifest, manifestFile, tombstoneFile } from "./model-manifest.ts";
import type { ObjectStore, RequestOptions } from "./object-store.ts";
import { StoreLease } from "./store-lease.ts";

type Files = ModelManifest["files"];
type File = Files[number];

export interface PushContentOptions extends RequestOptions {
  /** Sends what the store says it has, too. */
  readonly repair?: boolean;
  readonly onProgress?: (progress: FolderProgress) => void;
  readonly logger?: Logger;
}

/** The files of a folder as they stand in a manifest. Rejects with ERR_STORE_NOT_FOUND, ERR_INVALID_ARGUMENT. */
export async function manifestFilesOf(folder: string, signal?: AbortSignal): Promise<Files> {
  const files: Files = [];
  for (const path of await filesOf(folder)) {
    const { sha256, bytes } = await digestFile(join(folder, path), signal);
    files.push({ path, sha256, bytes });
  }
  if (files.length === 0)
    throw codedError("ERR_STORE_NOT_FOUND", `${folder} holds no files`, { cure: "Check the path." });
  if (files.some(({ path }) => path === manifestFile || path === tombstoneFile)) {
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `${folder} holds ${manifestFile} or ${tombstoneFile}, names of the registry`,
    );
  }
  return files;
}

/**
 * Sends what is missing, then calls `write`, which makes the manifest; nothing that it names is collected meanwhile.
 * Returns its result and the bytes that were sent.
 */
export async function pushContent<T>(
  store: ObjectStore,
  folder: string,
  files: Files,
  options: PushContentOptions,
  write: () => Promise<T>,
): Promise<{ readonly made: T; readonly uploadedBytes: number }> {
  const { signal, logger = silentLogger } = options;
  const request = { ...(signal && { signal }) };
  const sender = new Sender(store, folder, files, options);
  const lease = await StoreLease.take(store, "push", { blobs: files.map(({ sha256 }) => sha256) }, request);
  try {
    for (;;) {
      await lease.waitFor("gc", request, () =>
        logger.info({ store: store.address }, "a garbage collection is waited for"),
      );
      await sender.sendMissing(signal);
      if (lease.fresh) {
        const made = await write();
        if (lease.fresh) return { made, uploadedBytes: sender.uploadedBytes };
      }
      await lease.renew(request);
    }
  } finally {
    await lease.release();
  }
}

class Sender {
  uploadedBytes = 0;
  readonly #store: ObjectStore;
  readonly #folder: string;
  readonly #blobs: readonly File[];
  readonly #tally: Tally;
  /** Those that were sent or found. */
  readonly #done = new Set<string>();
  readonly #repair: boolean;

  constructor(store: ObjectStore, folder: string, files: Files, options: PushContentOptions) {
    this.#store = store;
    this.#folder = folder;
    this.#blobs = blobsOf({ files });
    this.#repair = options.repair ?? false;
    this.#tally = new Tally(
      this.#blobs.map(({ sha256, bytes }) => ({ key: sha256, bytes })),
      options,
    );
  }

  async sendMissing(signal: AbortSignal | undefined): Promise<void> {
    await inParallel(this.#blobs, 4, (file, inner) => this.#send(file, inner), signal);
  }

  async #send(file: File, signal: AbortSignal): Promise<void> {
    const { sha256, bytes, path } = file;
    const key = blobKey(sha256);
    const again = this.#done.has(sha256);
    const trusted = !this.#repair || again;
    const there = trusted ? await this.#store.head(key, { signal }) : undefined;
    const skip = there?.bytes === bytes && there.sha256 === sha256;
    if (!skip) {
      const onProgress = (moved: { bytes: number }): void => this.#tally.moved(sha256, moved.bytes);
      await this.#store.uploadFile(key, join(this.#folder, path), { sha256, signal, onProgress });
      this.uploadedBytes += bytes;
    }
    if (!again) this.#tally.finished(sha256, bytes, skip);
    this.#done.add(sha256);
  }
}
