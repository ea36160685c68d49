/**
 * Shards on this machine, as files named by their SHA-256: what a training has fetched and will read again. Of any number
 * of processes that use one cache each shard is fetched by one. The folder's size is bounded: what was not used for
 * longest goes first. A file that goes while somebody reads it stays readable to him; who asks for it later fetches it
 * again. So a cache that is too small for all who use it makes them slower, never wrong.
 */
import { mkdir, readdir, readFile, rm, stat, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { codedError, throwIfAborted } from "../../errors.ts";
import { type FileLock, lockFile, lockHolderLives } from "../../file-lock.ts";
import { isStoreError } from "../../registry/s3-errors.ts";
import type { StoredFile } from "./shard-place.ts";

export interface ShardCacheOptions {
  /** Default: $ANONYMIZER_SHARD_CACHE, or anonymizer-native/shards in $XDG_CACHE_HOME or ~/.cache. */
  readonly folder?: string;
  /** Bytes; default 8 GiB. */
  readonly maxBytes?: number;
}

export interface FetchOptions {
  readonly signal?: AbortSignal;
  /** Not needed yet: false comes back where another process fetches it, or others would have to go for it. */
  readonly ahead?: { readonly keep: ReadonlySet<string> };
}

export const defaultCacheBytes = 8 * 2 ** 30;

const longWaitMs = 24 * 3600 * 1000;
/** A file used within this time makes no room for what is only fetched ahead, unless it was let go. */
const recentMs = 600_000;
const roomPollMs = 200;
/** How long others are waited for that fetch so much at once that there is no room. */
const roomWaitMs = 600_000;
const pattern = /^([0-9a-f]{64}-(\d+))\.(shard|lock|room|shard\.download(?:\.jsonl|\.lock)?)$/;

interface Held {
  bytes: number;
  /** Milliseconds; 0 = let go. */
  used: number;
  inFlight: boolean;
  readonly files: string[];
}

export class ShardCache {
  readonly folder: string;
  readonly maxBytes: number;

  constructor({ folder = defaultFolder(), maxBytes = defaultCacheBytes }: ShardCacheOptions = {}) {
    this.folder = folder;
    this.maxBytes = maxBytes;
  }

  path = ({ sha256, bytes }: StoredFile): string => join(this.folder, `${sha256}-${bytes}.shard`);

  async has(file: StoredFile): Promise<boolean> {
    const info = await stat(this.path(file)).catch(() => undefined);
    return info?.size === file.bytes;
  }

  /**
   * Brings a file into the cache by `fetch`, which writes it whole and checked to the path it is given, unless it is
   * there. Rejects with ERR_STORE_LIMIT when there is no room for it, ERR_OUTPUT, ERR_ABORTED, and what `fetch` rejects with.
   */
  async ensure(
    file: StoredFile,
    fetch: (path: string) => Promise<void>,
    { signal, ahead }: FetchOptions = {},
  ): Promise<boolean> {
    if (await this.has(file)) {
      if (ahead === undefined) await this.touch(file);
      return true;
    }
    if (file.bytes > this.maxBytes) throw this.#tooSmall(file.bytes);
    await mkdir(this.folder, { recursive: true }).catch((cause: unknown) => {
      throw codedError("ERR_OUTPUT", `The cache ${this.folder} can't be made`, { cause });
    });
    const path = this.path(file);
    const lock = await lockFile(path.replace(/shard$/, "lock"), {
      waitMs: ahead === undefined ? longWaitMs : 0,
      ...(signal && { signal }),
    }).catch((error: unknown) => {
      if (ahead !== undefined && isStoreError(error, "ERR_LOCKED")) return undefined;
      throw error;
    });
    if (lock === undefined) return false;
    try {
      if (await this.has(file)) return true;
      const until = performance.now() + roomWaitMs;
      let room = await this.#takeRoom(file, ahead?.keep, signal);
      while (room === undefined) {
        if (ahead !== undefined) return false;
        if (performance.now() > until) throw this.#tooSmall(file.bytes);
        await sleep(roomPollMs, undefined, signal ? { signal } : {}).catch(() => throwIfAborted(signal));
        room = await this.#takeRoom(file, undefined, signal);
      }
      try {
        await fetch(path);
      } finally {
        await room.release();
      }
      return true;
    } finally {
      await lock.release();
    }
  }

  /** Marks a file as used now. */
  touch(file: StoredFile): Promise<void> {
    return this.#stamp(file, new Date());
  }

  /** Marks a file as the first to go. */
  letGo(file: StoredFile): Promise<void> {
    return this.#stamp(file, new Date(0));
  }

  /** Removes a file that turned out damaged. */
  async discard(file: StoredFile): Promise<void> {
    await rm(this.path(file), { force: true });
  }

  async #stamp(file: StoredFile, time: Date): Promise<void> {
    await utimes(this.path(file), time, time).catch(() => undefined);
  }

  #tooSmall(bytes: number) {
    return codedError(
      "ERR_STORE_LIMIT",
      `The cache ${this.folder} may hold ${this.maxBytes} bytes; there is no room for ${bytes} more`,
      { cure: "Raise data.shards.cache_bytes, or give this run a cache_dir of its own." },
    );
  }

  /** Sets room aside for a file, if need be by removing what was not used for longest. undefined: there is none now. */
  async #takeRoom(
    file: StoredFile,
    keep: ReadonlySet<string> | undefined,
    signal: AbortSignal | undefined,
  ): Promise<FileLock | undefined> {
    const lock = await lockFile(join(this.folder, "lock"), { ...(signal && { signal }) });
    try {
      const held = await this.#look();
      const own = cacheName(file);
      // What an interrupted fetch had brought is part of it.
      let total = file.bytes;
      for (const [name, { bytes }] of held) if (name !== own) total += bytes;
      const now = Date.now();
      const removable = [...held]
        .filter(([name, { inFlight, used }]) => {
          if (inFlight || name === own) return false;
          return keep === undefined || (!keep.has(name) && (used === 0 || now - used > recentMs));
        })
        .sort(([, a], [, b]) => a.used - b.used);
      for (const [, { bytes, files }] of removable) {
        if (total <= this.maxBytes) break;
        for (const file of files) await rm(join(this.folder, file), { force: true });
        total -= bytes;
      }
      if (total > this.maxBytes) return undefined;
      return await lockFile(join(this.folder, `${own}.room`), { waitMs: 0 });
    } finally {
      await lock.release();
    }
  }

  async #look(): Promise<Map<string, Held>> {
    const held = new Map<string, Held>();
    for (const file of await readdir(this.folder)) {
      const [, name, size, kind] = pattern.exec(file) ?? [];
      if (name === undefined || kind === "lock") continue;
      const entry = held.get(name) ?? { bytes: 0, used: 0, inFlight: false, files: [] };
      held.set(name, entry);
      const info = await stat(join(this.folder, file)).catch(() => undefined);
      if (kind === "room") {
        // Whoever holds it is fetching all of it.
        const holder = await readFile(join(this.folder, file), "utf8").catch(() => "");
        if (holder !== "" && (await lockHolderLives(holder))) entry.inFlight = true;
        if (entry.inFlight) entry.bytes = Math.max(entry.bytes, Number(size));
      } else if (info !== undefined) {
        entry.files.push(file);
        entry.bytes = Math.max(entry.bytes, info.size);
        entry.used = Math.max(entry.used, info.mtimeMs);
      }
    }
    return held;
  }
}

/** Name of a file in `keep`. */
export const cacheName = ({ sha256, bytes }: StoredFile): string => `${sha256}-${bytes}`;

function defaultFolder(): string {
  const own = process.env["ANONYMIZER_SHARD_CACHE"];
  if (own !== undefined && own !== "") return own;
  const caches = process.env["XDG_CACHE_HOME"];
  return join(caches ? caches : join(homedir(), ".cache"), "anonymizer-native", "shards");
}
