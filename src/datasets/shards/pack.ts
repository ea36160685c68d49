/** Packs a dataset into shards: see `shard-index.ts`. The same dataset gives the same bytes. */
import { appendFile, copyFile, mkdir, readFile, rm, rmdir, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import sharp from "sharp";
import { resolveInside } from "../../documents/inside-folder.ts";
import { AnonymizerError, codedError, throwIfAborted } from "../../errors.ts";
import { lockFile } from "../../file-lock.ts";
import { digestFile, removeLeftovers, writeTextFile } from "../../models/files.ts";
import type { StoreOptions } from "../../registry/object-store.ts";
import { isStoreAddress } from "../../registry/store-address.ts";
import { sha256InPieces, sha256Of } from "../../sha256.ts";
import { readManifest } from "../manifest.ts";
import { type Split, splits } from "../manifest-types.ts";
import { imageFaults } from "../page-source.ts";
import {
  defaultShardBytes,
  entryLine,
  indexName,
  listName,
  type ShardEntry,
  type ShardFile,
  type ShardIndex,
  shardName,
} from "./shard-index.ts";
import { openShardPlace, type ShardPlace, StorePlace, withoutIndex } from "./shard-place.ts";
import { TarWriter, tarBytes } from "./tar-writer.ts";

export interface PackOptions {
  /** The dataset: a manifest, or a folder that holds `manifest.jsonl`. */
  readonly source: string;
  /** A folder, or r2://…, s3://…, file://…: then each shard is sent when it is full, and none stays here. */
  readonly out: string;
  /** Bytes of a shard, 64 KiB to 4 GiB; default 64 MiB. */
  readonly shardBytes?: number;
  /** Count only; change nothing. */
  readonly dryRun?: boolean;
  /** Replace another dataset that stands in the store (in a folder it is replaced anyway). */
  readonly replace?: boolean;
  readonly store?: StoreOptions;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PackProgress) => void;
}

export interface PackProgress {
  /** Images looked at, of all. */
  readonly done: number;
  readonly total: number;
  readonly shards: number;
  /** Of the images packed so far. */
  readonly bytes: number;
}

export interface PackReport {
  /** Path or address of `index.json`. */
  readonly index: string;
  readonly manifestSha256: string;
  readonly records: number;
  readonly images: number;
  readonly shards: number;
  /** Of all shards. */
  readonly bytes: number;
  readonly shardsBySplit: Readonly<Record<string, number>>;
  /** Shards that an interrupted packing had finished. */
  readonly resumed: number;
  /** Images that are in no shard: reason → count. */
  readonly leftOut: Readonly<Record<string, number>>;
}

interface Image {
  readonly image: string;
  readonly split: Split;
}

interface Loaded {
  readonly image: string;
  readonly fault?: string;
  readonly content?: Buffer;
  readonly size?: { readonly width: number; readonly height: number };
}

/** A finished shard, and the entries up to its last one, in the order of packing. */
interface JournalLine {
  readonly shard: ShardFile;
  readonly entries: readonly ShardEntry[];
}

const gibi = 2 ** 30;
const leastShardBytes = 64 << 10;
/** Larger ones are no scans. */
const maxImageBytes = gibi;
/** Images read ahead of the one that is written. */
const ahead = 4;
const journalName = ".anonymizer-pack.jsonl";

/**
 * Packs `source`. Interrupted, it goes on where it was when it is called again with the same arguments. Images that are
 * missing or damaged are left out, counted, and noted in the index, so that the shards hold what the folder does.
 *
 * Rejects with ERR_DATASET_NOT_FOUND, ERR_DATASET_EMPTY (no image can be used), ERR_DOCUMENT_LIMIT (an image above
 * 1 GiB), ERR_LOCKED (packed by another process), ERR_OUTPUT, ERR_STORE_*, ERR_INVALID_ARGUMENT, ERR_ABORTED.
 */
export async function packDataset(options: PackOptions): Promise<PackReport> {
  const { out, shardBytes = defaultShardBytes, signal } = options;
  if (!Number.isSafeInteger(shardBytes) || shardBytes < leastShardBytes || shardBytes > 4 * gibi) {
    throw codedError("ERR_INVALID_ARGUMENT", `shardBytes must be 64 KiB to 4 GiB, not ${shardBytes}`);
  }
  const manifest = await manifestOf(options.source);
  const { images, records, sha256, bytes } = await readImages(manifest, signal);
  if (options.dryRun === true) return dryRun(options, manifest, images, records, sha256, shardBytes);

  const local = !isStoreAddress(out);
  // Where the next packing with the same arguments finds what this one has done.
  const own = sha256Of(JSON.stringify([resolve(manifest), local ? resolve(out) : out]));
  const work = local ? resolve(out) : join(tmpdir(), `anonymizer-pack-${own.slice(0, 16)}`);
  await mkdir(work, { recursive: true }).catch((cause: unknown) => {
    throw codedError("ERR_OUTPUT", `The folder ${work} can't be made`, { cause });
  });
  const lock = await lockFile(join(work, ".anonymizer-pack.lock"), { waitMs: 0, ...(signal && { signal }) });
  let target: ShardPlace | undefined;
  try {
    target = await openShardPlace(out, options.store);
    await refuseOther(target, sha256, options);
    await removeLeftovers(work);
    const packer = new Packer(work, target, {
      header: sha256Of(JSON.stringify([sha256, shardBytes, own])),
      shardBytes,
    });
    await packer.resume(signal);
    await packer.packAll(dirname(manifest), images, options);
    const index = await packer.writeIndex({ manifest, sha256, bytes, records }, options);
    const packed = packer.entries.filter((entry) => "shard" in entry);
    if (!local) await rm(work, { recursive: true, force: true });
    return {
      index: target.where(indexName),
      manifestSha256: sha256,
      records,
      images: packed.length,
      ...shardCounts(index.shards),
      resumed: packer.resumed,
      leftOut: countFaults(packer.entries),
    };
  } catch (error) {
    if (error instanceof AnonymizerError) throw error;
    throw codedError("ERR_OUTPUT", `${work} can't be written: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  } finally {
    target?.close();
    await lock.release();
    // What an interrupted packing left there stays for the next one.
    if (!local) await rmdir(work).catch(() => undefined);
  }
}

/** Tells early, before much is sent. What counts is the store's own check when the index is written. */
async function refuseOther(
  target: ShardPlace,
  manifestSha256: string,
  { replace = false, signal }: PackOptions,
): Promise<void> {
  if (!(target instanceof StorePlace) || replace) return;
  const now = await target.index({ ...(signal && { signal }) });
  if (now !== undefined && now.manifest.sha256 !== manifestSha256) throw target.conflict();
}

async function manifestOf(source: string): Promise<string> {
  const info = await stat(source).catch((cause: unknown) => {
    throw codedError("ERR_DATASET_NOT_FOUND", `${source} does not exist or can't be read`, { cause });
  });
  return info.isDirectory() ? join(source, "manifest.jsonl") : source;
}

/** The images that a manifest names, each once: by split, then in the manifest's order. */
async function readImages(manifest: string, signal: AbortSignal | undefined) {
  const bySplit: Record<Split, string[]> = { train: [], validation: [], test: [] };
  const seen = new Set<string>();
  let records = 0;
  // Faulty lines name no image; they are counted whenever the dataset is opened.
  const options = { onFault: () => undefined, ...(signal && { signal }) };
  for await (const { image, split } of readManifest(manifest, options)) {
    records++;
    if (seen.has(image)) continue;
    seen.add(image);
    bySplit[split].push(image);
  }
  const images = splits.flatMap((split): Image[] => bySplit[split].map((image) => ({ image, split })));
  return { images, records, ...(await digestFile(manifest, signal)) };
}

async function dryRun(
  { out, signal, onProgress }: PackOptions,
  manifest: string,
  images: readonly Image[],
  records: number,
  manifestSha256: string,
  shardBytes: number,
): Promise<PackReport> {
  const shards: { split: Split; bytes: number }[] = [];
  const leftOut: Record<string, number> = {};
  let [bytes, packed] = [0, 0];
  for (const [i, { image, split }] of images.entries()) {
    throwIfAborted(signal);
    const path = await pathOf(dirname(manifest), image);
    const info = path.fault === undefined ? await stat(path.path) : undefined;
    if (info === undefined) leftOut[path.fault!] = (leftOut[path.fault!] ?? 0) + 1;
    else {
      packed++;
      bytes += info.size;
      const last = shards.at(-1);
      const added = tarBytes(image, info.size);
      // The end mark stands in each shard once.
      if (last?.split === split && last.bytes + added - 1024 <= shardBytes) last.bytes += added - 1024;
      else shards.push({ split, bytes: added });
    }
    onProgress?.({ done: i + 1, total: images.length, shards: shards.length, bytes });
  }
  return {
    index: isStoreAddress(out) ? `${withoutIndex(out)}/${indexName}` : join(resolve(out), indexName),
    manifestSha256,
    records,
    images: packed,
    ...shardCounts(shards),
    resumed: 0,
    leftOut,
  };
}

function shardCounts(shards: readonly { readonly split: Split; readonly bytes: number }[]) {
  const shardsBySplit: Record<string, number> = {};
  for (const { split } of shards) shardsBySplit[split] = (shardsBySplit[split] ?? 0) + 1;
  return { shards: shards.length, bytes: shards.reduce((sum, { bytes }) => sum + bytes, 0), shardsBySplit };
}

function countFaults(entries: readonly ShardEntry[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const entry of entries) if ("fault" in entry) counts[entry.fault] = (counts[entry.fault] ?? 0) + 1;
  return counts;
}

async function pathOf(
  folder: string,
  image: string,
): Promise<{ path: string; fault?: undefined } | { path?: undefined; fault: string }> {
  try {
    return { path: await resolveInside(folder, image, { missing: "ERR_DATASET_NOT_FOUND" }) };
  } catch (error) {
    if (!(error instanceof AnonymizerError)) throw error;
    return { fault: error.code === "ERR_PATH_OUTSIDE_ROOT" ? imageFaults.outside : imageFaults.missing };
  }
}

async function load(folder: string, image: string): Promise<Loaded> {
  const { path, fault } = await pathOf(folder, image);
  if (path === undefined) return { image, fault };
  const info = await stat(path);
  if (info.size > maxImageBytes) {
    throw codedError("ERR_DOCUMENT_LIMIT", `${path} has ${info.size} bytes; an image may have ${maxImageBytes}`);
  }
  if (!info.isFile()) return { image, fault: imageFaults.damaged };
  const content = await readFile(path).catch((cause: unknown) => {
    throw codedError("ERR_DATASET_NOT_FOUND", `${path} can't be read`, { cause });
  });
  try {
    const { width, height } = await sharp(content).metadata();
    return { image, content, size: { width, height } };
  } catch {
    return { image, fault: imageFaults.damaged };
  }
}

class Packer {
  readonly entries: ShardEntry[] = [];
  readonly shards: ShardFile[] = [];
  resumed = 0;
  readonly #work: string;
  readonly #target: ShardPlace;
  readonly #options: { readonly header: string; readonly shardBytes: number };
  readonly #journal: string;
  #writer: TarWriter | undefined;
  #split: Split = "train";
  /** Entries of the shard being written. */
  #open = 0;
  /** Entries that the journal has. */
  #journaled = 0;

  constructor(work: string, target: ShardPlace, options: { header: string; shardBytes: number }) {
    this.#work = work;
    this.#target = target;
    this.#options = options;
    this.#journal = join(work, journalName);
  }

  /** Takes over what an interrupted packing of the same dataset has finished; else begins anew. */
  async resume(signal: AbortSignal | undefined): Promise<void> {
    const lines = (await readFile(this.#journal, "utf8").catch(() => "")).split("\n").slice(0, -1);
    const kept = [this.#options.header];
    if (lines[0] === this.#options.header) {
      for (const text of lines.slice(1)) {
        const line = parseJournalLine(text);
        if (line === undefined || !(await this.#target.has(line.shard, signal && { signal }))) break;
        this.shards.push(line.shard);
        this.entries.push(...line.entries);
        kept.push(text);
      }
    }
    this.resumed = this.shards.length;
    this.#journaled = this.entries.length;
    await writeTextFile(this.#journal, kept.map((line) => `${line}\n`).join(""));
  }

  async packAll(folder: string, images: readonly Image[], { signal, onProgress }: PackOptions): Promise<void> {
    let bytes = this.entries.reduce((sum, entry) => sum + ("shard" in entry ? entry.bytes : 0), 0);
    const rest = images.slice(this.entries.length);
    const loading: Promise<Loaded>[] = [];
    try {
      for (const [i, { image, split }] of rest.entries()) {
        throwIfAborted(signal);
        for (let next = i + loading.length; loading.length < ahead && next < rest.length; next++) {
          const loaded = load(folder, rest[next]!.image);
          loaded.catch(() => undefined); // thrown where it is awaited
          loading.push(loaded);
        }
        const loaded = await loading.shift()!;
        if (loaded.content === undefined) this.entries.push({ image, fault: loaded.fault! });
        else {
          await this.#add(split, loaded, signal);
          bytes += loaded.content.length;
        }
        onProgress?.({ done: this.entries.length, total: images.length, shards: this.shards.length, bytes });
      }
      await this.#seal(signal);
    } finally {
      await this.#writer?.abandon();
      await Promise.allSettled(loading);
      await rm(this.#temporary, { force: true });
    }
    if (this.shards.length === 0) {
      const reasons = Object.entries(countFaults(this.entries)).map(([reason, count]) => `${count} × ${reason}`);
      throw codedError("ERR_DATASET_EMPTY", `No image can be packed: ${reasons.join("; ") || "there are no records"}`, {
        details: { reasons: countFaults(this.entries) },
      });
    }
  }

  /** The index last: without it there is no dataset. */
  async writeIndex(
    manifest: { manifest: string; sha256: string; bytes: number; records: number },
    { replace = false, signal }: PackOptions,
  ): Promise<ShardIndex> {
    const lines = `${this.entries.map(entryLine).join("\n")}\n`;
    const entries = { sha256: sha256Of(lines), bytes: Buffer.byteLength(lines) };
    const names = { entries: listName("entries", entries.sha256), manifest: listName("manifest", manifest.sha256) };
    const index: ShardIndex = {
      format: 1,
      shardBytes: this.#options.shardBytes,
      manifest: {
        name: names.manifest,
        bytes: manifest.bytes,
        sha256: manifest.sha256,
        records: manifest.records,
      },
      entries: { name: names.entries, ...entries, count: this.entries.length },
      shards: this.shards,
    };
    const list = join(this.#work, `${names.entries}.tmp-${process.pid}`);
    const copy = join(this.#work, `${names.manifest}.tmp-${process.pid}`);
    await writeTextFile(list, lines);
    await copyFile(manifest.manifest, copy);
    if ((await digestFile(copy, signal)).sha256 !== manifest.sha256) {
      await rm(copy, { force: true });
      await rm(list, { force: true });
      throw codedError("ERR_STORE_CHANGED", `${manifest.manifest} changed while it was packed`, {
        cure: "Pack again when nobody writes to it.",
      });
    }
    const moving = { move: true, ...(signal && { signal }) };
    await this.#target.put(index.entries, list, moving);
    await this.#target.put(index.manifest, copy, moving);
    await this.#target.commit(index, { replace, ...(signal && { signal }) });
    await rm(this.#journal, { force: true });
    return index;
  }

  get #temporary(): string {
    return join(this.#work, `shard.tmp-${process.pid}`);
  }

  async #add(split: Split, { image, content, size }: Loaded, signal: AbortSignal | undefined): Promise<void> {
    const full = (this.#writer?.sizeWith(image, content!.length) ?? 0) > this.#options.shardBytes;
    if (this.#writer !== undefined && (full || split !== this.#split)) await this.#seal(signal);
    this.#writer ??= await TarWriter.create(this.#temporary);
    this.#split = split;
    const offset = await this.#writer.add(image, content!);
    const { width, height } = size!;
    const shard = this.shards.length;
    const sha256 = await sha256InPieces(content!);
    this.entries.push({ image, shard, offset, bytes: content!.length, sha256, width, height });
    this.#open++;
  }

  async #seal(signal: AbortSignal | undefined): Promise<void> {
    if (this.#writer === undefined) return;
    const writer = this.#writer;
    const { bytes, sha256 } = await writer.finish();
    this.#writer = undefined;
    const number = this.shards.filter(({ split }) => split === this.#split).length;
    const shard: ShardFile = {
      name: shardName(this.#split, number, sha256),
      bytes,
      sha256,
      split: this.#split,
      entries: this.#open,
    };
    await this.#target.put(shard, this.#temporary, { move: true, ...(signal && { signal }) });
    const line: JournalLine = { shard, entries: this.entries.slice(this.#journaled) };
    await appendFile(this.#journal, `${JSON.stringify(line)}\n`);
    this.shards.push(shard);
    this.#journaled = this.entries.length;
    this.#open = 0;
  }
}

function parseJournalLine(text: string): JournalLine | undefined {
  try {
    return JSON.parse(text) as JournalLine;
  } catch {
    return undefined;
  }
}
