/** Reads pieces of a dataset's files: in a folder at once, from a store through the cache, some of them ahead. */
import { open } from "node:fs/promises";
import { type AnonymizerError, codedError, throwIfAborted } from "../../errors.ts";
import { isStoreError } from "../../registry/s3-errors.ts";
import { cacheName, ShardCache, type ShardCacheOptions } from "./shard-cache.ts";
import type { ShardFile } from "./shard-index.ts";
import { type FolderPlace, type StoredFile, StorePlace } from "./shard-place.ts";

/** Shards fetched ahead at a time. */
const parallelFetches = 2;
/** Least time between two looks at what could be fetched ahead. */
const lookMs = 500;
const touchMs = 60_000;
/** A shard may be damaged on its way: so often it is fetched before it counts as damaged. */
const fetchTries = 3;
/** Another process may remove a file between fetching and opening. */
const openTries = 20;

export class ShardFiles {
  readonly #place: FolderPlace | StorePlace;
  readonly #cache: ShardCache;
  readonly #shards: readonly ShardFile[];
  readonly #damaged = new Map<string, AnonymizerError>();
  readonly #expected = new Map<object, readonly number[]>();
  readonly #fetching = new Set<number>();
  #stop = new AbortController();
  #looked = Number.NEGATIVE_INFINITY;
  #touched = Number.NEGATIVE_INFINITY;
  #list: readonly number[] = [];
  /** What the pump has to pass over until it looks again. */
  readonly #passed = new Set<number>();

  constructor(place: FolderPlace | StorePlace, shards: readonly ShardFile[], cache: ShardCacheOptions) {
    this.#place = place;
    this.#shards = shards;
    this.#cache = new ShardCache(cache);
  }

  where = (file: StoredFile): string => this.#place.where(file.name);

  /**
   * The local path of a file; from a store it is fetched and checked first. Rejects with ERR_DATASET_DAMAGED or
   * ERR_DATASET_NOT_FOUND when this file can't be had, with ERR_STORE_*, ERR_OUTPUT when none can, ERR_ABORTED.
   */
  async path(file: StoredFile, signal?: AbortSignal): Promise<string> {
    if (!(this.#place instanceof StorePlace)) return this.#place.where(file.name);
    const known = this.#damaged.get(file.name);
    if (known !== undefined) throw known;
    try {
      await this.#cache.ensure(file, (path) => this.#fetch(file, path, signal), { ...(signal && { signal }) });
    } catch (error) {
      const code = isStoreError(error, "ERR_STORE_DAMAGED")
        ? "ERR_DATASET_DAMAGED"
        : isStoreError(error, "ERR_STORE_NOT_FOUND")
          ? "ERR_DATASET_NOT_FOUND"
          : undefined;
      if (code === undefined) throw error;
      const fault = codedError(code, `${this.where(file)}: ${(error as Error).message}`, { cause: error });
      this.#damaged.set(file.name, fault);
      throw fault;
    }
    return this.#cache.path(file);
  }

  /** `bytes` bytes of a shard, as they are. Rejects as `path`. */
  async read(shard: number, offset: number, bytes: number, signal?: AbortSignal): Promise<Buffer> {
    const file = this.#shards[shard]!;
    for (let tries = 1; ; tries++) {
      throwIfAborted(signal);
      const path = await this.path(file, signal);
      const handle = await open(path, "r").catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === "ENOENT" && this.#place instanceof StorePlace && tries < openTries) return undefined;
        throw codedError("ERR_DATASET_NOT_FOUND", `${this.where(file)} can't be read (${cause.code})`, { cause });
      });
      if (handle === undefined) continue;
      try {
        const data = Buffer.allocUnsafe(bytes);
        let at = 0;
        while (at < bytes) {
          const { bytesRead } = await handle.read(data, at, Math.min(1 << 20, bytes - at), offset + at);
          if (bytesRead === 0) break;
          at += bytesRead;
        }
        return data.subarray(0, at);
      } finally {
        await handle.close();
      }
    }
  }

  /** Drops the copy of a shard that turned out damaged. False where there is none to drop: then it is the shard itself. */
  async drop(shard: number): Promise<boolean> {
    if (!(this.#place instanceof StorePlace)) return false;
    await this.#cache.discard(this.#shards[shard]!);
    return true;
  }

  /** See `PageSource.expect`. */
  expect(owner: object, shards: readonly number[]): void {
    if (!(this.#place instanceof StorePlace)) return;
    if (shards.length === 0) this.#expected.delete(owner);
    else this.#expected.set(owner, shards);
    const list = [...new Set([...this.#expected.values()].flat())];
    const changed = list.length !== this.#list.length || list.some((shard, i) => shard !== this.#list[i]);
    if (changed) {
      const still = new Set(list);
      for (const shard of this.#list) if (!still.has(shard)) void this.#cache.letGo(this.#shards[shard]!);
      this.#list = list;
      this.#passed.clear();
    }
    if (list.length === 0) {
      this.#stop.abort();
      this.#stop = new AbortController();
      return;
    }
    const now = performance.now();
    if (changed || now - this.#touched > touchMs) {
      this.#touched = now;
      for (const shard of list) void this.#cache.touch(this.#shards[shard]!);
    }
    if (changed || now - this.#looked > lookMs) {
      this.#looked = now;
      this.#passed.clear();
      this.#pump();
    }
  }

  #pump(): void {
    while (this.#fetching.size < parallelFetches) {
      const shard = this.#list.find((candidate) => !this.#fetching.has(candidate) && !this.#passed.has(candidate));
      if (shard === undefined) return;
      this.#fetching.add(shard);
      this.#passed.add(shard);
      const { signal } = this.#stop;
      const file = this.#shards[shard]!;
      const keep = new Set(this.#list.map((candidate) => cacheName(this.#shards[candidate]!)));
      this.#cache
        .ensure(file, (path) => this.#fetch(file, path, signal), { signal, ahead: { keep } })
        // Whoever needs the shard meets the same failure, and tells it.
        .catch(() => false)
        .finally(() => {
          this.#fetching.delete(shard);
          if (!signal.aborted) this.#pump();
        });
    }
  }

  async #fetch(file: StoredFile, path: string, signal: AbortSignal | undefined): Promise<void> {
    const { store } = this.#place as StorePlace;
    for (let tries = 1; ; tries++) {
      try {
        await store.downloadFile(file.name, path, { sha256: file.sha256, ...(signal && { signal }) });
        return;
      } catch (error) {
        if (tries >= fetchTries || !isStoreError(error, "ERR_STORE_DAMAGED")) throw error;
      }
    }
  }
}
