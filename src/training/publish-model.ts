/** Sends what a run has made to a registry, once. */
import { join } from "node:path";
import { codedError } from "../errors.ts";
import { digestFile } from "../models/files.ts";
import { filesOf } from "../registry/folders.ts";
import { manifestFile, parseManifest, parseModelAddress, versionKey } from "../registry/model-manifest.ts";
import { ModelRegistry, type RegistryOptions } from "../registry/model-registry.ts";
import { openObjectStore } from "../registry/open-store.ts";
import { isStoreError } from "../registry/s3-errors.ts";

export interface PublishedModel {
  readonly name: string;
  readonly version: string;
  /** False: the version was there, with the same weights. */
  readonly sent: boolean;
}

/** Whether something could be published there; nothing is sent. Rejects with ERR_STORE_ADDRESS, ERR_STORE_CREDENTIALS. */
export async function checkPublishAddress(address: string, options: RegistryOptions = {}): Promise<void> {
  (await openObjectStore(parseModelAddress(address).store, options)).close();
}

/**
 * Makes the folder the version that `address` (…/NAME@VERSION) names, with the tag `latest`. A run that is started again
 * after its end publishes nothing twice: a version that is there with the same weights stays, and gets what a publish that
 * was cut off still owed it (copies, tag).
 *
 * Rejects with ERR_MODEL_VERSION (other weights have this version), ERR_STORE_*, ERR_ABORTED.
 */
export async function publishModel(
  folder: string,
  address: string,
  options: RegistryOptions & { readonly signal?: AbortSignal } = {},
): Promise<PublishedModel> {
  const { signal, ...registryOptions } = options;
  const { store, name, reference: version } = parseModelAddress(address);
  if (!/@[^/]*$/.test(address))
    throw codedError("ERR_STORE_ADDRESS", `${address} names no version: write NAME@VERSION`);
  const registry = new ModelRegistry(store, registryOptions);
  try {
    await registry.push(folder, { name, version, ...(signal && { signal }) });
    return { name, version, sent: true };
  } catch (error) {
    if (!isStoreError(error, "ERR_MODEL_VERSION")) throw error;
    if (!(await hasSameWeights(folder, store, name, version, options))) throw error;
    await registry.finish(name, version, { ...(signal && { signal }) });
    return { name, version, sent: false };
  } finally {
    await registry.close();
  }
}

async function hasSameWeights(
  folder: string,
  address: string,
  name: string,
  version: string,
  options: RegistryOptions & { readonly signal?: AbortSignal },
): Promise<boolean> {
  const store = await openObjectStore(address, options);
  try {
    const key = `${versionKey(name, version)}/${manifestFile}`;
    const { data } = await store.read(key, { ...(options.signal && { signal: options.signal }) });
    const there = new Map(parseManifest(data.toString("utf8"), key).files.map(({ path, sha256 }) => [path, sha256]));
    const weights = (await filesOf(folder)).filter((path) => path.endsWith(".safetensors"));
    for (const path of weights) if (there.get(path) !== (await digestFile(join(folder, path))).sha256) return false;
    return weights.length > 0;
  } catch (error) {
    // The version was deleted: its name is taken all the same.
    if (isStoreError(error, "ERR_STORE_NOT_FOUND")) return false;
    throw error;
  } finally {
    store.close();
  }
}
