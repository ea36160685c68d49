/** The whole sampling loop against diffusers' DDIMScheduler: conditions, guidance, strength, decoding. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import { runReference } from "../helpers/python.ts";
import { relativeDifference, writeTensors } from "../helpers/safetensors.ts";
import { normalTensor, projectionWidths, tinyFiles, tinyFolder, unetBatch } from "../helpers/tiny.ts";

const size = 2;
const height = 32;
const width = 64;
const batch = unetBatch(size, height, width);
const noise = normalTensor([size, 4, height / 4, width / 4], 21);
const folder = mkdtempSync(join(tmpdir(), "anonymizer-ddim-"));
const widths = projectionWidths();
const weight = normalTensor([widths.outputWidth, widths.inputWidth], 8);
const bias = normalTensor([widths.outputWidth], 9);
const projection = join(folder, "text_projection.safetensors");
writeTensors(projection, { weight, bias });
afterAll(() => rmSync(folder, { recursive: true }));

describe("DDIM", () => {
  it.each([
    { steps: 12, guidanceScale: 1, strength: 1, predictionType: "epsilon" as const, maskedFill: "0" as const },
    {
      steps: 10,
      guidanceScale: 2.5,
      strength: 0.6,
      predictionType: "v_prediction" as const,
      maskedFill: "-1" as const,
    },
  ])("sampling with %o ends in the reference's latents and image", async (options) => {
    const native = await loadNative();
    const reference = await runReference(
      "ddim",
      {
        vae: tinyFolder("vae"),
        unet: tinyFolder("unet"),
        glyphEncoder: tinyFolder("glyph_encoder"),
        scalingFactor: 0.18215,
        ...options,
      },
      {
        images: { data: batch.images as Uint8Array, shape: [size, height, width, 3], dtype: "uint8" },
        masks: { data: batch.masks!, shape: [size, height, width], dtype: "uint8" },
        glyphs: { data: batch.glyphs!, shape: [size, batch.glyphHeight!, batch.glyphWidth!, 3], dtype: "uint8" },
        noise,
        "text_projection.weight": weight,
        "text_projection.bias": bias,
      },
    );
    const pipeline = await native.createPipeline({
      device: "cpu",
      precision: "fp32",
      threads: 0,
      vae: tinyFiles("vae"),
      unet: tinyFiles("unet"),
      glyphEncoder: tinyFiles("glyph_encoder"),
      textProjection: { ...widths, weights: projection },
      maskedFill: options.maskedFill,
      scalingFactor: 0.18215,
      predictionType: options.predictionType,
    });
    try {
      const progress: number[] = [];
      const sampling = { sampler: "ddim", ...options, seeds: new BigUint64Array(size) } as const;
      const latents = await pipeline.generate(
        { ...batch, noise },
        { ...sampling, returnLatents: true, onProgress: (done) => progress.push(done) },
      );
      expect(progress).toEqual(reference.values.timesteps.map((_: number, k: number) => k + 1));
      // Rounding grows along the loop, most where √ᾱ is small; one step alone is exact to 1e-6.
      expect(
        relativeDifference(latents.data as Float32Array, reference.tensors["latents"]!.data as Float32Array),
      ).toBeLessThan(1e-4);
      const images = await pipeline.generate({ ...batch, noise }, sampling);
      const wanted = reference.tensors["images"]!.data as Uint8Array;
      let worst = 0;
      for (let i = 0; i < wanted.length; i++)
        worst = Math.max(worst, Math.abs((images.data as Uint8Array)[i]! - wanted[i]!));
      expect(worst).toBeLessThanOrEqual(1);
    } finally {
      await pipeline.close();
    }
  });
});
