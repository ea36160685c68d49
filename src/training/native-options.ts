/** Configuration → options of the native trainer. */
import type { NativeTrainerOptions } from "../addon/native-types.ts";
import type { TrainerConfig } from "../config/training-config.ts";
import { numberOf } from "../models/model-folder.ts";
import { type TrainingModels, textProjection } from "./training-plan.ts";

export function nativeOptions(config: TrainerConfig, models: TrainingModels, device: string): NativeTrainerOptions {
  const { optimizer, lr_scheduler: schedule } = config;
  const common = {
    device,
    precision: config.precision,
    threads: config.threads,
    seed: config.seed,
    rank: 0,
    model: models.model.files,
    optimizer: {
      learningRate: optimizer.learning_rate,
      beta1: optimizer.betas[0],
      beta2: optimizer.betas[1],
      eps: optimizer.eps,
      weightDecay: optimizer.weight_decay,
      maxGradNorm: optimizer.max_grad_norm,
    },
    schedule: {
      type: schedule.type,
      warmupSteps: schedule.warmup_steps,
      totalSteps: config.max_train_steps,
      cycles: schedule.cycles,
    },
    emaDecay: config.ema_decay,
    augment: config.augment,
    freeze: config.freeze,
  };
  if (config.kind === "vae") {
    return {
      ...common,
      kind: "vae",
      ...(models.perceptual === undefined ? {} : { perceptual: models.perceptual.files }),
      vaeLoss: {
        reduction: config.loss.reduction,
        reconstruction: config.loss.reconstruction,
        klWeight: config.loss.kl_weight,
        perceptualWeight: config.loss.perceptual_weight,
        perceptual: config.perceptual?.network ?? "lpips",
      },
    };
  }
  const projection = textProjection(models);
  return {
    ...common,
    kind: "unet",
    vae: models.vae!.files,
    glyphEncoder: models.glyphEncoder!.files,
    ...(projection === undefined ? {} : { textProjection: projection }),
    unetLoss: {
      predictionType: config.loss.prediction_type,
      snrGamma: config.loss.snr_gamma,
      maskedWeight: config.loss.masked_weight,
      maskedFill: config.loss.masked_fill === 0 ? "0" : "-1",
      conditionDropout: config.loss.condition_dropout,
      fullMaskShare: config.loss.full_mask_share,
      scalingFactor: numberOf(models.vae!, "scaling_factor"),
      trainGlyphEncoder: config.glyph_encoder.trainable,
    },
  };
}
