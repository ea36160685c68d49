/** The inpainting UNet's loss and gradients against diffusers: noise schedule, nine channels, condition, weights. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import type { HostTensor, UnetLossOptions } from "../../src/addon/native-types.ts";
import { runReference } from "../helpers/python.ts";
import { relativeDifference } from "../helpers/safetensors.ts";
import { normalTensor, referenceInputs, tinyFolders, tinyProjection, unetBatch, unetOptions } from "../helpers/tiny.ts";

const tolerance = 1e-5;
const height = 32;
const width = 64;
const size = 3;
const latents = [size, 4, height / 4, width / 4];
const batch = {
  ...unetBatch(size, height, width),
  posteriorNoise: normalTensor(latents, 3),
  noise: normalTensor(latents, 4),
  offsetNoise: normalTensor([size, 4, 1, 1], 5),
  perturbation: normalTensor(latents, 6),
  timesteps: { data: BigInt64Array.of(7n, 480n, 999n), shape: [size], dtype: "int64" } satisfies HostTensor,
};
const watched = [
  "conv_in.weight",
  "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight",
  "conv_out.bias",
  "text_projection.weight",
  "time_embedding.linear_1.weight",
];

const folder = mkdtempSync(join(tmpdir(), "anonymizer-projection-"));
const { textProjection, projectionTensors } = tinyProjection(folder);
afterAll(() => rmSync(folder, { recursive: true }));

const cases: Partial<UnetLossOptions>[] = [
  { predictionType: "epsilon", maskedFill: "0" },
  { predictionType: "v_prediction", maskedFill: "-1", snrGamma: 5 },
  { predictionType: "epsilon", maskedFill: "-1", snrGamma: 5, maskedWeight: 3 },
  { predictionType: "epsilon", maskedFill: "0", trainGlyphEncoder: true },
  { predictionType: "epsilon", maskedFill: "draft", maskedWeight: 3 },
  { predictionType: "v_prediction", maskedFill: "0", offsetNoise: 0.1, inputPerturbation: 0.2 },
  { predictionType: "v_prediction", maskedFill: "draft", maskedWeight: 3, pixelWeight: 2.5 },
  { predictionType: "epsilon", maskedFill: "0", pixelWeight: 1 },
  { predictionType: "v_prediction", maskedFill: "draft", ssimWeight: 0.5 },
];

describe("timestep bias", () => {
  const losses = async (loss: Partial<UnetLossOptions>, timestep?: bigint): Promise<number[]> => {
    const trainer = await (await loadNative()).createTrainer(unetOptions(loss, { textProjection }));
    const { timesteps: _, ...drawn } = batch;
    const fixed =
      timestep === undefined
        ? drawn
        : { ...drawn, timesteps: { ...batch.timesteps, data: BigInt64Array.of(timestep, timestep, timestep) } };
    try {
      const results: number[] = [];
      for (let step = 0; step < 4; step++) results.push((await trainer.computeLoss(fixed, step))["total"]!);
      return results;
    } finally {
      await trainer.close();
    }
  };

  it.each([
    ["only the last", { begin: 999, end: 1000, multiplier: 1e9 }, 999n],
    ["only the first", { begin: 0, end: 1, multiplier: 1e9 }, 0n],
    ["only one between", { begin: 480, end: 481, multiplier: 1e9 }, 480n],
    ["none but the last", { begin: 0, end: 999, multiplier: 1e-9 }, 999n],
    ["none but the first", { begin: 1, end: 1000, multiplier: 1e-9 }, 0n],
  ] as const)("draws %s", async (_name, timestepBias, timestep) => {
    expect(await losses({ timestepBias })).toEqual(await losses({}, timestep));
  });

  it("changes nothing where all are drawn alike", async () => {
    const plain = await losses({});
    expect(await losses({ timestepBias: { begin: 250, end: 700, multiplier: 1 } })).toEqual(plain);
    expect(await losses({ timestepBias: { begin: 250, end: 700, multiplier: 2 } })).not.toEqual(plain);
  });
});

describe("pixel terms", () => {
  it("count from their first step on, in validation always", async () => {
    const loss = { predictionType: "v_prediction", pixelWeight: 1, ssimWeight: 1, pixelStartStep: 3 } as const;
    const trainer = await (await loadNative()).createTrainer(unetOptions(loss, { textProjection }));
    try {
      expect(Object.keys(await trainer.gradientNorms(batch, 2))).toEqual(["denoising"]);
      expect(Object.keys(await trainer.gradientNorms(batch, 3)).sort()).toEqual(["denoising", "pixel", "ssim"]);
      expect(Object.keys(await trainer.computeLoss(batch, 0)).sort()).toEqual(["denoising", "pixel", "ssim", "total"]);
    } finally {
      await trainer.close();
    }
  });
});

describe("UNet loss", () => {
  it.each(cases)("equals the reference with its gradients: %o", async (loss) => {
    const native = await loadNative();
    const options = unetOptions(loss, { textProjection });
    const names = loss.trainGlyphEncoder
      ? [...watched, "glyph_encoder.embeddings.patch_embeddings.projection.weight"]
      : watched;
    const reference = await runReference(
      "unet_loss",
      { ...tinyFolders, ...options.unetLoss, gradients: names },
      { ...referenceInputs(batch), ...projectionTensors },
    );
    const trainer = await native.createTrainer(options);
    try {
      const losses = await trainer.computeLoss(batch, 0);
      expect(Object.keys(losses).sort()).toEqual(Object.keys(reference.values.losses).sort());
      for (const [name, value] of Object.entries(losses))
        expect(Math.abs(value / reference.values.losses[name] - 1), name).toBeLessThan(tolerance);
      const gradients = await trainer.gradients(batch, 0);
      for (const name of names) {
        expect(
          relativeDifference(
            gradients[name]!.data as Float32Array,
            reference.tensors[`grad.${name}`]!.data as Float32Array,
          ),
          name,
        ).toBeLessThan(tolerance);
      }
      expect(Object.keys(gradients).sort()).toEqual(Object.keys(reference.values.gradNorms).sort());
    } finally {
      await trainer.close();
    }
  });
});
