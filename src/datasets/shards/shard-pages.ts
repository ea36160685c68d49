/** The images of a dataset in shards. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { AnonymizerError, codedError, throwIfAborted } from "../../errors.ts";
import { digestFile } from "../../models/files.ts";
import type { StoreOptions } from "../../registry/object-store.ts";
import { sha256InPieces, sha256Of } from "../../sha256.ts";
import type { ManifestRecord } from "../manifest-types.ts";
import { imageFaults, type PageShards, type PageSource } from "../page-source.ts";
import { pause } from "../pause.ts";
import { defaultCacheBytes, type ShardCacheOptions } from "./shard-cache.ts";
import { ShardFiles } from "./shard-files.ts";
import {
  filesOfIndex,
  indexName,
  type PackedEntry,
  parseEntryLine,
  type ShardEntry,
  type ShardIndex,
} from "./shard-index.ts";
import { needIndex, openShardPlace, StorePlace } from "./shard-place.ts";

export interface ShardOptions {
  /** Shards whose pages are shuffled among each other; default 8. */
  readonly window?: number;
  /** For shards of a store. */
  readonly cache?: ShardCacheOptions;
  readonly store?: StoreOptions;
  readonly signal?: AbortSignal;
}

export interface OpenedShards {
  /** Local path of the manifest. */
  readonly manifest: string;
  readonly manifestSha256: string;
  readonly pages: PageSource;
}

export const defaultWindow = 8;

/**
 * Opens the shards at `location`: the path of a folder or its `index.json`, or an address (r2://, s3://, file://). Every
 * image is checked against its SHA-256 whenever it is read.
 *
 * Rejects with ERR_DATASET_NOT_FOUND, ERR_DATASET_DAMAGED (index, manifest or list of entries), ERR_CONFIG_INVALID (the
 * cache can't hold two windows), ERR_STORE_*, ERR_OUTPUT, ERR_ABORTED.
 */
export async function openShards(location: string, options: ShardOptions = {}): Promise<OpenedShards> {
  const { window = defaultWindow, cache = {}, store, signal } = options;
  const place = await openShardPlace(location, store);
  const request = { ...(signal && { signal }) };
  const index = await needIndex(place, request);
  if (place instanceof StorePlace) checkCache(index, window, cache.maxBytes ?? defaultCacheBytes);
  const files = new ShardFiles(place, index.shards, cache);
  const entries = new Map<string, ShardEntry>();
  for await (const entry of readEntries(index, files, signal)) entries.set(entry.image, entry);
  const manifest = await files.path(index.manifest, signal);
  await checkFile(files.where(index.manifest), manifest, index.manifest, signal);
  const sizes = await place.sizes(request);
  const faults = new Map<number, string>();
  for (const [i, { name, bytes }] of index.shards.entries()) {
    const size = sizes.get(name);
    if (size === undefined) faults.set(i, `the shard ${name} does not exist`);
    else if (size !== bytes) faults.set(i, `the shard ${name} has ${size} bytes instead of ${bytes}`);
  }
  const identity = sha256Of(JSON.stringify([window, index.shards.map(({ sha256 }) => sha256)]));
  const pages = new ShardPages(index, files, entries, faults, { window, identity });
  return { manifest, manifestSha256: index.manifest.sha256, pages };
}

/** The window that is read and the one that is fetched meanwhile. */
function checkCache(index: ShardIndex, window: number, maxBytes: number): void {
  const all = filesOfIndex(index).reduce((sum, { bytes }) => sum + bytes, 0);
  const largest = index.shards.reduce((most, { bytes }) => Math.max(most, bytes), 0);
  const needed = Math.min(all, 2 * window * largest + index.manifest.bytes + index.entries.bytes);
  if (maxBytes >= needed) return;
  throw codedError(
    "ERR_CONFIG_INVALID",
    `data.shards.cache_bytes: is ${maxBytes}, but two windows of ${window} shards need ${needed}; raise it, or lower data.shards.window`,
    { details: { key: "data.shards.cache_bytes", needed } },
  );
}

async function checkFile(
  where: string,
  path: string,
  { sha256, bytes }: { readonly sha256: string; readonly bytes: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  const found = await digestFile(path, signal).catch((cause: unknown) => {
    if (cause instanceof AnonymizerError) throw cause;
    throw codedError("ERR_DATASET_NOT_FOUND", `${where} does not exist or can't be read`, { cause });
  });
  if (found.sha256 === sha256 && found.bytes === bytes) return;
  throw codedError("ERR_DATASET_DAMAGED", `${where} has another SHA-256 than ${indexName} says`, {
    details: { where },
  });
}

/** @throws ERR_DATASET_DAMAGED, and as `ShardFiles.path`. */
async function* readEntries(
  { entries, shards }: ShardIndex,
  files: ShardFiles,
  signal: AbortSignal | undefined,
): AsyncGenerator<ShardEntry, void, void> {
  const path = await files.path(entries, signal);
  await checkFile(files.where(entries), path, entries, signal);
  const stream = createReadStream(path);
  try {
    let line = 0;
    for await (const text of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      throwIfAborted(signal);
      yield parseEntryLine(text, shards.length, files.where(entries), ++line);
    }
  } finally {
    stream.destroy();
  }
}

class ShardPages implements PageSource {
  readonly shards: PageShards;
  readonly #index: ShardIndex;
  readonly #files: ShardFiles;
  readonly #entries: ReadonlyMap<string, ShardEntry>;
  readonly #faults: ReadonlyMap<number, string>;
  #asked = 0;

  constructor(
    index: ShardIndex,
    files: ShardFiles,
    entries: ReadonlyMap<string, ShardEntry>,
    faults: ReadonlyMap<number, string>,
    { window, identity }: Pick<PageShards, "window" | "identity">,
  ) {
    this.#index = index;
    this.#files = files;
    this.#entries = entries;
    this.#faults = faults;
    this.shards = { window, identity, of: (record) => this.#entry(record).shard };
  }

  async fault(record: ManifestRecord): Promise<string | undefined> {
    // Nothing is read for it, so others would never have their turn in a large dataset.
    if (++this.#asked % 256 === 0) await pause();
    const entry = this.#entries.get(record.image);
    if (entry === undefined) return imageFaults.missing;
    if ("fault" in entry) return entry.fault;
    if (entry.width !== record.width || entry.height !== record.height) return imageFaults.size;
    return this.#faults.get(entry.shard);
  }

  async image(record: ManifestRecord, signal?: AbortSignal): Promise<Buffer> {
    const { shard, offset, bytes, sha256 } = this.#entry(record);
    for (let tries = 1; ; tries++) {
      const data = await this.#files.read(shard, offset, bytes, signal);
      if (data.length === bytes && (await sha256InPieces(data)) === sha256) return data;
      // The copy in the cache may be what is damaged.
      if (tries === 1 && (await this.#files.drop(shard))) continue;
      throw codedError(
        "ERR_DATASET_DAMAGED",
        `${this.#files.where(this.#index.shards[shard]!)}: ${JSON.stringify(record.image)} is not what was packed`,
        { details: { shard: this.#index.shards[shard]!.name, image: record.image } },
      );
    }
  }

  async sha256(record: ManifestRecord): Promise<string> {
    return this.#entry(record).sha256;
  }

  expect(owner: object, shards: readonly number[]): void {
    this.#files.expect(owner, shards);
  }

  #entry(record: ManifestRecord): PackedEntry {
    const entry = this.#entries.get(record.image);
    if (entry !== undefined && "shard" in entry) return entry;
    throw codedError("ERR_DATASET_NOT_FOUND", `${JSON.stringify(record.image)} is in no shard`);
  }
}
