/**
 * Models on this machine: blobs by their SHA-256, and a folder per version that links to them. Several processes may use
 * one cache; what one of them works with is never removed by another.
 *
 *   blobs/SHA256                   content
 *   versions/MANIFEST-SHA256/…     the files of a version; `.manifest.json`, and `.complete` once all are there
 *   references/HASH.json           what a name in a store stood for when it was last asked
 *   leases/MANIFEST-SHA256.….lock  who uses a version
 *   rooms/NAME-BYTES.….lock        who fills a blob or a folder of `verify` up to so many bytes
 *   verify/NAME/…                  what is only looked at
 */
import { randomBytes } from "node:crypto";
import { chmod, copyFile, link, mkdir, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { resolveInside } from "../documents/inside-folder.ts";
import { codedError, throwIfAborted } from "../errors.ts";
import { type FileLock, lockFile, lockHolderLives } from "../file-lock.ts";
import { digestFile, writeTextFile } from "../models/files.ts";
import { sha256Of } from "../sha256.ts";
import { blobsOf, type ModelManifest, parseManifest } from "./model-manifest.ts";

export interface CacheOptions {
  /** Default: $ANONYMIZER_MODEL_CACHE, or anonymizer-native/models in $XDG_CACHE_HOME or ~/.cache. */
  readonly folder?: string;
  /** Bytes; what was not used for longest goes first. Default 20 GiB. */
  readonly maxBytes?: number;
}

/** What a name stood for. */
export interface CachedReference {
  readonly kind: "version" | "tag";
  readonly version: string;
  /** SHA-256. */
  readonly manifest: string;
}

type Stamps = Record<string, { readonly bytes: number; readonly modifiedMs: number }>;

const manifestName = ".manifest.json";
const completeName = ".complete";
const longWaitMs = 24 * 3600 * 1000;

export class ModelCache {
  readonly folder: string;
  readonly #maxBytes: number;

  constructor({ folder, maxBytes = 20 * 1024 ** 3 }: CacheOptions = {}) {
    this.folder = folder ?? defaultFolder();
    this.#maxBytes = maxBytes;
  }

  async reference(address: string): Promise<CachedReference | undefined> {
    try {
      return JSON.parse(await readFile(this.#referencePath(address), "utf8")) as CachedReference;
    } catch {
      return undefined;
    }
  }

  /** The text of a manifest that was pulled, where it still has its hash. */
  async manifest(sha256: string): Promise<ModelManifest | undefined> {
    const path = join(this.#version(sha256), manifestName);
    const text = await readFile(path, "utf8").catch(() => undefined);
    return text === undefined || sha256Of(text) !== sha256 ? undefined : parseManifest(text, path);
  }

  /** Keeps a version from being removed until `release` is called or this process ends. */
  async lease(sha256: string, signal?: AbortSignal): Promise<() => Promise<void>> {
    return this.#locked(signal, async () => {
      const lock = await lockFile(join(this.folder, "leases", `${sha256}.${randomBytes(6).toString("hex")}.lock`));
      return () => lock.release();
    });
  }

  /**
   * The folder of a version whose lease is held; `references` are the addresses it was found under. What is missing or damaged is fetched by `fetch` (to a path, with this
   * SHA-256); `present` is told what is not. Rejects with ERR_STORE_LIMIT when it is larger than the cache, and with what `fetch` rejects with.
   */
  async complete(
    manifestText: string,
    references: ReadonlyMap<string, CachedReference>,
    fetch: (file: ModelManifest["files"][number], path: string) => Promise<void>,
    present: (file: ModelManifest["files"][number]) => void,
    signal?: AbortSignal,
  ): Promise<string> {
    const sha256 = sha256Of(manifestText);
    const manifest = parseManifest(manifestText, "the manifest");
    const folder = this.#version(sha256);
    await mkdir(folder, { recursive: true });
    await writeTextFile(join(folder, manifestName), manifestText);
    if (!(await this.isComplete(sha256))) {
      const missing: ModelManifest["files"] = [];
      for (const file of blobsOf(manifest)) {
        if (await this.#blobIsGood(file, signal)) present(file);
        else missing.push(file);
      }
      const release = await this.#takeRoom(missing, signal);
      try {
        for (const file of missing) await this.#fetchBlob(file, fetch, signal);
        await this.#locked(signal, () => this.#link(folder, manifest));
      } finally {
        await release();
      }
    }
    await this.#touch(sha256);
    for (const [address, reference] of references) {
      await writeTextFile(this.#referencePath(address), JSON.stringify(reference));
    }
    return folder;
  }

  /** Whether every file is there, unchanged since it was found to have its SHA-256. */
  async isComplete(sha256: string): Promise<boolean> {
    const folder = this.#version(sha256);
    try {
      const stamps = JSON.parse(await readFile(join(folder, completeName), "utf8")) as Stamps;
      const manifest = await this.manifest(sha256);
      if (manifest === undefined) return false;
      for (const { path } of manifest.files) {
        const info = await stat(join(folder, path));
        const stamp = stamps[path];
        if (info.size !== stamp?.bytes || info.mtimeMs !== stamp.modifiedMs) return false;
      }
      return true;
    } catch {
      return false;
    }
  }

  /** Marks a version as used now, and tells where it is. */
  async use(sha256: string): Promise<string> {
    await this.#touch(sha256);
    return this.#version(sha256);
  }

  /** SHA-256 of every file of a version; the paths of those that are not right. */
  async verify(sha256: string, signal?: AbortSignal): Promise<string[]> {
    const manifest = await this.manifest(sha256);
    if (manifest === undefined) return [manifestName];
    const wrong: string[] = [];
    for (const file of manifest.files) {
      const path = join(this.#version(sha256), file.path);
      const actual = await digestFile(path, signal).catch(() => undefined);
      throwIfAborted(signal);
      if (actual?.sha256 !== file.sha256) wrong.push(file.path);
    }
    // The next pull mends them.
    if (wrong.length > 0) await rm(join(this.#version(sha256), completeName), { force: true });
    return wrong;
  }

  /** A folder of one's own for up to `bytes`, which goes with `release`. */
  async scratch(bytes: number, signal?: AbortSignal): Promise<{ folder: string; release: () => Promise<void> }> {
    return this.#locked(signal, async () => {
      const name = randomBytes(6).toString("hex");
      const room = await this.#room(name, bytes);
      const folder = join(this.folder, "verify", name);
      await mkdir(folder);
      await this.#trim();
      const release = async (): Promise<void> => {
        await rm(folder, { recursive: true, force: true });
        await room.release();
      };
      return { folder, release };
    });
  }

  #version = (sha256: string): string => join(this.folder, "versions", sha256);
  #blob = (sha256: string): string => join(this.folder, "blobs", sha256);
  #referencePath = (address: string): string => join(this.folder, "references", `${sha256Of(address)}.json`);

  async #touch(sha256: string): Promise<void> {
    const now = new Date();
    await utimes(join(this.#version(sha256), manifestName), now, now).catch(() => undefined);
  }

  async #locked<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    for (const inner of ["blobs", "versions", "references", "leases", "rooms", "verify"]) {
      await mkdir(join(this.folder, inner), { recursive: true }).catch((cause: unknown) => {
        throw codedError("ERR_OUTPUT", `The cache ${this.folder} can't be made`, { cause });
      });
    }
    const lock = await lockFile(join(this.folder, "lock"), { ...(signal && { signal }) });
    try {
      return await work();
    } finally {
      await lock.release();
    }
  }

  async #blobIsGood({ sha256, bytes }: ModelManifest["files"][number], signal?: AbortSignal): Promise<boolean> {
    const path = this.#blob(sha256);
    const info = await stat(path).catch(() => undefined);
    if (info?.size !== bytes) return false;
    return (await digestFile(path, signal)).sha256 === sha256;
  }

  async #fetchBlob(
    file: ModelManifest["files"][number],
    fetch: (file: ModelManifest["files"][number], path: string) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const path = this.#blob(file.sha256);
    // Of several processes that need it, one fetches it.
    const lock = await lockFile(`${path}.lock`, { waitMs: longWaitMs, ...(signal && { signal }) });
    try {
      if (await this.#blobIsGood(file, signal)) return;
      await rm(path, { force: true });
      await fetch(file, path);
      await chmod(path, 0o444);
    } finally {
      await lock.release();
    }
  }

  async #link(folder: string, manifest: ModelManifest): Promise<void> {
    const stamps: Stamps = {};
    for (const { path, sha256 } of manifest.files) {
      const target = await resolveInside(folder, path);
      await mkdir(dirname(target), { recursive: true });
      const aside = `${target}.tmp-${process.pid}-${randomBytes(4).toString("hex")}`;
      await link(this.#blob(sha256), aside).catch(() => copyFile(this.#blob(sha256), aside));
      await rename(aside, target);
      // A rename of one name of a file to another name of the same file does nothing.
      await rm(aside, { force: true });
      const info = await stat(target);
      stamps[path] = { bytes: info.size, modifiedMs: info.mtimeMs };
    }
    await writeTextFile(join(folder, completeName), JSON.stringify(stamps));
  }

  /** Sets room aside for these blobs, until it is given back or this process ends. */
  async #takeRoom(files: ModelManifest["files"], signal: AbortSignal | undefined): Promise<() => Promise<void>> {
    const needed = files.reduce((sum, { bytes }) => sum + bytes, 0);
    if (needed > this.#maxBytes) {
      const message = `The model needs ${needed} bytes; the cache ${this.folder} may hold ${this.#maxBytes}`;
      throw codedError("ERR_STORE_LIMIT", message, { details: { needed, maxBytes: this.#maxBytes } });
    }
    return this.#locked(signal, async () => {
      const rooms: FileLock[] = [];
      for (const { sha256, bytes } of files) rooms.push(await this.#room(sha256, bytes));
      await this.#trim();
      return async () => {
        for (const room of rooms) await room.release();
      };
    });
  }

  #room(name: string, bytes: number): Promise<FileLock> {
    return lockFile(join(this.folder, "rooms", `${name}-${bytes}.${randomBytes(6).toString("hex")}.lock`));
  }

  /** Removes what was not used for longest until the rest fits; never what is leased. */
  async #trim(): Promise<void> {
    const rooms = await this.#rooms();
    await this.#sweepScratch(rooms);
    if ((await this.#size(rooms)) <= this.#maxBytes) return;
    const leased = await this.#leased();
    const versions = await this.#versionsByUse();
    await this.#removeOrphans();
    for (const sha256 of versions) {
      if ((await this.#size(rooms)) <= this.#maxBytes) return;
      if (leased.has(sha256)) continue;
      await rm(this.#version(sha256), { recursive: true, force: true });
      await this.#removeOrphans();
    }
  }

  /** What living processes have set aside: name → bytes. */
  async #rooms(): Promise<Map<string, number>> {
    const rooms = new Map<string, number>();
    for (const file of await readdir(join(this.folder, "rooms"))) {
      const [, name, bytes] = /^([0-9a-f]+)-(\d+)\./.exec(file) ?? [];
      const path = join(this.folder, "rooms", file);
      if (!(await lockHolderLives(await readFile(path, "utf8").catch(() => "")))) await rm(path, { force: true });
      else if (name !== undefined) rooms.set(name, Number(bytes));
    }
    return rooms;
  }

  /** Removes what killed processes have left. */
  async #sweepScratch(rooms: ReadonlyMap<string, number>): Promise<void> {
    for (const name of await readdir(join(this.folder, "verify"))) {
      if (!rooms.has(name)) await rm(join(this.folder, "verify", name), { recursive: true, force: true });
    }
  }

  /** What blobs take, and will take once all rooms are filled. */
  async #size(rooms: ReadonlyMap<string, number>): Promise<number> {
    const held = new Map(rooms);
    for (const file of await readdir(join(this.folder, "blobs"))) {
      // With what has arrived of it so far.
      const name = file.split(".")[0]!;
      const info = await stat(join(this.folder, "blobs", file)).catch(() => undefined);
      held.set(name, Math.max(held.get(name) ?? 0, info?.size ?? 0));
    }
    return [...held.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  async #leased(): Promise<Set<string>> {
    const leased = new Set<string>();
    for (const name of await readdir(join(this.folder, "leases"))) {
      const path = join(this.folder, "leases", name);
      const holder = await readFile(path, "utf8").catch(() => "");
      if (await lockHolderLives(holder)) leased.add(name.split(".")[0]!);
      else await rm(path, { force: true });
    }
    return leased;
  }

  /** The one not used for longest first. */
  async #versionsByUse(): Promise<string[]> {
    const versions: { sha256: string; used: number }[] = [];
    for (const sha256 of await readdir(join(this.folder, "versions"))) {
      const info = await stat(join(this.#version(sha256), manifestName)).catch(() => undefined);
      versions.push({ sha256, used: info?.mtimeMs ?? 0 });
    }
    return versions.sort((a, b) => a.used - b.used).map(({ sha256 }) => sha256);
  }

  /** Blobs of no version that is left. */
  async #removeOrphans(): Promise<void> {
    const needed = new Set<string>();
    for (const sha256 of await readdir(join(this.folder, "versions"))) {
      for (const file of (await this.manifest(sha256))?.files ?? []) needed.add(file.sha256);
    }
    for (const name of await readdir(join(this.folder, "blobs"))) {
      // A dot: another process is about to lock a blob.
      if (!name.startsWith(".") && !needed.has(name.split(".")[0]!))
        await rm(join(this.folder, "blobs", name), { force: true });
    }
  }
}

function defaultFolder(): string {
  const own = process.env["ANONYMIZER_MODEL_CACHE"];
  if (own !== undefined && own !== "") return own;
  const caches = process.env["XDG_CACHE_HOME"];
  return join(caches ? caches : join(homedir(), ".cache"), "anonymizer-native", "models");
}
