/** Ways to take a step with less memory or lower precision, each beside the plain one. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import type { HostTensor, NativeBatch, NativeBinding, NativeTrainerOptions } from "../../src/addon/native-types.ts";
import type { VAETrainerConfigInput } from "../../src/config/training-config.ts";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";
import { readTensors, relativeDifference } from "../helpers/safetensors.ts";
import { root, stagedFiles, tinyFolder, unetBatch, unetOptions, vaeBatch, vaeOptions } from "../helpers/tiny.ts";

let native: NativeBinding;
let folder: string;
beforeAll(async () => {
  native = await loadNative();
  folder = mkdtempSync(join(tmpdir(), "anonymizer-step-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const vae = vaeOptions({ perceptualWeight: 0.1, perceptual: "lpips" });
const unet = unetOptions({ trainGlyphEncoder: true });

async function gradients(options: NativeTrainerOptions, batch: NativeBatch) {
  const trainer = await native.createTrainer(options);
  try {
    return { of: await trainer.gradients(batch, 3), norms: await trainer.gradientNorms(batch, 3) };
  } finally {
    await trainer.close();
  }
}

const largest = (tensors: Readonly<Record<string, HostTensor>>): number =>
  Math.max(...Object.values(tensors).map(({ data }) => Math.hypot(...(data as Float32Array))));

describe("activation checkpointing", () => {
  it.each<[string, NativeTrainerOptions, NativeTrainerOptions, NativeBatch]>([
    ["vae", vae, { ...vae, model: stagedFiles("vae"), perceptual: stagedFiles("vgg16") }, vaeBatch(2, 32, 64)],
    [
      "unet",
      unet,
      { ...unet, model: stagedFiles("unet"), glyphEncoder: stagedFiles("glyph_encoder") },
      unetBatch(2, 32, 64),
    ],
  ])("%s: the gradients are those of the plain run", async (kind, plain, staged, batch) => {
    // Under bf16 the order of sums alone moves a UNet's gradients by half a per cent.
    for (const precision of kind === "vae" ? (["fp32", "bf16"] as const) : (["fp32"] as const)) {
      const a = await gradients({ ...plain, precision }, batch);
      const b = await gradients({ ...staged, precision }, batch);
      expect(Object.keys(b.of)).toEqual(Object.keys(a.of));
      for (const [name, tensor] of Object.entries(a.of)) {
        const size = Math.hypot(...(tensor.data as Float32Array));
        if (size < 1e-6 * largest(a.of)) continue;
        expect(relativeDifference(b.of[name]!.data as Float32Array, tensor.data as Float32Array), name).toBeLessThan(
          1e-5,
        );
      }
      for (const [term, norm] of Object.entries(a.norms)) expect(b.norms[term]! / norm).toBeCloseTo(1, 5);
    }
  });

  it("frozen parts are not run twice, and get no gradient", async () => {
    const options = { ...vae, model: stagedFiles("vae"), freeze: ["encoder", "quant_conv"] };
    const { of } = await gradients(options, vaeBatch(2, 32, 64));
    expect(Object.keys(of).every((name) => !name.startsWith("encoder."))).toBe(true);
    const plain = await gradients({ ...vae, freeze: ["encoder", "quant_conv"] }, vaeBatch(2, 32, 64));
    expect(
      relativeDifference(
        of["decoder.conv_in.weight"]!.data as Float32Array,
        plain.of["decoder.conv_in.weight"]!.data as Float32Array,
      ),
    ).toBeLessThan(1e-6);
  });

  it("takes clearly less memory, switched on by the configuration", async () => {
    const data = join(folder, "data");
    await writeSyntheticDataset({ seed: 4, count: 2, out: data });
    const peak = async (checkpointing: boolean): Promise<number> => {
      const config: VAETrainerConfigInput = {
        model: { path: tinyFolder("vae") },
        perceptual: { path: tinyFolder("vgg16") },
        data: { manifest: join(data, "manifest.jsonl"), height: 256, width: 256 },
        loss: { reduction: "mean" },
        lr_scheduler: { type: "constant", warmup_steps: 0 },
        train_batch_size: 8,
        gradient_accumulation_steps: 1,
        max_train_steps: 1,
        precision: "fp32",
        gradient_checkpointing: checkpointing,
        validation: { every_steps: 0 },
        samples: { every_steps: 0 },
        output_dir: join(folder, `run-${checkpointing}`),
      };
      const program = `
        import { VAETrainer } from ${JSON.stringify(join(root, "dist", "index.js"))};
        const trainer = await VAETrainer.create(${JSON.stringify(config)});
        const before = process.resourceUsage().maxRSS;
        for await (const _ of trainer.train());
        console.log(process.resourceUsage().maxRSS - before);
        await trainer.close();`;
      const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]);
      return Number(stdout);
    };
    const [plain, staged] = [await peak(false), await peak(true)];
    expect(staged).toBeLessThan(0.85 * plain);
  });
});

describe("float16", () => {
  const options = vaeOptions({ reduction: "sum", klWeight: 1e-6 }, { precision: "fp16" });

  it("leaves out the steps whose scaled gradient overflows, halves the scale, and then learns", async () => {
    const trainer = await native.createTrainer(options);
    const batch = vaeBatch(1, 32, 32);
    const weights = async (name: string): Promise<Float32Array> => {
      await trainer.saveState(folder);
      return readTensors(join(folder, "model.safetensors"))[name]!.data as Float32Array;
    };
    const before = await weights("decoder.conv_in.weight");
    let scale = 65536;
    let skipped = 0;
    const losses: number[] = [];
    for (let step = 0; step < 20; step++) {
      const result = await trainer.step([batch], step);
      if (result.skipped) {
        skipped++;
        scale /= 2;
        if (losses.length === 0) expect(await weights("decoder.conv_in.weight")).toEqual(before);
      } else losses.push(result.losses["recon"]!);
      expect(result.lossScale).toBe(scale);
    }
    await trainer.close();
    expect(skipped).toBeGreaterThan(0);
    expect(losses.at(-1)!).toBeLessThan(0.8 * losses[0]!);
  });

  it("keeps the scale in a checkpoint", async () => {
    const first = await native.createTrainer(options);
    for (let step = 0; step < 9; step++) await first.step([vaeBatch(1, 32, 32, step)], step);
    await first.saveState(folder);
    const unbroken = await first.step([vaeBatch(1, 32, 32, 9)], 9);
    await first.close();
    const second = await native.createTrainer(options);
    await second.loadState(folder);
    const resumed = await second.step([vaeBatch(1, 32, 32, 9)], 9);
    await second.close();
    expect({ ...resumed, computeMs: 0 }).toEqual({ ...unbroken, computeMs: 0 });
  });
});

describe("8-bit optimizer states", () => {
  // With 2e-3 the rounding of the machine's instructions decides how well 500 steps go.
  const start = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, maxGradNorm: 1 };

  it("train as well as full ones over 500 steps", async () => {
    const means: number[] = [];
    for (const stateBits of [32, 8] as const) {
      const trainer = await native.createTrainer(vaeOptions({}, { optimizer: { ...start, stateBits } }));
      let last = 0;
      for (let step = 0; step < 500; step++) {
        const { losses } = await trainer.step([vaeBatch(1, 32, 32, step % 40)], step);
        if (step >= 460) last += losses["total"]! / 40;
      }
      means.push(last);
      await trainer.close();
    }
    expect(means[1]! / means[0]!).toBeGreaterThan(0.9);
    expect(means[1]! / means[0]!).toBeLessThan(1.1);
  });

  it("take a quarter of the place of large parameters in a checkpoint, and resume exactly", async () => {
    const options = unetOptions({}, { optimizer: { ...start, stateBits: 8 } });
    const first = await native.createTrainer(options);
    for (let step = 0; step < 3; step++) await first.step([unetBatch(1, 32, 64, step)], step);
    await first.saveState(folder);
    const unbroken = await first.step([unetBatch(1, 32, 64, 3)], 3);
    await first.close();
    const states = readTensors(join(folder, "optimizer.safetensors"));
    const bytes = (prefix: string): number =>
      Object.entries(states).reduce((sum, [n, t]) => sum + (n.startsWith(prefix) ? t.data.byteLength : 0), 0);
    const name = "mid_block.resnets.0.conv1.weight";
    const weights = readTensors(join(folder, "model.safetensors"))[name]!.data.byteLength;
    expect(bytes(`exp_avg.${name}`)).toBeLessThan(0.27 * weights);
    const second = await native.createTrainer(options);
    await second.loadState(folder);
    const resumed = await second.step([unetBatch(1, 32, 64, 3)], 3);
    await second.close();
    expect(resumed.losses).toEqual(unbroken.losses);
    expect(resumed.gradNorm).toBe(unbroken.gradNorm);
  });
});

it("channels_last gives the numbers of the contiguous layout", async () => {
  const steps = async (channelsLast: boolean): Promise<number[]> => {
    const trainer = await native.createTrainer({ ...vae, channelsLast, emaDecay: 0.9 });
    const result: number[] = [];
    for (let step = 0; step < 4; step++) {
      const { losses, gradNorm } = await trainer.step([vaeBatch(2, 32, 64, step)], step);
      result.push(losses["total"]!, gradNorm);
    }
    await trainer.saveState(folder);
    await trainer.close();
    return result;
  };
  const plain = await steps(false);
  const weights = readTensors(join(folder, "model.safetensors"));
  const other = await steps(true);
  for (const [i, value] of other.entries()) expect(Math.abs(value / plain[i]! - 1)).toBeLessThan(1e-3);
  const name = "decoder.conv_out.weight";
  const own = readTensors(join(folder, "model.safetensors"))[name]!;
  expect(relativeDifference(own.data as Float32Array, weights[name]!.data as Float32Array)).toBeLessThan(1e-3);
});

it("a gradient that is not finite is named by its parameter", async () => {
  const trainer = await native.createTrainer(vaeOptions({}, { optimizer: { ...vae.optimizer, learningRate: 1e30 } }));
  const failure = (async () => {
    for (let step = 0; step < 5; step++) await trainer.step([vaeBatch(2, 32, 64, step)], step);
  })();
  await expect(failure).rejects.toMatchObject({
    code: "ERR_TRAINING_NAN",
    message: expect.stringMatching(/'[a-z_.0-9]+'/),
  });
  await trainer.close();
});
