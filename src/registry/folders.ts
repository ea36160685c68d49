/** Whole folders to and from a store. */
import { mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { resolveInside } from "../documents/inside-folder.ts";
import { codedError } from "../errors.ts";
import { inParallel } from "../in-parallel.ts";
import { digestFile, exists, type FileDigest } from "../models/files.ts";
import type { ObjectStore, RequestOptions } from "./object-store.ts";

export interface FolderProgress {
  /** The object that moved last. */
  readonly key: string;
  readonly files: number;
  readonly totalFiles: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface FolderOptions extends RequestOptions {
  readonly onProgress?: (progress: FolderProgress) => void;
  /** Files at a time; default 4. */
  readonly concurrency?: number;
}

export interface FolderReport {
  readonly files: number;
  readonly bytes: number;
  /** Files that were there already, with the same SHA-256. */
  readonly skipped: number;
}

export interface FolderFile extends FileDigest {
  /** Relative, with `/`. */
  readonly path: string;
}

/** Left by transfers and by killed writers; and what begins with a dot is nobody's content. */
const passedOver = (name: string): boolean =>
  name.startsWith(".") || /\.(download(\.jsonl|\.lock)?|tmp-\d+.*)$/.test(name);

/**
 * The files of a folder and its subfolders, sorted, without hidden ones and leftovers. Throws ERR_STORE_NOT_FOUND (no
 * such folder) and ERR_PATH_OUTSIDE_ROOT for links, which could show what is not meant to be shown.
 */
export async function filesOf(folder: string): Promise<string[]> {
  const files: string[] = [];
  const walk = async (inner: string): Promise<void> => {
    const entries = await readdir(join(folder, inner), { withFileTypes: true }).catch((cause: unknown) => {
      throw codedError("ERR_STORE_NOT_FOUND", `The folder ${join(folder, inner)} can't be read`, {
        cause,
        cure: "Check the path.",
      });
    });
    for (const entry of entries) {
      if (passedOver(entry.name)) continue;
      const path = inner === "" ? entry.name : `${inner}/${entry.name}`;
      if (entry.isDirectory()) await walk(path);
      else if (entry.isFile()) files.push(path);
      else if (entry.isSymbolicLink()) {
        throw codedError("ERR_PATH_OUTSIDE_ROOT", `${join(folder, path)} is a link`, {
          cure: "Put the file itself in its place; links are not followed.",
        });
      }
    }
  };
  await walk("");
  return files.sort();
}

/** Uploads a folder under `prefix` ("" or "a/b"). What is there already with the same SHA-256 is left alone. */
export async function uploadFolder(
  store: ObjectStore,
  prefix: string,
  folder: string,
  options: FolderOptions = {},
): Promise<FolderReport> {
  const { signal, concurrency = 4 } = options;
  const files: FolderFile[] = [];
  for (const path of await filesOf(folder)) files.push({ path, ...(await digestFile(join(folder, path), signal)) });
  const tally = new Tally(
    files.map(({ path, bytes }) => ({ key: keyOf(prefix, path), bytes })),
    options,
  );
  await inParallel(
    files,
    concurrency,
    async ({ path, sha256, bytes }, inner) => {
      const key = keyOf(prefix, path);
      const there = await store.head(key, { signal: inner });
      const skip = there?.sha256 === sha256 && there.bytes === bytes;
      if (!skip) {
        const onProgress = (moved: { bytes: number }): void => tally.moved(key, moved.bytes);
        await store.uploadFile(key, join(folder, path), { sha256, signal: inner, onProgress });
      }
      tally.finished(key, bytes, skip);
    },
    signal,
  );
  return tally.report();
}

/**
 * Downloads everything under `prefix` into `folder`. Files that are there already with the SHA-256 of the object are
 * left alone; others in the folder stay. Rejects with ERR_PATH_OUTSIDE_ROOT when a key would lead out of the folder.
 */
export async function downloadFolder(
  store: ObjectStore,
  prefix: string,
  folder: string,
  options: FolderOptions = {},
): Promise<FolderReport> {
  const { signal, concurrency = 4 } = options;
  const start = prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`;
  await mkdir(folder, { recursive: true });
  const objects: { key: string; bytes: number }[] = [];
  for await (const { key, bytes } of store.list(start, { ...(signal && { signal }) })) objects.push({ key, bytes });
  if (objects.length === 0)
    throw codedError("ERR_STORE_NOT_FOUND", `There is nothing under ${store.address}/${prefix}`);
  const tally = new Tally(objects, options);
  await inParallel(
    objects,
    concurrency,
    async ({ key, bytes }, inner) => {
      const path = await resolveInside(folder, key.slice(start.length));
      await mkdir(dirname(path), { recursive: true });
      const skip = await isThere(store, key, path, inner);
      if (!skip) {
        await store.downloadFile(key, path, {
          signal: inner,
          onProgress: (moved) => tally.moved(key, moved.bytes),
        });
      }
      tally.finished(key, bytes, skip);
    },
    signal,
  );
  return tally.report();
}

async function isThere(store: ObjectStore, key: string, path: string, signal: AbortSignal): Promise<boolean> {
  if (!(await exists(path))) return false;
  const info = await store.head(key, { signal });
  return info?.sha256 !== undefined && (await digestFile(path, signal)).sha256 === info.sha256;
}

export const keyOf = (prefix: string, path: string): string =>
  prefix === "" ? path : `${prefix.replace(/\/$/, "")}/${path}`;

/** Adds up what the single transfers report. */
export class Tally {
  readonly #options: Pick<FolderOptions, "onProgress">;
  readonly #totalFiles: number;
  readonly #totalBytes: number;
  readonly #bytes = new Map<string, number>();
  #files = 0;
  #skipped = 0;

  constructor(objects: readonly { key: string; bytes: number }[], options: Pick<FolderOptions, "onProgress">) {
    this.#options = options;
    this.#totalFiles = objects.length;
    this.#totalBytes = objects.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  moved(key: string, bytes: number): void {
    this.#bytes.set(key, bytes);
    this.#options.onProgress?.({
      key,
      files: this.#files,
      totalFiles: this.#totalFiles,
      bytes: [...this.#bytes.values()].reduce((sum, part) => sum + part, 0),
      totalBytes: this.#totalBytes,
    });
  }

  finished(key: string, bytes: number, skipped: boolean): void {
    this.#files++;
    if (skipped) this.#skipped++;
    this.moved(key, bytes);
  }

  report(): FolderReport {
    return { files: this.#totalFiles, bytes: this.#totalBytes, skipped: this.#skipped };
  }
}
