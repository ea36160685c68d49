import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load-config.ts";
import { bucketOf, bucketSizes } from "../../src/datasets/aspect-buckets.ts";
import type { TrainingBatch } from "../../src/datasets/batch.ts";
import { type BatchOrder, batchOrder } from "../../src/datasets/batch-order.ts";
import { DocumentDataset } from "../../src/datasets/dataset.ts";
import { type BatchLoader, createLoader } from "../../src/datasets/loader.ts";
import type { Region } from "../../src/datasets/manifest-types.ts";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";
import { variantAt } from "../../src/datasets/variants.ts";

const line = (width: number, height: number): Region => ({ box: [10, 10, 10 + width, 10 + height], text: "text" });

describe("bucket shapes", () => {
  it.each([
    [{ height: 64, width: 256 }, [1, 2, 4, 8, 16], 8],
    [{ height: 512, width: 512 }, [0.5, 1, 2, 4, 8, 16], 16],
    [{ height: 96, width: 384 }, [2, 4, 6], 16],
    [{ height: 256, width: 256 }, [1, 3], 64],
  ])("%o in aspects %o: multiples of %i, nearly the pixels of the whole, never more", (base, aspects, multiple) => {
    const sizes = bucketSizes(base, [...aspects].reverse(), multiple);
    expect(sizes).toHaveLength(aspects.length);
    for (const [i, { width, height }] of sizes.entries()) {
      expect([width % multiple, height % multiple]).toEqual([0, 0]);
      expect((width * height) / (base.width * base.height)).toBeLessThanOrEqual(1);
      expect((width * height) / (base.width * base.height)).toBeGreaterThanOrEqual(0.85);
      expect(Math.abs(Math.log(width / height / aspects[i]!))).toBeLessThan(Math.log(1.25));
    }
  });

  it("refuse aspects that have none, and two that have the same", () => {
    const refused = (aspects: number[], multiple: number, message: RegExp): void => {
      expect(() => bucketSizes({ height: 64, width: 64 }, aspects, multiple)).toThrow(
        expect.objectContaining({ code: "ERR_CONFIG_INVALID", message: expect.stringMatching(message) }),
      );
    };
    refused([1, 40], 16, /about 40 times as wide .*; there are .* 1, 1\.7, 4, 16$/);
    refused([4, 4.01], 16, /the same crop of 32×128/);
  });

  it("take a line into the narrowest shape that holds it, the longest into the widest", () => {
    const sizes = bucketSizes({ height: 64, width: 256 }, [1, 2, 4, 8], 8);
    const aspects = [10, 30, 60, 100, 150, 200, 400].map((width) => bucketOf(line(width, 10), sizes));
    expect(aspects).toEqual([...aspects].sort());
    expect(new Set(aspects)).toEqual(new Set([0, 1, 2, 3]));
    // The text at half the crop's height takes at most 94 % of its width.
    for (const width of [10, 30, 60, 100, 150]) {
      const size = sizes[bucketOf(line(width, 10), sizes)]!;
      expect((width / 10) * 0.5 * size.height).toBeLessThanOrEqual(0.94 * size.width);
    }
    // A turned line's box is taller than its text.
    const turned: Region = { box: [0, 0, 200, 40], quad: [0, 0, 198, 20, 198, 40, 0, 20], text: "text" };
    expect(bucketOf(turned, sizes)).toBeGreaterThan(bucketOf(line(200, 40), sizes));
  });

  it("are off unless asked for, and described", async () => {
    const plain = await loadConfig("configs/presets/tiny-vae.yaml", "vae");
    expect(plain.data.buckets).toBeUndefined();
    const asked = await loadConfig("configs/presets/tiny-vae.yaml", "vae", {
      overrides: { "data.buckets.aspects": [1, 4] },
    });
    expect(asked.data.buckets).toEqual({ aspects: [1, 4] });
    await expect(
      loadConfig("configs/presets/tiny-vae.yaml", "vae", { overrides: { "data.buckets.aspects": [1] } }),
    ).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
  });
});

/** Samples of 6 pages, of lines 15 to 400 px wide in uneven numbers. */
function fakeDataset(perPage: readonly (readonly number[])[]): DocumentDataset {
  const records = perPage.map((widths, i) => ({ id: `p${i}`, regions: widths.map((width) => line(width, 10)) }));
  const samples = records.flatMap((record, r) =>
    record.regions.map((_, region) => ({ record: r, region, id: BigInt(r * 100 + region) })),
  );
  const sampleStarts = new Uint32Array(records.length + 1);
  for (const { record } of samples) sampleStarts[record + 1]!++;
  for (let i = 0; i < records.length; i++) sampleStarts[i + 1]! += sampleStarts[i]!;
  return { records, samples, sampleStarts } as unknown as DocumentDataset;
}

const pages = [
  [15, 15, 60, 400, 15],
  [15, 60, 60, 140, 140, 140],
  [15, 15, 15, 15, 15, 15, 15, 400],
  [60, 60, 60],
  [140, 30, 140, 30],
  [15, 60, 400, 400, 30, 15, 60],
];

describe("the order of bucketed batches", () => {
  const sizes = bucketSizes({ height: 64, width: 256 }, [1, 2, 4, 8], 8);
  const dataset = fakeDataset(pages);
  const order = (options: { seed?: number; batchSize?: number; rank?: number; worldSize?: number } = {}): BatchOrder =>
    batchOrder(dataset, { batchSize: 4, seed: 1, size: { height: 64, width: 256 }, buckets: sizes, ...options });
  const indices = (from: BatchOrder, batch: number, batchSize = 4): number[] =>
    Array.from({ length: batchSize }, (_, i) => from.batch(batch).sample(i, 0).index);
  const bucket = (index: number): number => {
    const { record, region } = dataset.samples[index]!;
    return bucketOf(dataset.records[record]!.regions[region]!, sizes);
  };

  it("has one shape a batch, and that of its lines", () => {
    const seen = new Set<number>();
    for (let k = 0; k < 50; k++) {
      const { size } = order().batch(k);
      for (const index of indices(order(), k)) {
        expect(sizes[bucket(index)]).toEqual(size);
        seen.add(bucket(index));
      }
    }
    expect([...seen].sort()).toEqual([0, 1, 2, 3]);
  });

  it("shows every sample equally often, whatever its bucket", () => {
    const counts = new Map<number, number>();
    const batches = 330; // 40 epochs of 33 samples
    for (let k = 0; k < batches; k++)
      for (const index of indices(order(), k)) counts.set(index, (counts.get(index) ?? 0) + 1);
    expect(counts.size).toBe(33);
    const epochs = (batches * 4) / 33;
    for (const count of counts.values()) expect(Math.abs(count - epochs)).toBeLessThanOrEqual(1);
  });

  it("follows from seed and number alone: the same from any start, another for another seed", () => {
    const all = Array.from({ length: 40 }, (_, k) => indices(order(), k));
    const one = order();
    for (const k of [39, 0, 17, 16]) expect(indices(one, k)).toEqual(all[k]);
    expect(Array.from({ length: 40 }, (_, k) => indices(order({ seed: 2 }), k))).not.toEqual(all);
    // Shapes are mixed, not one after the other.
    const shapes = Array.from({ length: 24 }, (_, k) => order().batch(k).size.width);
    expect(shapes.filter((width, k) => width !== shapes[k + 1]).length).toBeGreaterThan(8);
  });

  it("gives ranks disjoint parts of batches of one shape", () => {
    for (let k = 0; k < 20; k++) {
      const whole = order({ batchSize: 8 });
      const parts = [0, 1].map((rank) => order({ batchSize: 4, rank, worldSize: 2 }));
      expect(parts.map((part) => part.batch(k).size)).toEqual([whole.batch(k).size, whole.batch(k).size]);
      expect(indices(parts[0]!, k).flatMap((index, i) => [index, indices(parts[1]!, k)[i]!])).toEqual(
        indices(whole, k, 8),
      );
    }
  });

  it("works with fewer samples than a batch holds", () => {
    const few = batchOrder(fakeDataset([[20, 400], [60]]), {
      batchSize: 16,
      seed: 1,
      size: { height: 64, width: 256 },
      buckets: sizes,
    });
    const counts = [0, 0, 0];
    for (let k = 0; k < 30; k++) for (const index of indices(few, k, 16)) counts[index]!++;
    expect(counts).toEqual([160, 160, 160]);
  });

  it("stands in with other lines where a bucket has none that can be used", () => {
    const { sample, size } = order().batch(0);
    const tried = Array.from({ length: 33 }, (_, attempt) => sample(0, attempt).index);
    expect(new Set(tried.map(bucket)).size).toBeGreaterThan(1);
    expect(tried.slice(0, 4).every((index) => sizes[bucket(index)] === size)).toBe(true);
  });
});

describe("variants", () => {
  it("come in turn, each sample from its own on", () => {
    const of = (id: bigint): number[] => [0, 1, 2, 3, 4].map((epoch) => variantAt(id, epoch, 3));
    expect(of(6n)).toEqual([0, 1, 2, 0, 1]);
    expect(of(7n)).toEqual([1, 2, 0, 1, 2]);
    expect(of(2n ** 64n - 1n)).toHaveLength(5);
  });
});

describe("the loader with buckets", () => {
  let folder: string;
  let dataset: DocumentDataset;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "buckets-"));
    await writeSyntheticDataset({ seed: 21, count: 5, out: folder, split: "train" });
    dataset = await DocumentDataset.open(join(folder, "manifest.jsonl"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const buckets = bucketSizes({ height: 32, width: 128 }, [1, 2, 4, 8], 8);
  const loader = (startBatch = 0): BatchLoader =>
    createLoader(dataset, {
      batchSize: 4,
      height: 32,
      width: 128,
      seed: 3,
      masks: true,
      maskGrid: 4,
      buckets,
      startBatch,
    });
  async function take(from: BatchLoader, count: number): Promise<TrainingBatch[]> {
    const batches: TrainingBatch[] = [];
    for await (const batch of from) if (batches.push(batch) === count) break;
    return batches;
  }

  it("gives batches of several shapes, the same after a restart", async () => {
    const all = await take(loader(), 20);
    expect(new Set(all.map((batch) => batch.width)).size).toBeGreaterThan(2);
    for (const { images, masks, height, width } of all) {
      expect(buckets).toContainEqual({ height, width });
      expect(images).toHaveLength(4 * height * width * 3);
      expect(masks).toHaveLength(4 * height * width);
    }
    expect(await take(loader(12), 8)).toEqual(all.slice(12));
  });

  it("cuts long lines less than one shape for all does", async () => {
    const long = dataset.samples.filter(
      ({ record, region }) => bucketOf(dataset.records[record]!.regions[region]!, buckets) === 3,
    );
    const whole = new Map(long.map((s) => [s.id, dataset.records[s.record]!.regions[s.region]!.text.length]));
    const share = async (from: BatchLoader): Promise<number> => {
      const shares = (await take(from, 150)).flatMap((batch) =>
        [...batch.ids].flatMap((id, i) => (whole.has(id) ? [batch.texts[i]!.length / whole.get(id)!] : [])),
      );
      expect(shares.length).toBeGreaterThan(10);
      return shares.reduce((a, b) => a + b) / shares.length;
    };
    const plain = createLoader(dataset, { batchSize: 4, height: 32, width: 128, seed: 3, masks: true });
    expect(await share(loader())).toBeGreaterThan(1.2 * (await share(plain)));
  });
});
