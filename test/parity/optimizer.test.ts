/** Ten optimizer steps, schedules and EMA against torch.optim.AdamW and diffusers. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import type { HostTensor, ScheduleOptions } from "../../src/addon/native-types.ts";
import { runReference } from "../helpers/python.ts";
import { readTensors, relativeDifference } from "../helpers/safetensors.ts";
import { normalTensor, referenceInputs, tinyFolder, vaeBatch, vaeOptions } from "../helpers/tiny.ts";

describe("AdamW", () => {
  it("ten steps with accumulation, clipping, a schedule and EMA give the reference's losses, weights and averages", async () => {
    const native = await loadNative();
    const schedule: ScheduleOptions = { type: "cosine_with_restarts", warmupSteps: 3, totalSteps: 10, cycles: 2 };
    const optimizer = {
      ...{ learningRate: 2e-3, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.02, maxGradNorm: 0.05 },
      stateBits: 32 as const,
    };
    const options = vaeOptions({}, { schedule, optimizer, emaDecay: 0.95 });
    const inputs: Record<string, HostTensor> = {};
    const steps = Array.from({ length: 10 }, (_, step) =>
      [0, 1].map((micro) => {
        const batch = {
          ...vaeBatch(2, 32, 32, 10 * step + micro + 1),
          posteriorNoise: normalTensor([2, 4, 8, 8], 10 * step + micro),
        };
        Object.assign(inputs, referenceInputs(batch, `${step}.${micro}.`));
        return batch;
      }),
    );
    const reference = await runReference(
      "adamw",
      { objective: "vae", vae: tinyFolder("vae"), ...options.vaeLoss, ...optimizer, schedule, emaDecay: 0.95 },
      inputs,
    );
    const trainer = await native.createTrainer(options);
    const folder = mkdtempSync(join(tmpdir(), "anonymizer-adamw-"));
    try {
      for (const [step, batches] of steps.entries()) {
        const result = await trainer.step(batches, step);
        expect(result.learningRate).toBeCloseTo(reference.values.learningRates[step], 12);
        // Rounding is carried on by ten updates.
        expect(
          Math.abs(result.losses["total"]! / reference.values.losses[step].total - 1),
          `loss of step ${step}`,
        ).toBeLessThan(1e-5);
        expect(Math.abs(result.gradNorm / reference.values.gradNorms[step] - 1), `norm of step ${step}`).toBeLessThan(
          1e-4,
        );
      }
      await trainer.saveState(folder);
      // A bias in front of a group normalisation of single channels has no effect: its gradient is rounding noise, which
      // AdamW scales up to full steps in either direction. Only tensors with a real gradient can be compared.
      const scale = (name: string): number =>
        Math.sqrt(Math.max(...(reference.tensors[`exp_avg_sq.${name}`]!.data as Float32Array)));
      const names = Object.keys(reference.tensors)
        .filter((name) => name.startsWith("param."))
        .map((name) => name.slice(6));
      const largest = Math.max(...names.map(scale));
      const real = names.filter((name) => scale(name) > 1e-5 * largest);
      expect(real.length).toBeGreaterThan(0.75 * names.length);
      const compare = (file: string, prefix: string): number => {
        const tensors = readTensors(join(folder, file));
        return Math.max(
          ...real.map((name) =>
            relativeDifference(
              tensors[name]!.data as Float32Array,
              reference.tensors[prefix + name]!.data as Float32Array,
            ),
          ),
        );
      };
      expect(compare("model.safetensors", "param.")).toBeLessThan(1e-5);
      expect(compare("ema.safetensors", "ema.")).toBeLessThan(1e-5);
    } finally {
      rmSync(folder, { recursive: true });
      await trainer.close();
    }
  });
});

describe("schedules", () => {
  const schedules: ScheduleOptions[] = [
    { type: "constant", warmupSteps: 0, totalSteps: 60, cycles: 1 },
    { type: "constant_with_warmup", warmupSteps: 7, totalSteps: 60, cycles: 1 },
    { type: "linear", warmupSteps: 5, totalSteps: 50, cycles: 1 },
    { type: "cosine", warmupSteps: 5, totalSteps: 50, cycles: 1 },
    { type: "cosine_with_restarts", warmupSteps: 6, totalSteps: 54, cycles: 3 },
    { type: "cosine_with_restarts", warmupSteps: 0, totalSteps: 10, cycles: 1 },
  ];

  it("learning-rate factors and alphas_cumprod are diffusers'", async () => {
    const native = await loadNative();
    const reference = await runReference("schedules", { schedules, steps: 60 });
    for (const [index, schedule] of schedules.entries()) {
      const own = Array.from({ length: 60 }, (_, step) => native.learningRateFactor(schedule, step));
      own.forEach((factor, step) => {
        expect(factor, `${schedule.type} at ${step}`).toBeCloseTo(reference.values.factors[index][step], 12);
      });
    }
    const alphas = native.alphasCumprod();
    expect(relativeDifference(alphas, reference.tensors["alphas_cumprod"]!.data as Float32Array)).toBeLessThan(1e-6);
    expect(alphas[0]).toBeCloseTo(0.99915, 6);
    expect(alphas[500]).toBeCloseTo(0.27633268, 6);
    expect(alphas[999]).toBeCloseTo(0.0046601, 6);
  });
});
