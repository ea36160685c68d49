/** What versions and tags a store holds. */
import { type AnonymizerError, codedError } from "../errors.ts";
import { sha256Of } from "../sha256.ts";
import type { CachedReference } from "./model-cache.ts";
import { type ModelManifest, manifestFile, parseManifest, parseRef, refKey, versionKey } from "./model-manifest.ts";
import type { ObjectInfo, ObjectStore, RequestOptions } from "./object-store.ts";
import { isStoreError } from "./s3-errors.ts";

export interface FoundVersion {
  readonly reference: CachedReference;
  /** The manifest as it stands in the store. */
  readonly text: string;
  readonly manifest: ModelManifest;
}

/** undefined when there is no such version. Rejects with ERR_STORE_DAMAGED. */
export async function readManifest(
  store: ObjectStore,
  name: string,
  version: string,
  request: RequestOptions,
): Promise<FoundVersion | undefined> {
  const key = `${versionKey(name, version)}/${manifestFile}`;
  const got = await readIfThere(store, key, request);
  if (got === undefined) return undefined;
  const text = got.data.toString();
  const manifest = parseManifest(text, `${store.address}/${key}`);
  if (manifest.name !== name || manifest.version !== version) {
    throw codedError("ERR_STORE_DAMAGED", `${store.address}/${key} is the manifest of another version`);
  }
  return { manifest, text, reference: { kind: "version", version, manifest: sha256Of(text) } };
}

/** Every version of one model or of all. */
export async function* readManifests(
  store: ObjectStore,
  name: string | undefined,
  request: RequestOptions,
): AsyncGenerator<FoundVersion> {
  for await (const { key } of store.list(name === undefined ? "models/" : `models/${name}/`, request)) {
    const [, model, version] = /^models\/([^/]+)\/([^/]+)\/manifest\.json$/.exec(key) ?? [];
    if (model === undefined || version === undefined) continue;
    const found = await readManifest(store, model, version, request);
    if (found !== undefined) yield found;
  }
}

/** NAME@VERSION → the tags that point to it, of one model or of all. */
export async function readTags(
  store: ObjectStore,
  name: string | undefined,
  request: RequestOptions,
): Promise<Map<string, string[]>> {
  const tags = new Map<string, string[]>();
  for await (const { key } of store.list(name === undefined ? "refs/" : `refs/${name}/`, request)) {
    const [, model, tag] = /^refs\/([^/]+)\/([^/]+)\.json$/.exec(key) ?? [];
    if (model === undefined || tag === undefined) continue;
    const { data } = await store.read(key, request);
    const place = `${model}@${parseRef(data.toString(), key).version}`;
    tags.set(place, [...(tags.get(place) ?? []), tag]);
  }
  return tags;
}

/** Where a tag points, and what stands there; undefined when there is no such tag. */
export async function readTag(
  store: ObjectStore,
  name: string,
  tag: string,
  request: RequestOptions,
): Promise<{ readonly version: string; readonly manifest: string; readonly info: ObjectInfo } | undefined> {
  const key = refKey(name, tag);
  const got = await readIfThere(store, key, request);
  return got && { ...parseRef(got.data.toString(), key), info: got.info };
}

/** As `store.read`; undefined when there is no such object. */
export async function readIfThere(
  store: ObjectStore,
  key: string,
  request: RequestOptions,
): Promise<{ readonly data: Buffer; readonly info: ObjectInfo } | undefined> {
  try {
    return await store.read(key, request);
  } catch (error) {
    if (isStoreError(error, "ERR_STORE_NOT_FOUND")) return undefined;
    throw error;
  }
}

export const noVersion = (address: string, name: string, version: string): AnonymizerError =>
  codedError("ERR_STORE_NOT_FOUND", `${address} has no ${name}@${version}`);
