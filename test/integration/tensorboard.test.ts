/** Event files, read back by TensorBoard itself. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { crc32c } from "../../src/telemetry/crc32c.ts";
import { openTensorBoard } from "../../src/telemetry/tensorboard.ts";
import type { StepEvent, TrainingEvent } from "../../src/training/events.ts";
import { VAETrainer } from "../../src/training/vae-trainer.ts";
import { bundleInto } from "../helpers/bundle.ts";
import { runPython } from "../helpers/python.ts";
import { root } from "../helpers/tiny.ts";
import { fakeData } from "../unit/helpers/fake-data.ts";
import { fakeNative } from "../unit/helpers/fake-native.ts";
import { modelFixture } from "../unit/helpers/model-fixture.ts";

const sources = vi.hoisted(() => ({ loadNative: vi.fn(), openData: vi.fn() }));
vi.mock("../../src/training/trainer-sources.ts", () => ({ trainerSources: sources }));

const missing = existsSync(join(root, ".venv/bin/python"))
  ? await runPython(["-c", "import tensorboard"]).then(
      () => undefined,
      () => "tensorboard is not installed in .venv",
    )
  : "there is no .venv";
if (missing !== undefined) console.log(`skipped: ${missing} (npm run setup)`);

interface Read {
  scalars: Record<string, [step: number, value: number | string, wallTime: number][]>;
  images: Record<string, [step: number, width: number, height: number, png: string][]>;
  texts: Record<string, [step: number, text: string][]>;
  plugins: Record<string, string[]>;
  records: Record<string, number>;
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tensorboard-test-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const readBack = async (from = folder): Promise<Read> =>
  JSON.parse(await runPython([join(root, "test/parity/reference/tensorboard_events.py"), from])) as Read;

it("CRC-32C of the check string of the standard, and of 32 zeros (RFC 3720 B.4)", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
});

describe.skipIf(missing !== undefined)("TensorBoard reads", () => {
  it("scalars, a picture and a text as they were written", async () => {
    const png = await sharp({ create: { width: 37, height: 21, channels: 3, background: "#5a3" } })
      .png()
      .toBuffer();
    const writer = await openTensorBoard(folder, { now: () => 1_700_000_000.25 });
    await writer.write(0, [{ tag: "config", text: "```yaml\nseed: 7 # größer\n```" }]);
    const values = [0, 1.5, -2.25e-7, 3.4e38, Number.NaN, Number.POSITIVE_INFINITY];
    for (const [i, scalar] of values.entries()) {
      await writer.write(i + 1, [
        { tag: "loss/total", scalar },
        { tag: "optimizer/learning_rate", scalar: i / 3 },
      ]);
    }
    await writer.write(300_000_000_000, [{ tag: "loss/total", scalar: 4 }]);
    await writer.write(6, [{ tag: "samples", png, width: 37, height: 21 }]);
    await writer.close();

    const read = await readBack();
    expect(read.scalars["loss/total"]).toEqual(
      [...values.map((v, i) => [i + 1, v]), [300_000_000_000, 4]].map(([step, v]) => [
        step,
        Number.isFinite(v) ? Math.fround(v!) : Number.isNaN(v) ? "nan" : "inf",
        1_700_000_000.25,
      ]),
    );
    expect(read.scalars["optimizer/learning_rate"]!.map(([, v]) => v)).toEqual(
      values.map((_, i) => Math.fround(i / 3)),
    );
    expect(read.images["samples"]).toEqual([[6, 37, 21, png.toString("base64")]]);
    expect(read.texts["config"]).toEqual([[0, "```yaml\nseed: 7 # größer\n```"]]);
    expect(read.plugins).toEqual({
      scalars: ["loss/total", "optimizer/learning_rate"],
      images: ["samples"],
      text: ["config"],
    });
  });

  it("a resumed run once: what it repeats replaces what the earlier file says", async () => {
    const first = await openTensorBoard(folder);
    for (const step of [1, 2, 3, 4, 5]) await first.write(step, [{ tag: "a", scalar: step }]);
    await first.close();
    const second = await openTensorBoard(folder, { firstStep: 4 });
    for (const step of [4, 5, 6]) await second.write(step, [{ tag: "a", scalar: 10 * step }]);
    await second.close();
    expect(Object.keys((await readBack()).records)).toHaveLength(2);
    expect((await readBack()).scalars["a"]!.map(([step, value]) => [step, value])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 40],
      [5, 50],
      [6, 60],
    ]);
  });

  it("a file cut short by a kill, up to the last whole record", async () => {
    const writer = await openTensorBoard(folder);
    for (const step of [1, 2, 3]) await writer.write(step, [{ tag: "a", scalar: step }]);
    await writer.close();
    await truncate(writer.path, (await readFile(writer.path)).length - 5);
    expect((await readBack()).scalars["a"]!.map(([step]) => step)).toEqual([1, 2]);
  });

  it("everything a killed process had written", async () => {
    const bundle = await mkdtemp(join(tmpdir(), "tensorboard-bundle-"));
    try {
      await bundleInto(bundle, "src/telemetry/tensorboard.ts");
      await writeFile(join(bundle, "package.json"), '{"type":"module"}');
      await writeFile(
        join(bundle, "write.js"),
        `import { openTensorBoard } from "./tensorboard.js";
        const writer = await openTensorBoard(process.argv[2]);
        for (let step = 1; step <= 50; step++) await writer.write(step, [{ tag: "a", scalar: step }]);
        process.stdout.write("written");
        setInterval(() => undefined, 1000);`,
      );
      const child = spawn(process.execPath, [join(bundle, "write.js"), folder], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      await once(child.stdout, "data");
      child.kill("SIGKILL");
      await once(child, "exit");
      expect((await readBack()).scalars["a"]!.map(([step]) => step)).toEqual(
        Array.from({ length: 50 }, (_, i) => i + 1),
      );
    } finally {
      await rm(bundle, { recursive: true, force: true });
    }
  });

  it("a run that was stopped and resumed: every measurement, the preview and the configuration", async () => {
    await modelFixture(join(folder, "vae"), "vae");
    sources.loadNative.mockImplementation(async () => fakeNative());
    sources.openData.mockImplementation(async (config) => fakeData(config));
    const config = {
      data: { manifest: join(folder, "manifest.jsonl"), height: 16, width: 32 },
      model: { path: join(folder, "vae") },
      loss: { reduction: "mean", perceptual_weight: 0 },
      lr_scheduler: { type: "cosine", warmup_steps: 2 },
      output_dir: join(folder, "run"),
      train_batch_size: 4,
      max_train_steps: 6,
      checkpoint: { every_steps: 2 },
      validation: { every_steps: 3 },
      samples: { every_steps: 3, count: 2 },
    } as const;
    const events: TrainingEvent[] = [];
    const first = await VAETrainer.create(config);
    for await (const event of first.train()) {
      // Step 5 is told, but the checkpoint before it is that of step 4.
      if (event.type === "step" && event.step === 5) break;
      events.push(event);
    }
    await first.close();
    const second = await VAETrainer.create(config, { resumeFrom: "latest" });
    for await (const event of second.train()) events.push(event);
    await second.close();

    const read = await readBack(join(folder, "run", "tensorboard"));
    expect(Object.keys(read.records)).toHaveLength(2);
    const steps = events.filter((event): event is StepEvent => event.type === "step");
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    const curve = (tag: string) => read.scalars[tag]!.map(([step, value]) => [step, value]);
    const told = (value: (event: StepEvent) => number) => steps.map((e) => [e.step, Math.fround(value(e))]);
    expect(curve("loss/total")).toEqual(told((e) => e.losses["total"]!));
    expect(curve("optimizer/learning_rate")).toEqual(told((e) => e.learningRate));
    expect(curve("optimizer/gradient_norm")).toEqual(told((e) => e.gradNorm));
    expect(curve("speed/samples_per_second")).toEqual(told((e) => e.samplesPerSecond));
    expect(curve("speed/data_wait_share")).toEqual(told((e) => e.dataWaitShare));
    expect(curve("memory/rss_mib")).toEqual(told((e) => e.rssBytes / 2 ** 20));
    expect(curve("gradient_norm/recon")).toEqual([[1, 1]]);
    expect(curve("validation/total").map(([step]) => step)).toEqual([3, 6]);
    const samples = events.filter((event) => event.type === "sample");
    expect(read.images["samples"]).toEqual(
      await Promise.all(
        samples.map(async ({ step, path }) => [
          step,
          2 * 32 + 4,
          2 * 16 + 4,
          (await readFile(path)).toString("base64"),
        ]),
      ),
    );
    expect(read.texts["config"]!.at(-1)![1]).toContain("max_train_steps: 6");

    const none = await VAETrainer.create({
      ...config,
      output_dir: join(folder, "off"),
      logging: { tensorboard: false },
    });
    for await (const _ of none.train());
    await none.close();
    expect(await readdir(join(folder, "off"))).not.toContain("tensorboard");
  });
});
