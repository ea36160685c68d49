/** A folder with the interface of a bucket: for work without a network, and for tests. */
import { createHash } from "node:crypto";
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { resolveInside } from "../documents/inside-folder.ts";
import { codedError, systemCode, throwIfAborted } from "../errors.ts";
import { lockFile } from "../file-lock.ts";
import { digestFile, type FileDigest, writeTextFile } from "../models/files.ts";
import { sha256Of } from "../sha256.ts";
import type {
  DownloadOptions,
  ObjectInfo,
  ObjectStore,
  RequestOptions,
  UploadOptions,
  WriteOptions,
} from "./object-store.ts";
import { joinKey, joinPrefix } from "./store-keys.ts";

/** Holds what a bucket keeps beside the content: `KEY.json` with its SHA-256, the lock, files being written. */
const innerFolder = ".anonymizer-store";
const readMaxBytes = 16 << 20;
const mebi = 1 << 20;

interface Facts extends FileDigest {
  /** While it is replaced: either of the two may be there. */
  readonly before?: FileDigest;
}

export class FileStore implements ObjectStore {
  readonly address: string;
  readonly #root: string;

  constructor(folder: string, address: string) {
    this.#root = folder;
    this.address = address;
  }

  async head(key: string, { signal }: RequestOptions = {}): Promise<ObjectInfo | undefined> {
    const path = await this.#path(key);
    const entry = await stat(path).catch(() => undefined);
    if (entry === undefined || !entry.isFile()) return undefined;
    const facts = await this.#facts(key);
    // Replaced while its writer was killed, or put there by somebody else: the content itself is asked.
    const now = facts === undefined || facts.before !== undefined ? await digestFile(path, signal) : facts;
    const known =
      facts !== undefined && (facts.before === undefined || [facts, facts.before].some((f) => same(f, now)));
    return {
      key,
      bytes: entry.size,
      etag: `"${now.sha256}"`,
      modified: entry.mtime,
      ...(facts === undefined ? {} : { sha256: known ? now.sha256 : facts.sha256 }),
    };
  }

  async read(
    key: string,
    { signal, maxBytes = readMaxBytes }: RequestOptions & { readonly maxBytes?: number } = {},
  ): Promise<{ data: Buffer; info: ObjectInfo }> {
    const info = await this.#need(key, signal);
    if (info.bytes > maxBytes) {
      throw codedError("ERR_STORE_LIMIT", `${this.#where(key)} has ${info.bytes} bytes; ${maxBytes} are allowed`);
    }
    const data = await readFile(await this.#path(key)).catch((cause: unknown) => {
      throw this.#missing(key, cause);
    });
    this.#checkHash(key, sha256Of(data), info.sha256);
    return { data, info };
  }

  async write(key: string, data: Uint8Array | string, options: WriteOptions = {}): Promise<ObjectInfo> {
    const digest = {
      sha256: sha256Of(data),
      bytes: typeof data === "string" ? Buffer.byteLength(data) : data.length,
    };
    return this.#commit(key, digest, options, (temporary) => writeFile(temporary, data, { flag: "wx", flush: true }));
  }

  async uploadFile(key: string, path: string, options: UploadOptions = {}): Promise<ObjectInfo> {
    const { signal, onProgress, condition } = options;
    await this.#path(key);
    if (condition !== undefined) await this.#check(key, condition);
    const digest = await digestFile(path, signal).catch((cause: unknown) => {
      throwIfAborted(signal);
      throw codedError("ERR_STORE_NOT_FOUND", `${path} can't be read`, { cause, cure: "Check the path." });
    });
    if (options.sha256 !== undefined && options.sha256 !== digest.sha256) {
      throw codedError("ERR_STORE_CHANGED", `${path} is not the file with this SHA-256`, { details: { path } });
    }
    return this.#commit(key, digest, options, async (temporary) => {
      const copied = await copy(path, temporary, signal, (bytes) =>
        onProgress?.({ key, bytes, totalBytes: digest.bytes }),
      );
      if (copied !== digest.sha256) throw codedError("ERR_STORE_CHANGED", `${path} changed while it was uploaded`);
    });
  }

  async downloadFile(key: string, path: string, options: DownloadOptions = {}): Promise<ObjectInfo> {
    const { signal, onProgress, sha256 } = options;
    const info = await this.#need(key, signal);
    const partial = `${path}.download`;
    try {
      const source = await this.#path(key);
      const actual = await copy(source, partial, signal, (bytes) =>
        onProgress?.({ key, bytes, totalBytes: info.bytes }),
      );
      this.#checkHash(key, actual, sha256 ?? info.sha256);
      await rename(partial, path);
      return { ...info, sha256: actual };
    } catch (error) {
      throw asOutputError(path, error);
    } finally {
      await rm(partial, { force: true }).catch(() => undefined);
    }
  }

  async *list(start: string, { signal }: RequestOptions = {}): AsyncGenerator<ObjectInfo> {
    joinPrefix("", start);
    const folder = start.includes("/") ? start.slice(0, start.lastIndexOf("/")) : "";
    const keys = (await this.#keysIn(folder)).filter((key) => key.startsWith(start));
    // As buckets do: by UTF-8 bytes.
    keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const key of keys) {
      throwIfAborted(signal);
      const info = await this.head(key, { ...(signal && { signal }) });
      if (info !== undefined) yield info;
    }
  }

  async copy(from: string, to: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.#path(to);
    const info = await this.#need(from, signal);
    const source = await this.#path(from);
    const digest = { sha256: info.sha256 ?? (await digestFile(source, signal)).sha256, bytes: info.bytes };
    await this.#commit(to, digest, { ...(signal && { signal }) }, (temporary) =>
      // No second copy on the disk where the file system can do without: objects are replaced, never changed.
      link(source, temporary).catch(() => copyFile(source, temporary)),
    );
  }

  async delete(key: string, { signal }: RequestOptions = {}): Promise<void> {
    const path = await this.#path(key);
    await this.#locked(signal, async () => {
      await rm(path, { force: true });
      await rm(this.#factsPath(key), { force: true });
    });
  }

  close(): void {}

  #where = (key: string): string => `${this.address}/${key}`;
  #missing = (key: string, cause?: unknown) =>
    codedError("ERR_STORE_NOT_FOUND", `${this.#where(key)} does not exist`, { cause });
  #factsPath = (key: string): string => join(this.#root, innerFolder, "facts", `${key}.json`);

  async #path(key: string): Promise<string> {
    joinKey("", key);
    if (key.split("/").some((part) => part === innerFolder)) {
      throw codedError("ERR_STORE_KEY", `The key ${JSON.stringify(key)} belongs to the store itself`);
    }
    if ((await stat(this.#root).catch(() => undefined)) === undefined) return join(this.#root, key);
    return resolveInside(this.#root, key);
  }

  async #need(key: string, signal: AbortSignal | undefined): Promise<ObjectInfo> {
    throwIfAborted(signal);
    const info = await this.head(key, { ...(signal && { signal }) });
    if (info === undefined) throw this.#missing(key);
    return info;
  }

  async #facts(key: string): Promise<Facts | undefined> {
    try {
      return JSON.parse(await readFile(this.#factsPath(key), "utf8")) as Facts;
    } catch {
      return undefined;
    }
  }

  #checkHash(key: string, actual: string, wanted: string | undefined): void {
    if (wanted === undefined || wanted === actual) return;
    throw codedError("ERR_STORE_DAMAGED", `${this.#where(key)} has the SHA-256 ${actual}, not ${wanted}`, {
      details: { key, expected: wanted, actual },
    });
  }

  async #check(key: string, condition: NonNullable<WriteOptions["condition"]>): Promise<void> {
    const now = await this.head(key);
    if (condition === "absent" ? now === undefined : now?.etag === condition.etag) return;
    throw codedError("ERR_STORE_CONFLICT", `${this.#where(key)} is not what it was taken for`, { details: { key } });
  }

  async #locked<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    await mkdir(join(this.#root, innerFolder), { recursive: true }).catch((error: unknown) => {
      throw asOutputError(this.#root, error);
    });
    const lock = await lockFile(join(this.#root, innerFolder, "lock"), { ...(signal && { signal }) });
    try {
      return await work();
    } finally {
      await lock.release();
    }
  }

  /** The content is written aside first; condition and replacement are one step to every other process. */
  async #commit(
    key: string,
    digest: FileDigest,
    { condition, signal }: WriteOptions,
    write: (temporary: string) => Promise<void>,
  ): Promise<ObjectInfo> {
    throwIfAborted(signal);
    const path = await this.#path(key);
    const temporary = join(this.#root, innerFolder, `${crypto.randomUUID()}.tmp`);
    try {
      await mkdir(dirname(temporary), { recursive: true });
      await write(temporary);
      return await this.#locked(signal, async () => {
        if (condition !== undefined) await this.#check(key, condition);
        const old = await this.#facts(key);
        const facts = this.#factsPath(key);
        await mkdir(dirname(path), { recursive: true });
        await writeTextFile(
          facts,
          JSON.stringify({ ...digest, ...(old && { before: { ...old, before: undefined } }) }),
        );
        await rename(temporary, path);
        await writeTextFile(facts, JSON.stringify(digest));
        return { key, bytes: digest.bytes, etag: `"${digest.sha256}"`, modified: new Date(), sha256: digest.sha256 };
      });
    } catch (error) {
      throwIfAborted(signal);
      throw asOutputError(path, error);
    } finally {
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  }

  async #keysIn(folder: string): Promise<string[]> {
    const entries = await readdir(join(this.#root, folder), { withFileTypes: true }).catch(() => []);
    const keys: string[] = [];
    for (const entry of entries) {
      if (entry.name === innerFolder) continue;
      const key = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) keys.push(...(await this.#keysIn(key)));
      // Links could lead out.
      else if (entry.isFile()) keys.push(key);
    }
    return keys;
  }
}

const same = (a: FileDigest, b: FileDigest): boolean => a.sha256 === b.sha256 && a.bytes === b.bytes;

/** Copies in small steps and returns the SHA-256 of what was copied. */
async function copy(
  from: string,
  to: string,
  signal: AbortSignal | undefined,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const hash = createHash("sha256");
  const source = await open(from, "r");
  try {
    const target = await open(to, "w", 0o600);
    try {
      const buffer = Buffer.allocUnsafe(mebi);
      for (let at = 0; ; ) {
        throwIfAborted(signal);
        const { bytesRead } = await source.read(buffer, 0, mebi, at);
        if (bytesRead === 0) break;
        hash.update(buffer.subarray(0, bytesRead));
        await target.write(buffer, 0, bytesRead, at);
        at += bytesRead;
        onBytes(at);
        await setImmediate();
      }
      await target.sync();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
  return hash.digest("hex");
}

function asOutputError(path: string, error: unknown): Error {
  const code = systemCode(error);
  if (error instanceof Error && code.startsWith("ERR_")) return error;
  return codedError("ERR_OUTPUT", `${path} can't be written (${code})`, { cause: error });
}
