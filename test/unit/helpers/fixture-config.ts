/** Configurations of trainers over the model fixtures in a folder (model-fixture.ts). */
import { join } from "node:path";
import type { UNetTrainerConfigInput, VAETrainerConfigInput } from "../../../src/config/training-config.ts";

export const vaeFixtureConfig = (
  folder: string,
  rest: Omit<VAETrainerConfigInput, "model" | "loss"> & Partial<VAETrainerConfigInput>,
): VAETrainerConfigInput => ({
  model: { path: join(folder, "vae") },
  loss: { reduction: "mean", perceptual_weight: 0 },
  ...rest,
});

export const unetFixtureConfig = (
  folder: string,
  rest: Omit<UNetTrainerConfigInput, "model" | "vae" | "glyph_encoder"> & Partial<UNetTrainerConfigInput>,
): UNetTrainerConfigInput => ({
  model: { path: join(folder, "unet") },
  vae: { path: join(folder, "vae") },
  glyph_encoder: { path: join(folder, "glyph_encoder") },
  ...rest,
});
