/** The adversarial term of the autoencoder against PyTorch: losses, adaptive weight, both optimizers. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import type { HostTensor } from "../../src/addon/native-types.ts";
import { runReference } from "../helpers/python.ts";
import { readTensors, relativeDifference } from "../helpers/safetensors.ts";
import { normalTensor, referenceInputs, stagedFiles, tinyFolder, vaeBatch, vaeOptions } from "../helpers/tiny.ts";

const settings = { startStep: 0, weight: 0.5, channels: 8, layers: 2 };
// A large eps: without it AdamW makes full steps of the rounding noise that some biases get as gradient.
const own = { beta1: 0.5, beta2: 0.9, eps: 1e-3, weightDecay: 0, maxGradNorm: 0, stateBits: 32 as const };
const generator = { ...own, learningRate: 1e-4 };
const discriminator = { ...own, learningRate: 5e-4 };

it.each([false, true])(
  "three steps against the discriminator are the reference's (checkpointing: %s)",
  async (staged) => {
    const native = await loadNative();
    const options = vaeOptions(
      { perceptualWeight: 0.1, klWeight: 1e-6 },
      {
        optimizer: generator,
        adversarial: { ...settings, optimizer: discriminator },
        ...(staged ? { model: stagedFiles("vae"), perceptual: stagedFiles("vgg16") } : {}),
      },
    );
    const trainer = await native.createTrainer(options);
    const folder = mkdtempSync(join(tmpdir(), "anonymizer-adversarial-"));
    try {
      await trainer.saveState(folder);
      const inputs: Record<string, HostTensor> = {};
      for (const [name, tensor] of Object.entries(readTensors(join(folder, "discriminator.safetensors"))))
        inputs[`discriminator.${name}`] = tensor;
      const batches = [1, 2, 3].map((seed, step) => {
        const batch = { ...vaeBatch(2, 64, 64, seed), posteriorNoise: normalTensor([2, 4, 16, 16], seed) };
        Object.assign(inputs, referenceInputs(batch, `${step}.`));
        return batch;
      });
      const reference = await runReference(
        "adversarial",
        {
          vae: tinyFolder("vae"),
          vgg: tinyFolder("vgg16"),
          ...options.vaeLoss,
          adversarial: settings,
          generator,
          discriminator,
        },
        inputs,
      );
      for (const [step, batch] of batches.entries()) {
        const { losses } = await trainer.step([batch], step);
        for (const [name, value] of Object.entries(reference.values.losses[step] as Record<string, number>))
          expect(Math.abs(losses[name]! - value) / Math.abs(value), `${name} of step ${step}`).toBeLessThan(1e-5);
      }
      await trainer.saveState(folder);
      const after = readTensors(join(folder, "discriminator.safetensors"));
      for (const [name, tensor] of Object.entries(after)) {
        const wanted = reference.tensors[`discriminator.${name}`]!.data as Float32Array;
        if (name.endsWith("weight"))
          expect(relativeDifference(tensor.data as Float32Array, wanted), name).toBeLessThan(1e-4);
      }
      const vae = readTensors(join(folder, "model.safetensors"))["decoder.conv_out.weight"]!;
      const wanted = reference.tensors["vae.decoder.conv_out.weight"]!;
      expect(relativeDifference(vae.data as Float32Array, wanted.data as Float32Array)).toBeLessThan(1e-5);
    } finally {
      rmSync(folder, { recursive: true });
      await trainer.close();
    }
  },
);

it("takes part from its first step on, and a resumed run goes on exactly", async () => {
  const native = await loadNative();
  const options = vaeOptions({}, { adversarial: { ...settings, startStep: 2, optimizer: discriminator } });
  const folder = mkdtempSync(join(tmpdir(), "anonymizer-adversarial-"));
  const run = async (from: number, to: number, load?: string, save?: string): Promise<Record<string, number>[]> => {
    const trainer = await native.createTrainer(options);
    if (load !== undefined) await trainer.loadState(load);
    const results: Record<string, number>[] = [];
    for (let step = from; step < to; step++)
      results.push({ ...(await trainer.step([vaeBatch(2, 64, 64, step)], step)).losses });
    if (save !== undefined) await trainer.saveState(save);
    await trainer.close();
    return results;
  };
  try {
    const whole = await run(0, 5);
    expect(whole.map((losses) => "discriminator" in losses)).toEqual([false, false, true, true, true]);
    await run(0, 3, undefined, folder);
    expect(await run(3, 5, folder)).toEqual(whole.slice(3));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("images too small for the discriminator are an error", async () => {
  const native = await loadNative();
  const trainer = await native.createTrainer(
    vaeOptions({}, { adversarial: { ...settings, layers: 4, optimizer: discriminator } }),
  );
  await expect(trainer.step([vaeBatch(2, 32, 64)], 0)).rejects.toMatchObject({ code: "ERR_MODEL_SHAPE" });
  await trainer.close();
});
