import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load-config.ts";
import type { TrainerConfig } from "../../src/config/training-config.ts";
import type { TrainingBatch } from "../../src/datasets/batch.ts";
import { writeManifest } from "../../src/datasets/manifest.ts";
import type { ManifestRecord } from "../../src/datasets/manifest-types.ts";
import { packDataset } from "../../src/datasets/shards/pack.ts";
import { openTrainingData } from "../../src/training/dataset-source.ts";
import { readTrainingModels, type TrainingModels } from "../../src/training/training-plan.ts";
import { modelFixture } from "./helpers/model-fixture.ts";

let folder: string;
let models: TrainingModels;

const region = (x: number, y: number, text: string) => ({ box: [x, y, x + 90, y + 20] as const, text });
const record = (id: string, split: ManifestRecord["split"]): ManifestRecord => ({
  id,
  image: `images/${id}.png`,
  width: 200,
  height: 120,
  split,
  regions: [region(11, 13, `${id} one`), region(33, 61, `${id} two`), { box: [5, 100, 60, 103], text: "tiny" }],
});

async function write(name: string, records: ManifestRecord[]): Promise<string> {
  const manifest = join(folder, `${name}.jsonl`);
  await writeManifest(manifest, records);
  return manifest;
}

const configFor = (manifest: string): Promise<TrainerConfig> =>
  loadConfig(
    {
      model: { path: join(folder, "unet") },
      vae: { path: join(folder, "vae") },
      glyph_encoder: { path: join(folder, "glyph_encoder") },
      data: { manifest, height: 32, width: 64 },
    },
    "unet",
  );

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "source-test-"));
  await mkdir(join(folder, "images"));
  for (const id of ["a", "b", "c"]) {
    const noise = Uint8Array.from({ length: 200 * 120 * 3 }, (_, i) => (i * 31 + id.charCodeAt(0) * 7) % 256);
    await sharp(noise, { raw: { width: 200, height: 120, channels: 3 } })
      .png()
      .toFile(join(folder, "images", `${id}.png`));
  }
  for (const kind of ["vae", "unet", "glyph_encoder"] as const) await modelFixture(join(folder, kind), kind);
  models = await readTrainingModels(await configFor(join(folder, "none.jsonl")));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function take(
  data: Awaited<ReturnType<typeof openTrainingData>>,
  split: "train" | "validation",
  startBatch: number,
  count: number,
): Promise<TrainingBatch[]> {
  const batches: TrainingBatch[] = [];
  for await (const batch of data.batches({ split, batchSize: 3, startBatch })) {
    batches.push(batch);
    if (batches.length === count) break;
  }
  return batches;
}

describe("training data of a manifest", () => {
  it("keeps the splits apart and counts what can't be used", async () => {
    const config = await configFor(
      await write("both", [record("a", "train"), record("b", "validation"), record("c", "test")]),
    );
    const data = await openTrainingData(config, models, undefined);
    expect(data.samples("train")).toBe(2);
    expect(data.samples("validation")).toBe(2);
    expect(Object.values(data.skipped())).toEqual([1]);
    const ids = async (split: "train" | "validation") =>
      new Set((await take(data, split, 0, 4)).flatMap((b) => [...b.ids]));
    const [train, validation] = [await ids("train"), await ids("validation")];
    expect(train.size).toBe(2);
    expect([...train].some((id) => validation.has(id))).toBe(false);
  });

  it("gives the same batch at the same place, wherever it starts", async () => {
    const config = await configFor(await write("resume", [record("a", "train"), record("b", "train")]));
    const data = await openTrainingData(config, models, undefined);
    const fromStart = await take(data, "train", 0, 4);
    const fromThird = await take(data, "train", 2, 2);
    expect(fromThird).toEqual(fromStart.slice(2));
  });

  it("gives the UNet masks on whole latents and glyphs of its encoder's size", async () => {
    const config = await configFor(await write("masks", [record("a", "train"), record("b", "train")]));
    const [batch] = await take(await openTrainingData(config, models, undefined), "train", 0, 1);
    expect([batch!.glyphHeight, batch!.glyphWidth]).toEqual([32, 128]);
    expect(batch!.glyphs).toHaveLength(3 * 32 * 128 * 3);
    const masks = batch!.masks!;
    expect(masks.some((v) => v === 1)).toBe(true);
    // The fixture's VAE makes one latent of 4 × 4 pixels: all 16 agree.
    for (let i = 0; i < masks.length; i++) {
      const [sample, y, x] = [Math.floor(i / (32 * 64)), Math.floor(i / 64) % 32, i % 64];
      const corner = sample * 32 * 64 + (y - (y % 4)) * 64 + (x - (x % 4));
      if (masks[i] !== masks[corner]) throw new Error(`pixel ${x}, ${y} of sample ${sample} differs from its latent`);
    }
  });

  it("goes without held-out data, but not without data", async () => {
    const data = await openTrainingData(
      await configFor(await write("train-only", [record("a", "train")])),
      models,
      undefined,
    );
    expect(data.samples("validation")).toBe(0);
    expect(await take(data, "validation", 0, 1)).toEqual([]);
    const empty = configFor(await write("validation-only", [record("a", "validation")]));
    await expect(openTrainingData(await empty, models, undefined)).rejects.toMatchObject({ code: "ERR_DATASET_EMPTY" });
    await expect(
      openTrainingData(await configFor(join(folder, "none.jsonl")), models, undefined),
    ).rejects.toMatchObject({
      code: "ERR_DATASET_NOT_FOUND",
    });
  });

  it("is told apart from shards that are read in another order, and not from others", async () => {
    const ids = ["d", "e", "f"];
    for (const id of ids) {
      // Noise: each of them fills a shard.
      await sharp(randomBytes(200 * 120 * 3), { raw: { width: 200, height: 120, channels: 3 } })
        .png()
        .toFile(join(folder, "images", `${id}.png`));
    }
    const manifest = await write(
      "shards",
      ids.map((id) => record(id, "train")),
    );
    const out = join(folder, "packed");
    await packDataset({ source: manifest, out, shardBytes: 64 << 10 });
    const files = await openTrainingData(await configFor(manifest), models, undefined);
    const open = async (place: string, window: number) => {
      const config = await configFor(place);
      return openTrainingData(
        { ...config, data: { ...config.data, shards: { window, cache_bytes: 1 } } },
        models,
        undefined,
      );
    };
    for (const place of [join(out, "index.json"), out]) {
      const shards = await open(place, 3);
      expect(shards.manifestSha256).toBe(files.manifestSha256);
      expect(await take(shards, "train", 1, 4)).toEqual(await take(files, "train", 1, 4));
    }
    const windowed = (await open(out, 2)).manifestSha256;
    expect(windowed).not.toBe(files.manifestSha256);
    expect((await open(out, 1)).manifestSha256).not.toBe(windowed);
  });

  it("stops when aborted", async () => {
    const config = await configFor(await write("abort", [record("a", "train")]));
    const data = await openTrainingData(config, models, undefined);
    const batches = data.batches({ split: "train", batchSize: 2, startBatch: 0, signal: AbortSignal.abort() });
    await expect(batches.next()).rejects.toMatchObject({ code: "ERR_ABORTED" });
  });
});
