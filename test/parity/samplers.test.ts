/** DPM-Solver++ 2M and UniPC, the whole loop, against diffusers' schedulers: both predictions, guidance, strength. */
import { describe, expect, it } from "vitest";
import { relativeDifference } from "../helpers/safetensors.ts";
import { batch, expectReferenceSamples, openPipeline, size } from "../helpers/sampling.ts";

const whole = { guidanceScale: 1, strength: 1 };
const half = { guidanceScale: 1, strength: 0.5 };
const cases = (["dpmpp_2m", "unipc"] as const).flatMap((sampler) => [
  { sampler, steps: 1, guidanceScale: 1, strength: 1, predictionType: "epsilon" as const },
  { sampler, steps: 2, guidanceScale: 1, strength: 1, predictionType: "v_prediction" as const },
  { sampler, steps: 10, guidanceScale: 2.5, strength: 1, predictionType: "epsilon" as const },
  { sampler, steps: 10, guidanceScale: 2.5, strength: 0.6, predictionType: "v_prediction" as const },
  { sampler, steps: 20, guidanceScale: 1, strength: 1, predictionType: "epsilon" as const },
  { sampler, steps: 20, guidanceScale: 1, strength: 0.5, predictionType: "epsilon" as const },
  { sampler, steps: 8, timestepSpacing: "trailing" as const, ...half, predictionType: "v_prediction" as const },
  { sampler, steps: 3, timestepSpacing: "trailing" as const, ...whole, predictionType: "v_prediction" as const },
]);

describe("multistep samplers", () => {
  it.each(cases)(
    "$sampler, $steps steps $timestepSpacing, strength $strength, guidance $guidanceScale, $predictionType",
    (options) => expectReferenceSamples({ ...options, maskedFill: "0" }, 1e-5),
  );

  it("draw for each region from its own seed, whatever stands beside it in the batch", async () => {
    const pipeline = await openPipeline();
    try {
      for (const sampler of ["dpmpp_2m", "unipc"] as const) {
        const draw = async (seeds: readonly bigint[]) => {
          const options = { sampler, steps: 4, guidanceScale: 1, strength: 1, seeds: BigUint64Array.from(seeds) };
          return (await pipeline.generate(batch, { ...options, returnLatents: true })).data as Float32Array;
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
    const pipeline = await openPipeline();
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
    const pipeline = await openPipeline();
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
