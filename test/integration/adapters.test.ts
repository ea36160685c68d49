/** Low-rank adapters on the real addon: training with resume, 8-bit base, merging and taking away, what is refused. */
import { existsSync } from "node:fs";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nativeAdapter, openAdapters } from "../../src/adapters/apply-adapters.ts";
import { mergeAdapters } from "../../src/adapters/merge-adapters.ts";
import { readAdapter } from "../../src/adapters/read-adapter.ts";
import { writeAdapter } from "../../src/adapters/write-adapter.ts";
import { loadNative } from "../../src/addon/binding.ts";
import type { NativeLoraOptions } from "../../src/addon/native-types.ts";
import { main } from "../../src/cli/train/main.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import type { UNetTrainerConfig, VAETrainerConfig } from "../../src/config/training-config.ts";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";
import type { AnonymizerError } from "../../src/errors.ts";
import { InpaintingPipeline } from "../../src/inpainting/inpainting-pipeline.ts";
import { readModelFolder } from "../../src/models/model-folder.ts";
import { describeTraining } from "../../src/training/describe-training.ts";
import type { StepEvent, TrainingEvent } from "../../src/training/events.ts";
import { UNetTrainer } from "../../src/training/unet-trainer.ts";
import { VAETrainer } from "../../src/training/vae-trainer.ts";
import { deltaOf, madeAdapter, tinyLayers } from "../helpers/adapters.ts";
import { missingForTraining } from "../helpers/can-train.ts";
import { readTensors, relativeDifference } from "../helpers/safetensors.ts";
import {
  normalTensor,
  pageLikeBytes,
  stagedFiles,
  tinyFiles,
  tinyFolder,
  unetBatch,
  unetOptions,
  vaeBatch,
  vaeOptions,
} from "../helpers/tiny.ts";

const root = resolve(import.meta.dirname, "../..");
const missing = await missingForTraining("unet");

let folder: string;
let manifest: string;
/** A pipeline whose UNet has a trained text projection. */
let base: string;
let runs = 0;

const settings = {
  "data.height": 32,
  "data.width": 64,
  train_batch_size: 2,
  gradient_accumulation_steps: 2,
  max_train_steps: 6,
  threads: 1,
  "lr_scheduler.type": "constant",
  "checkpoint.every_steps": 0,
  "validation.every_steps": 0,
  "samples.every_steps": 0,
};
const adapted = {
  vae: { "lora.rank": 3, "lora.targets": ["re:decoder\\..*conv[12]", "conv_in"] },
  unet: { "lora.rank": 4, "lora.alpha": 8 },
} as const;

async function plainConfig(
  kind: "vae" | "unet",
  extra: Record<string, unknown>,
): Promise<VAETrainerConfig | UNetTrainerConfig> {
  const models = kind === "unet" ? { "model.path": join(base, "unet"), "vae.path": join(base, "vae") } : {};
  const encoder =
    kind === "unet"
      ? { "glyph_encoder.path": join(base, "glyph_encoder"), "glyph_encoder.trainable": false }
      : undefined;
  const overrides = {
    ...settings,
    ...models,
    ...encoder,
    "data.manifest": manifest,
    output_dir: join(folder, `run-${++runs}`),
    ...extra,
  };
  return loadConfig(join(root, `configs/presets/tiny-${kind}.yaml`), kind as "vae", { overrides });
}

const configOf = (kind: "vae" | "unet", extra: Record<string, unknown> = {}) =>
  plainConfig(kind, { ...adapted[kind], ...extra });

const open = (config: VAETrainerConfig | UNetTrainerConfig, options = {}): Promise<VAETrainer | UNetTrainer> =>
  config.kind === "vae" ? VAETrainer.create(config, options) : UNetTrainer.create(config, options);

async function collect(trainer: VAETrainer | UNetTrainer): Promise<TrainingEvent[]> {
  const events: TrainingEvent[] = [];
  for await (const event of trainer.train()) events.push(event);
  return events;
}

const stepsOf = (events: readonly TrainingEvent[]): StepEvent[] => events.filter((e) => e.type === "step");
const numbers = (events: readonly TrainingEvent[]) =>
  stepsOf(events).map(({ step, losses, gradNorm, learningRate }) => ({ step, losses, gradNorm, learningRate }));
const adapterBytes = (path: string) => readFile(join(path, "adapter_model.safetensors"));
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "adapters-"));
  if (missing !== undefined) return;
  manifest = (await writeSyntheticDataset({ out: join(folder, "data"), count: 12, seed: 3 })).manifest;
  const overrides = {
    ...settings,
    "data.manifest": manifest,
    output_dir: join(folder, "base-run"),
    max_train_steps: 1,
  };
  const config = await loadConfig(join(root, "configs/presets/tiny-unet.yaml"), "unet", { overrides });
  const trainer = await UNetTrainer.create(config);
  await collect(trainer);
  base = join(folder, "base");
  await trainer.exportPipeline(base);
  await trainer.close();
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.skipIf(missing !== undefined)("training adapters", () => {
  for (const kind of ["vae", "unet"] as const) {
    it(`${kind}: stopped and resumed, it gives the same adapter bit for bit as without a stop`, async () => {
      const extra = {
        ema_decay: 0.9,
        "lr_scheduler.type": "cosine",
        "lr_scheduler.warmup_steps": 2,
        "lora.init": "gaussian",
      };
      const whole = await open(await configOf(kind, extra));
      const events = await collect(whole);
      await whole.exportModel(join(folder, `${kind}-whole`));
      await whole.close();
      const config = await configOf(kind, extra);
      const controller = new AbortController();
      const first = await open(config, { signal: controller.signal });
      const resumedEvents: TrainingEvent[] = [];
      await expect(
        (async () => {
          for await (const event of first.train()) {
            resumedEvents.push(event);
            if (event.type === "step" && event.step === 2) controller.abort();
          }
        })(),
      ).rejects.toMatchObject({ code: "ERR_ABORTED" });
      await first.close();
      const checkpoint = join(config.output_dir!, "checkpoints", "step-00000002");
      expect((await readdir(checkpoint)).sort()).toEqual([
        "adapter_model.safetensors",
        "checkpoint.json",
        "ema.safetensors",
        "optimizer.safetensors",
      ]);
      const second = await open(config, { resumeFrom: "latest" });
      resumedEvents.push(...(await collect(second)));
      await second.exportModel(join(folder, `${kind}-resumed`));
      await second.close();
      expect(numbers(resumedEvents)).toEqual(numbers(events));
      expect(await adapterBytes(join(folder, `${kind}-resumed`))).toEqual(
        await adapterBytes(join(folder, `${kind}-whole`)),
      );
      const other = { ...config, lora: { ...config.lora!, rank: 2 } };
      await expect(open(other, { resumeFrom: "latest" })).rejects.toMatchObject({ code: "ERR_CHECKPOINT_MISMATCH" });
    });

    it(`${kind}: the loss falls over a base in 8 bits`, async () => {
      const config = await configOf(kind, {
        max_train_steps: 60,
        train_batch_size: 4,
        gradient_accumulation_steps: 1,
        "lora.quantize_base": true,
        "lora.rank": 8,
        "lora.alpha": 16,
        "optimizer.learning_rate": 5e-3,
        ...(kind === "unet" ? { "lora.targets": ["re:.*to_[qkv]", "re:.*conv[12]", "proj_in", "conv_in"] } : {}),
      });
      const trainer = await open(config);
      const losses = stepsOf(await collect(trainer)).map((e) => e.losses["total"]!);
      await trainer.close();
      expect(mean(losses.slice(-10))).toBeLessThan(mean(losses.slice(0, 10)) * 0.9);
    });

    it(`${kind}: exports files, card and, asked for, the merged model; the base stays as it was`, async () => {
      const config = await configOf(kind, { max_train_steps: 3, "optimizer.learning_rate": 1e-2 });
      const before = await readFile(join(config.model.path, "model.safetensors"));
      const trainer = await open(config);
      const events = await collect(trainer);
      const out = join(folder, `${kind}-export`);
      await trainer.exportModel(out, { merged: true });
      const plan = trainer.plan.adapter!;
      await trainer.close();
      expect(before.equals(await readFile(join(config.model.path, "model.safetensors")))).toBe(true);
      expect((await readdir(out)).sort()).toEqual([
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "kohya_lora.safetensors",
        "merged",
        "pytorch_lora_weights.safetensors",
      ]);
      const done = events.find((e) => e.type === "done")!;
      expect(done.adapter).toBe(plan.description);
      expect(await readFile(join(out, "README.md"), "utf8")).toContain(plan.description);
      const model = await readModelFolder(config.model.path, kind);
      const merged = readTensors(join((await readModelFolder(join(out, "merged"), kind)).path, "model.safetensors"));
      const original = readTensors(join(model.path, "model.safetensors"));
      const [{ adapter } = { adapter: undefined }] = await openAdapters(model, [{ path: out }]);
      expect(adapter!.layers.map((layer) => layer.name)).toEqual(plan.layers);
      for (const [name, tensor] of Object.entries(original)) {
        const layer = name.replace(/\.weight$/, "");
        const now = merged[name]!.data as Float32Array;
        if (!plan.layers.includes(layer)) {
          expect(Buffer.from(now.buffer).equals(Buffer.from(tensor.data.buffer)), name).toBe(true);
          continue;
        }
        const delta = deltaOf(adapter!, layer);
        expect(Math.hypot(...delta), name).toBeGreaterThan(0);
        const expected = (tensor.data as Float32Array).map((w, i) => w + delta[i]!);
        expect(relativeDifference(now, expected), name).toBeLessThan(1e-6);
      }
    });
  }

  it("gradients reach A and B of the targets and nothing else; at the start the output is the base's", async () => {
    const native = await loadNative();
    const layers = tinyLayers("unet", /to_k$|conv1$/);
    const lora: NativeLoraOptions = {
      layers,
      rank: 2,
      alpha: 2,
      rslora: false,
      init: "kaiming_uniform",
      quantizeBase: false,
    };
    const [plain, trainer, again] = await Promise.all([
      native.createTrainer(unetOptions()),
      native.createTrainer(unetOptions({}, { lora })),
      native.createTrainer(unetOptions({}, { lora, seed: 6 })),
    ]);
    const batch = unetBatch(2, 32, 32);
    const before = await trainer.computeLoss(batch, 0);
    expect(before).toEqual(await plain.computeLoss(batch, 0));
    const wanted = layers.flatMap((name) => [`${name}.lora_A.weight`, `${name}.lora_B.weight`]).sort();
    expect(Object.keys(await trainer.gradients(batch, 0)).sort()).toEqual(wanted);
    const start = await mkdtemp(join(folder, "start-"));
    expect(await trainer.saveState(start)).toEqual(["adapter_model.safetensors", "optimizer.safetensors"]);
    for (let step = 0; step < 3; step++) await trainer.step([batch], step);
    expect((await trainer.computeLoss(batch, 0))["total"]).not.toBe(before["total"]);
    await trainer.loadState(start);
    expect(await trainer.computeLoss(batch, 0)).toEqual(before);
    // Another seed draws another A; kaiming_uniform keeps it within ±1/√fan_in.
    const other = await mkdtemp(join(folder, "other-"));
    await again.saveState(other);
    const [a, b] = [start, other].map((path) => readTensors(join(path, "adapter_model.safetensors")));
    for (const [name, tensor] of Object.entries(a!)) {
      const values = tensor.data as Float32Array;
      if (name.endsWith("lora_B.weight")) {
        expect(values.every((value) => value === 0)).toBe(true);
        continue;
      }
      expect(values).not.toEqual(b![name]!.data);
      const bound = 1 / Math.sqrt(tensor.shape.slice(1).reduce((x, y) => x * y, 1));
      expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound);
      expect(Math.max(...values.map(Math.abs))).toBeGreaterThan(bound / 2);
    }
    await Promise.all([plain.close(), trainer.close(), again.close()]);
  });

  it("8 bits keep every value within half a step of its channel's scale, and take a quarter of the memory", async () => {
    const native = await loadNative();
    const weight = normalTensor([40, 24, 3, 3], 5);
    const data = weight.data as Float32Array;
    const channel = 24 * 9;
    data.fill(0, 0, channel);
    const rounded = native.roundedToInt8(weight).data as Float32Array;
    for (let o = 0; o < 40; o++) {
      const values = data.subarray(o * channel, (o + 1) * channel);
      const step = Math.max(...values.map(Math.abs)) / 127;
      const worst = Math.max(...values.map((v, i) => Math.abs(v - rounded[o * channel + i]!)));
      expect(worst).toBeLessThanOrEqual(step / 2 + 1e-7);
      expect(worst > 0).toBe(o > 0);
    }
    const lora = { rank: 2, alpha: 2, rslora: false, init: "kaiming_uniform", quantizeBase: false } as const;
    const layers = tinyLayers("vae", /decoder\..*conv1$/);
    const full = await native.createTrainer(vaeOptions({}, { lora: { ...lora, layers } }));
    const small = await native.createTrainer(vaeOptions({}, { lora: { ...lora, layers, quantizeBase: true } }));
    const weights = readTensors(join(tinyFolder("vae"), "model.safetensors"));
    const sizes = Object.values(weights).map((tensor) => tensor.data.length);
    const large = sizes.filter((size) => size >= 4096).reduce((a, b) => a + b, 0);
    const total = sizes.reduce((a, b) => a + b, 0);
    expect(full.adaptedBaseBytes).toBe(4 * total);
    expect(small.adaptedBaseBytes).toBeGreaterThan(4 * total - 3 * large);
    expect(small.adaptedBaseBytes).toBeLessThan((4 * total - 3 * large) * 1.02);
    const batch = vaeBatch(2, 32, 32);
    const [exact, close] = [await full.computeLoss(batch, 0), await small.computeLoss(batch, 0)];
    expect(close["total"]).not.toBe(exact["total"]);
    expect(Math.abs(close["total"]! / exact["total"]! - 1)).toBeLessThan(0.02);
    const gradients = [await full.gradients(batch, 0), await small.gradients(batch, 0)] as const;
    for (const name of Object.keys(gradients[0])) {
      if (!name.endsWith("lora_B.weight")) continue;
      const [a, b] = gradients.map((g) => g[name]!.data as Float32Array);
      expect(relativeDifference(b!, a!), name).toBeLessThan(0.1);
    }
    await Promise.all([full.close(), small.close()]);
  });

  it.skipIf(!existsSync(stagedFiles("unet").graph))(
    "with activation checkpointing the gradients are the same, over a base in 8 bits too",
    async () => {
      const native = await loadNative();
      const layers = tinyLayers("unet", /conv_in$|to_q$|conv1$|conv_out$/);
      for (const quantizeBase of [false, true]) {
        const lora = { layers, rank: 2, alpha: 2, rslora: false, init: "gaussian", quantizeBase } as const;
        const gradients = [];
        for (const model of [tinyFiles("unet"), stagedFiles("unet")]) {
          const trainer = await native.createTrainer(unetOptions({}, { lora, model }));
          await trainer.step([unetBatch(2, 32, 32, 9)], 0);
          gradients.push(await trainer.gradients(unetBatch(2, 32, 32), 1));
          await trainer.close();
        }
        const [plain, staged] = gradients as [(typeof gradients)[0], (typeof gradients)[0]];
        expect(Object.keys(staged)).toEqual(Object.keys(plain));
        for (const [name, { data }] of Object.entries(plain))
          expect(relativeDifference(staged[name]!.data as Float32Array, data as Float32Array), name).toBeLessThan(1e-4);
      }
    },
  );

  it("trains under bfloat16 autocast and previews", async () => {
    const config = await configOf("unet", {
      max_train_steps: 2,
      precision: "bf16",
      "lora.quantize_base": true,
      "samples.every_steps": 2,
      "samples.count": 1,
      "samples.inference_steps": 2,
    });
    const trainer = await open(config);
    const events = await collect(trainer);
    await trainer.close();
    expect(events.some((e) => e.type === "sample")).toBe(true);
    for (const { gradNorm } of stepsOf(events)) expect(gradNorm).toBeGreaterThan(0);
  });
});

describe.skipIf(missing !== undefined)("adapters in the pipeline", () => {
  const layers = missing === undefined ? tinyLayers("unet", /\.to_(q|k|v|out\.0)$|conv2$/) : [];
  const save = async (seed: number, format: "peft" | "kohya" = "peft"): Promise<string> => {
    const own = await mkdtemp(join(folder, "made-"));
    await writeAdapter(
      own,
      madeAdapter("unet", layers, () => ({ rank: 2, alpha: 4 }), { seed }),
      format,
    );
    return format === "peft" ? own : join(own, "kohya_lora.safetensors");
  };
  const request = () => {
    const [height, width] = [32, 64];
    const mask = new Uint8Array(height * width).fill(1, 8 * width, 20 * width);
    return { image: { data: pageLikeBytes(1, height, width, 4), width, height }, mask, text: "Ada", seed: 3 };
  };

  it("changes the result, adds up with its weights, and taken away leaves the original bit for bit", async () => {
    const paths = [await save(1), await save(2, "kohya")];
    const sampling = { steps: 2 };
    const plain = await InpaintingPipeline.create({ models: base, device: "cpu" });
    const [original] = await plain.generate([request()], sampling);
    await plain.close();
    const pipeline = await InpaintingPipeline.create({
      models: base,
      device: "cpu",
      adapters: [{ path: paths[0]! }, { path: paths[1]!, weight: 0.5 }],
    });
    expect(new Set(pipeline.adapterSha256).size).toBe(2);
    const [both] = await pipeline.generate([request()], sampling);
    expect(both!.data).not.toEqual(original!.data);
    await pipeline.setAdapterWeights([0, 0]);
    expect((await pipeline.generate([request()], sampling))[0]!.data).toEqual(original!.data);
    await pipeline.setAdapterWeights([0.7, 0]);
    const [first] = await pipeline.generate([request()], sampling);
    await pipeline.setAdapterWeights([1, 0.5]);
    expect((await pipeline.generate([request()], sampling))[0]!.data).toEqual(both!.data);
    await expect(pipeline.setAdapterWeights([1])).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
    await expect(pipeline.setAdapterWeights([1, Number.NaN])).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
    await pipeline.close();
    await expect(pipeline.setAdapterWeights([1, 1])).rejects.toMatchObject({ code: "ERR_CLOSED" });

    // Merged into the weights for good it is the same model.
    const merged = join(folder, "merged-pipeline");
    await cp(base, merged, { recursive: true });
    await rm(join(merged, "unet"), { recursive: true });
    await mergeAdapters({
      model: join(base, "unet"),
      adapters: [{ path: paths[0]!, weight: 0.7 }],
      out: join(merged, "unet"),
    });
    const whole = await InpaintingPipeline.create({ models: merged, device: "cpu" });
    const [again] = await whole.generate([request()], sampling);
    await whole.close();
    expect(again!.data).toEqual(first!.data);
  });

  it("a layer may have several pairs: their sum is what one pair of joined ranks gives", async () => {
    const model = await readModelFolder(join(base, "unet"), "unet");
    const ready = await openAdapters(model, [
      { path: await save(1), weight: 2 },
      { path: await save(2), weight: -1 },
    ]);
    const native = await loadNative();
    const out = join(folder, "sum.safetensors");
    await native.mergeWeights({ weights: model.files.weights, adapters: ready.map(nativeAdapter), out });
    const [before, after] = [readTensors(model.files.weights), readTensors(out)];
    for (const name of layers) {
      const [x, y] = ready.map(({ adapter }) => deltaOf(adapter, name));
      const expected = (before[`${name}.weight`]!.data as Float32Array).map((w, i) => w + 2 * x![i]! - y![i]!);
      expect(relativeDifference(after[`${name}.weight`]!.data as Float32Array, expected), name).toBeLessThan(1e-6);
    }
  });
});

describe.skipIf(missing !== undefined)("what is refused", () => {
  it("a target that means no layer, with the nearest name", async () => {
    const error = await configOf("unet", { "lora.targets": ["to_k", "to_kk"] })
      .then(open)
      .catch((e) => e);
    expect(error).toMatchObject({ code: "ERR_CONFIG_INVALID" });
    expect(error.message).toMatch(/"to_kk".*to_k/);
    await expect(configOf("unet", { "lora.targets": ["re:to_k["] }).then(open)).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
    });
    // A piece of a name is no target.
    await expect(configOf("unet", { "lora.targets": ["o_k"] }).then(open)).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
    });
  });

  it("rank 0, frozen modules beside it, a trained glyph encoder, a base without its projection", async () => {
    for (const extra of [
      { "lora.rank": 0 },
      { "lora.alpha": 0 },
      { freeze: ["conv_in"] },
      { "glyph_encoder.trainable": true },
    ])
      await expect(configOf("unet", extra), JSON.stringify(extra)).rejects.toMatchObject({
        code: "ERR_CONFIG_INVALID",
      });
    const error = await configOf("unet", { "model.path": tinyFolder("unet") })
      .then(open)
      .catch((e) => e);
    expect(error).toMatchObject({ code: "ERR_CONFIG_INVALID" });
    expect(error.message).toContain("text_projection");
  });

  it("natively too: rank 0, unknown layers, layers of another kind", async () => {
    const native = await loadNative();
    const lora = {
      layers: ["conv_in"],
      rank: 1,
      alpha: 1,
      rslora: false,
      init: "gaussian",
      quantizeBase: false,
    } as const;
    for (const [change, code] of [
      [{ rank: 0 }, "ERR_INVALID_ARGUMENT"],
      [{ alpha: Number.NaN }, "ERR_INVALID_ARGUMENT"],
      [{ layers: [] }, "ERR_INVALID_ARGUMENT"],
      [{ layers: ["conv_in", "conv_in"] }, "ERR_INVALID_ARGUMENT"],
      [{ init: "zeros" as "gaussian" }, "ERR_INVALID_ARGUMENT"],
      [{ layers: ["nowhere.at_all"] }, "ERR_ADAPTER"],
      [{ layers: ["conv_norm_out"] }, "ERR_ADAPTER"],
      [{ layers: ["mid_block"] }, "ERR_ADAPTER"],
    ] as const)
      await expect(
        native.createTrainer(unetOptions({}, { lora: { ...lora, ...change } })),
        JSON.stringify(change),
      ).rejects.toMatchObject({ code });
  });

  it("an adapter of another model, of other shapes, of another base, damaged or half", async () => {
    const unet = await readModelFolder(join(base, "unet"), "unet");
    const vae = await readModelFolder(join(base, "vae"), "vae");
    const own = join(folder, "own");
    const made = madeAdapter("unet", tinyLayers("unet", /to_k$/), () => ({ rank: 2, alpha: 2 }));
    const write = async (name: string, adapter: typeof made): Promise<string> => {
      const path = join(own, name);
      await cp(base, path, { recursive: true });
      await writeAdapter(path, adapter, "peft");
      return path;
    };
    const refused = async (path: string, model = unet): Promise<AnonymizerError> => {
      const error = await openAdapters(model, [{ path }]).then(
        () => undefined,
        (e: AnonymizerError) => e,
      );
      expect(error, path).toBeDefined();
      return error!;
    };
    const path = await write("whole", made);
    expect((await refused(path, vae)).code).toBe("ERR_ADAPTER");
    const [layer, ...rest] = made.layers;
    const elsewhere = { ...made, layers: [{ ...layer!, name: "somewhere.else" }, ...rest] };
    expect((await refused(await write("names", elsewhere))).message).toContain("somewhere.else");
    const swapped = { ...made, layers: [{ ...layer!, name: "conv_in" }] };
    expect((await refused(await write("shapes", swapped))).message).toContain("shapes");
    const foreign = await write("foreign", { ...made, origin: { model: "unet", baseSha256: "0".repeat(64) } });
    expect((await refused(foreign)).message).toContain("trained on");
    expect(await openAdapters(unet, [{ path: foreign, anyBase: true }])).toHaveLength(1);
    await expect(openAdapters(unet, [{ path, weight: Number.POSITIVE_INFINITY }])).rejects.toMatchObject({
      code: "ERR_INVALID_ARGUMENT",
    });

    const file = join(path, "adapter_model.safetensors");
    const bytes = await readFile(file);
    await writeFile(file, bytes.subarray(0, bytes.length - 10));
    expect((await refused(path)).code).toBe("ERR_MODEL_WEIGHTS");
    await writeFile(file, bytes);
    await rm(join(path, "adapter_config.json"));
    expect((await refused(path)).message).toContain("adapter_config.json");
    await writeFile(join(path, "adapter_config.json"), JSON.stringify({ r: 3, lora_alpha: 2 }));
    expect((await refused(path)).message).toContain("rank 2");
    await writeFile(join(path, "adapter_config.json"), JSON.stringify({ r: 2, lora_alpha: 2, use_dora: true }));
    expect((await refused(path)).message).toContain("use_dora");
    await writeFile(join(path, "adapter_config.json"), "{");
    expect((await refused(path)).code).toBe("ERR_ADAPTER");
    expect((await refused(join(folder, "nowhere"))).code).toBe("ERR_MODEL_NOT_FOUND");
    expect((await refused(unet.files.weights)).code).toBe("ERR_ADAPTER");
  });

  it("natively too: files that lack a tensor or have other shapes", async () => {
    const native = await loadNative();
    const own = await mkdtemp(join(folder, "native-"));
    await writeAdapter(
      own,
      madeAdapter("unet", ["conv_in"], () => ({ rank: 2, alpha: 2 })),
      "peft",
    );
    const adapter = await readAdapter(own);
    const entry = nativeAdapter({ adapter, weight: 1 });
    const weights = join(base, "unet", "model.safetensors");
    const out = join(own, "out.safetensors");
    const layer = entry.layers[0]!;
    for (const change of [
      { a: "absent" },
      { name: "conv_out" },
      { name: "conv_norm_out" },
      { name: "nowhere" },
      { a: layer.b },
    ])
      await expect(
        native.mergeWeights({ weights, adapters: [{ ...entry, layers: [{ ...layer, ...change }] }], out }),
        JSON.stringify(change),
      ).rejects.toMatchObject({ code: "ERR_ADAPTER" });
    await expect(native.mergeWeights({ weights: join(own, "none"), adapters: [entry], out })).rejects.toMatchObject({
      code: "ERR_MODEL_NOT_FOUND",
    });
    expect(existsSync(out)).toBe(false);
  });
});

describe.skipIf(missing !== undefined)("the command line", () => {
  const run = async (...args: string[]) => {
    const [out, err]: [string[], string[]] = [[], []];
    const terminal = {
      stdout: { write: (text: string) => void out.push(text) },
      stderr: { write: (text: string) => void err.push(text) },
    };
    const code = await main(args, terminal, new AbortController().signal);
    return { code, out: out.join(""), err: err.join("") };
  };

  it("trains an adapter, shows it, converts it and merges it", async () => {
    const config = await configOf("vae", { max_train_steps: 1 });
    const file = join(folder, "vae.json.yaml");
    await writeFile(file, JSON.stringify(config));
    const runFolder = join(folder, "cli-run");
    const plan = await run("vae", "--config", file, "--out", runFolder, "--dry-run");
    expect(plan.code, plan.err).toBe(0);
    expect(plan.out).toContain("LoRA of rank 3 (α 3) on");
    const trained = await run("vae", "--config", file, "--out", runFolder);
    expect(trained.code, trained.err).toBe(0);
    const adapter = join(runFolder, "adapter");
    expect(trained.out).toBe(`${adapter}\n`);
    const shown = await run("adapter", "inspect", adapter, "--model", config.model.path);
    expect(shown.code, shown.err).toBe(0);
    expect(shown.out).toContain("decoder.mid_block.resnets.0.conv1");
    const json = await run("adapter", "inspect", join(adapter, "kohya_lora.safetensors"), "--json");
    expect(JSON.parse(json.out)).toMatchObject({ format: "kohya", origin: { model: "vae" } });
    const converted = join(folder, "cli-converted");
    expect((await run("adapter", "convert", adapter, "--to", "diffusers", "--out", converted)).code).toBe(0);
    expect((await readAdapter(converted)).format).toBe("diffusers");
    const merged = join(folder, "cli-merged");
    const args = ["adapter", "merge", "--model", config.model.path, "--out", merged];
    expect((await run(...args, "--adapter", `${converted}=half`)).code).toBe(2);
    expect((await run(...args, "--adapter", `${converted}=0.5`)).code).toBe(0);
    const { metadata } = await readModelFolder(merged, "vae");
    expect(metadata["merged"]).toMatchObject({ adapters: [{ weight: 0.5, format: "diffusers" }] });
    expect((await run(...args, "--adapter", converted)).err).toContain("ERR_OUTPUT");
    expect((await run("adapter", "inspect", join(folder, "nothing"))).err).toContain("ERR_MODEL_NOT_FOUND");
  });

  it("the estimate of optimizer and gradients is less than half of full training's", async () => {
    for (const kind of ["vae", "unet"] as const) {
      const full = (await describeTraining(await plainConfig(kind, {}))).memory;
      const { memory: low, adapter } = await describeTraining(await configOf(kind));
      expect(low.gradients + low.optimizer).toBeLessThan((full.gradients + full.optimizer) / 2);
      expect(low.gradients).toBe(4 * adapter!.values);
      const { memory: small } = await describeTraining(await configOf(kind, { "lora.quantize_base": true }));
      expect(small.weights).toBeLessThan(low.weights);
    }
  });
});
