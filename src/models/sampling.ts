/** How a diffusion model is sampled where nobody asks for anything else. */
import { mostSteps, type SamplerName, samplers, type TimestepSpacing, timestepSpacings } from "../addon/samplers.ts";
import { codedError } from "../errors.ts";

export interface Sampling {
  readonly sampler: SamplerName;
  /** 1…1000 (1…998 with dpmpp_2m and unipc). */
  readonly steps: number;
  readonly timestepSpacing: TimestepSpacing;
  /** Share of the noise that is put on, in (0, 1]. */
  readonly strength: number;
  /** Classifier-free guidance; 1 = none. */
  readonly guidanceScale: number;
  /** Share of what the model changes in a draft that is taken, in (0, 1]; of no effect where it takes no drafts. */
  readonly changeScale: number;
}

/**
 * What a UNet's metadata recommends (`inpainting.sampling`), else DDIM in 20 steps from pure noise; timesteps are
 * trailing for a UNet that takes drafts, else leading as in Stable Diffusion 2.
 *
 * @throws ERR_MODEL_GRAPH when what is recommended is impossible; `path` is what the message names.
 */
export function recommendedSampling(
  found: Partial<Sampling> | undefined,
  takesDrafts: boolean,
  path: string,
): Sampling {
  const sampling: Sampling = {
    sampler: "ddim",
    steps: 20,
    timestepSpacing: takesDrafts ? "trailing" : "leading",
    strength: 1,
    guidanceScale: 1,
    changeScale: 1,
    ...found,
  };
  const { sampler, steps, timestepSpacing, strength, guidanceScale, changeScale } = sampling;
  const possible =
    samplers.includes(sampler) &&
    timestepSpacings.includes(timestepSpacing) &&
    Number.isInteger(steps) &&
    steps >= 1 &&
    steps <= mostSteps(sampler) &&
    strength > 0 &&
    strength <= 1 &&
    guidanceScale >= 1 &&
    changeScale > 0 &&
    changeScale <= 1;
  if (!possible) {
    throw codedError("ERR_MODEL_GRAPH", `${path}: inpainting.sampling of metadata.json is impossible`, {
      details: { path, sampling },
    });
  }
  return sampling;
}
