/** What a step takes does not depend on the number of processes it is spread over. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TrainingBatch } from "../../src/datasets/batch.ts";
import { DocumentDataset } from "../../src/datasets/dataset.ts";
import { createLoader, type LoaderOptions } from "../../src/datasets/loader.ts";
import { Sampler } from "../../src/datasets/sampler.ts";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";
import { sha256 } from "../helpers/hash.ts";

let folder: string;
let dataset: DocumentDataset;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ranks-"));
  // Some regions are too small to be used: their replacements must be the same ones too.
  await writeSyntheticDataset({ seed: 21, count: 5, out: folder, split: "train", kinds: { receipt: 1, form: 1 } });
  dataset = await DocumentDataset.open(join(folder, "manifest.jsonl"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function take(changes: Partial<LoaderOptions>, count: number): Promise<TrainingBatch[]> {
  const loader = createLoader(dataset, { batchSize: 4, height: 32, width: 128, seed: 3, masks: true, ...changes });
  const batches: TrainingBatch[] = [];
  for await (const batch of loader) {
    batches.push(batch);
    if (batches.length === count) break;
  }
  return batches;
}

/** Id and pixels of every sample, in any order. */
function samplesOf(batches: readonly TrainingBatch[]): string[] {
  return batches
    .flatMap(({ ids, images, size }) => {
      const bytes = images.length / size;
      return [...ids].map((id, i) => {
        const pixels = images.subarray(i * bytes, (i + 1) * bytes);
        return `${id} ${sha256(pixels)}`;
      });
    })
    .sort();
}

describe("the samples of a step", () => {
  it("are the same for one, two and four ranks, pixels included", async () => {
    const steps = 6; // more than an epoch
    const alone = await take({ batchSize: 8 }, steps);
    for (const ranks of [2, 4]) {
      const batchSize = 8 / ranks;
      const shares = await Promise.all(
        Array.from({ length: ranks }, (_, rank) => take({ batchSize, rank, worldSize: ranks }, steps)),
      );
      for (let step = 0; step < steps; step++)
        expect(samplesOf(shares.map((batches) => batches[step]!))).toEqual(samplesOf([alone[step]!]));
    }
  });

  it("go on in the same order with another number of ranks", async () => {
    const whole = await take({ batchSize: 8 }, 4);
    // Two steps by two ranks, then by one with twice the batches.
    const two = await Promise.all([0, 1].map((rank) => take({ batchSize: 4, rank, worldSize: 2 }, 2)));
    expect(samplesOf(two.flat())).toEqual(samplesOf(whole.slice(0, 2)));
    const one = await take({ batchSize: 4, startBatch: 2 * 2 }, 4);
    expect(samplesOf(one)).toEqual(samplesOf(whole.slice(2)));
  });

  it("have a place in the order of all ranks", () => {
    const starts = Uint32Array.from([0, 3, 5, 9, 10]);
    const alone = new Sampler(starts, { seed: 4 });
    const order = Array.from({ length: 40 }, (_, place) => alone.sampleAt(place));
    for (const rank of [0, 1, 2]) {
      const sampler = new Sampler(starts, { seed: 4, rank, worldSize: 3 });
      for (let position = 0; position < 13; position++) {
        expect(sampler.placeOf(position)).toBe(position * 3 + rank);
        expect(sampler.sampleAt(position)).toBe(order[position * 3 + rank]);
      }
    }
  });
});

describe("batches taken in turns", () => {
  it("are those of one loader", async () => {
    const all = await take({}, 6);
    const turns = await Promise.all([0, 1].map((startBatch) => take({ startBatch, batchStride: 2 }, 3)));
    for (const [i, batch] of all.entries()) expect(turns[i % 2]![Math.floor(i / 2)]).toEqual(batch);
  });

  it("need a stride of at least 1", () => {
    expect(() =>
      createLoader(dataset, { batchSize: 1, height: 32, width: 32, seed: 1, masks: false, batchStride: 0 }),
    ).toThrow(/batchStride is 0/);
  });
});
