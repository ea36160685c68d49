import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { TrainingBatch } from "../../src/datasets/batch.ts";
import { DocumentDataset } from "../../src/datasets/dataset.ts";
import { type BatchLoader, createLoader, type LoaderOptions } from "../../src/datasets/loader.ts";
import { readManifest, writeManifest } from "../../src/datasets/manifest.ts";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";

let folder: string;
let dataset: DocumentDataset;
const rejections: unknown[] = [];
const onRejection = (reason: unknown): void => {
  rejections.push(reason);
};

beforeAll(async () => {
  process.on("unhandledRejection", onRejection);
  folder = await mkdtemp(join(tmpdir(), "loader-"));
  await writeSyntheticDataset({ seed: 21, count: 5, out: folder, split: "train", kinds: { receipt: 1, form: 1 } });
  dataset = await DocumentDataset.open(join(folder, "manifest.jsonl"));
});
afterAll(async () => {
  process.off("unhandledRejection", onRejection);
  await rm(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(rejections).toEqual([]);
});

const options = (changes: Partial<LoaderOptions> = {}): LoaderOptions => ({
  batchSize: 5,
  height: 32,
  width: 128,
  seed: 3,
  masks: true,
  glyph: { height: 16, width: 64, fit: "pad" },
  ...changes,
});

async function take(loader: BatchLoader, count: number): Promise<TrainingBatch[]> {
  const batches: TrainingBatch[] = [];
  for await (const batch of loader) {
    batches.push(batch);
    if (batches.length === count) break;
  }
  return batches;
}

/** One short text for all of a batch. */
const hashes = (batches: readonly TrainingBatch[]): string[] =>
  batches.map(({ ids, images, masks, glyphs, texts }) =>
    createHash("sha256")
      .update(new Uint8Array(ids.buffer))
      .update(images)
      .update(masks!)
      .update(glyphs!)
      .update(JSON.stringify(texts))
      .digest("hex"),
  );

describe("the loader", () => {
  it("gives batches of the promised shapes", async () => {
    const [batch] = await take(createLoader(dataset, options()), 1);
    expect(batch).toMatchObject({ size: 5, height: 32, width: 128, glyphHeight: 16, glyphWidth: 64 });
    expect(batch!.images).toHaveLength(5 * 32 * 128 * 3);
    expect(batch!.masks).toHaveLength(5 * 32 * 128);
    expect(batch!.glyphs).toHaveLength(5 * 16 * 64 * 3);
    expect(batch!.texts).toHaveLength(5);
    const known = new Map(
      dataset.samples.map((sample) => [sample.id, dataset.records[sample.record]!.regions[sample.region]!.text]),
    );
    for (const [i, id] of [...batch!.ids].entries()) expect(known.get(id)).toContain(batch!.texts[i]);
    for (let i = 0; i < 5; i++) {
      const mask = batch!.masks!.subarray(i * 4096, (i + 1) * 4096);
      const covered = mask.reduce((a, b) => a + b) / 4096;
      expect(covered).toBeGreaterThan(0.005);
      expect(covered).toBeLessThan(0.9);
    }
  });

  it("gives drafts where they are asked for, and changes nothing else by that", async () => {
    const [plain] = await take(createLoader(dataset, options()), 1);
    const [batch] = await take(createLoader(dataset, options({ drafts: true })), 1);
    const { drafts, ...rest } = batch!;
    expect(rest).toEqual(plain);
    expect(drafts).toHaveLength(batch!.images.length);
    let [under, beside] = [0, 0];
    for (let i = 0; i < drafts!.length; i++) {
      if (drafts![i] === batch!.images[i]) continue;
      if (batch!.masks![Math.floor(i / 3)] === 1) under++;
      else beside++;
    }
    expect(beside).toBe(0);
    expect(under).toBeGreaterThan(1000);
    const again = await take(createLoader(dataset, options({ drafts: true, prefetch: 0, cacheBytes: 0 })), 1);
    expect(again[0]!.drafts).toEqual(drafts);
  });

  it("leaves out masks and glyphs that nobody asked for", async () => {
    const [batch] = await take(
      createLoader(dataset, { batchSize: 2, height: 32, width: 64, seed: 1, masks: false }),
      1,
    );
    expect(Object.keys(batch!).sort()).toEqual(["height", "ids", "images", "size", "texts", "width"]);
  });

  it("gives the same batches whatever is prefetched or cached, and others for another seed", async () => {
    const reference = hashes(await take(createLoader(dataset, options({ prefetch: 0 })), 6));
    expect(new Set(reference).size).toBe(6);
    expect(hashes(await take(createLoader(dataset, options({ prefetch: 5 })), 6))).toEqual(reference);
    expect(hashes(await take(createLoader(dataset, options({ cacheBytes: 0 })), 6))).toEqual(reference);
    const slow = createLoader(dataset, options({ prefetch: 2 }));
    const batches: TrainingBatch[] = [];
    for await (const batch of slow) {
      await new Promise((resolve) => setTimeout(resolve, 15));
      if (batches.push(batch) === 6) break;
    }
    expect(hashes(batches)).toEqual(reference);
    expect(hashes(await take(createLoader(dataset, options({ seed: 4 })), 6))).not.toEqual(reference);
  });

  it("resumes: batch k after a restart equals batch k, across the end of an epoch", async () => {
    const perEpoch = Math.ceil(dataset.samples.length / 40);
    const loader = createLoader(dataset, options({ batchSize: 40 }));
    const all = await take(loader, perEpoch + 2);
    expect(hashes(await take(createLoader(dataset, options({ batchSize: 40, startBatch: perEpoch - 1 })), 3))).toEqual(
      hashes(all.slice(perEpoch - 1)),
    );
    // Within an epoch each sample comes once; only one that did not fit a crop is replaced by a neighbour.
    const seen = all.slice(0, Math.floor(dataset.samples.length / 40)).flatMap((batch) => [...batch.ids]);
    expect(loader.skipped.length).toBeLessThan(0.02 * seen.length);
    expect(new Set(seen).size).toBeGreaterThanOrEqual(seen.length - loader.skipped.length);
  });

  it("gives ranks disjoint parts of the same order", async () => {
    const [whole] = await take(createLoader(dataset, options({ batchSize: 8 })), 1);
    const parts = await Promise.all(
      [0, 1].map(
        async (rank) => (await take(createLoader(dataset, options({ batchSize: 4, rank, worldSize: 2 })), 1))[0]!,
      ),
    );
    expect([...parts[0]!.ids].flatMap((id, i) => [id, parts[1]!.ids[i]!])).toEqual([...whole!.ids]);
  });

  it("prepares batches ahead, but not more than it may", async () => {
    const loader = createLoader(dataset, options({ prefetch: 2 }));
    await loader.next();
    await new Promise((resolve) => setTimeout(resolve, 400));
    const before = loader.stats();
    const [second, third] = [await loader.next(), await loader.next()];
    expect([second.done, third.done]).toEqual([false, false]);
    expect(loader.stats().producedBatches).toBe(3);
    expect(before.producedBatches).toBe(1);
    expect(before.waitMs).toBeGreaterThan(0);
    await loader.return();
  });

  it("ends with return(), also in the middle of work, and stays ended", async () => {
    const loader = createLoader(dataset, options({ batchSize: 50, prefetch: 3 }));
    const pending = loader.next();
    expect(await loader.return()).toEqual({ done: true, value: undefined });
    expect(await pending).toMatchObject({ done: true });
    expect(await loader.next()).toEqual({ done: true, value: undefined });
    const untouched = createLoader(dataset, options());
    expect(await untouched.return()).toEqual({ done: true, value: undefined });
  });

  it("stops with ERR_ABORTED when its signal fires, before and during work", async () => {
    await expect(createLoader(dataset, options({ signal: AbortSignal.abort() })).next()).rejects.toMatchObject({
      code: "ERR_ABORTED",
    });
    const abort = new AbortController();
    const loader = createLoader(dataset, options({ batchSize: 60, signal: abort.signal }));
    const pending = loader.next();
    setTimeout(() => abort.abort(), 5);
    await expect(pending).rejects.toMatchObject({ code: "ERR_ABORTED" });
    expect(await loader.next()).toMatchObject({ done: true });
  });

  it("hands an error thrown in by throw() back and ends", async () => {
    const loader = createLoader(dataset, options());
    await loader.next();
    await expect(loader.throw(new Error("mine"))).rejects.toThrow("mine");
    expect(await loader.next()).toMatchObject({ done: true });
  });

  it("refuses impossible options", () => {
    for (const changes of [
      { batchSize: 0 },
      { height: 4 },
      { width: 12.5 },
      { startBatch: -1 },
      { prefetch: -1 },
      { rank: 1, worldSize: 1 },
      { maskGrid: 0 },
      { cacheBytes: -1 },
    ]) {
      expect(() => createLoader(dataset, options(changes))).toThrow(
        expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }),
      );
    }
  });
});

describe("the loader on broken data", () => {
  /** A copy of the dataset in which the images of the given records are cut off after their header. */
  async function damaged(name: string, indices: readonly number[]): Promise<DocumentDataset> {
    const out = join(folder, name);
    await mkdir(join(out, "images"), { recursive: true });
    const records = [];
    for await (const record of readManifest(join(folder, "manifest.jsonl"))) records.push(record);
    for (const [i, record] of records.entries()) {
      const bytes = await readFile(join(folder, record.image));
      await writeFile(
        join(out, record.image),
        indices.includes(i) ? bytes.subarray(0, Math.floor(bytes.length / 2)) : bytes,
      );
    }
    await writeManifest(join(out, "manifest.jsonl"), records);
    return DocumentDataset.open(join(out, "manifest.jsonl"));
  }

  it("replaces samples of a damaged image by the next ones, always the same, and counts them", async () => {
    const broken = await damaged("one", [1, 3]);
    expect(broken.records).toHaveLength(5);
    const loader = createLoader(broken, options({ batchSize: 20 }));
    const batches = await take(loader, 4);
    expect(batches.every((batch) => batch.images.length === 20 * 32 * 128 * 3)).toBe(true);
    const bad = new Set([broken.records[1]!.id, broken.records[3]!.id]);
    const recordOf = new Map(broken.samples.map((sample) => [sample.id, broken.records[sample.record]!.id]));
    expect(batches.some((batch) => [...batch.ids].some((id) => bad.has(recordOf.get(id)!)))).toBe(false);
    expect(loader.skipped.length).toBeGreaterThan(0);
    for (const { id, reason } of loader.skipped) {
      expect(bad).toContain(id);
      expect(reason).toMatch(/^ERR_DOCUMENT_DAMAGED/);
    }
    expect(
      await take(createLoader(broken, options({ batchSize: 20, startBatch: 2, prefetch: 4 })), 2).then(hashes),
    ).toEqual(hashes(batches.slice(2)));
    // Positions whose sample is sound are the same as in the undamaged data.
    const whole = await take(createLoader(dataset, options({ batchSize: 20 })), 4);
    const sound = (batch: TrainingBatch, i: number): boolean =>
      !bad.has(recordOf.get(whole[batches.indexOf(batch)]!.ids[i]!)!);
    for (const [k, batch] of batches.entries())
      for (let i = 0; i < 20; i++) if (sound(batch, i)) expect(batch.ids[i]).toBe(whole[k]!.ids[i]);
  });

  it("gives up with ERR_DATASET_EMPTY when nothing can be read", async () => {
    const loader = createLoader(await damaged("all", [0, 1, 2, 3, 4]), options());
    await expect(loader.next()).rejects.toMatchObject({
      code: "ERR_DATASET_EMPTY",
      message: expect.stringContaining("ERR_DOCUMENT_DAMAGED"),
    });
    expect(await loader.next()).toMatchObject({ done: true });
  });

  it("notices an image that changed its size after the dataset was opened", async () => {
    const changing = await damaged("changing", []);
    for (const record of changing.records)
      await sharp({ create: { width: 5, height: 5, channels: 3, background: "white" } })
        .jpeg()
        .toFile(join(folder, "changing", record.image));
    await expect(createLoader(changing, options()).next()).rejects.toMatchObject({
      code: "ERR_DATASET_EMPTY",
      message: expect.stringContaining("5×5"),
    });
  });
});
