/** The inpainting UNet's loss and gradients against diffusers: noise schedule, nine channels, condition, weights. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import type { HostTensor, UnetLossOptions } from "../../src/addon/native-types.ts";
import { runReference } from "../helpers/python.ts";
import { relativeDifference, writeTensors } from "../helpers/safetensors.ts";
import { normalTensor, projectionWidths, tinyFolder, unetBatch, unetOptions } from "../helpers/tiny.ts";

const tolerance = 1e-5;
const height = 32;
const width = 64;
const size = 3;
const batch = unetBatch(size, height, width);
const latents = [size, 4, height / 4, width / 4];
const fixed = {
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
const { inputWidth, outputWidth } = projectionWidths();
const weight = normalTensor([outputWidth, inputWidth], 8);
const bias = normalTensor([outputWidth], 9);
const projection = join(folder, "text_projection.safetensors");
writeTensors(projection, { weight, bias });
afterAll(() => rmSync(folder, { recursive: true }));

const cases: Partial<UnetLossOptions>[] = [
  { predictionType: "epsilon", maskedFill: "0" },
  { predictionType: "v_prediction", maskedFill: "-1", snrGamma: 5 },
  { predictionType: "epsilon", maskedFill: "-1", snrGamma: 5, maskedWeight: 3 },
  { predictionType: "epsilon", maskedFill: "0", trainGlyphEncoder: true },
  { predictionType: "v_prediction", maskedFill: "0", offsetNoise: 0.1, inputPerturbation: 0.2 },
];

describe("UNet loss", () => {
  it.each(cases)("equals the reference with its gradients: %o", async (loss) => {
    const native = await loadNative();
    const options = unetOptions(loss, { textProjection: { inputWidth, outputWidth, weights: projection } });
    const names = loss.trainGlyphEncoder
      ? [...watched, "glyph_encoder.embeddings.patch_embeddings.projection.weight"]
      : watched;
    const reference = await runReference(
      "unet_loss",
      {
        vae: tinyFolder("vae"),
        unet: tinyFolder("unet"),
        glyphEncoder: tinyFolder("glyph_encoder"),
        ...options.unetLoss,
        gradients: names,
      },
      {
        images: { data: batch.images as Uint8Array, shape: [size, height, width, 3], dtype: "uint8" },
        masks: { data: batch.masks!, shape: [size, height, width], dtype: "uint8" },
        glyphs: { data: batch.glyphs!, shape: [size, batch.glyphHeight!, batch.glyphWidth!, 3], dtype: "uint8" },
        posterior_noise: fixed.posteriorNoise,
        noise: fixed.noise,
        timesteps: fixed.timesteps,
        offset_noise: fixed.offsetNoise,
        perturbation: fixed.perturbation,
        "text_projection.weight": weight,
        "text_projection.bias": bias,
      },
    );
    const trainer = await native.createTrainer(options);
    try {
      const losses = await trainer.computeLoss({ ...batch, ...fixed }, 0);
      expect(Math.abs(losses["total"]! / reference.values.losses.total - 1)).toBeLessThan(tolerance);
      const gradients = await trainer.gradients({ ...batch, ...fixed }, 0);
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
