/** What a store of models holds in vain: content that no version names, and what a delete that was cut off has left. */
import { inParallel } from "../in-parallel.ts";
import { blobKey, manifestFile, tombstoneFile } from "./model-manifest.ts";
import type { ObjectStore, RequestOptions } from "./object-store.ts";
import { leasesOf, StoreLease } from "./store-lease.ts";
import { readIfThere, readManifest } from "./versions.ts";

export interface GarbageOptions extends RequestOptions {
  /** Blobs younger than so many milliseconds stay: a push that was cut off goes on with them. */
  readonly graceMs: number;
  readonly dryRun: boolean;
}

export interface GarbageReport {
  readonly blobs: number;
  /** Files of deleted versions that were still there. */
  readonly copies: number;
  /** Of both. */
  readonly bytes: number;
  /** False for a dry run. */
  readonly removed: boolean;
}

interface Garbage {
  readonly kind: "blobs" | "copies";
  readonly key: string;
  readonly bytes: number;
}

/** What is deleted under one note: pushes that come meanwhile wait so long. */
const roundLength = 1000;

/** Rejects with ERR_STORE_*, ERR_ABORTED. */
export async function collectGarbage(store: ObjectStore, options: GarbageOptions): Promise<GarbageReport> {
  if (options.dryRun) return report(await findGarbage(store, options), false);
  const removed: Garbage[] = [];
  while (await removeRound(store, options, removed));
  return report(removed, true);
}

/** False: there was nothing left to remove. */
async function removeRound(store: ObjectStore, options: GarbageOptions, removed: Garbage[]): Promise<boolean> {
  const { signal } = options;
  const lease = await StoreLease.take(store, "gc", {}, { ...(signal && { signal }) });
  try {
    const garbage = (await findGarbage(store, options, lease)).slice(0, roundLength);
    await inParallel(
      garbage,
      4,
      async (one, inner) => {
        // Pushes may have gone ahead meanwhile: the next round looks again.
        if (!lease.fresh) return;
        await store.delete(one.key, { signal: inner });
        removed.push(one);
      },
      signal,
    );
    return garbage.length > 0;
  } finally {
    await lease.release();
  }
}

async function findGarbage(
  store: ObjectStore,
  { graceMs, signal }: GarbageOptions,
  lease?: StoreLease,
): Promise<Garbage[]> {
  const request = { ...(signal && { signal }) };
  const old: Garbage[] = [];
  for await (const { key, bytes, modified } of store.list("blobs/", request)) {
    if (Date.now() - modified.getTime() >= graceMs) old.push({ kind: "blobs", key, bytes });
  }
  // Notes before manifests: a push takes its note back once its manifest stands.
  const needed = await blobsOfPushes(store, request, lease);
  const copies = await readVersions(store, request, needed);
  return [...copies, ...old.filter(({ key }) => !needed.has(key))];
}

async function blobsOfPushes(store: ObjectStore, request: RequestOptions, lease?: StoreLease): Promise<Set<string>> {
  const needed = new Set<string>();
  for await (const { key, modified } of store.list("leases/", request)) {
    if (lease?.counts(modified) === false) {
      await store.delete(key, request);
      continue;
    }
    if (!key.startsWith(leasesOf("push"))) continue;
    const note = await readIfThere(store, key, request);
    const { blobs } = JSON.parse(note?.data.toString() ?? '{"blobs":[]}') as { blobs: string[] };
    for (const sha256 of blobs) needed.add(blobKey(sha256));
  }
  return needed;
}

/** Adds the blobs of all versions to `needed`; what is left in folders of deleted ones comes back. */
async function readVersions(store: ObjectStore, request: RequestOptions, needed: Set<string>): Promise<Garbage[]> {
  const folders = new Map<string, Map<string, Garbage>>();
  for await (const { key, bytes } of store.list("models/", request)) {
    const [, model, version, path] = /^models\/([^/]+)\/([^/]+)\/(.+)$/.exec(key) ?? [];
    if (model === undefined || version === undefined || path === undefined) continue;
    const place = `${model}/${version}`;
    if (!folders.has(place)) folders.set(place, new Map());
    folders.get(place)!.set(path, { kind: "copies", key, bytes });
    if (path !== manifestFile) continue;
    const found = await readManifest(store, model, version, request);
    for (const { sha256 } of found?.manifest.files ?? []) needed.add(blobKey(sha256));
  }
  return [...folders.values()]
    .filter((paths) => paths.delete(tombstoneFile) && !paths.has(manifestFile))
    .flatMap((paths) => [...paths.values()]);
}

function report(garbage: readonly Garbage[], removed: boolean): GarbageReport {
  const count = (kind: Garbage["kind"]): number => garbage.filter((one) => one.kind === kind).length;
  const bytes = garbage.reduce((sum, one) => sum + one.bytes, 0);
  return { blobs: count("blobs"), copies: count("copies"), bytes, removed };
}
