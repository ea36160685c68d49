/** DPM-Solver++ 2M and UniPC, the whole loop, against diffusers' schedulers: both predictions, guidance, strength. */
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
const folder = mkdtempSync(join(tmpdir(), "anonymizer-samplers-"));
const widths = projectionWidths();
const weight = normalTensor([widths.outputWidth, widths.inputWidth], 8);
const bias = normalTensor([widths.outputWidth], 9);
const projection = join(folder, "text_projection.safetensors");
writeTensors(projection, { weight, bias });
afterAll(() => rmSync(folder, { recursive: true }));

const pipelineFor = async (predictionType: "epsilon" | "v_prediction") =>
  (await loadNative()).createPipeline({
    device: "cpu",
    precision: "fp32",
    threads: 0,
    vae: tinyFiles("vae"),
    unet: tinyFiles("unet"),
    glyphEncoder: tinyFiles("glyph_encoder"),
    textProjection: { ...widths, weights: projection },
    maskedFill: "0",
    scalingFactor: 0.18215,
    predictionType,
  });

const cases = (["dpmpp_2m", "unipc"] as const).flatMap((sampler) => [
  { sampler, steps: 1, guidanceScale: 1, strength: 1, predictionType: "epsilon" as const },
  { sampler, steps: 2, guidanceScale: 1, strength: 1, predictionType: "v_prediction" as const },
  { sampler, steps: 10, guidanceScale: 2.5, strength: 1, predictionType: "epsilon" as const },
  { sampler, steps: 10, guidanceScale: 2.5, strength: 0.6, predictionType: "v_prediction" as const },
  { sampler, steps: 20, guidanceScale: 1, strength: 1, predictionType: "epsilon" as const },
  { sampler, steps: 20, guidanceScale: 1, strength: 0.5, predictionType: "epsilon" as const },
]);

describe("multistep samplers", () => {
  it.each(cases)(
    "$sampler, $steps steps, strength $strength, guidance $guidanceScale, $predictionType",
    async (options) => {
      const reference = await runReference(
        "ddim",
        {
          vae: tinyFolder("vae"),
          unet: tinyFolder("unet"),
          glyphEncoder: tinyFolder("glyph_encoder"),
          scalingFactor: 0.18215,
          maskedFill: "0",
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
      const pipeline = await pipelineFor(options.predictionType);
      try {
        const progress: number[] = [];
        const sampling = { ...options, seeds: new BigUint64Array(size) };
        const latents = await pipeline.generate(
          { ...batch, noise },
          { ...sampling, returnLatents: true, onProgress: (done) => progress.push(done) },
        );
        expect(progress).toEqual(reference.values.timesteps.map((_: number, k: number) => k + 1));
        const apart = relativeDifference(
          latents.data as Float32Array,
          reference.tensors["latents"]!.data as Float32Array,
        );
        expect(apart).toBeLessThan(1e-5);
        const images = await pipeline.generate({ ...batch, noise }, sampling);
        const wanted = reference.tensors["images"]!.data as Uint8Array;
        let worst = 0;
        for (let i = 0; i < wanted.length; i++)
          worst = Math.max(worst, Math.abs((images.data as Uint8Array)[i]! - wanted[i]!));
        // Both round the same picture to bytes; a value at the middle of two may go either way.
        expect(worst).toBeLessThanOrEqual(1);
      } finally {
        await pipeline.close();
      }
    },
  );

  it("draw for each region from its own seed, whatever stands beside it in the batch", async () => {
    const pipeline = await pipelineFor("epsilon");
    try {
      for (const sampler of ["dpmpp_2m", "unipc"] as const) {
        const draw = async (seeds: readonly bigint[]) => {
          const options = { sampler, steps: 4, guidanceScale: 1, strength: 1, seeds: BigUint64Array.from(seeds) };
          return (await pipeline.generate({ ...batch }, { ...options, returnLatents: true })).data as Float32Array;
        };
        const [first, second] = [await draw([1n, 2n]), await draw([1n, 3n])];
        const half = first.length / 2;
        expect(relativeDifference(first.subarray(0, half), second.subarray(0, half))).toBeLessThan(1e-6);
        expect(relativeDifference(first.subarray(half), second.subarray(half))).toBeGreaterThan(1e-2);
      }
    } finally {
      await pipeline.close();
    }
  });

  it("stop between two steps, and go on working", async () => {
    const pipeline = await pipelineFor("epsilon");
    try {
      for (const sampler of ["dpmpp_2m", "unipc"] as const) {
        let steps = 0;
        const options = { sampler, steps: 500, guidanceScale: 1, strength: 1, seeds: new BigUint64Array(size) };
        const drawing = pipeline.generate(batch, {
          ...options,
          onProgress: () => {
            if (++steps === 2) pipeline.abort();
          },
        });
        await expect(drawing).rejects.toMatchObject({ code: "ERR_ABORTED" });
        expect(steps).toBeLessThan(500);
        await expect(pipeline.generate(batch, { ...options, steps: 2 })).resolves.toBeDefined();
      }
    } finally {
      await pipeline.close();
    }
  });

  it("refuse an unknown name and more steps than there are timesteps for", async () => {
    const pipeline = await pipelineFor("epsilon");
    const options = { steps: 5, guidanceScale: 1, strength: 1, seeds: new BigUint64Array(size) };
    try {
      for (const wrong of [
        { ...options, sampler: "euler" as "ddim" },
        { ...options, sampler: "unipc" as const, steps: 999 },
        { ...options, sampler: "dpmpp_2m" as const, steps: 0 },
        { ...options, sampler: "dpmpp_2m" as const, strength: 0 },
      ])
        await expect((async () => pipeline.generate(batch, wrong))()).rejects.toMatchObject({
          code: "ERR_INVALID_ARGUMENT",
        });
    } finally {
      await pipeline.close();
    }
  });
});
