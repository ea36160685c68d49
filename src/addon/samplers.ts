/**
 * How the diffusion model gets from noise to a picture: DDIM (Song et al. 2021), DPM-Solver++ 2M (Lu et al. 2022) or
 * UniPC of order 2 (Zhao et al. 2023). Results are those of diffusers' schedulers of these names.
 */
export const samplers = ["ddim", "dpmpp_2m", "unipc"] as const;
export type SamplerName = (typeof samplers)[number];

/** Most steps a sampler can take; the multistep ones need two of the 1000 timesteps more than they have steps. */
export const mostSteps = (sampler: SamplerName): number => (sampler === "ddim" ? 1000 : 998);
