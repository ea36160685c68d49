/** The README.md of an exported model: data, hyper-parameters, measured quality, limits. */
import type { TrainerConfig } from "../config/training-config.ts";
import type { AdapterPlan } from "./adapter-plan.ts";
import type { Losses } from "./events.ts";
import type { TrainingPlan } from "./training-plan.ts";

/** What `metadata.json` keeps of a run. */
export interface TrainingSummary {
  readonly preset: string;
  readonly step: number;
  readonly epoch: number;
  readonly samples: number;
  readonly effectiveBatch: number;
  /** Size of the crops in pixels: what the model has seen. */
  readonly height: number;
  readonly width: number;
  readonly ema: boolean;
  /** Of the last step before the export. */
  readonly losses: Losses;
  readonly validation?: Losses;
  /** How `validation` was measured. */
  readonly validated?: { readonly step: number; readonly batches: number; readonly samples: number };
  readonly perceptual?: string;
  readonly dataset: {
    readonly manifestSha256: string;
    readonly samples: number;
    readonly heldOut: number;
    readonly licence: string;
  };
  readonly basedOn: { readonly name: string; readonly version: string; readonly weightsSha256: string };
  readonly versions: { readonly package: string; readonly node: string; readonly libtorch: string };
}

const what = {
  vae: "Autoencoder between pixels and latents (diffusers' AutoencoderKL).",
  unet: "Denoiser for inpainting text into documents (diffusers' UNet2DConditionModel), conditioned on the drawn text.",
} as const;

const limits = {
  vae: "Judged by its losses on the data above only; whether small text stays legible has to be measured on your documents. Change the encoder and a UNet trained on its latents no longer fits.",
  unet: "Works with the autoencoder and the glyph encoder it was trained with (hashes in metadata.json) and no others. Its losses do not tell whether text is spelled right: results have to be read again and checked.",
} as const;

export function modelCard(name: string, config: TrainerConfig, plan: TrainingPlan, summary: TrainingSummary): string {
  const { optimizer, lr_scheduler: schedule, data } = config;
  const number = (value: number): string =>
    Number.isInteger(value) ? value.toLocaleString("en") : Number(value.toPrecision(4)).toString();
  const losses = (values: Losses): string =>
    Object.entries(values)
      .map(([key, value]) => `${key} ${number(value)}`)
      .join(", ");
  const rows: [string, string][] = [
    ["preset", summary.preset],
    ["starts from", `${summary.basedOn.name} (weights sha256 ${summary.basedOn.weightsSha256.slice(0, 16)})`],
    ["optimizer steps", number(summary.step)],
    ["samples seen", `${number(summary.samples)} (${number(summary.epoch)} epochs)`],
    ["effective batch", `${number(plan.effectiveBatch)} = ${plan.microBatch} × ${plan.accumulation} × ${plan.ranks}`],
    ["crop", `${data.width} × ${data.height} px`],
    ["loss", describeLoss(config, summary.perceptual)],
    ...(summary.perceptual === "random-vgg"
      ? ([["perceptual network", "random-vgg: VGG16's layers with random weights, no published distance"]] as [
          string,
          string,
        ][])
      : []),
    [
      "learning rate",
      `${optimizer.learning_rate}, ${schedule.type}${schedule.type === "constant" ? "" : `, warm-up ${schedule.warmup_steps}`}`,
    ],
    [
      "AdamW",
      `betas ${optimizer.betas.join(", ")}, eps ${optimizer.eps}, weight decay ${optimizer.weight_decay}, clipping ${optimizer.max_grad_norm}${optimizer.state_bits === 32 ? "" : `, ${optimizer.state_bits}-bit states`}`,
    ],
    ["augmentation", describeAugmentation(config)],
    ["precision", config.precision],
    ["averaged weights", summary.ema ? `EMA, decay ${config.ema_decay}` : "no"],
    ...(plan.adapter === undefined
      ? ([["frozen", config.freeze.length === 0 ? "nothing" : config.freeze.join(", ")]] as [string, string][])
      : adapterRows(plan.adapter)),
    ["seed", String(config.seed)],
  ];
  return `# ${name}

${what[config.kind]}

## Data

${number(summary.dataset.samples)} training samples and ${number(summary.dataset.heldOut)} held out; manifest sha256 ${summary.dataset.manifestSha256.slice(0, 16)}. Licence of the data: ${summary.dataset.licence}.

## Training

| | |
|---|---|
${rows.map(([key, value]) => `| ${key} | ${value.replaceAll("|", "\\|")} |`).join("\n")}

${number(plan.parameters.trainable)} of ${number(plan.parameters.total)} parameters were trained. Made with anonymizer-native ${summary.versions.package} on LibTorch ${summary.versions.libtorch}.

## Quality

- Last training step: ${losses(summary.losses) || "none"}
- Held-out data: ${summary.validation === undefined ? "not measured" : losses(summary.validation)}${validated(summary)}

## Limits

${limits[config.kind]}
`;
}

const adapterRows = (adapter: AdapterPlan): [string, string][] => [
  ["adapter", adapter.description],
  ["adapted", adapter.targets.join(", ")],
  ["frozen", adapter.quantizedBase ? "the whole model, in 8 bits while training" : "the whole model"],
];

const validated = ({ validated: how }: TrainingSummary): string =>
  how === undefined ? "" : ` (${how.batches} batches, ${how.samples} samples, after step ${how.step})`;

function describeAugmentation({ augment }: TrainerConfig): string {
  const { rotation, brightness, contrast } = augment;
  return `rotation ±${rotation}°, brightness ±${brightness}, contrast ±${contrast}`;
}

function describeLoss(config: TrainerConfig, perceptual: string | undefined): string {
  return config.kind === "vae" ? describeVaeLoss(config, perceptual) : describeUnetLoss(config);
}

function describeVaeLoss(config: Extract<TrainerConfig, { kind: "vae" }>, perceptual: string | undefined): string {
  const { reduction, reconstruction, kl_weight, perceptual_weight } = config.loss;
  const { adversarial: gan } = config;
  const terms = [`${reduction} of ${reconstruction}`, `${kl_weight} · KL`];
  if (perceptual_weight > 0) terms.push(`${perceptual_weight} · ${perceptual ?? "perceptual"}`);
  if (gan !== undefined)
    terms.push(`${gan.weight} · adaptive · hinge (${gan.layers} layers, from step ${gan.start_step})`);
  return terms.join(" + ");
}

function describeUnetLoss({ loss }: Extract<TrainerConfig, { kind: "unet" }>): string {
  const { pixel_weight, ssim_weight, pixel_start_step } = loss;
  const { strategy, portion, multiplier, begin, end } = loss.timestep_bias;
  const pixels = [
    ...(pixel_weight > 0 ? [`${pixel_weight} · L1`] : []),
    ...(ssim_weight > 0 ? [`${ssim_weight} · (1 − SSIM)`] : []),
  ];
  const from = pixel_start_step > 0 ? ` from step ${pixel_start_step}` : "";
  const parts = [
    `MSE of ${loss.prediction_type}`,
    ...(pixels.length > 0 ? [`of the repainted pixels ${pixels.join(" + ")}${from}`] : []),
    `min-SNR γ ${loss.snr_gamma === 0 ? "off" : loss.snr_gamma}`,
    `weight of the mask ${loss.masked_weight}`,
    `fill ${loss.masked_fill}`,
    `condition dropout ${loss.condition_dropout}`,
    `full masks ${loss.full_mask_share}`,
  ];
  if (loss.offset_noise > 0) parts.push(`offset noise ${loss.offset_noise}`);
  if (loss.input_perturbation > 0) parts.push(`input perturbation ${loss.input_perturbation}`);
  if (strategy !== "none") {
    const range = strategy === "range" ? `${begin} … ${end}` : `${strategy} ${portion}`;
    parts.push(`timesteps ${range} drawn ${multiplier} times as often`);
  }
  return parts.join(", ");
}
