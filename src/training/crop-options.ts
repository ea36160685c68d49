/** What a configuration and its models say about crops: the part of a loader's options that training and caching share. */
import type { TrainerConfig, UNetTrainerConfig } from "../config/training-config.ts";
import { bucketSizes } from "../datasets/aspect-buckets.ts";
import type { LoaderOptions } from "../datasets/loader.ts";
import { glyphSize, sizeMultiple } from "../models/model-folder.ts";
import { requiredMultiple, type TrainingModels } from "./training-plan.ts";

export type CropOptions = Pick<
  LoaderOptions,
  "height" | "width" | "seed" | "masks" | "drafts" | "maskGrid" | "glyph" | "buckets" | "variants"
>;

/** Throws ERR_CONFIG_INVALID when `data.buckets` asks for shapes that there are not. */
export function cropOptions(config: TrainerConfig, models: TrainingModels): CropOptions {
  const { height, width, buckets } = config.data;
  const common = {
    height,
    width,
    seed: config.seed,
    ...(buckets === undefined
      ? {}
      : { buckets: bucketSizes({ height, width }, buckets.aspects, requiredMultiple(config, models)) }),
  };
  if (config.kind === "vae") return { ...common, masks: false };
  return {
    ...common,
    masks: true,
    drafts: config.loss.masked_fill === "draft",
    // A mask that ends inside a latent would leave part of the old text under it unmasked.
    maskGrid: sizeMultiple(models.vae!),
    glyph: glyphOptions(config, models),
    ...(config.cache === undefined ? {} : { variants: config.cache.variants }),
  };
}

export const glyphOptions = (config: UNetTrainerConfig, models: TrainingModels) => ({
  ...glyphSize(models.glyphEncoder!),
  fit: config.glyph_encoder.fit,
});
