/**
 * Schemas of the two training configurations. Keys are snake_case and carry the names this field uses
 * (`train_batch_size`, `gradient_accumulation_steps`, `max_train_steps`, `snr_gamma` …).
 * Defaults are the numbers of `configs/vae.yaml` and `configs/unet.yaml`; unknown keys are errors.
 */
import { z } from "zod";
import { impossibleTrainingValues } from "./impossible-values.ts";

/** Format of the files. What an older one wrote otherwise, `migrations.ts` turns into this. */
export const configVersion = 1;

function refuseImpossible(config: unknown, context: z.RefinementCtx): void {
  for (const { path, message } of impossibleTrainingValues(config)) {
    context.addIssue({ code: "custom", path: [...path], message });
  }
}
/** Told together with the other problems, not only once those are mended. */
const checkAlways = { when: () => true };

const version = z.literal(configVersion).default(configVersion).describe("Format of this file.");

const positiveInt = z.int().min(1);
const count = z.int().min(0);
const share = z.number().min(0).max(1);
const path = z.string().min(1);

const modelFolder = (what: string) =>
  z
    .strictObject({ path: path.describe("The model folder: graph.pt, model.safetensors, config.json, metadata.json.") })
    .describe(what);

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/i, "must be 1 to 64 letters, digits, dots, dashes or underscores")
  .describe("Name of the run and of the exported model.");

const seed = z
  .int()
  .min(0)
  .default(0)
  .describe("Seed of everything random: order of samples, crops, augmentation, noise.");

const data = z
  .strictObject({
    manifest: path.describe(
      "The dataset's manifest.jsonl; or its shards: their index.json, or r2://, s3://, file:// with their address.",
    ),
    height: positiveInt.multipleOf(8).default(512).describe("Height of a crop in pixels."),
    width: positiveInt.multipleOf(8).default(512).describe("Width of a crop in pixels."),
    licence: z.string().max(200).default("not stated").describe("Licence of the data; goes into the model card."),
    prefetch: positiveInt.max(64).default(4).describe("Batches prepared ahead of the trainer."),
    buckets: z
      .strictObject({
        aspects: z
          .array(
            z
              .number()
              .min(1 / 16)
              .max(64),
          )
          .min(2)
          .max(16)
          .describe("Width ÷ height of each shape, e.g. [1, 2, 4, 8]."),
      })
      .optional()
      .describe(
        "Aspect buckets: long lines get wide crops, short ones narrow ones, each with at most height × width pixels and at least 85 % of them; a batch has one shape. Default: off, every crop is height × width.",
      ),
    shards: z
      .strictObject({
        window: positiveInt
          .max(4096)
          .default(8)
          .describe("Shards whose pages are shuffled among each other; the order of the samples depends on it."),
        cache_dir: path
          .optional()
          .describe(
            "Folder for shards of a store; several runs may share it. Default: anonymizer-native/shards in the user's cache.",
          ),
        cache_bytes: positiveInt
          .default(8 * 2 ** 30)
          .describe("Size of that folder; it must hold the shards of two windows."),
      })
      .optional()
      .describe("How a dataset in shards is read."),
  })
  .describe("What is trained on.");

const augment = z
  .strictObject({
    rotation: z.number().min(0).max(45).default(5).describe("Degrees, uniform in ±rotation."),
    brightness: share.default(0.1).describe("Factor uniform in 1 ± brightness."),
    contrast: share.default(0.1).describe("Factor uniform in 1 ± contrast."),
  })
  .prefault({})
  .describe("Augmentation, done on the training device.");

const optimizer = (learningRate: number) =>
  z
    .strictObject({
      learning_rate: z.number().positive().max(1).default(learningRate).describe("Base learning rate of AdamW."),
      betas: z
        .tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)])
        .default([0.9, 0.999])
        .describe("Decay of the first and second moment."),
      eps: z.number().positive().default(1e-8).describe("Added to the denominator."),
      weight_decay: z.number().min(0).default(0.01).describe("Decoupled weight decay."),
      max_grad_norm: z.number().min(0).default(1).describe("Gradients are clipped to this L2 norm; 0 = no clipping."),
      state_bits: z
        .literal([8, 32])
        .default(32)
        .describe("Bits of AdamW's moments; 8 = block-wise 8-bit states, a quarter of the memory."),
    })
    .prefault({})
    .describe("AdamW.");

const scheduleTypes = ["constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts"] as const;

const lrScheduler = (type: (typeof scheduleTypes)[number], warmup: number, cycles: number) =>
  z
    .strictObject({
      type: z.enum(scheduleTypes).default(type).describe("Shape of the learning rate; counted in optimizer steps."),
      warmup_steps: count.default(warmup).describe("Optimizer steps over which the rate rises from 0."),
      cycles: positiveInt.default(cycles).describe("Restarts of cosine_with_restarts."),
    })
    .prefault({})
    .describe("Learning-rate schedule.");

/** Defaults are diffusers' and peft's. */
const lora = z
  .strictObject({
    rank: positiveInt.max(4096).default(8).describe("Rank r of the pairs A [r, in], B [out, r]."),
    alpha: z
      .number()
      .positive()
      .optional()
      .describe("Strength: B·A is added with the factor alpha / rank. Default: the rank."),
    targets: z
      .array(z.string().min(1))
      .min(1)
      .default(["to_k", "to_q", "to_v", "to_out.0"])
      .describe("Linear and Conv2d layers that get a pair: ends of their names, or re: and a regular expression."),
    init: z
      .enum(["kaiming_uniform", "gaussian"])
      .default("kaiming_uniform")
      .describe("How A starts (peft's default, or normal with deviation 1 / rank); B starts at zero."),
    rslora: z.boolean().default(false).describe("Rank-stabilised: the factor is alpha / sqrt(rank)."),
    quantize_base: z
      .boolean()
      .default(false)
      .describe("Keep the frozen weights in 8 bits: a quarter of the memory, small errors."),
  })
  .optional()
  .describe("Train low-rank adapters (LoRA) over the frozen model in place of its weights.");

/** The adapters leave nothing else to train, so what also says what is trained contradicts them. */
function checkLora(
  config: {
    lora?: object | undefined;
    freeze: readonly string[];
    glyph_encoder?: { trainable: boolean };
    adversarial?: object | undefined;
  },
  context: z.RefinementCtx,
): void {
  if (config.lora === undefined) return;
  if (config.freeze.length > 0)
    context.addIssue({
      code: "custom",
      path: ["freeze"],
      message: "must be empty with lora, which freezes the whole model; narrow lora.targets instead",
    });
  if (config.adversarial !== undefined)
    context.addIssue({
      code: "custom",
      path: ["adversarial"],
      message: "must be absent with lora: its weight is balanced by the gradient of a layer that stays frozen",
    });
  if (config.glyph_encoder?.trainable === true)
    context.addIssue({
      code: "custom",
      path: ["glyph_encoder", "trainable"],
      message: "must be false with lora, which trains the adapters alone",
    });
}

/** What both trainers have after their own keys. */
const common = (defaults: { batch: number; accumulate: number; steps: number; ema: number }) => ({
  train_batch_size: positiveInt.default(defaults.batch).describe("Samples of one micro-batch (one forward pass)."),
  gradient_accumulation_steps: positiveInt
    .default(defaults.accumulate)
    .describe("Micro-batches of one optimizer step; at least 1."),
  max_train_steps: positiveInt.default(defaults.steps).describe("Optimizer steps of the whole run."),
  precision: z
    .enum(["fp32", "bf16", "fp16"])
    .default("bf16")
    .describe("bf16 and fp16 = autocast over float32 weights; fp16 scales the loss and is meant for CUDA."),
  gradient_checkpointing: z
    .boolean()
    .default(false)
    .describe("Run parts of the networks again in the backward pass instead of keeping their activations."),
  memory_format: z
    .enum(["channels_last", "contiguous"])
    .default("channels_last")
    .describe("Order of images in memory, on CUDA of convolution weights too."),
  device: z
    .string()
    .regex(/^(auto|cpu|cuda(:\d+)?)$/, "must be auto, cpu, cuda or cuda:N")
    .default("auto")
    .describe("auto = the first CUDA device, else the CPU."),
  threads: count.max(1024).default(0).describe("CPU threads of the computation; 0 = LibTorch's default."),
  distributed: z
    .strictObject({
      backend: z
        .enum(["auto", "gloo", "nccl"])
        .default("auto")
        .describe("How processes exchange tensors: gloo on the CPU, nccl on CUDA; auto = what fits the device."),
      timeout_seconds: z
        .number()
        .min(1)
        .max(86_400)
        .default(600)
        .describe("A process that does not come along for so long counts as lost, and all end."),
      zero: z
        .literal([0, 1])
        .default(0)
        .describe("1 = spread AdamW's state over the processes (ZeRO stage 1); the numbers stay the same."),
      bucket_mb: z
        .number()
        .positive()
        .max(4096)
        .default(25)
        .describe("MiB of gradients that are exchanged in one piece while the backward pass goes on."),
    })
    .prefault({})
    .describe("Training by several processes (torchrun, --nproc)."),
  ema_decay: z
    .number()
    .min(0)
    .lt(1)
    .default(defaults.ema)
    .describe("Largest decay of the averaged weights, min(ema_decay, (1+s)/(10+s)); 0 = no EMA."),
  freeze: z
    .array(z.string().min(1))
    .default([])
    .describe("Module names whose parameters stay fixed, e.g. [encoder, quant_conv]; each must match."),
  lora,
  output_dir: path
    .optional()
    .describe(
      "Run folder: checkpoints, samples, tensorboard, events.jsonl. Default: runs/<name> in the current folder.",
    ),
  checkpoint: z
    .strictObject({
      every_steps: count.default(1000).describe("Optimizer steps between checkpoints; 0 = only at the end."),
      every_minutes: z
        .number()
        .positive()
        .max(10_080)
        .optional()
        .describe("Minutes after which a checkpoint is written too, whatever the steps. Default: steps alone count."),
      keep: positiveInt.default(3).describe("Newest checkpoints that are kept."),
      save_on_abort: z.boolean().default(true).describe("Write a checkpoint when the run is aborted."),
      store: z
        .string()
        .regex(
          /^(r2|s3|file):\/\/[^/:@]*(\/|$)/i,
          "must be an address without user or password: r2://BUCKET/PREFIX, s3://BUCKET/PREFIX or file:///FOLDER",
        )
        .optional()
        .describe(
          "Address of this run, r2://, s3:// or file://: checkpoints are sent there, and --resume auto finds them.",
        ),
    })
    .prefault({})
    .describe("Checkpoints."),
  publish: z
    .string()
    .regex(
      /^(r2|s3|file):\/\/[^/:@]*\/.*@[^@/]+$/i,
      "must be the address of a version, without user or password: r2://BUCKET/PREFIX/NAME@VERSION",
    )
    .optional()
    .describe(
      "Version in a registry that the command line makes of the finished model: r2://BUCKET/PREFIX/NAME@VERSION.",
    ),
  validation: z
    .strictObject({
      every_steps: count.default(1000).describe("Optimizer steps between validations; 0 = never."),
      batches: positiveInt.default(8).describe("Batches of the held-out split, the same ones each time."),
    })
    .prefault({})
    .describe("Loss on the held-out split."),
  samples: z
    .strictObject({
      every_steps: count.default(1000).describe("Optimizer steps between preview grids; 0 = never."),
      count: positiveInt.max(64).default(4).describe("Rows of the grid."),
      inference_steps: positiveInt.max(1000).default(20).describe("DDIM steps of a preview (UNet only)."),
    })
    .prefault({})
    .describe("Preview grids: original, mask, result."),
  logging: z
    .strictObject({
      every_steps: positiveInt.default(1).describe("Optimizer steps between step events."),
      events_file: z.boolean().default(true).describe("Write every event to events.jsonl in the run folder."),
      tensorboard: z
        .boolean()
        .default(true)
        .describe("Write TensorBoard event files to tensorboard/ in the run folder."),
    })
    .prefault({})
    .describe("Events and their files."),
});

const vaeLossShape = {
  reconstruction: z.enum(["mse", "l1"]).default("mse").describe("Distance of the pixels in [-1, 1]."),
};
const klWeight = (value: number) => z.number().min(0).default(value).describe("Weight of the KL term; 0 = without it.");
const perceptualWeight = (value: number) =>
  z.number().min(0).default(value).describe("Weight of the perceptual term; 0 = its network is not run.");

/**
 * The reduction has no default: weights mean something only together with it. A KL weight of 0.00025 on averages is
 * about as strong as 1e-6 · 10⁸ on sums, so the two sets of weights can't be mixed.
 */
const vaeLoss = z
  .discriminatedUnion("reduction", [
    z.strictObject({
      reduction: z.literal("mean").describe("Every term is averaged over its own elements."),
      ...vaeLossShape,
      kl_weight: klWeight(0.00025),
      perceptual_weight: perceptualWeight(0.1),
    }),
    z.strictObject({
      reduction: z.literal("sum").describe("Terms are summed over pixels and latents, divided by the batch size."),
      ...vaeLossShape,
      kl_weight: klWeight(1e-6),
      perceptual_weight: perceptualWeight(0.5),
    }),
  ])
  .describe("Reconstruction + kl_weight · KL + perceptual_weight · perceptual; `reduction` must be named.");

const adversarial = z
  .strictObject({
    start_step: count.default(50_001).describe("Optimizer step from which the discriminator takes part."),
    weight: z.number().positive().max(1000).default(0.5).describe("Times the adaptive weight."),
    channels: positiveInt.max(512).default(64).describe("Channels of its first layer."),
    layers: positiveInt.max(6).default(3).describe("Layers with batch normalisation."),
    learning_rate: z.number().positive().max(1).default(4.5e-6).describe("Of the discriminator's AdamW."),
    betas: z
      .tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)])
      .default([0.5, 0.9])
      .describe("Decay of its moments."),
  })
  .describe("Adversarial term: patch discriminator, hinge loss, adaptive weight (latent-diffusion).");

export const vaeTrainerSchema = z
  .strictObject({
    version,
    kind: z.literal("vae").default("vae").describe("What is trained."),
    preset: z.string().min(1).max(64).default("custom").describe("Where the numbers come from; printed at the start."),
    name: name.default("vae"),
    seed,
    model: modelFolder("The AutoencoderKL that training starts from."),
    perceptual: z
      .strictObject({
        network: z
          .enum(["lpips", "vgg16"])
          .default("lpips")
          .describe("lpips = LPIPS v0.1 with VGG16; vgg16 = feature MSE."),
        path: path.describe("Model folder of the VGG16 features."),
      })
      .optional()
      .describe("The perceptual network; needed when loss.perceptual_weight is above 0."),
    data,
    augment,
    loss: vaeLoss,
    adversarial: adversarial.optional(),
    optimizer: optimizer(5e-4),
    lr_scheduler: lrScheduler("cosine_with_restarts", 1000, 3),
    ...common({ batch: 16, accumulate: 2, steps: 100_000, ema: 0 }),
  })
  .superRefine(refuseImpossible, checkAlways)
  .superRefine(checkLora)
  .describe("Training of the autoencoder.");

export const unetTrainerSchema = z
  .strictObject({
    version,
    kind: z.literal("unet").default("unet").describe("What is trained."),
    preset: z.string().min(1).max(64).default("custom").describe("Where the numbers come from; printed at the start."),
    name: name.default("unet"),
    seed,
    model: modelFolder("The inpainting UNet that training starts from; it takes 2·C+1 input channels."),
    vae: modelFolder("The autoencoder that makes the latents; frozen."),
    glyph_encoder: z
      .strictObject({
        path: path.describe("Model folder of the vision encoder that reads the drawn text."),
        trainable: z.boolean().default(false).describe("Train the encoder too."),
        fit: z
          .enum(["pad", "squash"])
          .default("pad")
          .describe(
            "How the drawn text meets the encoder's input size: aspect kept and padded, or stretched (DiffUTE).",
          ),
      })
      .describe("The condition: text drawn black on white, seen by an encoder."),
    data,
    cache: z
      .strictObject({
        dir: path.describe("Folder of the cache; several runs may share it."),
        variants: positiveInt
          .max(1024)
          .default(4)
          .describe("Fixed crops (with their augmentation) of each sample, taken in turn epoch by epoch."),
        max_bytes: positiveInt.default(20 * 2 ** 30).describe("Size of the folder; when full, nothing is added."),
      })
      .optional()
      .describe(
        "Keeps latents and glyph features on disk instead of making them each step. Crops and augmentation then come in a fixed number of variants. Default: off.",
      ),
    augment,
    loss: z
      .strictObject({
        prediction_type: z.enum(["epsilon", "v_prediction"]).default("epsilon").describe("What the UNet predicts."),
        snr_gamma: z.number().min(0).default(0).describe("γ of min-SNR weighting (5 is usual); 0 = off."),
        masked_weight: z
          .number()
          .positive()
          .max(100)
          .default(1)
          .describe("Weight of the repainted region; 1 = plain mean."),
        masked_fill: z
          .literal([0, -1, "draft"])
          .default(0)
          .describe(
            "What stands under the mask of the masked image: the value 0 for SD2 weights, -1 for DiffUTE weights; draft = the text roughly drawn, which the UNet restyles instead of spelling it.",
          ),
        timestep_bias: z
          .strictObject({
            strategy: z
              .enum(["none", "earlier", "later", "range"])
              .default("none")
              .describe(
                "Which timesteps are drawn more often: the least noised (earlier), the most noised (later), or those from begin to end.",
              ),
            multiplier: z.number().positive().max(1000).default(1).describe("So many times as often as the others."),
            portion: z.number().positive().max(1).default(0.25).describe("Share of the timesteps (earlier, later)."),
            begin: z.number().int().min(0).max(999).default(0).describe("First timestep of a range, 0 … 999."),
            end: z.number().int().min(1).max(1000).default(1000).describe("The timestep after the last of a range."),
          })
          .prefault({})
          .describe("Default: every timestep as often as any other."),
        condition_dropout: share.default(0.1).describe("Share of samples trained without condition, for guidance."),
        full_mask_share: share.default(0.25).describe("Share of samples with everything masked."),
        offset_noise: share.default(0).describe("Strength of noise that is the same over an image; 0.1 is usual."),
        input_perturbation: share.default(0).describe("Perturbation of the noise in the input; 0.1 is usual."),
        pixel_weight: z
          .number()
          .min(0)
          .max(1000)
          .default(0)
          .describe(
            "Weight of the mean absolute error of the repainted pixels, decoded from what each step predicts; 0 = off.",
          ),
        ssim_weight: z
          .number()
          .min(0)
          .max(1000)
          .default(0)
          .describe("Weight of 1 − SSIM of the repainted pixels; 0 = off."),
        pixel_start_step: count
          .default(0)
          .describe("Step from which pixel_weight and ssim_weight count: what is predicted before is no picture yet."),
      })
      .prefault({})
      .describe("Denoising loss."),
    optimizer: optimizer(1e-4),
    lr_scheduler: lrScheduler("constant_with_warmup", 1000, 1),
    ...common({ batch: 8, accumulate: 4, steps: 200_000, ema: 0.9999 }),
  })
  .superRefine(refuseImpossible, checkAlways)
  .superRefine(checkLora)
  .describe("Training of the inpainting UNet.");

/** A checked configuration of `VAETrainer`, every default filled in, every path absolute. */
export type VAETrainerConfig = z.output<typeof vaeTrainerSchema>;
/** What a user may write for it. */
export type VAETrainerConfigInput = z.input<typeof vaeTrainerSchema>;
/** A checked configuration of `UNetTrainer`, every default filled in, every path absolute. */
export type UNetTrainerConfig = z.output<typeof unetTrainerSchema>;
/** What a user may write for it. */
export type UNetTrainerConfigInput = z.input<typeof unetTrainerSchema>;
export type TrainerConfig = VAETrainerConfig | UNetTrainerConfig;

/** Keys whose value is a path, resolved against the configuration file's folder. */
export const trainingPathKeys = {
  vae: [
    ["model", "path"],
    ["perceptual", "path"],
    ["data", "manifest"],
    ["data", "shards", "cache_dir"],
    ["output_dir"],
  ],
  unet: [
    ["model", "path"],
    ["vae", "path"],
    ["glyph_encoder", "path"],
    ["data", "manifest"],
    ["data", "shards", "cache_dir"],
    ["cache", "dir"],
    ["output_dir"],
  ],
} as const;
