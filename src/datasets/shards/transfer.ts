/** Datasets in shards to and from a store. */
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { codedError } from "../../errors.ts";
import { lockFile } from "../../file-lock.ts";
import { inParallel } from "../../in-parallel.ts";
import { type FolderProgress, Tally } from "../../registry/folders.ts";
import type { StoreOptions } from "../../registry/object-store.ts";
import { filesOfIndex, indexName, indexText, type ShardIndex } from "./shard-index.ts";
import {
  FolderPlace,
  needIndex,
  openShardPlace,
  type ShardPlace,
  type StoredFile,
  StorePlace,
  withoutIndex,
} from "./shard-place.ts";

export interface ShardTransferOptions {
  readonly store?: StoreOptions;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: FolderProgress) => void;
  /** Files at a time; default 2. */
  readonly concurrency?: number;
}

export interface ShardTransferReport {
  /** Path or address of `index.json` at the other end. */
  readonly index: string;
  readonly files: number;
  readonly bytes: number;
  /** Files that were there already. */
  readonly skipped: number;
}

/**
 * Uploads the shards in `folder` to `address` (r2://, s3://, file://): only what is not there yet with the same SHA-256,
 * the index last. Interrupted, the next call goes on. Files of a dataset that is replaced stay, since somebody may read it.
 *
 * Rejects with ERR_DATASET_NOT_FOUND, ERR_DATASET_DAMAGED (a shard here is not what was packed), ERR_STORE_CONFLICT
 * (another dataset stands there, and not `replace`), ERR_STORE_*, ERR_ABORTED.
 */
export async function pushShards(
  folder: string,
  address: string,
  options: ShardTransferOptions & { readonly replace?: boolean } = {},
): Promise<ShardTransferReport> {
  const { store, signal, replace = false } = options;
  const request = { ...(signal && { signal }) };
  const source = new FolderPlace(resolve(withoutIndex(folder)));
  const index = await needIndex(source);
  const target = await openShardPlace(address, store);
  try {
    if (!(target instanceof StorePlace)) throw notAnAddress(address);
    const now = await target.index(request);
    if (now !== undefined && indexText(now) !== indexText(index) && !replace) throw target.conflict();
    const moved = await moveFiles(index, target, options, async (file, transfer) => {
      const where = source.where(file.name);
      if (!(await source.has(file, { signal: transfer.signal }))) {
        throw codedError("ERR_DATASET_DAMAGED", `${where} is missing or not what was packed`, {
          details: { where },
          cure: "Pack the dataset again.",
        });
      }
      await target.put(file, where, transfer);
    });
    await target.commit(index, { ...request, replace });
    return { index: target.where(indexName), ...moved };
  } finally {
    target.close();
  }
}

/**
 * Downloads the shards at `address` to `folder`, where they are as `packDataset` made them. Files that are there with the
 * same SHA-256 are left alone; interrupted, the next call goes on.
 *
 * Rejects with ERR_DATASET_NOT_FOUND, ERR_DATASET_DAMAGED, ERR_STORE_*, ERR_LOCKED, ERR_OUTPUT, ERR_ABORTED.
 */
export async function pullShards(
  address: string,
  folder: string,
  options: ShardTransferOptions = {},
): Promise<ShardTransferReport> {
  const { store, signal } = options;
  const request = { ...(signal && { signal }) };
  const source = await openShardPlace(address, store);
  try {
    if (!(source instanceof StorePlace)) throw notAnAddress(address);
    const index = await needIndex(source, request);
    const target = new FolderPlace(resolve(folder));
    await mkdir(target.folder, { recursive: true }).catch((cause: unknown) => {
      throw codedError("ERR_OUTPUT", `The folder ${target.folder} can't be made`, { cause });
    });
    const lock = await lockFile(target.where(".anonymizer-pack.lock"), { waitMs: 0, ...request });
    try {
      const moved = await moveFiles(index, target, options, ({ name, sha256 }, transfer) =>
        source.store.downloadFile(name, target.where(name), { sha256, ...transfer }),
      );
      await target.commit(index);
      return { index: target.where(indexName), ...moved };
    } finally {
      await lock.release();
    }
  } finally {
    source.close();
  }
}

/** Moves what `target` does not have yet, some files at a time. */
async function moveFiles(
  index: ShardIndex,
  target: ShardPlace,
  { signal, concurrency = 2, ...options }: ShardTransferOptions,
  move: (
    file: StoredFile,
    transfer: { readonly signal: AbortSignal; readonly onProgress: (progress: { readonly bytes: number }) => void },
  ) => Promise<unknown>,
): Promise<ReturnType<Tally["report"]>> {
  const files = filesOfIndex(index);
  const tally = new Tally(
    files.map(({ name, bytes }) => ({ key: name, bytes })),
    options,
  );
  await inParallel(
    files,
    concurrency,
    async (file, inner) => {
      const skipped = await target.has(file, { signal: inner });
      if (!skipped) await move(file, { signal: inner, onProgress: ({ bytes }) => tally.moved(file.name, bytes) });
      tally.finished(file.name, file.bytes, skipped);
    },
    signal,
  );
  return tally.report();
}

const notAnAddress = (address: string) =>
  codedError("ERR_STORE_ADDRESS", `${JSON.stringify(address)} begins with none of r2://, s3:// and file://`);
