import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { UNetTrainerConfigInput, VAETrainerConfigInput } from "../../src/config/training-config.ts";
import type { AnonymizerError } from "../../src/errors.ts";
import { readModelFolder } from "../../src/models/model-folder.ts";
import type { StepEvent, TrainingEvent, WarningEvent } from "../../src/training/events.ts";
import { UNetTrainer } from "../../src/training/unet-trainer.ts";
import { VAETrainer } from "../../src/training/vae-trainer.ts";
import { type FakeDataSettings, fakeBatch, fakeData } from "./helpers/fake-data.ts";
import { type FakeSettings, fakeNative } from "./helpers/fake-native.ts";
import { unetFixtureConfig, vaeFixtureConfig } from "./helpers/fixture-config.ts";
import { modelFixture, safetensors, shapesOf } from "./helpers/model-fixture.ts";

// The trainers' own parts are real; only the native side and the files of a dataset are stood in for.
const sources = vi.hoisted(() => ({ loadNative: vi.fn(), openData: vi.fn() }));
vi.mock("../../src/training/trainer-sources.ts", () => ({ trainerSources: sources }));

let folder: string;
let native: ReturnType<typeof fakeNative>;
let data: ReturnType<typeof fakeData>;

function use(settings: FakeSettings = {}, dataSettings: FakeDataSettings = {}): void {
  native = fakeNative(settings);
  sources.loadNative.mockImplementation(async () => native);
  sources.openData.mockImplementation(async (config) => {
    data = fakeData(config, dataSettings);
    return data;
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "loop-test-"));
  for (const kind of ["vae", "unet", "glyph_encoder", "vgg16"] as const) await modelFixture(join(folder, kind), kind);
  use();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const common = () =>
  ({
    data: { manifest: join(folder, "manifest.jsonl"), height: 16, width: 32 },
    lr_scheduler: { type: "constant" },
    output_dir: join(folder, "run"),
    train_batch_size: 4,
    gradient_accumulation_steps: 2,
    max_train_steps: 6,
    precision: "fp32",
    checkpoint: { every_steps: 2, keep: 2 },
    validation: { every_steps: 3, batches: 2 },
    samples: { every_steps: 0 },
  }) as const;

const vaeConfig = (extra: Partial<VAETrainerConfigInput> = {}) => vaeFixtureConfig(folder, { ...common(), ...extra });
const unetConfig = (extra: Partial<UNetTrainerConfigInput> = {}) =>
  unetFixtureConfig(folder, { ...common(), ...extra });

async function collect(trainer: VAETrainer | UNetTrainer): Promise<TrainingEvent[]> {
  const events: TrainingEvent[] = [];
  for await (const event of trainer.train()) events.push(event);
  return events;
}

const stepsOf = (events: readonly TrainingEvent[]): StepEvent[] => events.filter((e) => e.type === "step");
const warningsOf = (events: readonly TrainingEvent[]): WarningEvent[] => events.filter((e) => e.type === "warning");

/** What must be equal between two runs: everything but times. */
const numbers = (events: readonly TrainingEvent[]) =>
  stepsOf(events).map(({ step, losses, gradNorm, learningRate }) => ({ step, losses, gradNorm, learningRate }));

async function train(config: VAETrainerConfigInput): Promise<{ events: TrainingEvent[]; weights: number[] }> {
  const trainer = await VAETrainer.create(config);
  try {
    return { events: await collect(trainer), weights: [...native.made.at(-1)!.weights] };
  } finally {
    await trainer.close();
  }
}

async function failure(promise: Promise<unknown>): Promise<AnonymizerError> {
  return promise.then(
    () => {
      throw new Error("should have failed");
    },
    (error: AnonymizerError) => error,
  );
}

describe("the course of a run", () => {
  it("tells steps, validations, checkpoints and the end, in order", async () => {
    const { events } = await train(vaeConfig());
    expect(events.map((e) => `${e.type} ${e.step}`)).toEqual([
      "step 1",
      "step 2",
      "checkpoint 2",
      "step 3",
      "validation 3",
      "step 4",
      "checkpoint 4",
      "step 5",
      "step 6",
      "validation 6",
      "checkpoint 6",
      "done 6",
    ]);
    expect(events.at(-1)).toMatchObject({ samples: 48, epoch: 48 / 40, losses: stepsOf(events).at(-1)!.losses });
  });

  it("gives every step the accumulated micro-batches of its own place", async () => {
    await train(vaeConfig());
    expect(native.made[0]!.calls).toEqual([0, 1, 2, 3, 4, 5].map((step) => ({ step, sizes: [4, 4] })));
  });

  it("states the effective batch, the epoch and what is left", async () => {
    const first = stepsOf((await train(vaeConfig())).events)[0]!;
    expect(first).toMatchObject({ effectiveBatch: 8, microBatch: 4, maxSteps: 6, epoch: 8 / 40 });
    expect(first.samplesPerSecond).toBeGreaterThan(0);
    expect(first.etaSeconds).toBeGreaterThan(0);
  });

  it("keeps the newest checkpoints only and writes events.jsonl and run.json", async () => {
    const { events } = await train(vaeConfig());
    expect((await readdir(join(folder, "run", "checkpoints"))).sort()).toEqual(["step-00000004", "step-00000006"]);
    const lines = (await readFile(join(folder, "run", "events.jsonl"), "utf8"))
      .trim()
      .split("\n")
      .map((l) => JSON.parse(l));
    expect(lines.map((l) => l.type)).toEqual(events.map((e) => e.type));
    const report = JSON.parse(await readFile(join(folder, "run", "run.json"), "utf8"));
    expect(report).toMatchObject({ plan: { effectiveBatch: 8, preset: "custom" }, device: "cpu", libtorch: "2.13.0" });
  });

  it("closes every loader it opened", async () => {
    await train(vaeConfig());
    expect(data.opened).toBeGreaterThan(1);
    expect(data.ended).toBe(data.opened);
  });

  it("validates on the same batches with the same noise each time", async () => {
    const { events } = await train(vaeConfig({ optimizer: { learning_rate: 1e-12 } }));
    const [a, b] = events.filter((e) => e.type === "validation");
    expect(a!.samples).toBe(8);
    expect(b!.losses["total"]).toBeCloseTo(a!.losses["total"]!, 9);
  });

  it("warns once when nothing is held out", async () => {
    use({}, { validationSamples: 0 });
    const { events } = await train(vaeConfig());
    expect(warningsOf(events).map((w) => w.code)).toEqual(["no_validation_data"]);
    expect(events.some((e) => e.type === "validation")).toBe(false);
  });

  it("tells how many samples were skipped and why", async () => {
    use({}, { skipped: { "image missing": 3 } });
    const { events } = await train(vaeConfig());
    expect(warningsOf(events)).toMatchObject([
      { code: "samples_skipped", details: { reasons: { "image missing": 3 } } },
    ]);
  });

  it("names samples skipped in training at once and at the end, and reports the same after a resume", async () => {
    const sample = (id: string, region: number) => ({ id, region, reason: "ERR_DOCUMENT_DAMAGED: cut off" });
    const settings = {
      skipped: { "image missing": 3 },
      // Batch 20 is never reached; a loader may have prepared it.
      skippedInBatch: {
        2: [sample("a", 1)],
        3: [sample("a", 1), sample("b", 0)],
        8: [sample("c", 2)],
        20: [sample("d", 0)],
      },
    };
    use({}, settings);
    const { events } = await train(vaeConfig());
    const told = warningsOf(events).filter((w) => w.code === "samples_skipped");
    expect(told.map((w) => [w.step, w.details["count"]])).toEqual([
      [0, 3],
      [2, 5],
      [6, 6],
    ]);
    expect(told[1]!.message).toContain("a region 1, b region 0");
    const expected = {
      count: 6,
      reasons: { "image missing": 3, "ERR_DOCUMENT_DAMAGED: cut off": 3 },
      samples: [sample("a", 1), sample("b", 0), sample("c", 2)],
    };
    expect(events.at(-1)).toMatchObject({ type: "done", skipped: expected });

    for (const stop of [1, 3, 5]) {
      const config = vaeConfig({
        output_dir: join(folder, `stopped-${stop}`),
        checkpoint: { every_steps: 1, keep: 9 },
      });
      const first = await VAETrainer.create(config);
      for await (const event of first.train()) if (event.type === "checkpoint" && event.step === stop) break;
      await first.close();
      const second = await VAETrainer.create(config, { resumeFrom: "latest" });
      expect((await collect(second)).at(-1)).toMatchObject({ type: "done", skipped: expected });
      await second.close();
    }
  });

  it("gives the same numbers for the same seed and others for another", async () => {
    const first = await train(vaeConfig());
    const second = await train(vaeConfig({ output_dir: join(folder, "run2") }));
    const other = await train(vaeConfig({ output_dir: join(folder, "run3"), seed: 1 }));
    expect(numbers(second.events)).toEqual(numbers(first.events));
    expect(second.weights).toEqual(first.weights);
    expect(numbers(other.events)).not.toEqual(numbers(first.events));
  });

  it("can be left and taken up again in the same process", async () => {
    const whole = await train(vaeConfig());
    const trainer = await VAETrainer.create(vaeConfig({ output_dir: join(folder, "run2") }));
    const events: TrainingEvent[] = [];
    for await (const event of trainer.train()) {
      events.push(event);
      if (event.type === "step" && event.step === 3) break;
    }
    events.push(...(await collect(trainer)));
    await trainer.close();
    expect(numbers(events)).toEqual(numbers(whole.events));
  });

  it("refuses to train twice at the same time", async () => {
    const trainer = await VAETrainer.create(vaeConfig());
    const running = trainer.train();
    await running.next();
    expect((await failure(trainer.train().next())).code).toBe("ERR_INVALID_ARGUMENT");
    await running.return();
    await trainer.close();
  });

  it("refuses to start where an earlier run left checkpoints", async () => {
    await train(vaeConfig());
    const error = await failure(VAETrainer.create(vaeConfig()));
    expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    expect(error.message).toContain("resume it");
  });
});

describe("resuming", () => {
  it("gives the same numbers as no stop", async () => {
    const whole = await train(vaeConfig());
    const config = vaeConfig({ output_dir: join(folder, "run2") });
    const first = await VAETrainer.create(config);
    const events: TrainingEvent[] = [];
    for await (const event of first.train()) {
      events.push(event);
      if (event.type === "checkpoint" && event.step === 4) break;
    }
    await first.close();
    const second = await VAETrainer.create(config, { resumeFrom: "latest" });
    expect(second.step).toBe(4);
    events.push(...(await collect(second)));
    await second.close();
    expect(numbers(events)).toEqual(numbers(whole.events));
    expect(native.made.at(-1)!.weights).toEqual(whole.weights);
  });

  it("goes on from the one before when the newest checkpoint is damaged, and says so", async () => {
    const whole = await train(vaeConfig());
    await rm(join(folder, "run", "checkpoints", "step-00000006", "optimizer.safetensors"));
    const trainer = await VAETrainer.create(vaeConfig(), { resumeFrom: "latest" });
    expect(trainer.step).toBe(4);
    const events = await collect(trainer);
    await trainer.close();
    expect(warningsOf(events)[0]).toMatchObject({ code: "checkpoint_damaged" });
    expect(warningsOf(events)[0]!.message).toContain("step-00000006");
    expect(numbers(events)).toEqual(numbers(whole.events).slice(4));
  });

  it("never takes a damaged or abandoned checkpoint for its own, even when it keeps only one", async () => {
    const config = vaeConfig({ checkpoint: { every_steps: 1, keep: 1 }, max_train_steps: 9 });
    await train(config);
    const checkpoints = join(folder, "run", "checkpoints");
    await train({ ...config, output_dir: join(folder, "run2"), max_train_steps: 4 });
    // An older one beside a damaged newest one.
    await rename(join(folder, "run2", "checkpoints", "step-00000004"), join(checkpoints, "step-00000004"));
    await rm(join(checkpoints, "step-00000009", "optimizer.safetensors"));
    const trainer = await VAETrainer.create({ ...config, max_train_steps: 6 }, { resumeFrom: "latest" });
    const events = await collect(trainer);
    await trainer.close();
    expect(warningsOf(events).map((w) => w.code)).toEqual(
      expect.arrayContaining(["checkpoint_damaged", "checkpoints_set_aside"]),
    );
    // Step 6 is the newest now, not the damaged 9.
    expect((await readdir(checkpoints)).sort()).toEqual(["step-00000006", "step-00000009.aside"]);
    const again = await VAETrainer.create(config, { resumeFrom: "latest" });
    expect(again.step).toBe(6);
    await again.close();
  });

  it("writes events of repeated steps once", async () => {
    const config = vaeConfig();
    const first = await VAETrainer.create(config);
    for await (const event of first.train()) if (event.type === "step" && event.step === 5) break;
    await first.close();
    const second = await VAETrainer.create(config, { resumeFrom: "latest" });
    await collect(second);
    await second.close();
    const lines = (await readFile(join(folder, "run", "events.jsonl"), "utf8"))
      .trim()
      .split("\n")
      .map((l) => JSON.parse(l));
    expect(lines.filter((l) => l.type === "step").map((l) => l.step)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("names the key when the configuration does not fit the checkpoint", async () => {
    await train(vaeConfig());
    for (const [change, key] of [
      [{ seed: 5 }, "seed is 5, was 0"],
      [{ train_batch_size: 2 }, "train_batch_size is 2, was 4"],
      [{ gradient_accumulation_steps: 1 }, "gradient_accumulation_steps is 1, was 2"],
      [{ ema_decay: 0.9 }, "ema_decay"],
      [{ freeze: ["encoder"] }, "freeze"],
    ] as const) {
      const error = await failure(VAETrainer.create(vaeConfig(change as never), { resumeFrom: "latest" }));
      expect(error.code).toBe("ERR_CHECKPOINT_MISMATCH");
      expect(error.message).toContain(key);
    }
    await modelFixture(join(folder, "vae"), "vae", { value: 0.75 });
    const error = await failure(VAETrainer.create(vaeConfig(), { resumeFrom: "latest" }));
    expect(error.message).toMatch(/model: the weights are/);
  });

  it("allows another learning rate and says so", async () => {
    await train(vaeConfig());
    const trainer = await VAETrainer.create(vaeConfig({ optimizer: { learning_rate: 1e-3 }, max_train_steps: 7 }), {
      resumeFrom: join(folder, "run"),
    });
    const events = await collect(trainer);
    await trainer.close();
    expect(warningsOf(events)[0]).toMatchObject({
      code: "config_changed",
      details: { keys: expect.arrayContaining(["optimizer.learning_rate", "max_train_steps"]) },
    });
    expect(stepsOf(events).map((e) => e.step)).toEqual([7]);
  });

  it("says when there is nothing to resume", async () => {
    expect((await failure(VAETrainer.create(vaeConfig(), { resumeFrom: "latest" }))).code).toBe(
      "ERR_CHECKPOINT_NOT_FOUND",
    );
    expect(native.made).toHaveLength(0);
  });
});

describe("aborting", () => {
  it("stops mid-backward and writes a checkpoint of the last whole step first", async () => {
    use({ hangAtStep: 3 });
    const controller = new AbortController();
    const trainer = await VAETrainer.create(vaeConfig(), { signal: controller.signal });
    native.made[0]!.onHang = () => controller.abort();
    const events: TrainingEvent[] = [];
    const error = await failure(
      (async () => {
        for await (const event of trainer.train()) events.push(event);
      })(),
    );
    await trainer.close();
    expect(error).toMatchObject({ code: "ERR_ABORTED", name: "AbortError", details: { step: 3 } });
    expect(events.at(-1)).toMatchObject({ type: "checkpoint", step: 3, reason: "abort" });
    expect(error.details["checkpoint"]).toBe(join(folder, "run", "checkpoints", "step-00000003"));

    const whole = await (async () => {
      use();
      return train(vaeConfig({ output_dir: join(folder, "run2") }));
    })();
    const resumed = await VAETrainer.create(vaeConfig(), { resumeFrom: "latest" });
    events.push(...(await collect(resumed)));
    await resumed.close();
    expect(numbers(events)).toEqual(numbers(whole.events));
  });

  it("writes none when save_on_abort is off", async () => {
    use({ hangAtStep: 1 });
    const controller = new AbortController();
    const trainer = await VAETrainer.create(vaeConfig({ checkpoint: { save_on_abort: false } }), {
      signal: controller.signal,
    });
    native.made[0]!.onHang = () => controller.abort();
    expect((await failure(collect(trainer))).code).toBe("ERR_ABORTED");
    await trainer.close();
    expect(await readdir(join(folder, "run"))).not.toContain("checkpoints");
  });

  it("does not start at all with a signal that has fired", async () => {
    const error = await failure(VAETrainer.create(vaeConfig(), { signal: AbortSignal.abort() }));
    expect(error.code).toBe("ERR_ABORTED");
    expect(native.made).toHaveLength(0);
  });

  it("is stopped by close(), which frees the native side, writes nothing and can be repeated", async () => {
    use({ hangAtStep: 1 });
    const trainer = await VAETrainer.create(vaeConfig({ checkpoint: { every_steps: 0 } }));
    const hanging = new Promise<void>((resolve) => {
      native.made[0]!.onHang = resolve;
    });
    const running = failure(collect(trainer));
    await hanging;
    await Promise.all([trainer.close(), trainer.close()]);
    expect((await running).code).toBe("ERR_ABORTED");
    expect(native.made[0]!.closed).toBe(true);
    expect(await readdir(join(folder, "run"))).not.toContain("checkpoints");
    expect((await failure(trainer.computeLoss(fakeBatch(trainer.config, 0, 4)))).code).toBe("ERR_CLOSED");
    expect((await failure(collect(trainer))).code).toBe("ERR_CLOSED");
  });
});

describe("when memory runs out", () => {
  it("halves the micro-batch at the same effective batch until it fits, says so, and gives the same numbers", async () => {
    const whole = await train(vaeConfig());
    use({ memory: 1 });
    const { events } = await train(vaeConfig({ output_dir: join(folder, "run2") }));
    expect(warningsOf(events)).toMatchObject([
      { code: "out_of_memory", details: { before: 4, microBatch: 2, accumulation: 4, effectiveBatch: 8 } },
      { code: "out_of_memory", details: { before: 2, microBatch: 1, accumulation: 8, effectiveBatch: 8 } },
    ]);
    expect(numbers(events)).toEqual(numbers(whole.events));
    expect(native.made[0]!.calls.at(-1)).toEqual({ step: 5, sizes: [1, 1, 1, 1, 1, 1, 1, 1] });
  });

  it("cuts an odd micro-batch into equal pieces", async () => {
    use({ memory: 2 });
    await train(vaeConfig({ train_batch_size: 9, gradient_accumulation_steps: 1 }));
    expect(native.made[0]!.calls.at(-1)!.sizes).toEqual(Array(9).fill(1));
    use({ memory: 3 });
    await train(vaeConfig({ train_batch_size: 9, gradient_accumulation_steps: 1, output_dir: join(folder, "run2") }));
    expect(native.made[0]!.calls.at(-1)!.sizes).toEqual([3, 3, 3]);
  });

  it("fails with the code when one sample does not fit, and closes cleanly", async () => {
    use({ memory: 0 });
    const trainer = await VAETrainer.create(vaeConfig());
    const error = await failure(collect(trainer));
    await trainer.close();
    expect(error.code).toBe("ERR_OUT_OF_MEMORY");
    expect(error.message).toContain("one sample");
    expect(native.made[0]!.closed).toBe(true);
  });

  it("goes on with the smaller micro-batch after a resume", async () => {
    use({ memory: 2 });
    await train(vaeConfig());
    const trainer = await VAETrainer.create(vaeConfig({ max_train_steps: 8 }), { resumeFrom: "latest" });
    const events = await collect(trainer);
    await trainer.close();
    expect(stepsOf(events).map((e) => e.microBatch)).toEqual([2, 2]);
    expect(warningsOf(events).map((w) => w.code)).toEqual(["config_changed"]);
  });
});

describe("the report of the first step", () => {
  it("gives the gradient norms of the loss terms once", async () => {
    const steps = stepsOf((await train(vaeConfig())).events);
    expect(steps.map((s) => s.gradientNorms)).toEqual([{ recon: 1, kl: 0.01 }, ...Array(5).fill(undefined)]);
  });

  it("warns when the KL term pulls more strongly than the reconstruction", async () => {
    use({ norms: { recon: 0.1, kl: 5 } });
    const { events } = await train(vaeConfig());
    expect(events[0]).toMatchObject({ type: "warning", code: "kl_dominates" });
    expect(warningsOf(events)[0]!.message).toContain("50 times");
    expect(warningsOf(events)[0]!.message).toContain("reduction mean");
  });

  it("warns when the perceptual term has no gradient, and never calls a random network LPIPS", async () => {
    use({ norms: { recon: 1, kl: 0, perceptual: 0 } });
    const config = vaeConfig({ loss: { reduction: "mean" }, perceptual: { path: join(folder, "vgg16") } });
    const { events } = await train(config);
    expect(warningsOf(events).map((w) => w.code)).toEqual(["perceptual_not_lpips", "no_perceptual_gradient"]);
    const trainer = await VAETrainer.create({ ...config, output_dir: join(folder, "run2") });
    expect(trainer.plan.perceptual).toBe("random-vgg");
    await trainer.close();
  });
});

describe("previews", () => {
  it("writes a grid of original, mask and result", async () => {
    const trainer = await UNetTrainer.create(unetConfig({ samples: { every_steps: 6, count: 3 }, max_train_steps: 1 }));
    const events = await collect(trainer);
    await trainer.close();
    const sample = events.find((e) => e.type === "sample")!;
    expect(sample).toMatchObject({ step: 1, rows: 3, columns: ["original", "mask", "result"] });
    const { data: pixels, info } = await sharp(sample.path).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([3 * 32 + 2 * 4, 3 * 16 + 2 * 4, 3]);
    const at = (x: number, y: number): number[] => [
      ...pixels.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3),
    ];
    const batch = fakeBatch(trainer.config, 100_000, 3);
    expect(at(0, 0)).toEqual([...batch.images.subarray(0, 3)]);
    expect(at(36, 0)).toEqual([128, 128, 128]);
    expect(at(36 + 9, 0)).toEqual([...batch.images.subarray(27, 30)]);
    expect(at(72, 0)).toEqual([...batch.images.subarray(0, 3)].map((v) => 255 - v));
    expect(at(33, 0)).toEqual([255, 255, 255]);
  });
});

describe("computeLoss", () => {
  it("gives the losses of a batch without changing anything", async () => {
    const trainer = await VAETrainer.create(vaeConfig());
    const batch = fakeBatch(trainer.config, 0, 4);
    const before = [...native.made[0]!.weights];
    expect(await trainer.computeLoss(batch)).toEqual(await trainer.computeLoss(batch));
    expect(native.made[0]!.weights).toEqual(before);
    await trainer.close();
  });

  it("refuses arrays that don't fit their shape", async () => {
    const trainer = await VAETrainer.create(vaeConfig());
    const batch = fakeBatch(trainer.config, 0, 4);
    const error = await failure(trainer.computeLoss({ ...batch, images: batch.images.subarray(1) }));
    expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    expect(error.message).toContain("[4, 16, 32, 3]");
    await trainer.close();
    const unet = await UNetTrainer.create(unetConfig());
    expect((await failure(unet.computeLoss(batch))).message).toContain("masks");
    await unet.close();
  });
});

describe("exporting", () => {
  it("writes a VAE folder that can be read again: new weights, same graph, metadata and card", async () => {
    const trainer = await VAETrainer.create(vaeConfig({ name: "mine" }));
    await collect(trainer);
    const out = join(folder, "out", "vae");
    await trainer.exportModel(out);
    await trainer.close();
    const model = await readModelFolder(out, "vae");
    const source = await readModelFolder(join(folder, "vae"), "vae");
    expect(model.metadata.sha256["graph.pt"]).toBe(source.metadata.sha256["graph.pt"]);
    expect(model.metadata.sha256["model.safetensors"]).not.toBe(source.metadata.sha256["model.safetensors"]);
    expect(model.metadata).toMatchObject({
      name: "mine",
      kind: "vae",
      training: { step: 6, samples: 48, height: 16, width: 32 },
    });
    const card = await readFile(join(out, "README.md"), "utf8");
    expect(card).toContain("# mine");
    expect(card).toMatch(/effective batch \| 8 = 4 × 2 × 1/);
    expect(card).toMatch(/Held-out data: total /);
    expect((await readdir(join(folder, "out"))).sort()).toEqual(["vae"]);
  });

  it("measures the latents' scale anew where the encoder was trained, in pieces that fit", async () => {
    native.settings.memory = 3;
    const trainer = await VAETrainer.create(vaeConfig());
    await collect(trainer);
    await trainer.exportModel(join(folder, "vae2"));
    await trainer.close();
    const [weight] = native.made.at(-1)!.weights;
    const { config } = await readModelFolder(join(folder, "vae2"), "vae");
    expect(config).toMatchObject({ latent_channels: 4, block_out_channels: [4, 8, 8] });
    // The latents' variance is 4·weight².
    expect(config["scaling_factor"]).toBeCloseTo(1 / (2 * Math.abs(weight!)), 4);
    delete native.settings.memory;
    const unet = await UNetTrainer.create(
      unetConfig({ vae: { path: join(folder, "vae2") }, output_dir: join(folder, "run2") }),
    );
    expect(native.made.at(-1)!.options.unetLoss!.scalingFactor).toBe(config["scaling_factor"]);
    await unet.close();
  });

  it("keeps the latents' scale where the encoder is what it was", async () => {
    const scaleOf = async (trainer: VAETrainer): Promise<unknown> => {
      await trainer.exportModel(join(folder, "kept"));
      await trainer.close();
      return (await readModelFolder(join(folder, "kept"), "vae")).config["scaling_factor"];
    };
    expect(await scaleOf(await VAETrainer.create(vaeConfig()))).toBe(0.18215);
    const frozen = await VAETrainer.create(vaeConfig({ freeze: ["encoder", "quant_conv"] }));
    await collect(frozen);
    expect(await scaleOf(frozen)).toBe(0.18215);
  });

  it("replaces an earlier export", async () => {
    const trainer = await VAETrainer.create(vaeConfig());
    const out = join(folder, "out");
    await trainer.exportModel(out);
    await collect(trainer);
    await trainer.exportModel(out);
    await trainer.close();
    expect((await readModelFolder(out, "vae")).metadata["training"]).toMatchObject({ step: 6 });
  });

  it("refuses weights that are not the source's tensors, and leaves nothing behind", async () => {
    for (const wrong of [
      { "other.weight": [1] },
      { ...shapesOf.vae, more: [1] },
      { ...shapesOf.vae, "quant_conv.weight": [8, 8] },
    ]) {
      const trainer = await VAETrainer.create(vaeConfig());
      native.made.at(-1)!.exportWeights = (files) => writeFile(files.model!, safetensors(wrong));
      expect((await failure(trainer.exportModel(join(folder, "out")))).code).toBe("ERR_MODEL_WEIGHTS");
      await trainer.close();
      expect((await readdir(folder)).filter((name) => name.startsWith("out"))).toEqual([]);
    }
  });

  it.each([
    [-1, "-1"],
    [0, "0"],
    ["draft", "draft"],
  ] as const)(
    "writes a UNet with its text projection and what an engine must know (fill %s)",
    async (fill, maskedFill) => {
      const trainer = await UNetTrainer.create(unetConfig({ loss: { masked_fill: fill } }));
      await trainer.exportModel(join(folder, "out"));
      await trainer.close();
      const model = await readModelFolder(join(folder, "out"), "unet");
      expect(model.textProjection).toBe(join(folder, "out", "text_projection.safetensors"));
      expect(model.metadata["inpainting"]).toMatchObject({
        predictionType: "epsilon",
        maskedFill,
        scalingFactor: 0.18215,
        glyph: { height: 32, width: 128, fit: "pad" },
        textProjection: "text_projection.safetensors",
        vaeWeightsSha256: (await readModelFolder(join(folder, "vae"), "vae")).metadata.sha256["model.safetensors"],
      });
    },
  );

  it("puts a pipeline's folders where the anonymizer looks for them, with the trained glyph encoder", async () => {
    const config = unetConfig({ glyph_encoder: { path: join(folder, "glyph_encoder"), trainable: true } });
    const trainer = await UNetTrainer.create(config);
    await collect(trainer);
    await trainer.exportPipeline(join(folder, "models"));
    await trainer.exportModel(join(folder, "alone"));
    await trainer.close();
    expect((await readdir(join(folder, "models"))).sort()).toEqual(["glyph_encoder", "unet", "vae"]);
    const glyph = await readModelFolder(join(folder, "models", "glyph_encoder"), "glyph_encoder");
    const unet = await readModelFolder(join(folder, "models", "unet"), "unet");
    expect(unet.metadata["inpainting"]).toMatchObject({
      glyphEncoderWeightsSha256: glyph.metadata.sha256["model.safetensors"],
    });
    expect(glyph.metadata.sha256["model.safetensors"]).not.toBe(
      (await readModelFolder(join(folder, "glyph_encoder"), "glyph_encoder")).metadata.sha256["model.safetensors"],
    );
    await readModelFolder(join(folder, "models", "vae"), "vae");
    await readModelFolder(join(folder, "alone", "glyph_encoder"), "glyph_encoder");
  });
});

describe("what is checked before the first step", () => {
  it("passes the configuration to the native side under its own names", async () => {
    const trainer = await UNetTrainer.create(unetConfig({ seed: 9, freeze: ["conv_out"], ema_decay: 0.5 }));
    expect(native.made[0]!.options).toMatchObject({
      kind: "unet",
      device: "cpu",
      seed: 9,
      freeze: ["conv_out"],
      emaDecay: 0.5,
      textProjection: { inputWidth: 16, outputWidth: 12 },
      schedule: { type: "constant", totalSteps: 6 },
      unetLoss: {
        maskedFill: "0",
        conditionDropout: 0.1,
        fullMaskShare: 0.25,
        scalingFactor: 0.18215,
        trainGlyphEncoder: false,
      },
    });
    await trainer.close();
  });

  it("refuses a UNet with 4 input channels", async () => {
    await modelFixture(join(folder, "unet"), "unet", { shapes: { "conv_in.weight": [8, 4, 3, 3] } });
    const error = await failure(UNetTrainer.create(unetConfig()));
    expect(error.code).toBe("ERR_MODEL_SHAPE");
    expect(error.message).toContain("needs 9");
  });

  it("refuses a VAE whose latents don't fit the UNet", async () => {
    await modelFixture(join(folder, "vae"), "vae", { config: { latent_channels: 16 } });
    expect((await failure(UNetTrainer.create(unetConfig()))).message).toMatch(/16 latent channels.*predicts 4/);
  });

  it("refuses buckets that the models can't take, and other buckets for a resumed run", async () => {
    const data = { ...common().data, buckets: { aspects: [2, 60] } };
    const error = await failure(VAETrainer.create(vaeConfig({ data })));
    expect(error).toMatchObject({ code: "ERR_CONFIG_INVALID", message: expect.stringContaining("60 times as wide") });
    await train(vaeConfig());
    const resumed = vaeConfig({ data: { ...common().data, buckets: { aspects: [1, 2] } } });
    const mismatch = await failure(VAETrainer.create(resumed, { resumeFrom: "latest" }));
    expect(mismatch).toMatchObject({
      code: "ERR_CHECKPOINT_MISMATCH",
      message: expect.stringContaining("data.buckets"),
    });
  });

  it("refuses a crop that the models can't take", async () => {
    await modelFixture(join(folder, "vae"), "vae", { config: { block_out_channels: [4, 4, 4, 4, 4, 4] } });
    const error = await failure(VAETrainer.create(vaeConfig()));
    expect(error).toMatchObject({ code: "ERR_CONFIG_INVALID" });
    expect(error.message).toMatch(/data\.height: is 16.*multiple of 32/);
  });

  it("refuses to freeze what is not there, and to freeze everything", async () => {
    const missing = await failure(VAETrainer.create(vaeConfig({ freeze: ["encode"] })));
    expect(missing.message).toMatch(/no parameter belongs to "encode"; the nearest module is encoder/);
    const all = await failure(VAETrainer.create(vaeConfig({ freeze: ["encoder", "quant_conv", "decoder"] })));
    expect(all.message).toContain("nothing is left to train");
  });

  it("counts frozen and trainable values", async () => {
    const trainer = await VAETrainer.create(vaeConfig({ freeze: ["encoder", "quant_conv"] }));
    expect(trainer.plan.parameters).toEqual({ total: 108 + 64 + 108, trainable: 108, frozen: 172 });
    await trainer.close();
  });

  it("refuses a native side that trains what should be frozen", async () => {
    const create = native.createTrainer;
    native.createTrainer = async (options) => create({ ...options, freeze: [] });
    const error = await failure(VAETrainer.create(vaeConfig({ freeze: ["encoder"] })));
    expect(error.code).toBe("ERR_NATIVE");
    expect(native.made[0]!.closed).toBe(true);
  });

  it("refuses a device that is not there", async () => {
    expect((await failure(VAETrainer.create(vaeConfig({ device: "cuda:1" })))).code).toBe("ERR_DEVICE");
  });

  it("refuses to be one of several ranks without a place among them", async () => {
    vi.stubEnv("WORLD_SIZE", "2");
    try {
      expect((await failure(VAETrainer.create(vaeConfig()))).message).toContain("RANK is missing");
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
