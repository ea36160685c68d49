/** Training on the real addon, tiny models and synthetic crops. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main } from "../../src/cli/train/main.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import type { UNetTrainerConfig, VAETrainerConfig } from "../../src/config/training-config.ts";
import { DocumentDataset } from "../../src/datasets/dataset.ts";
import { createLoader } from "../../src/datasets/loader.ts";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";
import type { AnonymizerError } from "../../src/errors.ts";
import { readModelFolder } from "../../src/models/model-folder.ts";
import type { StepEvent, TrainingEvent } from "../../src/training/events.ts";
import { UNetTrainer } from "../../src/training/unet-trainer.ts";
import { VAETrainer } from "../../src/training/vae-trainer.ts";
import { missingForTraining } from "../helpers/can-train.ts";

const root = resolve(import.meta.dirname, "../..");
const missing = await missingForTraining("unet");

let folder: string;
let manifest: string;
let runs = 0;

const settings = {
  "data.height": 32,
  "data.width": 64,
  train_batch_size: 2,
  gradient_accumulation_steps: 2,
  max_train_steps: 5,
  threads: 1,
  "lr_scheduler.type": "constant",
  "checkpoint.every_steps": 0,
  "validation.every_steps": 0,
  "samples.every_steps": 0,
};

async function configOf(kind: "vae", extra?: Record<string, unknown>): Promise<VAETrainerConfig>;
async function configOf(kind: "unet", extra?: Record<string, unknown>): Promise<UNetTrainerConfig>;
async function configOf(
  kind: "vae" | "unet",
  extra: Record<string, unknown> = {},
): Promise<VAETrainerConfig | UNetTrainerConfig> {
  const overrides = { ...settings, "data.manifest": manifest, output_dir: join(folder, `run-${++runs}`), ...extra };
  return loadConfig(join(root, `configs/presets/tiny-${kind}.yaml`), kind as "vae", { overrides });
}

const open = (config: VAETrainerConfig | UNetTrainerConfig, options = {}): Promise<VAETrainer | UNetTrainer> =>
  config.kind === "vae" ? VAETrainer.create(config, options) : UNetTrainer.create(config, options);

const stepsOf = (events: readonly TrainingEvent[]): StepEvent[] => events.filter((e) => e.type === "step");
const numbers = (events: readonly TrainingEvent[]) =>
  stepsOf(events).map(({ step, losses, gradNorm, learningRate }) => ({ step, losses, gradNorm, learningRate }));

async function collect(trainer: VAETrainer | UNetTrainer): Promise<TrainingEvent[]> {
  const events: TrainingEvent[] = [];
  for await (const event of trainer.train()) events.push(event);
  return events;
}

/** A whole run: its numbers, and the hash of the weights it ends with. */
async function wholeRun(config: VAETrainerConfig | UNetTrainerConfig) {
  const trainer = await open(config);
  try {
    const events = await collect(trainer);
    await trainer.exportModel(join(trainer.outputDir, "out"));
    return { events, weights: (await readModelFolder(join(trainer.outputDir, "out"), config.kind)).metadata.sha256 };
  } finally {
    await trainer.close();
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "training-native-"));
  if (missing !== undefined) return;
  manifest = (await writeSyntheticDataset({ out: join(folder, "data"), count: 12, seed: 3 })).manifest;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.skipIf(missing !== undefined)("training on the addon", () => {
  for (const kind of ["vae", "unet"] as const) {
    it(`${kind}: the same seed gives the same numbers and weights, another seed others`, async () => {
      const first = await wholeRun(await configOf(kind as "vae"));
      const second = await wholeRun(await configOf(kind as "vae"));
      const other = await wholeRun(await configOf(kind as "vae", { seed: 99 }));
      expect(stepsOf(first.events)).toHaveLength(5);
      expect(numbers(second.events)).toEqual(numbers(first.events));
      expect(second.weights).toEqual(first.weights);
      expect(numbers(other.events)).not.toEqual(numbers(first.events));
    });

    it(`${kind}: stopped and resumed, it gives the same numbers and weights as without a stop`, async () => {
      const extra = { ema_decay: 0.9, "lr_scheduler.type": "cosine", "lr_scheduler.warmup_steps": 2 };
      const whole = await wholeRun(await configOf(kind as "vae", extra));
      const config = await configOf(kind as "vae", extra);
      const controller = new AbortController();
      const first = await open(config, { signal: controller.signal });
      const events: TrainingEvent[] = [];
      const error = await (async () => {
        for await (const event of first.train()) {
          events.push(event);
          if (event.type === "step" && event.step === 2) controller.abort();
        }
      })().catch((e: AnonymizerError) => e);
      await first.close();
      expect(error).toMatchObject({ code: "ERR_ABORTED", details: { step: 2 } });
      const second = await open(config, { resumeFrom: "latest" });
      events.push(...(await collect(second)));
      await second.exportModel(join(folder, "resumed"));
      await second.close();
      expect(numbers(events)).toEqual(numbers(whole.events));
      expect((await readModelFolder(join(folder, "resumed"), kind)).metadata.sha256).toEqual(whole.weights);
    });

    if (kind === "vae")
      it("vae: the exported scaling factor brings the latents to unit variance", async () => {
        const trainer = (await open(await configOf("vae"))) as VAETrainer;
        try {
          await collect(trainer);
          await trainer.exportModel(join(folder, "scaled"));
        } finally {
          await trainer.close();
        }
        const factor = Number((await readModelFolder(join(folder, "scaled"), "vae")).config["scaling_factor"]);
        expect(factor).toBeGreaterThan(0);
        expect(factor).not.toBe(0.7);
        // Trained on from there and measured again: hardly moved in one step of a tiny learning rate.
        const again = (await open(
          await configOf("vae", {
            "model.path": join(folder, "scaled"),
            max_train_steps: 1,
            "optimizer.learning_rate": 1e-9,
          }),
        )) as VAETrainer;
        try {
          await collect(again);
          await again.exportModel(join(folder, "scaled-again"));
        } finally {
          await again.close();
        }
        const measured = (await readModelFolder(join(folder, "scaled-again"), "vae")).config["scaling_factor"];
        expect(measured).toBeCloseTo(factor, 3);
      });

    it(`${kind}: the loss falls`, async () => {
      const config = await configOf(kind as "vae", {
        max_train_steps: 60,
        train_batch_size: 4,
        gradient_accumulation_steps: 1,
        "optimizer.learning_rate": 2e-3,
      });
      const losses = stepsOf((await wholeRun(config)).events).map((e) => e.losses["total"]!);
      const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
      expect(mean(losses.slice(-10))).toBeLessThan(mean(losses.slice(0, 10)) * 0.8);
    });

    it(`${kind}: cutting a micro-batch and accumulating more gives the same step`, async () => {
      const large = await wholeRun(
        await configOf(kind as "vae", { train_batch_size: 4, gradient_accumulation_steps: 1, max_train_steps: 3 }),
      );
      const small = await wholeRun(
        await configOf(kind as "vae", { train_batch_size: 1, gradient_accumulation_steps: 4, max_train_steps: 3 }),
      );
      for (const [i, step] of stepsOf(small.events).entries()) {
        const other = stepsOf(large.events)[i]!;
        // AdamW's first updates have the size of the learning rate however small a gradient is: rounding grows by them.
        expect(step.losses["total"]! / other.losses["total"]!).toBeCloseTo(1, i === 0 ? 5 : 3);
        expect(step.gradNorm / other.gradNorm).toBeCloseTo(1, i === 0 ? 5 : 2);
      }
    });

    it(`${kind}: stopped in the middle of a step it keeps the weights of the step before, and works on`, async () => {
      // Large enough for the abort to come while the second step computes.
      const large = { "data.height": 128, "data.width": 256, train_batch_size: 4 };
      const one = await wholeRun(await configOf(kind as "vae", { ...large, max_train_steps: 1 }));
      const controller = new AbortController();
      const trainer = await open(await configOf(kind as "vae", large), { signal: controller.signal });
      const error = await (async () => {
        for await (const event of trainer.train()) if (event.type === "step") setTimeout(() => controller.abort(), 100);
      })().catch((e: AnonymizerError) => e);
      expect(error).toMatchObject({ code: "ERR_ABORTED", details: { step: 1 } });
      await trainer.exportModel(join(folder, `aborted-${kind}`));
      await trainer.close();
      expect((await readModelFolder(join(folder, `aborted-${kind}`), kind)).metadata.sha256).toEqual(one.weights);
    });

    it(`${kind}: validates and draws samples`, async () => {
      const config = await configOf(kind as "vae", {
        max_train_steps: 2,
        "validation.every_steps": 1,
        "validation.batches": 2,
        "samples.every_steps": 2,
        "samples.inference_steps": 2,
        "optimizer.learning_rate": 1e-12,
      });
      const { events } = await wholeRun(config);
      const [a, b] = events.filter((e) => e.type === "validation");
      // The weights hardly moved and noise and batches are fixed.
      expect(b!.losses["total"]! / a!.losses["total"]!).toBeCloseTo(1, 4);
      const sample = events.find((e) => e.type === "sample")!;
      expect((await readFile(sample.path)).subarray(1, 4).toString()).toBe("PNG");
      expect(sample.columns).toHaveLength(kind === "vae" ? 2 : 3);
    });
  }

  it("vae: what is frozen does not change by a bit, what is not changes", async () => {
    const config = await configOf("vae", {
      freeze: ["encoder", "quant_conv"],
      "loss.kl_weight": 0,
      max_train_steps: 2,
    });
    await wholeRun(config);
    const before = await tensorBytes(join(root, "models/tiny/vae/model.safetensors"));
    const after = await tensorBytes(join(config.output_dir!, "out/model.safetensors"));
    let changed = 0;
    for (const [name, bytes] of before) {
      const same = bytes.equals(after.get(name)!);
      if (name.startsWith("encoder.") || name.startsWith("quant_conv.")) expect(same, name).toBe(true);
      else if (!same) changed++;
    }
    expect(changed).toBeGreaterThan(10);
  });

  it("vae: every loss term pulls, and computeLoss gives their weighted sum", async () => {
    const config = await configOf("vae", { "loss.kl_weight": 0.01 });
    const trainer = await VAETrainer.create(config);
    const events = trainer.train();
    let first: StepEvent | undefined;
    for await (const event of events) {
      if (event.type !== "step") continue;
      first = event;
      break;
    }
    for (const term of ["recon", "kl", "perceptual"]) expect(first!.gradientNorms![term], term).toBeGreaterThan(0);
    const dataset = await DocumentDataset.open(manifest, { split: "train" });
    const loader = createLoader(dataset, { batchSize: 2, height: 32, width: 64, seed: 1, masks: false });
    const batch = (await loader.next()).value!;
    await loader.return();
    const losses = await trainer.computeLoss(batch);
    await trainer.close();
    const sum = losses["recon"]! + 0.01 * losses["kl"]! + 0.1 * losses["perceptual"]!;
    expect(losses["total"]! / sum).toBeCloseTo(1, 5);
  });

  it("unet: exports a pipeline folder with projection and trained glyph encoder, and starts again from it", async () => {
    const config = await configOf("unet", { max_train_steps: 2 });
    const trainer = await UNetTrainer.create(config);
    await collect(trainer);
    const models = join(folder, "pipeline");
    await trainer.exportPipeline(models);
    await trainer.close();
    const next = await UNetTrainer.create({
      ...config,
      output_dir: join(folder, "again"),
      model: { path: join(models, "unet") },
      vae: { path: join(models, "vae") },
      glyph_encoder: { ...config.glyph_encoder, path: join(models, "glyph_encoder") },
    });
    const first = (await collect(next)).find((e) => e.type === "step")!;
    await next.close();
    expect(Number.isFinite(first.losses["total"])).toBe(true);
    const card = await readFile(join(models, "unet/README.md"), "utf8");
    expect(card).toContain("preset | tiny-unet");
  });

  it("the command line trains, exports and tells where", async () => {
    const out: string[] = [];
    const terminal = { stdout: { write: (t: string) => void out.push(t) }, stderr: { write: () => undefined } };
    const sets = Object.entries({ ...settings, max_train_steps: 1, "data.manifest": manifest }).flatMap(([k, v]) => [
      "--set",
      `${k}=${v}`,
    ]);
    const args = [
      "vae",
      "--config",
      join(root, "configs/presets/tiny-vae.yaml"),
      "--out",
      join(folder, "cli"),
      ...sets,
    ];
    expect(await main(args, terminal, new AbortController().signal)).toBe(0);
    expect(out.join("")).toBe(`${join(folder, "cli/models/vae")}\n`);
    await readModelFolder(join(folder, "cli/models/vae"), "vae");
  });
});

async function tensorBytes(path: string): Promise<Map<string, Buffer>> {
  const file = await readFile(path);
  const length = Number(file.readBigUInt64LE());
  const header: Record<string, { data_offsets: [number, number] }> = JSON.parse(
    file.subarray(8, 8 + length).toString(),
  );
  delete header["__metadata__"];
  const data = file.subarray(8 + length);
  return new Map(
    Object.entries(header).map(
      ([
        name,
        {
          data_offsets: [a, b],
        },
      ]) => [name, data.subarray(a, b)],
    ),
  );
}
