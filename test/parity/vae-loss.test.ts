/** The VAE's loss and every gradient against diffusers, and the perceptual term against pip's lpips. */
import { describe, expect, it } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import type { HostTensor, VaeLossOptions } from "../../src/addon/native-types.ts";
import { runReference } from "../helpers/python.ts";
import { relativeDifference } from "../helpers/safetensors.ts";
import { normalTensor, tinyFolder, vaeBatch, vaeOptions } from "../helpers/tiny.ts";

const tolerance = 1e-5;
const batch = vaeBatch(2, 32, 64);
const latents = [2, 4, 8, 16];
const posteriorNoise = normalTensor(latents, 3);
const watched = [
  "encoder.conv_in.weight",
  "decoder.conv_out.weight",
  "quant_conv.weight",
  "decoder.up_blocks.0.resnets.0.conv1.weight",
];

const cases: Partial<VaeLossOptions>[] = [
  { reduction: "mean", reconstruction: "mse", klWeight: 0.00025, perceptualWeight: 0.1, perceptual: "lpips" },
  { reduction: "sum", reconstruction: "l1", klWeight: 1e-6, perceptualWeight: 0.5, perceptual: "lpips" },
  { reduction: "mean", reconstruction: "l1", klWeight: 0.01, perceptualWeight: 0.1, perceptual: "vgg16" },
  { reduction: "sum", reconstruction: "mse", klWeight: 1, perceptualWeight: 0 },
];

describe("VAE loss", () => {
  it.each(cases)("equals the reference with its gradients: $reduction $reconstruction $perceptual", async (loss) => {
    const native = await loadNative();
    const options = vaeOptions(loss);
    const images: HostTensor = { data: batch.images as Uint8Array, shape: [2, 32, 64, 3], dtype: "uint8" };
    const reference = await runReference(
      "vae_loss",
      { vae: tinyFolder("vae"), vgg: tinyFolder("vgg16"), ...options.vaeLoss, gradients: watched },
      { images, posterior_noise: posteriorNoise },
    );
    const trainer = await native.createTrainer(options);
    try {
      const fixed = { ...batch, posteriorNoise };
      const losses = await trainer.computeLoss(fixed, 0);
      for (const [name, value] of Object.entries(reference.values.losses)) {
        expect(Math.abs(losses[name]! - (value as number)) / Math.abs(value as number), name).toBeLessThan(tolerance);
      }
      const norms = await trainer.gradientNorms(fixed, 0);
      for (const [name, value] of Object.entries(reference.values.termGradNorms)) {
        expect(
          Math.abs(norms[name]! - (value as number)) / Math.abs(value as number),
          `gradient of ${name}`,
        ).toBeLessThan(tolerance);
      }
      if (options.vaeLoss!.perceptualWeight > 0) expect(norms["perceptual"]).toBeGreaterThan(0);
      const gradients = await trainer.gradients(fixed, 0);
      for (const name of watched) {
        const wanted = reference.tensors[`grad.${name}`]!;
        expect(
          relativeDifference(gradients[name]!.data as Float32Array, wanted.data as Float32Array),
          name,
        ).toBeLessThan(tolerance);
      }
      for (const [name, norm] of Object.entries(reference.values.gradNorms as Record<string, number>)) {
        const own = Math.hypot(...(gradients[name]!.data as Float32Array));
        // A bias in front of a normalisation has a gradient of zero up to rounding.
        if (norm > 1e-6 * reference.values.gradNorm)
          expect(Math.abs(own - norm) / norm, name).toBeLessThan(10 * tolerance);
      }
    } finally {
      await trainer.close();
    }
  });

  it("does not depend on how a batch is cut into micro-batches", async () => {
    const native = await loadNative();
    const whole = vaeBatch(4, 32, 64);
    const part = (from: number, to: number) => ({
      ...whole,
      ids: whole.ids.slice(from, to),
      images: whole.images.slice(from * 32 * 64 * 3, to * 32 * 64 * 3),
    });
    const norms: number[] = [];
    for (const batches of [[whole], [part(0, 2), part(2, 4)], [part(0, 1), part(1, 4)]]) {
      const trainer = await native.createTrainer(vaeOptions());
      const { losses, gradNorm } = await trainer.step(batches, 0);
      norms.push(gradNorm, losses["total"]!);
      await trainer.close();
    }
    for (let i = 2; i < norms.length; i++) expect(Math.abs(norms[i]! / norms[i % 2]! - 1)).toBeLessThan(tolerance);
  });
});
