/**
 * How the diffusion model gets from noise to a picture: DDIM (Song et al. 2021), DPM-Solver++ 2M (Lu et al. 2022) or
 * UniPC of order 2 (Zhao et al. 2023). Results are those of diffusers' schedulers of these names.
 */
export const samplers = ["ddim", "dpmpp_2m", "unipc"] as const;
export type SamplerName = (typeof samplers)[number];

/**
 * Which timesteps are run (Lin et al. 2024, table 2): `leading` with offset 1 as in Stable Diffusion 2's configuration,
 * which with few steps begins far from pure noise, or `trailing`, which always begins at the last one.
 */
export const timestepSpacings = ["leading", "trailing"] as const;
export type TimestepSpacing = (typeof timestepSpacings)[number];

/** Most steps a sampler can take; the multistep ones need two of the 1000 timesteps more than they have steps. */
export const mostSteps = (sampler: SamplerName): number => (sampler === "ddim" ? 1000 : 998);
