/** Whole sampling runs with the tiny models, beside the reference's. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import type { NativeGenerateOptions, NativePipeline, NativePipelineOptions } from "../../src/addon/native-types.ts";
import { runReference } from "./python.ts";
import { relativeDifference } from "./safetensors.ts";
import { normalTensor, referenceInputs, tinyFiles, tinyFolders, tinyProjection, unetBatch } from "./tiny.ts";

const folder = mkdtempSync(join(tmpdir(), "anonymizer-sampling-"));
afterAll(() => rmSync(folder, { recursive: true }));
const { textProjection, projectionTensors } = tinyProjection(folder);

export const size = 2;
const [height, width] = [32, 64];
/** Without noise of its own. */
export const batch = unetBatch(size, height, width);
export const noisyBatch = { ...batch, noise: normalTensor([size, 4, height / 4, width / 4], 21) };
export const samplingInputs = { ...referenceInputs(noisyBatch), ...projectionTensors };

type Choices = Pick<NativePipelineOptions, "maskedFill" | "predictionType" | "adapters">;

export const openPipeline = async (choices: Partial<Choices> = {}): Promise<NativePipeline> =>
  (await loadNative()).createPipeline({
    device: "cpu",
    precision: "fp32",
    threads: 0,
    vae: tinyFiles("vae"),
    unet: tinyFiles("unet"),
    glyphEncoder: tinyFiles("glyph_encoder"),
    textProjection,
    maskedFill: "0",
    scalingFactor: 0.18215,
    predictionType: "epsilon",
    ...choices,
  });

type Sampling = Omit<NativeGenerateOptions, "seeds"> & Pick<Choices, "maskedFill" | "predictionType">;

/** `tolerance` of the latents, relative. */
export async function expectReferenceSamples(options: Sampling, tolerance: number): Promise<void> {
  const reference = await runReference("ddim", { ...tinyFolders, scalingFactor: 0.18215, ...options }, samplingInputs);
  const pipeline = await openPipeline({ maskedFill: options.maskedFill, predictionType: options.predictionType });
  try {
    const progress: number[] = [];
    const sampling = { ...options, seeds: new BigUint64Array(size) };
    const latents = await pipeline.generate(noisyBatch, {
      ...sampling,
      returnLatents: true,
      onProgress: (done) => progress.push(done),
    });
    expect(progress).toEqual(reference.values.timesteps.map((_: number, k: number) => k + 1));
    expect(
      relativeDifference(latents.data as Float32Array, reference.tensors["latents"]!.data as Float32Array),
    ).toBeLessThan(tolerance);
    const images = await pipeline.generate(noisyBatch, sampling);
    const wanted = reference.tensors["images"]!.data as Uint8Array;
    let worst = 0;
    for (let i = 0; i < wanted.length; i++)
      worst = Math.max(worst, Math.abs((images.data as Uint8Array)[i]! - wanted[i]!));
    // Both round the same picture to bytes; a value at the middle of two may go either way.
    expect(worst).toBeLessThanOrEqual(1);
  } finally {
    await pipeline.close();
  }
}
