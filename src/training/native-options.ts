/** Configuration → options of the native trainer. */
import type { AdversarialOptions, ModelFiles, NativeTrainerOptions, UnetLossOptions } from "../addon/native-types.ts";
import type { TrainerConfig, UNetTrainerConfig, VAETrainerConfig } from "../config/training-config.ts";
import { type ModelFolder, numberOf, stagedFiles } from "../models/model-folder.ts";
import { alphaOf, loraLayers } from "./adapter-plan.ts";
import { trainSteps } from "./spread-timesteps.ts";
import { type TrainingModels, textProjection } from "./training-plan.ts";

export function nativeOptions(config: TrainerConfig, models: TrainingModels, device: string): NativeTrainerOptions {
  const { optimizer, lr_scheduler: schedule } = config;
  const files = (folder: ModelFolder): ModelFiles =>
    config.gradient_checkpointing ? stagedFiles(folder) : folder.files;
  const common = {
    device,
    precision: config.precision,
    channelsLast: config.memory_format === "channels_last",
    threads: config.threads,
    seed: config.seed,
    // The same for all ranks: what is drawn for a sample then does not depend on how many ranks there are.
    rank: 0,
    model: files(models.model),
    optimizer: {
      learningRate: optimizer.learning_rate,
      beta1: optimizer.betas[0],
      beta2: optimizer.betas[1],
      eps: optimizer.eps,
      weightDecay: optimizer.weight_decay,
      maxGradNorm: optimizer.max_grad_norm,
      stateBits: optimizer.state_bits,
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
    ...(config.lora === undefined
      ? {}
      : {
          lora: {
            layers: loraLayers(models.model, config.lora),
            rank: config.lora.rank,
            alpha: alphaOf(config.lora),
            rslora: config.lora.rslora,
            init: config.lora.init,
            quantizeBase: config.lora.quantize_base,
          },
        }),
  };
  if (config.kind === "vae") {
    return {
      ...common,
      kind: "vae",
      ...(models.perceptual === undefined ? {} : { perceptual: files(models.perceptual) }),
      vaeLoss: {
        reduction: config.loss.reduction,
        reconstruction: config.loss.reconstruction,
        klWeight: config.loss.kl_weight,
        perceptualWeight: config.loss.perceptual_weight,
        perceptual: config.perceptual?.network ?? "lpips",
      },
      ...(config.adversarial === undefined ? {} : { adversarial: adversarialOptions(config.adversarial, common) }),
    };
  }
  const projection = textProjection(models);
  return {
    ...common,
    kind: "unet",
    vae: models.vae!.files,
    glyphEncoder: config.glyph_encoder.trainable ? files(models.glyphEncoder!) : models.glyphEncoder!.files,
    ...(projection === undefined ? {} : { textProjection: projection }),
    unetLoss: {
      predictionType: config.loss.prediction_type,
      snrGamma: config.loss.snr_gamma,
      maskedWeight: config.loss.masked_weight,
      maskedFill: `${config.loss.masked_fill}`,
      ...timestepBias(config.loss.timestep_bias),
      conditionDropout: config.loss.condition_dropout,
      fullMaskShare: config.loss.full_mask_share,
      scalingFactor: numberOf(models.vae!, "scaling_factor"),
      trainGlyphEncoder: config.glyph_encoder.trainable,
      offsetNoise: config.loss.offset_noise,
      inputPerturbation: config.loss.input_perturbation,
      pixelWeight: config.loss.pixel_weight,
      ssimWeight: config.loss.ssim_weight,
      pixelStartStep: config.loss.pixel_start_step,
    },
  };
}

/** Which timesteps a strategy means. */
function timestepBias({
  strategy,
  multiplier,
  portion,
  begin,
  end,
}: UNetTrainerConfig["loss"]["timestep_bias"]): Pick<UnetLossOptions, "timestepBias"> {
  const share = Math.max(1, Math.round(portion * trainSteps));
  switch (strategy) {
    case "none":
      return {};
    case "earlier":
      return { timestepBias: { begin: 0, end: share, multiplier } };
    case "later":
      return { timestepBias: { begin: trainSteps - share, end: trainSteps, multiplier } };
    case "range":
      return { timestepBias: { begin, end, multiplier } };
  }
}

/** The discriminator's AdamW takes what is not its own from the autoencoder's. */
function adversarialOptions(
  config: NonNullable<VAETrainerConfig["adversarial"]>,
  { optimizer }: Pick<NativeTrainerOptions, "optimizer">,
): AdversarialOptions {
  return {
    startStep: config.start_step,
    weight: config.weight,
    channels: config.channels,
    layers: config.layers,
    optimizer: {
      ...optimizer,
      learningRate: config.learning_rate,
      beta1: config.betas[0],
      beta2: config.betas[1],
      weightDecay: 0,
    },
  };
}
