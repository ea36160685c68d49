/** Reads a whole dataset in shards again and compares every hash. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AnonymizerError, throwIfAborted } from "../../errors.ts";
import { digestFile } from "../../models/files.ts";
import type { StoreOptions } from "../../registry/object-store.ts";
import { isStoreError } from "../../registry/s3-errors.ts";
import { readManifest } from "../manifest.ts";
import { filesOfIndex, type PackedEntry, parseEntryLine, type ShardIndex } from "./shard-index.ts";
import { type FolderPlace, needIndex, openShardPlace, type StoredFile, StorePlace } from "./shard-place.ts";

export interface VerifyShardsOptions {
  readonly store?: StoreOptions;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: {
    readonly files: number;
    readonly totalFiles: number;
    readonly bytes: number;
    readonly totalBytes: number;
  }) => void;
}

export interface DamagedShardFile {
  /** Path or address. */
  readonly where: string;
  /** The image in it that is damaged, where it is one. */
  readonly image?: string;
  readonly reason: string;
}

export interface VerifiedShards {
  readonly files: number;
  readonly images: number;
  readonly bytes: number;
  readonly damaged: readonly DamagedShardFile[];
}

/**
 * Checks index, manifest, list of entries, every shard and every image in it at `location` (a folder, or r2://, s3://,
 * file://: then each file is fetched to a temporary folder and removed again). What is damaged is named in the result.
 *
 * Rejects with ERR_DATASET_NOT_FOUND, ERR_DATASET_DAMAGED (the index itself), ERR_STORE_*, ERR_OUTPUT, ERR_ABORTED.
 */
export async function verifyShards(location: string, options: VerifyShardsOptions = {}): Promise<VerifiedShards> {
  const { signal, onProgress } = options;
  const place = await openShardPlace(location, options.store);
  const temporary = await mkdtemp(join(tmpdir(), "anonymizer-verify-"));
  try {
    const index = await needIndex(place, { ...(signal && { signal }) });
    const damaged: DamagedShardFile[] = [];
    const report = (file: StoredFile, reason: string, image?: string): void => {
      damaged.push({ where: place.where(file.name), reason, ...(image === undefined ? {} : { image }) });
    };
    const files = filesOfIndex(index);
    const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
    let [done, bytes] = [0, 0];
    const inspect = async <T>(file: StoredFile, work: (path: string) => Promise<T>): Promise<T | undefined> => {
      throwIfAborted(signal);
      const path = await bring(place, file, temporary, report, signal);
      try {
        return path === undefined ? undefined : await work(path);
      } finally {
        if (path !== undefined && place instanceof StorePlace) await rm(path, { force: true });
        done++;
        bytes += file.bytes;
        onProgress?.({ files: done, totalFiles: files.length, bytes, totalBytes });
      }
    };
    const whole = async (file: StoredFile, path: string): Promise<boolean> => {
      const { sha256 } = await digestFile(path, signal);
      if (sha256 !== file.sha256) report(file, "its SHA-256 differs from the index's");
      return sha256 === file.sha256;
    };

    const named = await inspect(index.manifest, async (path) => {
      if (!(await whole(index.manifest, path))) return undefined;
      const images = new Set<string>();
      for await (const record of readManifest(path, { onFault: () => undefined, ...(signal && { signal }) }))
        images.add(record.image);
      return images;
    });
    const byShard = await inspect(index.entries, async (path) => {
      if (!(await whole(index.entries, path))) return undefined;
      return entriesOf(index, path, named, (reason) => report(index.entries, reason));
    });
    for (const [i, shard] of index.shards.entries()) {
      await inspect(shard, async (path) => {
        const entries = byShard?.[i] ?? [];
        if (byShard !== undefined && entries.length !== shard.entries)
          report(index.entries, `it has ${entries.length} images of ${shard.name} instead of ${shard.entries}`);
        const { sha256, wrong } = await hashShard(path, entries, signal);
        for (const { image } of wrong) report(shard, "the image's SHA-256 differs from the index's", image);
        if (sha256 !== shard.sha256 && wrong.length === 0) report(shard, "its SHA-256 differs from the index's");
      });
    }
    return { files: files.length, images: index.shards.reduce((sum, s) => sum + s.entries, 0), bytes, damaged };
  } finally {
    await rm(temporary, { recursive: true, force: true });
    place.close();
  }
}

/** The file's local path; undefined (and reported) when it is missing, cut off or arrives damaged. */
async function bring(
  place: FolderPlace | StorePlace,
  file: StoredFile,
  temporary: string,
  report: (file: StoredFile, reason: string) => void,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (!(place instanceof StorePlace)) {
    const info = await stat(place.where(file.name)).catch(() => undefined);
    if (info?.isFile()) return place.where(file.name);
    report(file, "it does not exist");
    return undefined;
  }
  const path = join(temporary, file.name);
  try {
    await place.store.downloadFile(file.name, path, { ...(signal && { signal }) });
    return path;
  } catch (error) {
    if (isStoreError(error, "ERR_STORE_NOT_FOUND")) report(file, "it does not exist");
    else if (isStoreError(error, "ERR_STORE_DAMAGED")) report(file, "its SHA-256 differs from the one stored with it");
    else throw error;
    return undefined;
  }
}

/** Entries by shard, by offset. */
async function entriesOf(
  index: ShardIndex,
  path: string,
  named: ReadonlySet<string> | undefined,
  fault: (reason: string) => void,
): Promise<PackedEntry[][]> {
  const byShard: PackedEntry[][] = index.shards.map(() => []);
  const lines = (await readFile(path, "utf8")).split("\n").slice(0, -1);
  const seen = new Set<string>();
  for (const [i, text] of lines.entries()) {
    try {
      const entry = parseEntryLine(text, index.shards.length, index.entries.name, i + 1);
      seen.add(entry.image);
      if ("shard" in entry) byShard[entry.shard]!.push(entry);
    } catch (error) {
      if (!(error instanceof AnonymizerError)) throw error;
      fault(error.message);
    }
  }
  for (const image of named ?? []) if (!seen.has(image)) fault(`it lacks ${JSON.stringify(image)}`);
  for (const entries of byShard) entries.sort((a, b) => a.offset - b.offset);
  return byShard;
}

/** In one pass: the hash of the file, and the entries whose bytes have another hash than they should. */
async function hashShard(
  path: string,
  entries: readonly PackedEntry[],
  signal: AbortSignal | undefined,
): Promise<{ sha256: string; wrong: PackedEntry[] }> {
  const all = createHash("sha256");
  const wrong: PackedEntry[] = [];
  let at = 0;
  let next = 0;
  let one = createHash("sha256");
  const finish = (): void => {
    const entry = entries[next++]!;
    if (one.digest("hex") !== entry.sha256) wrong.push(entry);
    one = createHash("sha256");
  };
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) {
    throwIfAborted(signal);
    const chunk = piece as Buffer;
    all.update(chunk);
    const end = at + chunk.length;
    for (let entry = entries[next]; entry !== undefined && entry.offset < end; entry = entries[next]) {
      const stop = entry.offset + entry.bytes;
      one.update(chunk.subarray(Math.max(0, entry.offset - at), Math.min(chunk.length, stop - at)));
      if (stop > end) break;
      finish();
    }
    at = end;
  }
  while (next < entries.length) finish(); // the file ends before them
  return { sha256: all.digest("hex"), wrong };
}
