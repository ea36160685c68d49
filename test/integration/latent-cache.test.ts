/** The latent cache on the real addon and the tiny models. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import type { NativeBatch, NativeCachedInputs } from "../../src/addon/native-types.ts";
import { main } from "../../src/cli/train/main.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import type { UNetTrainerConfig } from "../../src/config/training-config.ts";
import type { TrainingBatch } from "../../src/datasets/batch.ts";
import { DocumentDataset } from "../../src/datasets/dataset.ts";
import { createLoader } from "../../src/datasets/loader.ts";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";
import { cropOptions } from "../../src/training/crop-options.ts";
import type { DoneEvent, StepEvent, TrainingEvent, WarningEvent } from "../../src/training/events.ts";
import { type CachedConfig, LatentCache } from "../../src/training/latent-cache.ts";
import { buildLatentCache, clearLatentCache, verifyLatentCache } from "../../src/training/manage-cache.ts";
import { toMicroBatches } from "../../src/training/micro-batches.ts";
import { nativeOptions } from "../../src/training/native-options.ts";
import { readTrainingModels } from "../../src/training/training-plan.ts";
import { UNetTrainer } from "../../src/training/unet-trainer.ts";
import { missingForTraining } from "../helpers/can-train.ts";
import { sha256 } from "../helpers/hash.ts";
import { unetBatch, unetOptions, vaeBatch, vaeOptions } from "../helpers/tiny.ts";

const root = resolve(import.meta.dirname, "../..");
const missing = await missingForTraining("unet");

let folder: string;
let manifest: string;
let made = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latent-cache-"));
  if (missing !== undefined) return;
  manifest = (await writeSyntheticDataset({ out: join(folder, "data"), count: 4, seed: 3, split: "train" })).manifest;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const fresh = (name: string): string => join(folder, `${name}-${++made}`);

function configOf(extra: Record<string, unknown> = {}): Promise<CachedConfig> {
  const overrides = {
    "data.manifest": manifest,
    "data.height": 32,
    "data.width": 64,
    train_batch_size: 3,
    gradient_accumulation_steps: 1,
    max_train_steps: 4,
    "lr_scheduler.type": "constant",
    threads: 1,
    "glyph_encoder.trainable": false,
    "cache.dir": fresh("cache"),
    "cache.variants": 2,
    "loss.condition_dropout": 0.2,
    "loss.full_mask_share": 0.4,
    "augment.rotation": 4,
    "checkpoint.every_steps": 0,
    "validation.every_steps": 0,
    "samples.every_steps": 0,
    output_dir: fresh("run"),
    ...extra,
  };
  return loadConfig(join(root, "configs/presets/tiny-unet.yaml"), "unet", { overrides }) as Promise<CachedConfig>;
}

async function trainerFor(config: UNetTrainerConfig) {
  const models = await readTrainingModels(config);
  return { models, native: await (await loadNative()).createTrainer(nativeOptions(config, models, "cpu")) };
}

/** The same batches twice: as pixels, and from the cache. */
async function bothWays(
  config: CachedConfig,
  count: number,
): Promise<{ pixels: TrainingBatch[]; cached: TrainingBatch[] }> {
  const { models, native } = await trainerFor(config);
  try {
    const dataset = await DocumentDataset.open(manifest, { split: "train" });
    const cache = await LatentCache.open(config, models);
    cache.useEncoder(native);
    const common = { ...cropOptions(config, models), batchSize: config.train_batch_size };
    const take = async (loader: ReturnType<typeof createLoader>): Promise<TrainingBatch[]> => {
      const batches: TrainingBatch[] = [];
      for await (const batch of loader) if (batches.push(batch) === count) break;
      return batches;
    };
    return {
      pixels: await take(createLoader(dataset, common)),
      cached: await take(createLoader(dataset, { ...common, cache })),
    };
  } finally {
    await native.close();
  }
}

const whole = (batch: TrainingBatch): NativeBatch => toMicroBatches([batch], batch.size)[0]!;

/** Losses and gradient norms of some steps over these batches. */
async function stepsOver(config: UNetTrainerConfig, batches: readonly TrainingBatch[]) {
  const { native } = await trainerFor(config);
  const results = [];
  for (const [step, batch] of batches.entries()) {
    const { losses, gradNorm } = await native.step([whole(batch)], step);
    results.push({ loss: losses["total"]!, gradNorm });
  }
  await native.close();
  return results;
}

async function train(config: UNetTrainerConfig, resumeFrom?: string): Promise<TrainingEvent[]> {
  const trainer = await UNetTrainer.create(config, resumeFrom === undefined ? {} : { resumeFrom });
  try {
    const events: TrainingEvent[] = [];
    for await (const event of trainer.train()) events.push(event);
    return events;
  } finally {
    await trainer.close();
  }
}

const lossesOf = (events: readonly TrainingEvent[]): number[] =>
  events.filter((e): e is StepEvent => e.type === "step").map((e) => e.losses["total"]!);
const doneOf = (events: readonly TrainingEvent[]): DoneEvent => {
  const last = events.at(-1);
  if (last?.type !== "done") throw new Error(`The last event is ${last?.type}`);
  return last;
};
const warningsOf = (events: readonly TrainingEvent[]): WarningEvent[] => events.filter((e) => e.type === "warning");

async function entriesOf(cache: string): Promise<string[]> {
  const all = await readdir(cache, { recursive: true, withFileTypes: true });
  return all
    .filter((e) => e.isFile() && /^[0-9a-f]{64}$/.test(e.name))
    .map((e) => join(e.parentPath, e.name))
    .sort();
}

describe.skipIf(missing !== undefined)("the latent cache", () => {
  it.each([
    { "augment.rotation": 0, "augment.brightness": 0, "augment.contrast": 0 },
    { "augment.rotation": 5, "augment.brightness": 0.2 },
    { "loss.masked_fill": -1, "loss.snr_gamma": 5, "loss.masked_weight": 2 },
    { "loss.masked_fill": "draft", "augment.rotation": 3, "augment.contrast": 0.2 },
    { "glyph_encoder.trainable": true },
    { "data.buckets.aspects": [1, 2, 4, 8] },
  ])("trains with the losses of pixels: %o", async (extra) => {
    // Weights that hardly move: Adam's first steps would magnify the last digits of a gradient.
    const config = await configOf({ ...extra, "optimizer.learning_rate": 1e-9 });
    const { pixels, cached } = await bothWays(config, 6);
    expect(cached.map((b) => [...b.ids])).toEqual(pixels.map((b) => [...b.ids]));
    expect(cached.map((b) => b.texts)).toEqual(pixels.map((b) => b.texts));
    expect(cached.every((b) => b.images.length === 0 && b.cached !== undefined)).toBe(true);
    const [a, b] = [await stepsOver(config, pixels), await stepsOver(config, cached)];
    for (const [i, { loss, gradNorm }] of a.entries()) {
      expect(Math.abs(b[i]!.loss / loss - 1)).toBeLessThan(1e-5);
      expect(Math.abs(b[i]!.gradNorm / gradNorm - 1)).toBeLessThan(1e-4);
    }
  });

  it("under bf16 too, as far as bf16 goes", async () => {
    const config = await configOf({ precision: "bf16" });
    const { pixels, cached } = await bothWays(config, 4);
    const [a, b] = [await stepsOver(config, pixels), await stepsOver(config, cached)];
    for (const [i, { loss }] of a.entries()) expect(Math.abs(b[i]!.loss / loss - 1)).toBeLessThan(2e-2);
  });

  it("keeps the posterior, not a sample: other noise, another loss", async () => {
    const config = await configOf();
    const { cached } = await bothWays(config, 1);
    const { native } = await trainerFor(config);
    const [first, again, later] = [
      await native.computeLoss(whole(cached[0]!), 0),
      await native.computeLoss(whole(cached[0]!), 0),
      await native.computeLoss(whole(cached[0]!), 1),
    ];
    await native.close();
    expect(again).toEqual(first);
    expect(later).not.toEqual(first);
  });

  it("the losses of a run do not depend on whether an entry was there", async () => {
    const config = await configOf({ max_train_steps: 8 });
    const empty = await train(config);
    const first = doneOf(empty);
    // An unusable sample is replaced by its neighbour, which may be there already.
    expect(first.cache!.hits).toBeLessThanOrEqual(first.skipped?.count ?? 0);
    const filled = await train({ ...config, output_dir: fresh("run") });
    // All that was trained on comes from the cache; what was only prefetched, and given up at the end, may not.
    expect(doneOf(filled).cache!.hits).toBeGreaterThanOrEqual(first.samples);
    expect(lossesOf(filled)).toEqual(lossesOf(empty));
    // A few entries gone, others damaged: the same numbers.
    const entries = await entriesOf(config.cache.dir);
    for (const path of entries.filter((_, i) => i % 3 === 0)) await rm(path);
    const damaged = entries.filter((_, i) => i % 3 === 1);
    for (const path of damaged) {
      const bytes = await readFile(path);
      bytes[bytes.length >> 1]! ^= 1;
      await writeFile(path, bytes);
    }
    const mended = await train({ ...config, output_dir: fresh("run") });
    expect(lossesOf(mended)).toEqual(lossesOf(empty));
    const warning = warningsOf(mended).find((w) => w.code === "cache_damaged")!;
    expect(warning.step).toBe(0);
    expect(warning.details["count"]).toBe(damaged.length);
    expect(warning.message).toMatch(new RegExp(damaged.map((path) => path.slice(-64)).join("|")));
    expect((await verifyLatentCache(config)).damaged).toEqual([]);
  });

  it("filled beforehand it holds what training would have made", async () => {
    const config = await configOf({ max_train_steps: 8 });
    const made = lossesOf(await train(config));
    const built = { ...config, cache: { ...config.cache, dir: fresh("cache") }, output_dir: fresh("run") };
    await buildLatentCache(built);
    const events = await train(built);
    expect(events.at(-1)).toMatchObject({ cache: { made: 0 } });
    expect(lossesOf(events)).toEqual(made);
  });

  it("damage that comes while the run goes on is found in reading and mended", async () => {
    const config = await configOf({ max_train_steps: 12 });
    const untouched = lossesOf(await train(config));
    const trainer = await UNetTrainer.create({ ...config, output_dir: fresh("run") });
    const events: TrainingEvent[] = [];
    for await (const event of trainer.train()) {
      events.push(event);
      if (event.type !== "step" || event.step !== 1) continue;
      for (const path of await entriesOf(config.cache.dir)) await writeFile(path, "rubbish");
    }
    await trainer.close();
    expect(lossesOf(events)).toEqual(untouched);
    expect(warningsOf(events).map((w) => w.code)).toContain("cache_damaged");
  });

  it("other weights, precision, seed, augmentation or fill never see its entries; another learning rate does", async () => {
    const base = await configOf({ "cache.max_bytes": 2 ** 30 });
    await buildLatentCache(base);
    const missingWith = async (change: Partial<UNetTrainerConfig>): Promise<number> =>
      (await verifyLatentCache({ ...base, ...change })).missing;
    // Lines that no crop can hold are never there.
    const { samples, missing: unusable } = await verifyLatentCache(base);
    expect(unusable).toBeLessThan(0.05 * samples);
    expect(await missingWith({ optimizer: { ...base.optimizer, learning_rate: 1e-5 }, max_train_steps: 9 })).toBe(
      unusable,
    );
    const third = await missingWith({ cache: { ...base.cache, variants: 3 } });
    expect([third >= samples / 2, third <= samples / 2 + unusable]).toEqual([true, true]);
    expect(await missingWith({ precision: "bf16" })).toBe(samples);
    expect(await missingWith({ seed: 8 })).toBe(samples);
    expect(await missingWith({ augment: { ...base.augment, rotation: 1 } })).toBe(samples);
    expect(await missingWith({ loss: { ...base.loss, masked_fill: -1 } })).toBe(samples);
    expect(await missingWith({ data: { ...base.data, width: 80 } })).toBe(samples);
    // Other weights in a folder of another name; the same ones there are the same.
    const copied = fresh("vae");
    await cp(join(root, "models/tiny/vae"), copied, { recursive: true });
    expect(await missingWith({ vae: { path: copied } })).toBe(unusable);
    const weights = await readFile(join(copied, "model.safetensors"));
    weights[weights.length - 2]! ^= 1;
    await writeFile(join(copied, "model.safetensors"), weights);
    const metadata = JSON.parse(await readFile(join(copied, "metadata.json"), "utf8"));
    metadata.sha256["model.safetensors"] = sha256(weights);
    await writeFile(join(copied, "metadata.json"), JSON.stringify(metadata));
    expect(await missingWith({ vae: { path: copied } })).toBe(samples);
    // Another page under the same name.
    const dataset = await DocumentDataset.open(manifest, { split: "train" });
    const image = String(await dataset.pages.image(dataset.records[0]!));
    const original = await readFile(image);
    await writeFile(image, Buffer.concat([original, Buffer.from("x")]));
    try {
      const onPage = dataset.sampleStarts[1]! * base.cache.variants;
      const gone = await missingWith({});
      expect([gone >= onPage, gone <= onPage + unusable]).toEqual([true, true]);
    } finally {
      await writeFile(image, original);
    }
  });

  it("refuses one variant of augmented samples, and a configuration without a cache", async () => {
    await expect(configOf({ "cache.variants": 1 })).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: expect.stringContaining("cache.variants: is 1 with augmentation on"),
    });
    const { cache: _, ...without } = await configOf();
    await expect(verifyLatentCache(without)).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
  });

  it("a full cache is said once and changes no number", async () => {
    const config = await configOf({ max_train_steps: 6 });
    const roomy = lossesOf(await train(config));
    const tight = { ...config, cache: { ...config.cache, dir: fresh("cache"), max_bytes: 60_000 } };
    const events = await train({ ...tight, output_dir: fresh("run") });
    expect(lossesOf(events)).toEqual(roomy);
    expect(
      warningsOf(events)
        .filter((w) => w.code.startsWith("cache"))
        .map((w) => w.code),
    ).toEqual(["cache_full"]);
    const sizes = await Promise.all(
      (await entriesOf(tight.cache.dir)).map(async (path) => (await readFile(path)).length),
    );
    expect(sizes.length).toBeGreaterThan(0);
    expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(60_000);
  });

  it("draws and validates from pixels all the same", async () => {
    const config = await configOf({ max_train_steps: 2, "samples.every_steps": 2, "samples.count": 2 });
    const events = await train(config);
    expect(events.find((e) => e.type === "sample")).toMatchObject({ rows: 2 });
  });

  it("resumes with other variants only as another run", async () => {
    const config = await configOf({ max_train_steps: 2 });
    await train(config);
    await expect(
      train({ ...config, max_train_steps: 3, cache: { ...config.cache, variants: 3 } }, "latest"),
    ).rejects.toMatchObject({ code: "ERR_CHECKPOINT_MISMATCH", message: expect.stringContaining("cache.variants") });
  });
});

describe.skipIf(missing !== undefined)("anonymizer-train cache", () => {
  const run = async (...args: string[]) => {
    const [out, err]: [string[], string[]] = [[], []];
    const terminal = {
      stdout: { write: (text: string) => out.push(text) },
      stderr: { write: (text: string) => err.push(text) },
    };
    const code = await main(args, terminal, new AbortController().signal);
    return { code, out: out.join(""), err: err.join("") };
  };
  const args = (config: CachedConfig, ...more: string[]): string[] => {
    const settings = {
      "data.manifest": manifest,
      "data.height": 32,
      "data.width": 64,
      threads: 1,
      "glyph_encoder.trainable": false,
      "cache.dir": config.cache.dir,
      "cache.variants": 2,
    };
    const sets = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    return ["--config", join(root, "configs/presets/tiny-unet.yaml"), ...sets, ...more];
  };

  it("build fills it, verify names what is damaged, build mends it, clear removes it", async () => {
    const config = await configOf();
    const built = await run("cache", "build", ...args(config));
    expect(built.code, built.err).toBe(0);
    expect(built.out).toBe(`${config.cache.dir}\n`);
    expect(built.err).toMatch(/samples +\d+\/\d+/);
    const [, present, samples] = /(\d+) of (\d+) samples cached/.exec(built.err)!;
    expect(Number(present)).toBeGreaterThan(0.9 * Number(samples));
    expect(await run("cache", "verify", ...args(config))).toMatchObject({ code: 0 });
    expect((await run("cache", "build", ...args(config))).err).toContain(" 0 made now");

    const [victim] = await entriesOf(config.cache.dir);
    await writeFile(victim!, (await readFile(victim!)).subarray(0, -1));
    const found = await run("cache", "verify", ...args(config));
    expect(found.code).toBe(1);
    expect(found.err).toContain(`damaged: ${victim}`);
    expect(found.err).toContain("ERR_CACHE_DAMAGED");
    expect(await entriesOf(config.cache.dir)).toContain(victim);
    expect((await run("cache", "build", ...args(config))).err).toContain(`made again: ${victim}`);
    expect(await run("cache", "verify", ...args(config))).toMatchObject({ code: 0 });

    const other = join(config.cache.dir, "mine.txt");
    await writeFile(other, "not the cache's");
    const cleared = await run("cache", "clear", ...args(config));
    expect(cleared.err).toMatch(/removed [1-9]\d* entries/);
    expect(await readdir(config.cache.dir)).toEqual(["mine.txt"]);
    expect((await clearLatentCache(config, { all: true })).entries).toBe(0);
  });

  it("wants a configuration with a cache", async () => {
    const result = await run("cache", "build", "--config", join(root, "configs/presets/tiny-unet.yaml"));
    expect(result.code).toBe(1);
    expect(result.err).toContain("cache.dir");
  });
});

describe.skipIf(missing !== undefined)("the native side of the cache", () => {
  const cachedOf = async (): Promise<NativeCachedInputs> => {
    const native = await (await loadNative()).createTrainer(unetOptions());
    const cached = (await native.encode(unetBatch(2, 32, 64))) as NativeCachedInputs;
    await native.close();
    return cached;
  };
  const batchOf = (cached: NativeCachedInputs): NativeBatch => ({
    ids: BigUint64Array.of(1n, 2n),
    images: new Uint8Array(0),
    height: 32,
    width: 64,
    cached,
  });

  it("gives shapes and types as promised", async () => {
    const { mean, logvar, masked, mask, glyphs } = await cachedOf();
    for (const tensor of [mean, logvar, masked])
      expect(tensor).toMatchObject({ shape: [2, 4, 8, 16], dtype: "float32" });
    expect(mask).toMatchObject({ shape: [2, 1, 8, 16], dtype: "uint8" });
    expect(glyphs!.shape).toHaveLength(3);
  });

  it.each([
    [
      "too few samples",
      (c: NativeCachedInputs) => ({ ...c, mean: { ...c.mean, data: c.mean.data.slice(0, 512), shape: [1, 4, 8, 16] } }),
    ],
    ["another shape of the mask", (c: NativeCachedInputs) => ({ ...c, mask: { ...c.mask, shape: [2, 1, 16, 8] } })],
    [
      "a float mask",
      (c: NativeCachedInputs) => ({
        ...c,
        mask: { ...c.mask, data: new Float32Array(256), dtype: "float32" as const },
      }),
    ],
    ["no posterior", ({ mean: _, ...c }: NativeCachedInputs) => c],
    ["neither states nor glyphs", ({ glyphs: _, ...c }: NativeCachedInputs) => c],
  ])("refuses %s", async (_name, change) => {
    const native = await (await loadNative()).createTrainer(unetOptions());
    const batch = batchOf(change(await cachedOf()) as NativeCachedInputs);
    await expect((async () => native.step([batch], 0))()).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
    await native.close();
  });

  it("says where there is nothing to cache or to look at", async () => {
    const binding = await loadNative();
    const vae = await binding.createTrainer(vaeOptions());
    await expect(vae.encode(vaeBatch(1, 32, 64))).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
    const cached = await cachedOf();
    await expect(vae.step([batchOf(cached)], 0)).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
    await vae.close();
    const unet = await binding.createTrainer(unetOptions());
    await expect(unet.preview(batchOf(cached), 2, false)).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
    await unet.close();
  });

  it("a variant decides the augmentation, whatever the step", async () => {
    const native = await (await loadNative()).createTrainer(
      unetOptions({}, { augment: { rotation: 20, brightness: 0.3, contrast: 0 } }),
    );
    const batch = unetBatch(1, 32, 64);
    const encode = async (variant: bigint) =>
      (await native.encode({ ...batch, variants: BigUint64Array.of(variant) })).mean!.data;
    const [a, again, b] = [await encode(0n), await encode(0n), await encode(1n)];
    await native.close();
    expect(again).toEqual(a);
    expect(b).not.toEqual(a);
  });
});
