/** The splits of a configuration's dataset, be it a folder or shards. */
import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { TrainerConfig } from "../config/training-config.ts";
import { DocumentDataset } from "../datasets/dataset.ts";
import type { Split } from "../datasets/manifest-types.ts";
import { needsWindows } from "../datasets/page-windows.ts";
import { indexName } from "../datasets/shards/shard-index.ts";
import { openShards } from "../datasets/shards/shard-pages.ts";
import { digestFile, exists } from "../models/files.ts";
import { isStoreAddress } from "../registry/store-address.ts";
import { sha256Of } from "../sha256.ts";

export interface DatasetSource {
  /** SHA-256 of the manifest. */
  readonly manifestSha256: string;
  /** Rejects as `DocumentDataset.open`. */
  open(split: Split): Promise<DocumentDataset>;
}

/** Rejects with ERR_DATASET_NOT_FOUND, and for shards with what `openShards` rejects with. */
export async function openDatasetSource(
  { data }: Pick<TrainerConfig, "data">,
  signal: AbortSignal | undefined,
): Promise<DatasetSource> {
  const aborting = signal === undefined ? {} : { signal };
  if (!(await isInShards(data.manifest))) {
    return {
      manifestSha256: (await exists(data.manifest)) ? (await digestFile(data.manifest, signal)).sha256 : "",
      open: (split) => DocumentDataset.open(data.manifest, { split, ...aborting }),
    };
  }
  const { window, cache_dir, cache_bytes } = data.shards ?? {};
  const { manifest, manifestSha256, pages } = await openShards(data.manifest, {
    ...(window === undefined ? {} : { window }),
    cache: {
      ...(cache_dir === undefined ? {} : { folder: cache_dir }),
      ...(cache_bytes === undefined ? {} : { maxBytes: cache_bytes }),
    },
    ...aborting,
  });
  return { manifestSha256, open: (split) => DocumentDataset.open(manifest, { split, pages, ...aborting }) };
}

async function isInShards(manifest: string): Promise<boolean> {
  if (isStoreAddress(manifest) || basename(manifest) === indexName) return true;
  const info = await stat(manifest).catch(() => undefined);
  return info?.isDirectory() === true && (await exists(join(manifest, indexName)));
}

/**
 * What tells a dataset and the order of its samples from any other: the manifest's SHA-256, unless shards are read in
 * windows. So a run may go on from a folder with its shards, and is told where that changes the order.
 */
export function orderIdentity(manifestSha256: string, train: DocumentDataset): string {
  if (!needsWindows(train.groups)) return manifestSha256;
  return sha256Of(`${manifestSha256}\0${train.pages.shards!.identity}`);
}
