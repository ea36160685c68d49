/** What a run shows: step events, JSON lines, validation that compares the same thing, the model card. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { NativeBatch } from "../../src/addon/native-types.ts";
import { main } from "../../src/cli/train/main.ts";
import type { UNetTrainerConfigInput, VAETrainerConfigInput } from "../../src/config/training-config.ts";
import type { StepEvent, TrainingEvent } from "../../src/training/events.ts";
import { spreadTimesteps } from "../../src/training/spread-timesteps.ts";
import { UNetTrainer } from "../../src/training/unet-trainer.ts";
import { VAETrainer } from "../../src/training/vae-trainer.ts";
import { fakeData } from "./helpers/fake-data.ts";
import { type FakeSettings, fakeNative } from "./helpers/fake-native.ts";
import { unetFixtureConfig, vaeFixtureConfig } from "./helpers/fixture-config.ts";
import { modelFixture } from "./helpers/model-fixture.ts";

const sources = vi.hoisted(() => ({ loadNative: vi.fn(), openData: vi.fn() }));
vi.mock("../../src/training/trainer-sources.ts", () => ({ trainerSources: sources }));

let folder: string;
let native: ReturnType<typeof fakeNative>;

function use(settings: FakeSettings = {}): void {
  native = fakeNative(settings);
  sources.loadNative.mockImplementation(async () => native);
  sources.openData.mockImplementation(async (config) => fakeData(config));
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "telemetry-test-"));
  for (const kind of ["vae", "unet", "glyph_encoder", "vgg16"] as const) await modelFixture(join(folder, kind), kind);
  use();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const common = () =>
  ({
    data: { manifest: join(folder, "manifest.jsonl"), height: 16, width: 32, licence: "CC0-1.0" },
    lr_scheduler: { type: "constant" },
    output_dir: join(folder, "run"),
    train_batch_size: 4,
    gradient_accumulation_steps: 1,
    max_train_steps: 4,
    checkpoint: { every_steps: 0 },
    validation: { every_steps: 2, batches: 3 },
    samples: { every_steps: 0 },
  }) as const;
const vaeConfig = (extra: Partial<VAETrainerConfigInput> = {}) => vaeFixtureConfig(folder, { ...common(), ...extra });
const unetConfig = (extra: Partial<UNetTrainerConfigInput> = {}) =>
  unetFixtureConfig(folder, { ...common(), ...extra });

async function collect(trainer: VAETrainer | UNetTrainer): Promise<TrainingEvent[]> {
  const events: TrainingEvent[] = [];
  try {
    for await (const event of trainer.train()) events.push(event);
  } finally {
    await trainer.close();
  }
  return events;
}

describe("validation of the UNet", () => {
  it("spreads timesteps evenly over any stretch of places, always the same", () => {
    for (const [first, count] of [
      [0, 8],
      [0, 64],
      [16, 32],
      [1000, 100],
    ] as const) {
      const steps = [...(spreadTimesteps(first, count).data as BigInt64Array)].map(Number).sort((a, b) => a - b);
      expect(steps[0]).toBeGreaterThanOrEqual(0);
      expect(steps.at(-1)).toBeLessThan(1000);
      // The three-gap theorem: no gap is larger than about 2.62 times the mean.
      const gaps = steps.map((step, i) => step - (i === 0 ? 0 : steps[i - 1]!));
      expect(Math.max(...gaps, 1000 - steps.at(-1)!)).toBeLessThan((2.7 * 1000) / count + 1);
      expect(steps.reduce((a, b) => a + b, 0) / count).toBeGreaterThan(500 - 600 / Math.sqrt(count));
    }
    const joined = [...(spreadTimesteps(0, 4).data as BigInt64Array), ...(spreadTimesteps(4, 4).data as BigInt64Array)];
    expect([...(spreadTimesteps(0, 8).data as BigInt64Array)]).toEqual(joined);
  });

  const watched = async (settings: FakeSettings): Promise<{ id: bigint; timestep: bigint; step: number }[][]> => {
    use(settings);
    await rm(join(folder, "run"), { recursive: true, force: true });
    const seen: { id: bigint; timestep: bigint; step: number }[] = [];
    const trainer = await UNetTrainer.create(unetConfig());
    const real = native.made[0]!.computeLoss.bind(native.made[0]!);
    native.made[0]!.computeLoss = async (batch: NativeBatch, step: number) => {
      const losses = await real(batch, step);
      const timesteps = batch.timesteps!.data as BigInt64Array;
      for (const [i, id] of batch.ids.entries()) seen.push({ id, timestep: timesteps[i]!, step });
      return losses;
    };
    await collect(trainer);
    return [seen.slice(0, seen.length / 2), seen.slice(seen.length / 2)];
  };

  it("compares the same samples at the same timesteps with the same noise each time, however they are cut", async () => {
    const [first, second] = await watched({});
    expect(first).toHaveLength(12);
    expect(second).toEqual(first);
    expect(new Set(first!.map(({ timestep }) => timestep)).size).toBe(12);
    expect(new Set(first!.map(({ step }) => step))).toEqual(new Set([0]));
    // Memory for one sample only.
    const [cut] = await watched({ memory: 1 });
    expect(cut).toEqual(first);
  });
});

describe("step events", () => {
  it("tell rate, gradient norm, speed, memory and the share of time spent waiting for data", async () => {
    const steps = (await collect(await VAETrainer.create(vaeConfig()))).filter(
      (e): e is StepEvent => e.type === "step",
    );
    for (const event of steps) {
      expect(event.dataWaitShare).toBeGreaterThanOrEqual(0);
      expect(event.dataWaitShare).toBeLessThanOrEqual(1);
      expect(event.dataWaitMs).toBeGreaterThanOrEqual(0);
      expect(event.rssBytes).toBeGreaterThan(10 * 2 ** 20);
      expect(event.samplesPerSecond).toBeGreaterThan(0);
      expect(event.learningRate).toBe(5e-4);
      expect(event.gradNorm).toBeGreaterThan(0);
    }
  });

  it("say so when the trainer waits for its data", async () => {
    sources.openData.mockImplementation(async (config) => {
      const data = fakeData(config);
      const real = data.batches.bind(data);
      data.batches = async function* (request) {
        for await (const batch of real(request)) {
          await new Promise((resolve) => setTimeout(resolve, 30));
          yield batch;
        }
      };
      return data;
    });
    const steps = (await collect(await VAETrainer.create(vaeConfig()))).filter(
      (e): e is StepEvent => e.type === "step",
    );
    expect(steps.at(-1)!.dataWaitShare).toBeGreaterThan(0.5);
  });
});

describe("anonymizer-train --json", () => {
  const yaml = () =>
    `kind: vae\nmodel: {path: vae}\ndata: {manifest: manifest.jsonl, height: 16, width: 32}\nloss: {reduction: mean, perceptual_weight: 0}\nlr_scheduler: {type: constant}\noutput_dir: run\ntrain_batch_size: 4\nmax_train_steps: 3\n`;

  async function cli(...args: string[]) {
    const file = join(folder, "vae.yaml");
    await writeFile(file, yaml());
    const parts = { stdout: "", stderr: "" };
    const into = (name: keyof typeof parts) => ({
      write: (text: string) => {
        parts[name] += text;
      },
    });
    const terminal = { stdout: into("stdout"), stderr: into("stderr") };
    const code = await main(["vae", "--config", file, ...args], terminal, new AbortController().signal);
    return { code, ...parts };
  }

  it("writes every event as a line of JSON on stderr and nothing else", async () => {
    const { code, stdout, stderr } = await cli("--json");
    expect(code).toBe(0);
    expect(stdout).toBe(`${join(folder, "run/models/vae")}\n`);
    const lines = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.every(({ level, time }) => level === "info" && typeof time === "string")).toBe(true);
    expect(lines.map(({ event }) => event).filter(Boolean)).toEqual([
      "step",
      "step",
      "step",
      "validation",
      "sample",
      "checkpoint",
      "done",
    ]);
    expect(lines.find(({ event }) => event === "step")).toMatchObject({
      step: 1,
      maxSteps: 3,
      losses: { total: expect.any(Number) },
      dataWaitShare: expect.any(Number),
    });
  });

  it("ends with the error as a line of JSON", async () => {
    await rm(join(folder, "vae", "graph.pt"));
    const { code, stderr } = await cli("--json");
    expect(code).toBe(1);
    expect(JSON.parse(stderr.trim().split("\n").at(-1)!)).toMatchObject({
      level: "error",
      err: { code: "ERR_MODEL_NOT_FOUND", cure: expect.any(String) },
    });
  });

  it("without it the bar tells losses, rate, gradient, speed, waiting and memory", async () => {
    const { stderr } = await cli();
    expect(stderr).toMatch(
      /vae 3\/3 {2}total \S+ {2}lr 0\.00050 {2}grad \S+ {2}[\d.]+\/s {2}waits \d+ % {2}[\d.]+ [MG]iB/,
    );
  });
});

describe("the model card", () => {
  const cardOf = async (config: VAETrainerConfigInput): Promise<string> => {
    const trainer = await VAETrainer.create(config);
    for await (const _ of trainer.train());
    await trainer.exportModel(join(folder, "out"));
    await trainer.close();
    expect(await readdir(join(folder, "out"))).toContain("README.md");
    return readFile(join(folder, "out", "README.md"), "utf8");
  };

  it("names data, licence, every hyper-parameter of the loss, measured quality and limits", async () => {
    const card = await cardOf(vaeConfig({ name: "receipts", freeze: ["encoder"], ema_decay: 0.99 }));
    for (const line of [
      /^# receipts$/m,
      /^## Data\n\n40 training samples and \d+ held out; manifest sha256 [0-9a-f]{16}\. Licence of the data: CC0-1\.0\.$/m,
      /^\| optimizer steps \| 4 \|$/m,
      /^\| effective batch \| 4 = 4 × 1 × 1 \|$/m,
      /^\| loss \| mean of mse \+ 0\.00025 · KL \|$/m,
      /^\| learning rate \| 0\.0005, constant \|$/m,
      /^\| AdamW \| betas 0\.9, 0\.999, eps 1e-8, weight decay 0\.01, clipping 1 \|$/m,
      /^\| averaged weights \| EMA, decay 0\.99 \|$/m,
      /^\| frozen \| encoder \|$/m,
      /^\| augmentation \| rotation ±5°, brightness ±0\.1, contrast ±0\.1 \|$/m,
      /^- Last training step: total /m,
      /^- Held-out data: total \S+ \(3 batches, 12 samples, after step 4\)$/m,
      /^## Limits\n\nJudged by its losses/m,
    ]) {
      expect(card).toMatch(line);
    }
  });

  it("says that nothing was measured when nothing was", async () => {
    expect(await cardOf(vaeConfig({ validation: { every_steps: 0 } }))).toContain("- Held-out data: not measured");
  });

  it("never calls a random network LPIPS", async () => {
    const card = await cardOf(vaeConfig({ loss: { reduction: "mean" }, perceptual: { path: join(folder, "vgg16") } }));
    expect(card).toContain("0.1 · random-vgg");
    expect(card).toContain("random weights");
    expect(card).not.toMatch(/lpips/i);
  });
});
