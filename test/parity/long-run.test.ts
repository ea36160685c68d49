/** 200 training steps beside PyTorch and diffusers from the same weights, batches and noise. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import type {
  HostTensor,
  NativeBatch,
  NativeTrainer,
  NativeTrainerOptions,
  ScheduleOptions,
} from "../../src/addon/native-types.ts";
import { runReference } from "../helpers/python.ts";
import { readTensors } from "../helpers/safetensors.ts";
import {
  normalTensor,
  referenceInputs,
  tinyFolder,
  tinyFolders,
  unetBatch,
  unetOptions,
  vaeBatch,
  vaeOptions,
} from "../helpers/tiny.ts";

const steps = 200;
const schedule: ScheduleOptions = { type: "cosine", warmupSteps: 20, totalSteps: steps, cycles: 1 };
const optimizer = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, maxGradNorm: 1 };
const more: Partial<NativeTrainerOptions> = { schedule, optimizer: { ...optimizer, stateBits: 32 } };
const size = 32;
const latents = [1, 4, size / 4, size / 4];

function vaeStep(step: number): NativeBatch {
  return { ...vaeBatch(1, size, size, step % 50), posteriorNoise: normalTensor(latents, step) };
}

function unetStep(step: number): NativeBatch {
  return {
    ...unetBatch(1, size, 64, step % 50),
    posteriorNoise: normalTensor([1, 4, size / 4, 16], step),
    noise: normalTensor([1, 4, size / 4, 16], 1000 + step),
    timesteps: { data: BigInt64Array.of(BigInt((step * 389) % 1000)), shape: [1], dtype: "int64" },
  };
}

/** The projection that the trainer has made, for the reference to start from. */
async function projectionOf(trainer: NativeTrainer, objective: string): Promise<Record<string, HostTensor>> {
  if (objective === "vae") return {};
  const folder = mkdtempSync(join(tmpdir(), "anonymizer-long-"));
  try {
    await trainer.saveState(folder);
    const { weight, bias } = readTensors(join(folder, "text_projection.safetensors"));
    return { "text_projection.weight": weight!, "text_projection.bias": bias! };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it.each<[string, NativeTrainerOptions, (step: number) => NativeBatch, Record<string, unknown>]>([
  ["vae", vaeOptions({ perceptualWeight: 0.1 }, more), vaeStep, { vae: tinyFolder("vae"), vgg: tinyFolder("vgg16") }],
  ["unet", unetOptions({ snrGamma: 5 }, more), unetStep, tinyFolders],
])("%s: the losses of 200 steps stay the reference's", async (objective, options, batchOf, models) => {
  const native = await loadNative();
  const trainer = await native.createTrainer(options);
  const batches = Array.from({ length: steps }, (_, step) => batchOf(step));
  const inputs: Record<string, HostTensor> = {};
  for (const [step, batch] of batches.entries()) Object.assign(inputs, referenceInputs(batch, `${step}.`));
  try {
    Object.assign(inputs, await projectionOf(trainer, objective));
    const reference = await runReference(
      "adamw",
      { objective, ...models, ...options.vaeLoss, ...options.unetLoss, ...optimizer, schedule },
      inputs,
    );
    let worst = 0;
    for (const [step, batch] of batches.entries()) {
      const { losses } = await trainer.step([batch], step);
      const difference = Math.abs(losses["total"]! / reference.values.losses[step].total - 1);
      worst = Math.max(worst, difference);
      if (step === 0) expect(difference, "first step").toBeLessThan(1e-5);
      if (step === steps - 1) expect(difference, `last step; worst ${worst}`).toBeLessThan(1e-4);
    }
  } finally {
    await trainer.close();
  }
});
