/**
 * Models with versions in an object store.
 *
 *   blobs/sha256/AB/ABCD…             content, once for all models
 *   models/NAME/VERSION/manifest.json  what the version consists of: written once, and the version exists
 *   models/NAME/VERSION/FILE           copies made within the store, for programs that know nothing of blobs
 *   refs/NAME/TAG.json                 where a tag points; moved only from where it was seen
 *   leases/…                           pushes and garbage collections under way (store-lease.ts)
 */
import { constants, copyFile, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type AnonymizerError, codedError } from "../errors.ts";
import { inParallel } from "../in-parallel.ts";
import { digestFile, writeFolder } from "../models/files.ts";
import { sha256Of } from "../sha256.ts";
import { type Logger, silentLogger } from "../telemetry/logger.ts";
import { type FolderProgress, Tally } from "./folders.ts";
import { collectGarbage, type GarbageReport } from "./garbage.ts";
import { type CachedReference, type CacheOptions, ModelCache } from "./model-cache.ts";
import {
  blobKey,
  blobsOf,
  checkName,
  type ModelManifest,
  manifestFile,
  parseManifest,
  parseModelAddress,
  refKey,
  tombstoneFile,
  versionKey,
} from "./model-manifest.ts";
import type { ObjectStore, RequestOptions, StoreOptions } from "./object-store.ts";
import { openObjectStore } from "./open-store.ts";
import { manifestFilesOf, pushContent } from "./push-content.ts";
import { isStoreError } from "./s3-errors.ts";
import { parseStoreAddress } from "./store-address.ts";
import { type FoundVersion, noVersion, readManifest, readManifests, readTag, readTags } from "./versions.ts";

export interface RegistryOptions extends StoreOptions {
  readonly cache?: CacheOptions;
  /** Use the cache only; nothing is sent. Default false. */
  readonly offline?: boolean;
}

export interface PushOptions extends RequestOptions {
  readonly name: string;
  readonly version: string;
  /** Tags to move to it; default ["latest"], with `repair` none. */
  readonly tags?: readonly string[];
  /** Whether `models/NAME/VERSION/FILE` is written beside the blobs; default true. */
  readonly copies?: boolean;
  /** Sends every file again, whatever the store says it has: mends damaged content. Default false. */
  readonly repair?: boolean;
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

const dayMs = 24 * 3600 * 1000;
const mendCure = "push the same files again with `npx anonymizer models push --repair`";

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
    const { name, version, copies = true, repair = false, signal } = options;
    const { tags = repair ? [] : ["latest"] } = options;
    const request = { ...(signal && { signal }) };
    checkName("model", name);
    checkName("version", version);
    for (const tag of tags) checkName("tag", tag);
    const store = await this.#open();
    await this.#refuseTaken(store, name, version, request);
    const files = await manifestFilesOf(folder, signal);
    const existing = await readManifest(store, name, version, request);
    if (existing !== undefined && !sameFiles(existing.manifest.files, files)) throw taken(name, version);
    const { made, uploadedBytes } = await pushContent(
      store,
      folder,
      files,
      { ...options, logger: this.#logger },
      async () => existing ?? (await this.#writeManifest(store, name, version, files, request)),
    );
    if (copies) await this.#copyFiles(store, made.manifest, repair, signal);
    for (const tag of tags) await this.tag(name, version, tag, request);
    this.#logger.info({ name, version, manifest: made.reference.manifest }, "model pushed");
    return { ...summary(made, tags), uploadedBytes };
  }

  /**
   * Does what a push that was cut off after its manifest has left undone: the copies, and the tags that are missing or
   * point to a version made earlier; a tag that was moved on since stays. Rejects with ERR_STORE_NOT_FOUND.
   */
  async finish(
    name: string,
    version: string,
    options: RequestOptions & Pick<PushOptions, "tags" | "copies"> = {},
  ): Promise<void> {
    const { tags = ["latest"], copies = true, ...request } = options;
    const store = await this.#open();
    const made = await readManifest(store, name, version, request);
    if (made === undefined) throw noVersion(this.address, name, version);
    if (copies) await this.#copyFiles(store, made.manifest, false, request.signal);
    for (const tag of tags) {
      const now = await readTag(store, name, tag, request);
      const there = now && (await readManifest(store, name, now.version, request));
      if (there === undefined || there.manifest.created < made.manifest.created) {
        await this.tag(name, version, tag, { ...request, expect: now?.version ?? null });
      }
    }
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
    let resolved: FoundVersion;
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
        blobsOf(manifest).map(({ sha256, bytes }) => ({ key: sha256, bytes })),
        options,
      );
      const folder = await this.#cache.complete(
        text,
        // Asked for by its version the next time, it needs no network.
        new Map([
          [address, found],
          [`${this.address}/${name}@${found.version}`, { ...found, kind: "version" }],
        ]),
        async ({ sha256, bytes }, path) => {
          await store.downloadFile(blobKey(sha256), path, {
            sha256,
            ...request,
            onProgress: (moved) => tally.moved(sha256, moved.bytes),
          });
          tally.finished(sha256, bytes, false);
        },
        ({ sha256, bytes }) => tally.finished(sha256, bytes, true),
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
    const tags = await readTags(store, name, options);
    const versions: ModelVersion[] = [];
    for await (const found of readManifests(store, name, options)) {
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
    const scratch = await this.#cache.scratch(Math.max(...manifest.files.map((file) => file.bytes)), options.signal);
    try {
      for (const { path, sha256, bytes } of manifest.files) {
        const target = join(scratch.folder, sha256);
        try {
          const info = await store.downloadFile(blobKey(sha256), target, { sha256, ...options });
          if (info.bytes !== bytes) problems.push(`${path}: ${info.bytes} bytes, not ${bytes}`);
        } catch (error) {
          const lost = isStoreError(error, "ERR_STORE_NOT_FOUND");
          if (!lost && !isStoreError(error, "ERR_STORE_DAMAGED")) throw error;
          problems.push(`${path}: ${lost ? "is missing" : "is damaged"} in the store; ${mendCure}`);
        }
        await rm(target, { force: true });
      }
    } finally {
      await scratch.release();
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
    const target = await readManifest(store, name, version, request);
    if (target === undefined) throw noVersion(this.address, name, version);
    if (tag === version || (await readManifest(store, name, tag, request)) !== undefined) {
      throw codedError("ERR_MODEL_VERSION", `${name} has a version ${tag}; a tag can't be named as a version is`);
    }
    const now = await readTag(store, name, tag, request);
    if (expect !== undefined && (now?.version ?? null) !== expect) {
      throw codedError(
        "ERR_STORE_CONFLICT",
        `${name}@${tag} points to ${now?.version ?? "nothing"}, not ${expect ?? "nothing"}`,
      );
    }
    if (now?.version === version) return;
    await store.write(refKey(name, tag), `${JSON.stringify({ version, manifest: target.reference.manifest })}\n`, {
      ...request,
      condition: now === undefined ? "absent" : { etag: now.info.etag },
    });
  }

  /**
   * Deletes a version; its name is never given again. Content that no other version has goes with the next
   * `collectGarbage`. A delete that was cut off goes on. Rejects with ERR_MODEL_VERSION while tags point to it.
   */
  async delete(name: string, version: string, options: RequestOptions = {}): Promise<void> {
    checkName("model", name);
    checkName("version", version);
    const store = await this.#open();
    const folder = versionKey(name, version);
    const tombstone = `${folder}/${tombstoneFile}`;
    if ((await readManifest(store, name, version, options)) !== undefined) {
      const tags = (await readTags(store, name, options)).get(`${name}@${version}`) ?? [];
      if (tags.length > 0) {
        throw codedError("ERR_MODEL_VERSION", `${name}@${version} is what ${tags.join(", ")} points to`, {
          cure: "Point the tag to another version first: `npx anonymizer models tag`.",
        });
      }
      await store.write(tombstone, `${JSON.stringify({ deleted: new Date().toISOString() })}\n`, options);
      // The manifest first: from then on there is no version, whatever of it is left.
      await store.delete(`${folder}/${manifestFile}`, options);
    } else if ((await store.head(tombstone, options)) === undefined) {
      throw noVersion(this.address, name, version);
    }
    for await (const { key } of store.list(`${folder}/`, options)) {
      if (key !== tombstone) await store.delete(key, options);
    }
  }

  /**
   * Deletes blobs that no version names and that are older than `graceMs` (default one day): with younger ones a push
   * that was cut off may go on. Also what a delete that was cut off has left. A push under way loses nothing, whatever
   * `graceMs` is; one that begins meanwhile waits.
   */
  async collectGarbage(
    options: RequestOptions & { readonly graceMs?: number; readonly dryRun?: boolean } = {},
  ): Promise<GarbageReport> {
    const { graceMs = dayMs, dryRun = false, ...request } = options;
    return collectGarbage(await this.#open(), { graceMs, dryRun, ...request });
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

  async #resolve(name: string, reference: string, request: RequestOptions): Promise<FoundVersion> {
    checkName("model", name);
    checkName("version", reference);
    const store = await this.#open();
    const direct = await readManifest(store, name, reference, request);
    if (direct !== undefined) return direct;
    const tag = await readTag(store, name, reference, request);
    if (tag === undefined) throw noVersion(this.address, name, reference);
    const found = await readManifest(store, name, tag.version, request);
    if (found === undefined) throw noVersion(this.address, name, tag.version);
    if (found.reference.manifest !== tag.manifest) {
      throw codedError(
        "ERR_STORE_DAMAGED",
        `${name}@${tag.version} is not the version that the tag ${reference} was set to`,
      );
    }
    return { ...found, reference: { ...found.reference, kind: "tag" } };
  }

  /** `again`: also those that are there. */
  async #copyFiles(
    store: ObjectStore,
    { name, version, files }: ModelManifest,
    again: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    await inParallel(
      files,
      4,
      async ({ path, sha256 }, inner) => {
        const key = `${versionKey(name, version)}/${path}`;
        const there = again ? undefined : await store.head(key, { signal: inner });
        if (there?.sha256 !== sha256) await store.copy(blobKey(sha256), key, { signal: inner });
      },
      signal,
    );
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
    files: ModelManifest["files"],
    request: RequestOptions,
  ): Promise<FoundVersion> {
    const key = `${versionKey(name, version)}/${manifestFile}`;
    const text = `${JSON.stringify({ format: 1, name, version, created: new Date().toISOString(), files }, null, 2)}\n`;
    try {
      await store.write(key, text, { ...request, condition: "absent" });
    } catch (error) {
      if (!isStoreError(error, "ERR_STORE_CONFLICT")) throw error;
      const first = await readManifest(store, name, version, request);
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

const taken = (name: string, version: string): AnonymizerError =>
  codedError("ERR_MODEL_VERSION", `${name}@${version} exists with other content`);

const sameFiles = (a: ModelManifest["files"], b: ModelManifest["files"]): boolean =>
  JSON.stringify(a.map(({ path, sha256 }) => [path, sha256]).sort()) ===
  JSON.stringify(b.map(({ path, sha256 }) => [path, sha256]).sort());

const summary = ({ manifest, reference }: Omit<FoundVersion, "text">, tags: readonly string[]): ModelVersion => ({
  name: manifest.name,
  version: manifest.version,
  created: manifest.created,
  files: manifest.files.length,
  bytes: manifest.files.reduce((sum, { bytes }) => sum + bytes, 0),
  manifest: reference.manifest,
  tags: [...tags].sort(),
});
