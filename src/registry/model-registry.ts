/**
 * Models with versions in an object store.
 *
 *   blobs/sha256/AB/ABCD…             content, once for all models
 *   models/NAME/VERSION/manifest.json  what the version consists of: written once, and the version exists
 *   models/NAME/VERSION/FILE           copies made within the store, for programs that know nothing of blobs
 *   refs/NAME/TAG.json                 where a tag points; moved only from where it was seen
 */
import { constants, copyFile, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type AnonymizerError, codedError } from "../errors.ts";
import { inParallel } from "../in-parallel.ts";
import { digestFile, writeFolder } from "../models/files.ts";
import { sha256Of } from "../sha256.ts";
import { type Logger, silentLogger } from "../telemetry/logger.ts";
import { type FolderProgress, filesOf, Tally } from "./folders.ts";
import { type CachedReference, type CacheOptions, ModelCache } from "./model-cache.ts";
import {
  blobKey,
  checkName,
  type ModelManifest,
  manifestFile,
  parseManifest,
  parseModelAddress,
  parseRef,
  refKey,
  tombstoneFile,
  versionKey,
} from "./model-manifest.ts";
import type { ObjectStore, RequestOptions, StoreOptions } from "./object-store.ts";
import { openObjectStore } from "./open-store.ts";
import { isStoreError } from "./s3-errors.ts";
import { parseStoreAddress } from "./store-address.ts";

export interface RegistryOptions extends StoreOptions {
  readonly cache?: CacheOptions;
  /** Use the cache only; nothing is sent. Default false. */
  readonly offline?: boolean;
}

export interface PushOptions extends RequestOptions {
  readonly name: string;
  readonly version: string;
  /** Tags to move to it; default ["latest"]. */
  readonly tags?: readonly string[];
  /** Whether `models/NAME/VERSION/FILE` is written beside the blobs; default true. */
  readonly copies?: boolean;
  readonly onProgress?: (progress: FolderProgress) => void;
}

export interface PullOptions extends RequestOptions {
  readonly onProgress?: (progress: FolderProgress) => void;
}

export interface ModelVersion {
  readonly name: string;
  readonly version: string;
  readonly created: string;
  readonly files: number;
  readonly bytes: number;
  /** SHA-256 of the manifest: names the whole content. */
  readonly manifest: string;
  readonly tags: readonly string[];
}

export interface PushedModel extends ModelVersion {
  /** Bytes that were not in the store yet. */
  readonly uploadedBytes: number;
}

export interface PulledModel {
  readonly name: string;
  readonly version: string;
  readonly manifest: string;
  /** In the cache: read only. It stays until `release`, or until this process ends. */
  readonly folder: string;
  /** Whether the store was not reached, so that a tag may have moved meanwhile. */
  readonly stale: boolean;
  release(): Promise<void>;
}

export interface VerifiedModel {
  readonly name: string;
  readonly version: string;
  readonly files: number;
  readonly bytes: number;
  /** One line per file that is missing or damaged; empty: all is right. */
  readonly problems: readonly string[];
}

export interface GarbageReport {
  readonly blobs: number;
  readonly bytes: number;
  /** False for a dry run. */
  readonly removed: boolean;
}

interface Resolved {
  readonly reference: CachedReference;
  readonly text: string;
  readonly manifest: ModelManifest;
}

const dayMs = 24 * 3600 * 1000;

/**
 * Pushes, pulls and keeps versions of models. Calls reject with the errors of `ObjectStore`, and ERR_STORE_ADDRESS (a
 * name is not valid), ERR_MODEL_VERSION (the version or tag is taken).
 */
export class ModelRegistry {
  /** "r2://bucket/prefix". */
  readonly address: string;
  readonly #options: RegistryOptions;
  readonly #cache: ModelCache;
  readonly #logger: Logger;
  #store: Promise<ObjectStore> | undefined;

  /** The store is opened with the first call that needs it: what is cached needs neither network nor credentials. */
  constructor(address: string, options: RegistryOptions = {}) {
    this.address = parseStoreAddress(address).text;
    this.#options = options;
    this.#cache = new ModelCache(options.cache);
    this.#logger = options.logger ?? silentLogger;
  }

  /**
   * Makes a version of the files in `folder`. Content that the store has is not sent again; a push that was cut off goes
   * on. The same content under the same version is no error; other content is (ERR_MODEL_VERSION).
   */
  async push(folder: string, options: PushOptions): Promise<PushedModel> {
    const { name, version, tags = ["latest"], copies = true, signal } = options;
    const request = { ...(signal && { signal }) };
    checkName("model", name);
    checkName("version", version);
    for (const tag of tags) checkName("tag", tag);
    const store = await this.#open();
    await this.#refuseTaken(store, name, version, request);
    const files: ModelManifest["files"] = [];
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
    const existing = await this.#readManifest(store, name, version, request);
    if (existing !== undefined && !sameFiles(existing.manifest.files, files)) throw taken(name, version);

    const blobs = [...new Map(files.map((file) => [file.sha256, file])).values()];
    const tally = new Tally(
      blobs.map(({ sha256, bytes }) => ({ key: sha256, bytes })),
      options,
    );
    let uploadedBytes = 0;
    const upload = (file: ModelManifest["files"][number], inner: AbortSignal): Promise<unknown> =>
      store
        .uploadFile(blobKey(file.sha256), join(folder, file.path), {
          sha256: file.sha256,
          signal: inner,
          onProgress: ({ bytes }) => tally.moved(file.sha256, bytes),
        })
        .then(() => {
          uploadedBytes += file.bytes;
        });
    const send = async (file: ModelManifest["files"][number], inner: AbortSignal): Promise<void> => {
      const there = await store.head(blobKey(file.sha256), { signal: inner });
      const skip = there?.bytes === file.bytes && there.sha256 === file.sha256;
      if (!skip) await upload(file, inner);
      tally.finished(file.sha256, file.bytes, skip);
    };
    await inParallel(blobs, 4, send, signal);

    const text = `${JSON.stringify({ format: 1, name, version, created: new Date().toISOString(), files }, null, 2)}\n`;
    const made = existing ?? (await this.#writeManifest(store, name, version, text, files, request));
    // Blobs that were found there may have been collected as garbage before the manifest named them.
    await inParallel(
      blobs,
      4,
      async (file, inner) => {
        if ((await store.head(blobKey(file.sha256), { signal: inner })) === undefined) await upload(file, inner);
      },
      signal,
    );
    if (copies) {
      await inParallel(
        files,
        4,
        async (file, inner) => {
          const key = `${versionKey(name, version)}/${file.path}`;
          const there = await store.head(key, { signal: inner });
          if (there?.sha256 !== file.sha256) await store.copy(blobKey(file.sha256), key, { signal: inner });
        },
        signal,
      );
    }
    for (const tag of tags) await this.tag(name, version, tag, request);
    this.#logger.info({ name, version, manifest: made.reference.manifest }, "model pushed");
    return { ...summary(made, tags), uploadedBytes };
  }

  /**
   * Brings a version or tag into the cache and says where it is. A version that is there already needs no network; a
   * tag is asked for, and where the store can't be reached the last answer counts (`stale`).
   */
  async pull(name: string, reference = "latest", options: PullOptions = {}): Promise<PulledModel> {
    const { signal } = options;
    const request = { ...(signal && { signal }) };
    checkName("model", name);
    checkName("version", reference);
    const address = `${this.address}/${name}@${reference}`;
    const known = await this.#cache.reference(address);
    if (known !== undefined && (known.kind === "version" || this.#options.offline === true)) {
      const cached = await this.#fromCache(name, known, known.kind === "tag", signal);
      if (cached !== undefined) return cached;
    }
    if (this.#options.offline === true) {
      throw codedError("ERR_STORE_NOT_FOUND", `${address} is not in the cache ${this.#cache.folder}`, {
        cure: "Pull it once with a network.",
      });
    }
    let resolved: Resolved;
    try {
      resolved = await this.#resolve(name, reference, request);
    } catch (error) {
      const cached =
        known !== undefined && isStoreError(error, "ERR_STORE_UNAVAILABLE")
          ? await this.#fromCache(name, known, true, signal)
          : undefined;
      if (cached === undefined) throw error;
      this.#logger.warn({ address, version: known!.version }, "the store can't be reached; the cached version is used");
      return cached;
    }
    const store = await this.#open();
    const { manifest, text, reference: found } = resolved;
    const release = await this.#cache.lease(found.manifest, signal);
    try {
      const tally = new Tally(
        manifest.files.map(({ sha256, bytes }) => ({ key: sha256, bytes })),
        options,
      );
      const folder = await this.#cache.complete(
        text,
        // Asked for by its version the next time, it needs no network.
        new Map([
          [address, found],
          [`${this.address}/${name}@${found.version}`, { ...found, kind: "version" }],
        ]),
        async ({ sha256 }, path) => {
          await store.downloadFile(blobKey(sha256), path, {
            sha256,
            ...request,
            onProgress: ({ bytes }) => tally.moved(sha256, bytes),
          });
        },
        signal,
      );
      return { name, version: found.version, manifest: found.manifest, folder, stale: false, release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  /** As `pull`, into a folder of the caller's own, which is made or replaced as a whole. */
  async pullTo(folder: string, name: string, reference = "latest", options: PullOptions = {}): Promise<ModelVersion> {
    const pulled = await this.pull(name, reference, options);
    try {
      const manifest = (await this.#cache.manifest(pulled.manifest))!;
      await writeFolder(folder, async (temporary) => {
        for (const { path, sha256 } of manifest.files) {
          const target = join(temporary, path);
          await mkdir(dirname(target), { recursive: true });
          await copyFile(join(pulled.folder, path), target, constants.COPYFILE_FICLONE);
          if ((await digestFile(target, options.signal)).sha256 !== sha256) {
            throw codedError("ERR_STORE_DAMAGED", `${path} in the cache ${pulled.folder} is damaged`, {
              cure: "Run `npx anonymizer models verify` with this address, then pull again.",
            });
          }
        }
      });
      return summary({ manifest, reference: { kind: "version", ...pulled } }, []);
    } finally {
      await pulled.release();
    }
  }

  /** Every version of one model or of all, by name and time. */
  async list(name?: string, options: RequestOptions = {}): Promise<ModelVersion[]> {
    if (name !== undefined) checkName("model", name);
    const store = await this.#open();
    const tags = new Map<string, string[]>();
    for await (const { key } of store.list(name === undefined ? "refs/" : `refs/${name}/`, options)) {
      const [, model, file] = /^refs\/([^/]+)\/([^/]+)\.json$/.exec(key) ?? [];
      if (model === undefined || file === undefined) continue;
      const { data } = await store.read(key, options);
      const place = `${model}@${parseRef(data.toString(), key).version}`;
      tags.set(place, [...(tags.get(place) ?? []), file]);
    }
    const versions: ModelVersion[] = [];
    for await (const found of this.#manifests(store, name, options)) {
      const { name: model, version } = found.manifest;
      versions.push(summary(found, tags.get(`${model}@${version}`) ?? []));
    }
    return versions.sort((a, b) => a.name.localeCompare(b.name) || a.created.localeCompare(b.created));
  }

  /** Reads every blob of a version and compares its SHA-256; also the cached copy, where there is one. */
  async verify(name: string, reference = "latest", options: RequestOptions = {}): Promise<VerifiedModel> {
    const store = await this.#open();
    const { manifest, reference: found } = await this.#resolve(name, reference, options);
    const problems: string[] = [];
    const scratch = join(this.#cache.folder, "verify");
    await mkdir(scratch, { recursive: true });
    for (const { path, sha256, bytes } of manifest.files) {
      const target = join(scratch, `${sha256}-${process.pid}`);
      try {
        const info = await store.downloadFile(blobKey(sha256), target, { sha256, ...options });
        if (info.bytes !== bytes) problems.push(`${path}: ${info.bytes} bytes, not ${bytes}`);
      } catch (error) {
        const lost = isStoreError(error, "ERR_STORE_NOT_FOUND");
        if (!lost && !isStoreError(error, "ERR_STORE_DAMAGED")) throw error;
        problems.push(`${path}: ${lost ? "is missing" : "is damaged"} in the store`);
      } finally {
        await rm(target, { force: true }).catch(() => undefined);
      }
    }
    if ((await this.#cache.manifest(found.manifest)) !== undefined) {
      for (const path of await this.#cache.verify(found.manifest, options.signal)) {
        problems.push(`${path}: is damaged in the cache; the next pull mends it`);
      }
    }
    const { files, bytes } = summary({ manifest, reference: found }, []);
    return { name, version: found.version, files, bytes, problems };
  }

  /**
   * Points a tag at a version. `expect`: the version it must point to now (null: it must not exist). Of several that move
   * it at the same moment one succeeds; the others get ERR_STORE_CONFLICT.
   */
  async tag(
    name: string,
    version: string,
    tag: string,
    options: RequestOptions & { readonly expect?: string | null } = {},
  ): Promise<void> {
    const { expect, ...request } = options;
    checkName("model", name);
    checkName("version", version);
    checkName("tag", tag);
    const store = await this.#open();
    const target = await this.#readManifest(store, name, version, request);
    if (target === undefined) throw noVersion(this.address, name, version);
    if (tag === version || (await this.#readManifest(store, name, tag, request)) !== undefined) {
      throw codedError("ERR_MODEL_VERSION", `${name} has a version ${tag}; a tag can't be named as a version is`);
    }
    const key = refKey(name, tag);
    const now = await readIfThere(store, key, request);
    const points = now && parseRef(now.data.toString(), key).version;
    if (expect !== undefined && (points ?? null) !== expect) {
      throw codedError(
        "ERR_STORE_CONFLICT",
        `${name}@${tag} points to ${points ?? "nothing"}, not ${expect ?? "nothing"}`,
      );
    }
    if (points === version) return;
    await store.write(key, `${JSON.stringify({ version, manifest: target.reference.manifest })}\n`, {
      ...request,
      condition: now === undefined ? "absent" : { etag: now.info.etag },
    });
  }

  /**
   * Deletes a version; its name is never given again. Content that no other version has goes with the next
   * `collectGarbage`. Rejects with ERR_MODEL_VERSION while tags point to it.
   */
  async delete(name: string, version: string, options: RequestOptions = {}): Promise<void> {
    checkName("model", name);
    checkName("version", version);
    const store = await this.#open();
    const listed = (await this.list(name, options)).find((one) => one.version === version);
    if (listed === undefined) throw noVersion(this.address, name, version);
    if (listed.tags.length > 0) {
      throw codedError("ERR_MODEL_VERSION", `${name}@${version} is what ${listed.tags.join(", ")} points to`, {
        cure: "Point the tag to another version first: `npx anonymizer models tag`.",
      });
    }
    const folder = versionKey(name, version);
    await store.write(
      `${folder}/${tombstoneFile}`,
      `${JSON.stringify({ deleted: new Date().toISOString() })}\n`,
      options,
    );
    // The manifest first: from then on there is no version, whatever of it is left.
    await store.delete(`${folder}/${manifestFile}`, options);
    for await (const { key } of store.list(`${folder}/`, options)) {
      if (key !== `${folder}/${tombstoneFile}`) await store.delete(key, options);
    }
  }

  /**
   * Deletes blobs that no version names and that are older than `graceMs` (default one day): younger ones may belong to
   * a push under way.
   */
  async collectGarbage(
    options: RequestOptions & { readonly graceMs?: number; readonly dryRun?: boolean } = {},
  ): Promise<GarbageReport> {
    const { graceMs = dayMs, dryRun = false, ...request } = options;
    const store = await this.#open();
    const old: { key: string; bytes: number }[] = [];
    for await (const { key, bytes, modified } of store.list("blobs/", request)) {
      if (Date.now() - modified.getTime() >= graceMs) old.push({ key, bytes });
    }
    // After the blobs: a version that came meanwhile is seen.
    const needed = new Set<string>();
    for await (const { manifest } of this.#manifests(store, undefined, request)) {
      for (const { sha256 } of manifest.files) needed.add(blobKey(sha256));
    }
    const garbage = old.filter(({ key }) => !needed.has(key));
    if (!dryRun) await inParallel(garbage, 4, ({ key }, signal) => store.delete(key, { signal }), request.signal);
    return { blobs: garbage.length, bytes: garbage.reduce((sum, { bytes }) => sum + bytes, 0), removed: !dryRun };
  }

  async close(): Promise<void> {
    const store = await this.#store?.catch(() => undefined);
    store?.close();
  }

  #open(): Promise<ObjectStore> {
    if (this.#options.offline === true) {
      return Promise.reject(codedError("ERR_STORE_UNAVAILABLE", `${this.address} is not asked: offline was set`));
    }
    this.#store ??= openObjectStore(this.address, this.#options);
    return this.#store;
  }

  async #fromCache(
    name: string,
    known: CachedReference,
    stale: boolean,
    signal: AbortSignal | undefined,
  ): Promise<PulledModel | undefined> {
    const release = await this.#cache.lease(known.manifest, signal);
    if (await this.#cache.isComplete(known.manifest)) {
      const folder = await this.#cache.use(known.manifest);
      return { name, version: known.version, manifest: known.manifest, folder, stale, release };
    }
    await release();
    return undefined;
  }

  async #resolve(name: string, reference: string, request: RequestOptions): Promise<Resolved> {
    checkName("model", name);
    checkName("version", reference);
    const store = await this.#open();
    const direct = await this.#readManifest(store, name, reference, request);
    if (direct !== undefined) return direct;
    const key = refKey(name, reference);
    const ref = await readIfThere(store, key, request);
    if (ref === undefined) throw noVersion(this.address, name, reference);
    const { version, manifest } = parseRef(ref.data.toString(), key);
    const found = await this.#readManifest(store, name, version, request);
    if (found === undefined) throw noVersion(this.address, name, version);
    if (found.reference.manifest !== manifest) {
      throw codedError(
        "ERR_STORE_DAMAGED",
        `${name}@${version} is not the version that the tag ${reference} was set to`,
      );
    }
    return { ...found, reference: { ...found.reference, kind: "tag" } };
  }

  async #readManifest(
    store: ObjectStore,
    name: string,
    version: string,
    request: RequestOptions,
  ): Promise<Resolved | undefined> {
    const key = `${versionKey(name, version)}/${manifestFile}`;
    const got = await readIfThere(store, key, request);
    if (got === undefined) return undefined;
    const text = got.data.toString();
    const manifest = parseManifest(text, `${this.address}/${key}`);
    if (manifest.name !== name || manifest.version !== version) {
      throw codedError("ERR_STORE_DAMAGED", `${this.address}/${key} is the manifest of another version`);
    }
    return { manifest, text, reference: { kind: "version", version, manifest: sha256Of(text) } };
  }

  async *#manifests(store: ObjectStore, name: string | undefined, request: RequestOptions): AsyncGenerator<Resolved> {
    for await (const { key } of store.list(name === undefined ? "models/" : `models/${name}/`, request)) {
      const [, model, version] = /^models\/([^/]+)\/([^/]+)\/manifest\.json$/.exec(key) ?? [];
      if (model === undefined || version === undefined) continue;
      const found = await this.#readManifest(store, model, version, request);
      if (found !== undefined) yield found;
    }
  }

  async #refuseTaken(store: ObjectStore, name: string, version: string, request: RequestOptions): Promise<void> {
    if ((await store.head(`${versionKey(name, version)}/${tombstoneFile}`, request)) !== undefined) {
      throw codedError("ERR_MODEL_VERSION", `${name}@${version} was deleted; a version is never given twice`);
    }
    if ((await store.head(refKey(name, version), request)) !== undefined) {
      throw codedError("ERR_MODEL_VERSION", `${name} has a tag ${version}; a version can't be named as a tag is`);
    }
  }

  async #writeManifest(
    store: ObjectStore,
    name: string,
    version: string,
    text: string,
    files: ModelManifest["files"],
    request: RequestOptions,
  ): Promise<Resolved> {
    const key = `${versionKey(name, version)}/${manifestFile}`;
    try {
      await store.write(key, text, { ...request, condition: "absent" });
    } catch (error) {
      if (!isStoreError(error, "ERR_STORE_CONFLICT")) throw error;
      const first = await this.#readManifest(store, name, version, request);
      if (first === undefined || !sameFiles(first.manifest.files, files)) throw taken(name, version);
      return first;
    }
    const manifest = parseManifest(text, key);
    return { manifest, text, reference: { kind: "version", version, manifest: sha256Of(text) } };
  }
}

/** Opens the registry of an address like "r2://bucket/prefix/NAME@VERSION" and pulls that model. */
export async function pullModel(address: string, options: RegistryOptions & PullOptions = {}): Promise<PulledModel> {
  const { store, name, reference } = parseModelAddress(address);
  const registry = new ModelRegistry(store, options);
  try {
    return await registry.pull(name, reference, options);
  } finally {
    await registry.close();
  }
}

async function readIfThere(store: ObjectStore, key: string, request: RequestOptions) {
  try {
    return await store.read(key, request);
  } catch (error) {
    if (isStoreError(error, "ERR_STORE_NOT_FOUND")) return undefined;
    throw error;
  }
}

const taken = (name: string, version: string): AnonymizerError =>
  codedError("ERR_MODEL_VERSION", `${name}@${version} exists with other content`);

const noVersion = (address: string, name: string, version: string): AnonymizerError =>
  codedError("ERR_STORE_NOT_FOUND", `${address} has no ${name}@${version}`);

const sameFiles = (a: ModelManifest["files"], b: ModelManifest["files"]): boolean =>
  JSON.stringify(a.map(({ path, sha256 }) => [path, sha256]).sort()) ===
  JSON.stringify(b.map(({ path, sha256 }) => [path, sha256]).sort());

const summary = ({ manifest, reference }: Omit<Resolved, "text">, tags: readonly string[]): ModelVersion => ({
  name: manifest.name,
  version: manifest.version,
  created: manifest.created,
  files: manifest.files.length,
  bytes: manifest.files.reduce((sum, { bytes }) => sum + bytes, 0),
  manifest: reference.manifest,
  tags: [...tags].sort(),
});
