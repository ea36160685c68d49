/** Datasets in shards: packed, read as the folder they come from, streamed through a bounded cache. */
import { execFileSync } from "node:child_process";
import { appendFile, cp, mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TrainingBatch } from "../../src/datasets/batch.ts";
import { DocumentDataset } from "../../src/datasets/dataset.ts";
import { createLoader, type LoaderOptions } from "../../src/datasets/loader.ts";
import { readManifest, writeManifest } from "../../src/datasets/manifest.ts";
import type { ManifestRecord, Split } from "../../src/datasets/manifest-types.ts";
import { type PackOptions, packDataset } from "../../src/datasets/shards/pack.ts";
import { ShardCache } from "../../src/datasets/shards/shard-cache.ts";
import { parseIndex, type ShardIndex } from "../../src/datasets/shards/shard-index.ts";
import { openShards, type ShardOptions } from "../../src/datasets/shards/shard-pages.ts";
import { pullShards, pushShards } from "../../src/datasets/shards/transfer.ts";
import { verifyShards } from "../../src/datasets/shards/verify.ts";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";
import { sha256 } from "../helpers/hash.ts";

const shardBytes = 192 << 10;
let folder: string;
let manifest: string;
let packed: string;
let count = 0;

const fresh = async (): Promise<string> => {
  const path = join(folder, `own-${count++}`);
  await mkdir(path);
  return path;
};
const pack = (out: string, more: Partial<PackOptions> = {}) =>
  packDataset({ source: manifest, out, shardBytes, ...more });
const indexOf = async (place: string): Promise<ShardIndex> =>
  parseIndex(await readFile(join(place, "index.json"), "utf8"), place);
/** Name → SHA-256 of everything in a folder. */
const contentOf = async (place: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    await Promise.all(
      (await readdir(place)).sort().map(async (name) => [name, sha256(await readFile(join(place, name)))]),
    ),
  );

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shards-"));
  ({ manifest } = await writeSyntheticDataset({
    seed: 21,
    count: 24,
    out: join(folder, "data"),
    kinds: { receipt: 1 },
  }));
  packed = join(folder, "packed");
  await pack(packed);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function fromShards(
  place: string,
  split: Split | undefined,
  options: ShardOptions = {},
): Promise<DocumentDataset> {
  const { manifest: local, pages } = await openShards(place, options);
  return DocumentDataset.open(local, { ...(split === undefined ? {} : { split }), pages });
}

const options = (changes: Partial<LoaderOptions> = {}): LoaderOptions => ({
  batchSize: 4,
  height: 32,
  width: 128,
  seed: 3,
  masks: true,
  ...changes,
});

async function take(
  dataset: DocumentDataset,
  changes: Partial<LoaderOptions>,
  batches: number,
): Promise<TrainingBatch[]> {
  const taken: TrainingBatch[] = [];
  for await (const batch of createLoader(dataset, options(changes))) if (taken.push(batch) === batches) break;
  return taken;
}
const prints = (batches: readonly TrainingBatch[]): string[] =>
  batches.map(({ ids, images, masks, texts }) =>
    sha256(Buffer.concat([new Uint8Array(ids.buffer), images, masks!, Buffer.from(JSON.stringify(texts))])),
  );

describe("packing", () => {
  it("makes the same bytes of the same dataset, of bounded size, each split in shards of its own", async () => {
    const out = await fresh();
    const report = await pack(out);
    expect(await contentOf(out)).toEqual(await contentOf(packed));
    const { shards } = await indexOf(out);
    expect(report).toMatchObject({ images: 24, records: 24, shards: shards.length, resumed: 0, leftOut: {} });
    expect(shards.length).toBeGreaterThan(5);
    expect(new Set(shards.map(({ split }) => split))).toEqual(new Set(["train", "validation", "test"]));
    for (const { name, bytes, entries } of shards) {
      expect((await stat(join(out, name))).size).toBe(bytes);
      if (entries > 1) expect(bytes).toBeLessThanOrEqual(shardBytes);
    }
  });

  it("makes tar files that other programs read, with long and foreign names too", async () => {
    const out = await fresh();
    const names = ["plain.png", `${"d".repeat(90)}/${"n".repeat(120)}.png`, "bücher/ß – ☃.png"];
    const records: ManifestRecord[] = [];
    for (const [i, name] of names.entries()) {
      const path = join(out, "images", name);
      await mkdir(join(path, ".."), { recursive: true });
      await sharp({ create: { width: 64, height: 32, channels: 3, background: { r: 40 * i, g: 9, b: 9 } } }).toFile(
        path,
      );
      const regions = [{ box: [2, 2, 60, 30] as const, text: "text" }];
      records.push({ id: `r${i}`, image: `images/${name}`, width: 64, height: 32, split: "train", regions });
    }
    await writeManifest(join(out, "manifest.jsonl"), records);
    const shards = join(out, "shards");
    await packDataset({ source: out, out: shards });
    const [shard] = (await indexOf(shards)).shards;
    const to = await fresh();
    execFileSync("tar", ["xf", join(shards, shard!.name), "-C", to]);
    for (const name of names)
      expect(await readFile(join(to, "images", name))).toEqual(await readFile(join(out, "images", name)));
    const dataset = await fromShards(shards, "train");
    for (const record of dataset.records)
      expect(await dataset.pages.image(record)).toEqual(await readFile(join(out, record.image)));
  });

  it("tells what it would do, and does nothing", async () => {
    const out = join(await fresh(), "new");
    const told = await pack(out, { dryRun: true });
    const { resumed: _, ...done } = await pack(out);
    expect(told).toMatchObject({ ...done });
    const nothing = join(await fresh(), "new");
    await pack(nothing, { dryRun: true });
    await expect(stat(nothing)).rejects.toThrow("ENOENT");
  });

  it("goes on where it was stopped, to the same bytes", async () => {
    const out = await fresh();
    const stop = new AbortController();
    const stopped = pack(out, { signal: stop.signal, onProgress: ({ shards }) => shards >= 3 && stop.abort() });
    await expect(stopped).rejects.toMatchObject({ code: "ERR_ABORTED" });
    await expect(openShards(out)).rejects.toMatchObject({ code: "ERR_DATASET_NOT_FOUND" });
    // A line that a kill cut off, and the file of a killed process.
    await appendFile(join(out, ".anonymizer-pack.jsonl"), '{"shard":{"name":"tr');
    await writeFile(join(out, "shard.tmp-999999"), "half");
    const report = await pack(out);
    expect(report.resumed).toBe(3);
    expect(await contentOf(out)).toEqual(await contentOf(packed));
  });

  it("begins anew after a shard that is no longer what it was, and replaces another dataset", async () => {
    const out = await fresh();
    const stop = new AbortController();
    const stopped = pack(out, { signal: stop.signal, onProgress: ({ shards }) => shards >= 3 && stop.abort() });
    await expect(stopped).rejects.toMatchObject({ code: "ERR_ABORTED" });
    const second = (await indexOf(packed)).shards[1]!.name;
    await writeFile(join(out, second), "other");
    expect((await pack(out)).resumed).toBe(1);
    expect(await contentOf(out)).toEqual(await contentOf(packed));
    const larger = await pack(out, { shardBytes: 1 << 20 });
    expect(larger.shards).toBeLessThan((await indexOf(packed)).shards.length);
    const names = await readdir(out);
    expect(names.filter((name) => name.endsWith(".tar"))).toHaveLength(larger.shards);
    expect(names).toHaveLength(larger.shards + 3);
  });

  it("refuses what can't be packed", async () => {
    const out = await fresh();
    await expect(packDataset({ source: join(folder, "nothing"), out })).rejects.toMatchObject({
      code: "ERR_DATASET_NOT_FOUND",
    });
    await expect(pack(out, { shardBytes: 10 })).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
    const lonely = join(out, "manifest.jsonl");
    await cp(manifest, lonely);
    await expect(packDataset({ source: lonely, out: join(out, "shards") })).rejects.toMatchObject({
      code: "ERR_DATASET_EMPTY",
      message: expect.stringContaining("24 × the image does not exist"),
    });
  });
});

describe("a dataset in shards", () => {
  /** A copy of the data with a cut image, one that is gone, one that is no image, and a faulty line. */
  async function broken(): Promise<string> {
    const copy = await fresh();
    await cp(join(folder, "data"), copy, { recursive: true });
    const records: ManifestRecord[] = [];
    for await (const record of readManifest(manifest)) if (record.split === "train") records.push(record);
    const [cut, gone, text] = records;
    const bytes = await readFile(join(copy, cut!.image));
    await writeFile(join(copy, cut!.image), bytes.subarray(0, bytes.length >> 1));
    await rm(join(copy, gone!.image));
    await writeFile(join(copy, text!.image), "no image");
    await appendFile(join(copy, "manifest.jsonl"), "nonsense\n");
    return copy;
  }

  it("is the folder's: records, samples, what is left out, batches", async () => {
    const source = await broken();
    const out = join(source, "shards");
    const { leftOut } = await packDataset({ source, out, shardBytes });
    expect(leftOut).toEqual({ "the image does not exist": 1, "the image is damaged or of an unknown format": 1 });
    for (const split of ["train", "validation", undefined] as const) {
      const files = await DocumentDataset.open(join(source, "manifest.jsonl"), split === undefined ? {} : { split });
      const shards = await fromShards(out, split, { window: 100 });
      expect(shards.records).toEqual(files.records);
      expect(shards.samples).toEqual(files.samples);
      expect(shards.skipped).toEqual(files.skipped);
      expect(shards.skippedCounts).toEqual(files.skippedCounts);
      if (split === undefined) continue;
      const batches = Math.ceil((1.5 * files.samples.length) / 4);
      expect(prints(await take(shards, {}, batches))).toEqual(prints(await take(files, {}, batches)));
      for (const record of files.records)
        expect(await shards.pages.sha256(record)).toBe(await files.pages.sha256(record));
    }
  });

  it("read in windows shows every sample once an epoch, anew each time, with few shards at a time", async () => {
    const dataset = await fromShards(packed, "train", { window: 2 });
    const names = dataset.groups!.names;
    expect(names.length).toBeGreaterThan(4);
    const size = dataset.samples.length;
    const { batchOrder } = await import("../../src/datasets/batch-order.ts");
    for (const buckets of [
      undefined,
      [
        { height: 32, width: 64 },
        { height: 16, width: 128 },
      ],
    ]) {
      const order = batchOrder(dataset, {
        batchSize: 1,
        seed: 5,
        size: { height: 32, width: 64 },
        ...(buckets && { buckets }),
      });
      const at = (position: number): number => order.batch(position).sample(0, 0).index;
      const first = Array.from({ length: size }, (_, i) => at(i));
      if (buckets === undefined) expect([...first].sort((a, b) => a - b)).toEqual(first.map((_, i) => i));
      expect(Array.from({ length: size }, (_, i) => at(size + i))).not.toEqual(first);
      // Whoever fetches what is announced has what is read: a window, or two where a block lies in both, and the next.
      let announced = 0;
      for (let position = 0; position < 2 * size; position++) {
        const shards = order.shardsFrom(position);
        if (buckets === undefined) expect(shards.length).toBeLessThanOrEqual(6);
        const { record } = dataset.samples[at(position)]!;
        if (shards.includes(dataset.pages.shards!.of(dataset.records[record]!))) announced++;
      }
      expect(announced).toBeGreaterThanOrEqual(buckets === undefined ? 2 * size : 1.9 * size);
      // Each shard is read in one stretch, not all over the epoch.
      const stretches = names.map((name) => {
        const places = first.flatMap((index, place) =>
          dataset.pages.shards!.of(dataset.records[dataset.samples[index]!.record]!) === name ? [place] : [],
        );
        return (places.at(-1)! - places[0]!) / size;
      });
      expect(stretches.reduce((a, b) => a + b, 0) / names.length).toBeLessThan(0.6);
    }
  });

  it("in windows: the same for every number of ranks and after a resume", async () => {
    const dataset = await fromShards(packed, "train", { window: 2 });
    const steps = Math.ceil((1.3 * dataset.samples.length) / 8);
    const alone = await take(dataset, { batchSize: 8 }, steps);
    const shares = await Promise.all(
      [0, 1].map(async (rank) => take(await fromShards(packed, "train", { window: 2 }), { rank, worldSize: 2 }, steps)),
    );
    for (let step = 0; step < steps; step++) {
      const ids = (batches: readonly TrainingBatch[]): string[] =>
        batches.flatMap((b) => [...b.ids].map(String)).sort();
      expect(ids(shares.map((batches) => batches[step]!))).toEqual(ids([alone[step]!]));
    }
    const resumed = await take(dataset, { batchSize: 8, startBatch: steps - 3 }, 3);
    expect(prints(resumed)).toEqual(prints(alone.slice(-3)));
    const files = await DocumentDataset.open(manifest, { split: "train" });
    expect(prints(await take(files, { batchSize: 8 }, steps))).not.toEqual(prints(alone));
  });

  it("names a damaged image, replaces its samples and goes on; a missing shard is left out at the start", async () => {
    const out = await fresh();
    await cp(packed, out, { recursive: true });
    const dataset = await fromShards(out, "train");
    const victim = dataset.records[0]!;
    const shard = (await indexOf(out)).shards[dataset.pages.shards!.of(victim)]!;
    const entries = (await readFile(join(out, (await indexOf(out)).entries.name), "utf8")).trim().split("\n");
    const entry = entries.map((line) => JSON.parse(line)).find(({ image }) => image === victim.image);
    await flip(join(out, shard.name), entry.offset + 1000);
    const loader = createLoader(dataset, options());
    const seen = new Set<bigint>();
    for (let i = 0; i < dataset.samples.length / 2; i++)
      for (const id of (await loader.next()).value!.ids) seen.add(id);
    await loader.return();
    const own = dataset.samples.filter(({ record }) => record === 0);
    expect(own.some(({ id }) => seen.has(id))).toBe(false);
    const hurt = loader.skipped.filter(({ reason }) => reason.startsWith("ERR_DATASET_DAMAGED"));
    expect(hurt.length).toBeGreaterThan(0);
    for (const { id, reason } of hurt) {
      expect(id).toBe(victim.id);
      expect(reason).toMatch(/^ERR_DATASET_DAMAGED: .*\.tar: ".*" is not what was packed/);
    }
    const found = await verifyShards(out);
    expect(found.damaged).toEqual([
      { where: join(out, shard.name), image: victim.image, reason: expect.stringContaining("SHA-256") },
    ]);

    await rm(join(out, shard.name));
    const without = await fromShards(out, "train");
    expect(without.records.length).toBe(dataset.records.length - shard.entries);
    expect(without.skippedCounts).toMatchObject({ [`the shard ${shard.name} does not exist`]: shard.entries });
    expect((await verifyShards(out)).damaged).toEqual([{ where: join(out, shard.name), reason: "it does not exist" }]);
  });

  it("refuses a damaged index, manifest or list of entries", async () => {
    const index = await indexOf(packed);
    for (const [name, code] of [
      ["index.json", "ERR_DATASET_DAMAGED"],
      [index.manifest.name, "ERR_DATASET_DAMAGED"],
      [index.entries.name, "ERR_DATASET_DAMAGED"],
    ] as const) {
      const out = await fresh();
      await cp(packed, out, { recursive: true });
      const text = await readFile(join(out, name), "utf8");
      await writeFile(
        join(out, name),
        text.replace(/\d/, (digit) => String((Number(digit) + 1) % 10)),
      );
      await expect(openShards(out), name).rejects.toMatchObject({ code });
      await writeFile(join(out, name), text.slice(0, 100));
      await expect(openShards(out), name).rejects.toMatchObject({ code });
    }
    await expect(openShards(join(folder, "nowhere"))).rejects.toMatchObject({ code: "ERR_DATASET_NOT_FOUND" });
  });
});

/** Changes one byte. */
async function flip(path: string, at: number): Promise<void> {
  const file = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0]! ^= 1;
  await file.write(byte, 0, 1, at);
  await file.close();
}

describe("shards in a store", () => {
  const addressOf = (path: string): string => pathToFileURL(path).href;

  it("are pushed once, pulled, verified; another dataset is not replaced unasked", async () => {
    const place = await fresh();
    const first = await pushShards(packed, addressOf(place));
    expect(first).toMatchObject({ skipped: 0, files: (await indexOf(packed)).shards.length + 2 });
    const again = await pushShards(join(packed, "index.json"), addressOf(place));
    expect(again.skipped).toBe(first.files);
    const pulled = join(await fresh(), "pulled");
    await pullShards(addressOf(place), pulled);
    expect(await contentOf(pulled)).toEqual(await contentOf(packed));
    expect((await pullShards(`${addressOf(place)}/index.json`, pulled)).skipped).toBe(first.files);
    expect((await verifyShards(addressOf(place))).damaged).toEqual([]);

    const other = await fresh();
    await pack(other, { shardBytes: 1 << 20 });
    await expect(pushShards(other, addressOf(place))).rejects.toMatchObject({ code: "ERR_STORE_CONFLICT" });
    await pushShards(other, addressOf(place), { replace: true });
    expect(await indexOf(place)).toEqual(await indexOf(other));
    await expect(pushShards(folder, addressOf(place))).rejects.toMatchObject({ code: "ERR_DATASET_NOT_FOUND" });
    const damaged = (await indexOf(other)).shards[0]!.name;
    await flip(join(other, damaged), 2000);
    await expect(pushShards(other, addressOf(await fresh()))).rejects.toMatchObject({ code: "ERR_DATASET_DAMAGED" });
  });

  it("are packed straight into it, also in two goes", async () => {
    const place = await fresh();
    const stop = new AbortController();
    const stopped = pack(addressOf(place), {
      signal: stop.signal,
      onProgress: ({ shards }) => shards >= 2 && stop.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: "ERR_ABORTED" });
    expect((await pack(addressOf(place))).resumed).toBe(2);
    const { ".anonymizer-store": _, ...content } = await contentOf2(place);
    expect(content).toEqual(await contentOf(packed));
    await expect(
      packDataset({ source: join(folder, "data"), out: addressOf(place), shardBytes: 1 << 20 }),
    ).rejects.toMatchObject({ code: "ERR_STORE_CONFLICT" });
  });

  const contentOf2 = async (place: string): Promise<Record<string, string>> =>
    Object.fromEntries(
      await Promise.all(
        (await readdir(place, { withFileTypes: true })).map(async (entry) => [
          entry.name,
          entry.isFile() ? sha256(await readFile(join(place, entry.name))) : "",
        ]),
      ),
    );

  it("are streamed as they are read in place, through a cache that stays within its bound", async () => {
    const place = await fresh();
    await pushShards(packed, addressOf(place));
    const index = await indexOf(packed);
    const largest = Math.max(...index.shards.map(({ bytes }) => bytes));
    const maxBytes = 4 * largest + index.manifest.bytes + index.entries.bytes;
    expect(maxBytes).toBeLessThan(index.shards.reduce((sum, { bytes }) => sum + bytes, 0));
    const cache = { folder: await fresh(), maxBytes };
    const streamed = await fromShards(addressOf(place), "train", { window: 2, cache });
    const local = await fromShards(packed, "train", { window: 2 });
    const steps = Math.ceil((1.2 * local.samples.length) / 8);
    const expected = prints(await take(local, { batchSize: 8 }, steps));
    let most = 0;
    const seen: TrainingBatch[] = [];
    // Few kept pages: they are read again and again.
    for await (const batch of createLoader(streamed, options({ batchSize: 8, cacheBytes: 4 << 20 }))) {
      most = Math.max(most, await held(cache.folder));
      if (seen.push(batch) === steps) break;
    }
    expect(prints(seen)).toEqual(expected);
    expect(most).toBeLessThanOrEqual(maxBytes);
    expect(most).toBeGreaterThan(2 * largest);
    await expect(
      openShards(addressOf(place), { window: 2, cache: { ...cache, maxBytes: 2 * largest } }),
    ).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID", message: expect.stringContaining("data.shards.window") });
  });

  async function held(cache: string): Promise<number> {
    let bytes = 0;
    for (const name of await readdir(cache))
      bytes += await stat(join(cache, name)).then(
        (info) => info.size,
        () => 0,
      );
    return bytes;
  }

  it("a copy in the cache that is damaged or gone is fetched again; a shard damaged at its source is named", async () => {
    const place = await fresh();
    await pushShards(packed, addressOf(place));
    const cache = { folder: await fresh() };
    const dataset = await fromShards(addressOf(place), "train", { cache });
    const record = dataset.records[0]!;
    const original = await readFile(join(folder, "data", record.image));
    expect(await dataset.pages.image(record)).toEqual(original);
    const shard = (await indexOf(place)).shards[dataset.pages.shards!.of(record)]!;
    const copy = join(cache.folder, `${shard.sha256}-${shard.bytes}.shard`);
    await flip(copy, 1500);
    expect(await dataset.pages.image(record)).toEqual(original);
    await rm(copy);
    expect(await dataset.pages.image(record)).toEqual(original);

    await rm(copy);
    await flip(join(place, shard.name), 1500);
    await expect(dataset.pages.image(record)).rejects.toMatchObject({
      code: "ERR_DATASET_DAMAGED",
      message: expect.stringContaining(shard.name),
    });
    const loader = createLoader(dataset, options());
    for (let i = 0; i < dataset.samples.length / 4; i++) await loader.next();
    await loader.return();
    const hurt = loader.skipped.filter(({ reason }) => reason.includes(shard.name));
    expect(hurt.every(({ reason }) => reason.startsWith("ERR_DATASET_DAMAGED"))).toBe(true);
    expect(new Set(hurt.map(({ id }) => id)).size).toBe(shard.entries);
    expect(await readdir(cache.folder)).not.toContain(`${shard.sha256}-${shard.bytes}.shard`);
  });

  it("a store that can't be reached ends the work; samples are not replaced for that", async () => {
    const place = await fresh();
    await pushShards(packed, addressOf(place));
    const dataset = await fromShards(addressOf(place), "train", { cache: { folder: await fresh() } });
    await rename(place, `${place}-away`);
    await writeFile(place, "no folder");
    await expect(take(dataset, {}, 1)).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_(STORE|DATASET)_/) });
  });
});

describe("the cache of shards", () => {
  const file = (name: string, bytes: number) => ({ name, bytes, sha256: sha256(name) });
  const writes =
    (bytes: number, log: string[] = []) =>
    async (path: string) => {
      log.push(path);
      await new Promise((resolve) => setTimeout(resolve, 20));
      await writeFile(path, Buffer.alloc(bytes));
    };

  it("fetches once what several ask for at once, and removes what was not used for longest", async () => {
    const own = await fresh();
    const caches = [new ShardCache({ folder: own, maxBytes: 300 }), new ShardCache({ folder: own, maxBytes: 300 })];
    const log: string[] = [];
    const a = file("a", 100);
    await Promise.all([...caches, ...caches].map((cache) => cache.ensure(a, writes(100, log))));
    expect(log).toHaveLength(1);
    const [cache] = caches;
    for (const name of ["b", "c"]) await cache!.ensure(file(name, 100), writes(100));
    await new Promise((resolve) => setTimeout(resolve, 10));
    await cache!.touch(a);
    await cache!.ensure(file("d", 100), writes(100));
    expect(await Promise.all(["a", "b", "c", "d"].map((name) => cache!.has(file(name, 100))))).toEqual([
      true,
      false,
      true,
      true,
    ]);
    await cache!.letGo(file("d", 100));
    await cache!.ensure(file("e", 100), writes(100));
    expect(await cache!.has(file("d", 100))).toBe(false);
    await expect(cache!.ensure(file("f", 301), writes(301))).rejects.toMatchObject({ code: "ERR_STORE_LIMIT" });
    expect((await readdir(own)).every((name) => name.endsWith(".shard"))).toBe(true);
  });

  it("lets nothing that is in use go for what is only fetched ahead", async () => {
    const cache = new ShardCache({ folder: await fresh(), maxBytes: 200 });
    for (const name of ["a", "b"]) await cache.ensure(file(name, 100), writes(100));
    const ahead = { keep: new Set<string>() };
    expect(await cache.ensure(file("c", 100), writes(100), { ahead })).toBe(false);
    await cache.letGo(file("a", 100));
    expect(await cache.ensure(file("c", 100), writes(100), { ahead })).toBe(true);
    expect(await cache.has(file("b", 100))).toBe(true);
  });

  it("counts what others are fetching", async () => {
    const cache = new ShardCache({ folder: await fresh(), maxBytes: 250 });
    let most = 0;
    let running = 0;
    const slow = async (path: string): Promise<void> => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 400));
      await writeFile(path, Buffer.alloc(100));
      running--;
    };
    await Promise.all(["a", "b", "c", "d"].map((name) => cache.ensure(file(name, 100), slow)));
    expect(most).toBe(2);
  });
});
