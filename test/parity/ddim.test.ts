/** The whole sampling loop against diffusers' DDIMScheduler: conditions, guidance, strength, decoding. */
import { describe, it } from "vitest";
import { expectReferenceSamples } from "../helpers/sampling.ts";

const sampler = "ddim";

describe("DDIM", () => {
  it.each([
    { sampler, steps: 12, guidanceScale: 1, strength: 1, predictionType: "epsilon", maskedFill: "0" },
    { sampler, steps: 10, guidanceScale: 2.5, strength: 0.6, predictionType: "v_prediction", maskedFill: "-1" },
    {
      sampler,
      steps: 7,
      timestepSpacing: "trailing" as const,
      guidanceScale: 1,
      strength: 1,
      predictionType: "v_prediction",
      maskedFill: "0",
    },
    { sampler, steps: 6, guidanceScale: 1, strength: 0.7, predictionType: "epsilon", maskedFill: "draft" },
    {
      sampler,
      steps: 2,
      guidanceScale: 1,
      strength: 1,
      changeScale: 0.4,
      predictionType: "v_prediction",
      maskedFill: "draft",
    },
  ] as const)("sampling with %o ends in the reference's latents and image", (options) =>
    // Rounding grows along the loop, most where √ᾱ is small; one step alone is exact to 1e-6.
    expectReferenceSamples(options, 1e-4),
  );
});
