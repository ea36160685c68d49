import { expect, it } from "vitest";
import { estimateMemory, formatBytes } from "../../src/training/memory-estimate.ts";

const input = {
  weightValues: 1000,
  trainableValues: 600,
  ema: true,
  precision: "fp32",
  stateBits: 32,
  checkpointing: false,
  microBatch: 2,
  networks: [{ channels: 16, height: 64, width: 256, layersPerBlock: 1, attention: false }],
} as const;

it("counts weights, gradients, two moments and EMA in float32", () => {
  expect(estimateMemory(input)).toMatchObject({ weights: 4000, gradients: 2400, optimizer: 4800, ema: 2400 });
  expect(estimateMemory({ ...input, ema: false }).ema).toBe(0);
});

it("lets activations grow with batch and area, and adds everything up", () => {
  const one = estimateMemory({ ...input, microBatch: 1 });
  const two = estimateMemory(input);
  expect(two.activations).toBe(2 * one.activations);
  expect(two.total).toBe(two.weights + two.gradients + two.optimizer + two.ema + two.activations + two.runtime);
});

it("is within a factor of two of what the tiny VAE was measured to need for a sample (78 MiB)", () => {
  const vgg = { channels: 8, height: 64, width: 256, layersPerBlock: 1, attention: false };
  const { activations } = estimateMemory({ ...input, microBatch: 1, networks: [...input.networks, vgg] });
  expect(activations / 2 ** 20).toBeGreaterThan(39);
  expect(activations / 2 ** 20).toBeLessThan(156);
});

it("writes bytes for people", () => {
  expect([0, 512, 1536, 12 * 2 ** 20, 2.5 * 2 ** 30].map(formatBytes)).toEqual([
    "0 B",
    "512 B",
    "1.5 KiB",
    "12 MiB",
    "2.5 GiB",
  ]);
});
