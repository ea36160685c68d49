/** Where the files of a packed dataset are: a folder or a store. */
import { readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { codedError } from "../../errors.ts";
import { digestFile, flush, writeTextFile } from "../../models/files.ts";
import type { ObjectStore, RequestOptions, StoreOptions, UploadOptions } from "../../registry/object-store.ts";
import { openObjectStore } from "../../registry/open-store.ts";
import { isStoreError } from "../../registry/s3-errors.ts";
import { isStoreAddress } from "../../registry/store-address.ts";
import { filesOfIndex, indexMaxBytes, indexName, indexText, parseIndex, type ShardIndex } from "./shard-index.ts";

export interface StoredFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface PutOptions extends Pick<UploadOptions, "signal" | "onProgress"> {
  /** The file is no longer needed where it is. */
  readonly move?: boolean;
}

export interface ShardPlace {
  /** Path or address of a file, for messages. */
  where(name: string): string;
  /** undefined where there is no dataset. Rejects with ERR_DATASET_DAMAGED, ERR_STORE_*. */
  index(options?: RequestOptions): Promise<ShardIndex | undefined>;
  /** Name → bytes of what is there. */
  sizes(options?: RequestOptions): Promise<ReadonlyMap<string, number>>;
  /** Whether the file is there with this content (a store is asked for the SHA-256 that it keeps). */
  has(file: StoredFile, options?: RequestOptions): Promise<boolean>;
  /** Puts a file there, unless it is there. */
  put(file: StoredFile, path: string, options?: PutOptions): Promise<{ readonly sent: boolean }>;
  /** Makes it the dataset that stands there. Rejects with ERR_STORE_CONFLICT where another one does, without `replace`. */
  commit(index: ShardIndex, options?: RequestOptions & { readonly replace?: boolean }): Promise<void>;
  close(): void;
}

/** The dataset's place as people write it: with or without `index.json` at the end. */
export const withoutIndex = (location: string): string =>
  location.endsWith(`/${indexName}`) ? location.slice(0, -indexName.length - 1) : location.replace(/(.)\/+$/, "$1");

/** Opens r2://…, s3://…, file://… or a folder. Rejects with ERR_STORE_*. */
export async function openShardPlace(location: string, options: StoreOptions = {}): Promise<FolderPlace | StorePlace> {
  const place = withoutIndex(location);
  return isStoreAddress(place)
    ? new StorePlace(await openObjectStore(place, options))
    : new FolderPlace(resolve(basename(place) === indexName ? dirname(place) : place));
}

/** The index of a dataset that must be there. Rejects with ERR_DATASET_NOT_FOUND too. */
export async function needIndex(place: ShardPlace, options?: RequestOptions): Promise<ShardIndex> {
  const index = await place.index(options);
  if (index !== undefined) return index;
  throw codedError("ERR_DATASET_NOT_FOUND", `There is no dataset in shards: ${place.where(indexName)} does not exist`, {
    cure: "Check the path or address; make the shards with `npx anonymizer-train data pack`.",
  });
}

export class FolderPlace implements ShardPlace {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  where = (name: string): string => join(this.folder, name);

  async index(): Promise<ShardIndex | undefined> {
    const path = this.where(indexName);
    const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT" || cause.code === "ENOTDIR") return undefined;
      throw codedError("ERR_DATASET_NOT_FOUND", `${path} can't be read (${cause.code})`, { cause });
    });
    return text === undefined ? undefined : parseIndex(text, path);
  }

  async sizes(): Promise<ReadonlyMap<string, number>> {
    const sizes = new Map<string, number>();
    for (const name of await readdir(this.folder).catch(() => [])) {
      const info = await stat(this.where(name)).catch(() => undefined);
      if (info?.isFile()) sizes.set(name, info.size);
    }
    return sizes;
  }

  async has({ name, bytes, sha256 }: StoredFile, { signal }: RequestOptions = {}): Promise<boolean> {
    const info = await stat(this.where(name)).catch(() => undefined);
    return info?.size === bytes && (await digestFile(this.where(name), signal)).sha256 === sha256;
  }

  /** Moves the file here: what is packed is written beside its place. */
  async put(file: StoredFile, path: string): Promise<{ sent: boolean }> {
    await rename(path, this.where(file.name));
    await flush(this.folder);
    return { sent: true };
  }

  /** Replaces another dataset, and removes its files. */
  async commit(index: ShardIndex): Promise<void> {
    const old = await this.index().catch(() => undefined);
    await writeTextFile(this.where(indexName), indexText(index));
    const kept = new Set(filesOfIndex(index).map(({ name }) => name));
    for (const { name } of old === undefined ? [] : filesOfIndex(old)) {
      if (!kept.has(name)) await rm(this.where(name), { force: true });
    }
  }

  close(): void {}
}

export class StorePlace implements ShardPlace {
  readonly store: ObjectStore;

  constructor(store: ObjectStore) {
    this.store = store;
  }

  where = (name: string): string => `${this.store.address}/${name}`;

  async index(options: RequestOptions = {}): Promise<ShardIndex | undefined> {
    return (await this.#read(options))?.index();
  }

  async #read(options: RequestOptions) {
    const found = await this.store.read(indexName, { ...options, maxBytes: indexMaxBytes }).catch((error: unknown) => {
      if (isStoreError(error, "ERR_STORE_NOT_FOUND")) return undefined;
      throw error;
    });
    if (found === undefined) return undefined;
    const text = found.data.toString("utf8");
    return { text, etag: found.info.etag, index: () => parseIndex(text, this.where(indexName)) };
  }

  async sizes(options: RequestOptions = {}): Promise<ReadonlyMap<string, number>> {
    const sizes = new Map<string, number>();
    for await (const { key, bytes } of this.store.list("", options)) sizes.set(key, bytes);
    return sizes;
  }

  async has({ name, bytes, sha256 }: StoredFile, options: RequestOptions = {}): Promise<boolean> {
    const there = await this.store.head(name, options);
    return there?.sha256 === sha256 && there.bytes === bytes;
  }

  async put(file: StoredFile, path: string, options: PutOptions = {}): Promise<{ sent: boolean }> {
    const { move = false, signal, onProgress } = options;
    const sent = !(await this.has(file, { ...(signal && { signal }) }));
    if (sent) {
      await this.store.uploadFile(file.name, path, {
        sha256: file.sha256,
        ...(signal && { signal }),
        ...(onProgress && { onProgress }),
      });
    }
    if (move) await rm(path, { force: true });
    return { sent };
  }

  /** Files of the dataset before stay: somebody may still read it. */
  async commit(index: ShardIndex, options: RequestOptions & { readonly replace?: boolean } = {}): Promise<void> {
    const { replace = false, ...request } = options;
    const now = await this.#read(request);
    const text = indexText(index);
    if (now?.text === text) return;
    if (now !== undefined && !replace) throw this.conflict();
    await this.store.write(indexName, text, {
      ...request,
      condition: now === undefined ? "absent" : { etag: now.etag },
    });
  }

  conflict = () =>
    codedError("ERR_STORE_CONFLICT", `Another dataset stands at ${this.store.address}`, {
      cure: "Push it under another address, or replace it with --replace.",
    });

  close(): void {
    this.store.close();
  }
}
