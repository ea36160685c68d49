/**
 * What older configurations wrote, and what it is called now: one entry a version, in order.
 *
 * A file without `version` counts as version 0: the flags of diffusers' example scripts and of the scripts made after
 * them (as keys of a flat file), and this project's own first spellings. To change the format, raise `configVersion`,
 * add an entry here, and a case to the test.
 */

export type ConfigPath = readonly string[];

/** One thing a key becomes: a value at a path of the new format. */
export interface Placed {
  readonly path: ConfigPath;
  readonly value: unknown;
}

export interface MigrationContext {
  readonly kind: "vae" | "unet";
  /** Whether the old file has this key at its top. */
  has(key: string): boolean;
  /** Whether the present format takes this value there. */
  takes(path: ConfigPath, value: unknown): boolean;
}

export interface Rule {
  /** Key at the top of the old file; dashes count as underscores. */
  readonly from: string;
  /** Only for this kind of configuration. */
  readonly kind?: "vae" | "unet";
  /** Where the value goes, as it is. */
  readonly to?: ConfigPath;
  /** Where a value goes that has to be put differently; nothing = the key is dropped. */
  readonly convert?: (value: unknown, context: MigrationContext) => readonly Placed[];
  /** Why it is dropped, or what the reader must know. */
  readonly note?: string;
}

export interface Migration {
  /** The version a file has afterwards. */
  readonly version: number;
  readonly rules: readonly Rule[];
}

const move = (from: string, to: string, note?: string): Rule => ({
  from,
  to: to.split("."),
  ...(note === undefined ? {} : { note }),
});
const drop = (from: string, note: string): Rule => ({ from, convert: () => [], note });
const place = (path: string, value: unknown): Placed => ({ path: path.split("."), value });

const precisions: Readonly<Record<string, string>> = { no: "fp32", float32: "fp32", bfloat16: "bf16", float16: "fp16" };
const distances: Readonly<Record<string, string>> = { l2: "mse", mae: "l1" };
const predictions: Readonly<Record<string, string>> = { v: "v_prediction", velocity: "v_prediction", eps: "epsilon" };
const translated = (table: Readonly<Record<string, string>>, value: unknown): unknown =>
  table[String(value).toLowerCase()] ?? value;

const exportFirst =
  "must name a model folder of this project: export the diffusers model with scripts/export_models.py";
const manifestOf = (value: unknown): Placed[] => [
  place(
    "data.manifest",
    /\.jsonl$/.test(String(value)) ? value : `${String(value).replace(/\/+$/, "")}/manifest.jsonl`,
  ),
];

export const migrations: readonly Migration[] = [
  {
    version: 1,
    rules: [
      move("pretrained_model_name_or_path", "model.path", exportFirst),
      { ...move("pretrained_vae_name_or_path", "vae.path", exportFirst), kind: "unet" },
      { ...move("vae_path", "vae.path", exportFirst), kind: "unet" },
      { ...move("trocr_path", "glyph_encoder.path", exportFirst), kind: "unet" },
      { from: "train_data_dir", convert: manifestOf },
      { from: "dataset_path", convert: manifestOf },
      move("train_manifest", "data.manifest"),
      {
        from: "resolution",
        convert: (value) => [place("data.height", value), place("data.width", value)],
      },

      move("learning_rate", "optimizer.learning_rate"),
      move("lr", "optimizer.learning_rate"),
      { from: "adam_beta1", to: ["optimizer", "betas", "0"] },
      { from: "adam_beta2", to: ["optimizer", "betas", "1"] },
      move("adam_weight_decay", "optimizer.weight_decay"),
      move("adam_epsilon", "optimizer.eps"),
      move("max_grad_norm", "optimizer.max_grad_norm"),
      { from: "lr_scheduler", convert: (value) => [place("lr_scheduler.type", value)] },
      move("lr_warmup_steps", "lr_scheduler.warmup_steps", "counts optimizer steps, however much is accumulated"),
      move("lr_num_cycles", "lr_scheduler.cycles"),
      drop("lr_power", "there is no polynomial schedule"),
      drop("scale_lr", "the rate is never scaled by the batch; write the rate you want"),

      move("batch_size", "train_batch_size"),
      move("per_device_train_batch_size", "train_batch_size"),
      move("accumulate_grad_batches", "gradient_accumulation_steps"),
      move("accumulation_steps", "gradient_accumulation_steps"),
      move("max_steps", "max_train_steps"),
      drop("num_train_epochs", "max_train_steps decides: epochs × samples / effective batch"),
      drop("max_train_samples", "cut the manifest instead"),
      {
        from: "mixed_precision",
        convert: (value, { takes }) => {
          const wanted = translated(precisions, value);
          return [place("precision", takes(["precision"], wanted) ? wanted : "bf16")];
        },
        note: "autocast over float32 weights",
      },
      {
        from: "use_ema",
        convert: (value, { has }) => {
          if (value !== true) return [place("ema_decay", 0)];
          return has("ema_decay") || has("ema_max_decay") ? [] : [place("ema_decay", 0.9999)];
        },
      },
      move("ema_max_decay", "ema_decay"),

      {
        from: "kl_scale",
        kind: "vae",
        convert: (value) => [place("loss.kl_weight", value), place("loss.reduction", "sum")],
        note: "this name comes from a script that sums over pixels and latents, hence reduction: sum",
      },
      {
        ...move("kl_weight", "loss.kl_weight", "means something only with its loss.reduction: name that too"),
        kind: "vae",
      },
      { ...move("perceptual_scale", "loss.perceptual_weight"), kind: "vae" },
      { ...move("perceptual_weight", "loss.perceptual_weight"), kind: "vae" },
      {
        from: "rec_loss",
        kind: "vae",
        convert: (value) => [place("loss.reconstruction", translated(distances, value))],
      },
      {
        from: "decoder_only",
        kind: "vae",
        convert: (value) => (value === true ? [place("freeze", ["encoder", "quant_conv"])] : []),
      },
      {
        from: "prediction_type",
        kind: "unet",
        convert: (value) => [place("loss.prediction_type", translated(predictions, value))],
      },
      { ...move("disc_start", "adversarial.start_step"), kind: "vae" },
      { ...move("disc_weight", "adversarial.weight"), kind: "vae" },
      { ...move("disc_scale", "adversarial.weight"), kind: "vae" },
      { ...drop("disc_factor", "adversarial.weight is the only factor"), kind: "vae" },
      { ...drop("disc_loss", "the hinge loss is the one there is"), kind: "vae" },
      { ...move("snr_gamma", "loss.snr_gamma"), kind: "unet" },
      { ...move("noise_offset", "loss.offset_noise"), kind: "unet" },
      { ...move("input_perturbation", "loss.input_perturbation"), kind: "unet" },
      { ...move("conditioning_dropout_prob", "loss.condition_dropout"), kind: "unet" },
      { ...move("masked_loss_weight", "loss.masked_weight"), kind: "unet" },
      { ...move("masked_fill", "loss.masked_fill"), kind: "unet" },

      move("checkpointing_steps", "checkpoint.every_steps"),
      move("checkpoints_total_limit", "checkpoint.keep"),
      move("validation_steps", "validation.every_steps"),
      move("logging_steps", "logging.every_steps"),
      {
        from: "report_to",
        convert: (value) => [place("logging.tensorboard", ["tensorboard", "all"].includes(String(value)))],
        note: "TensorBoard is the one there is",
      },
      move("random_seed", "seed"),
      drop("resume_from_checkpoint", "give --resume on the command line"),
      drop("logging_dir", "events lie in the run folder"),
      drop("dataloader_num_workers", "data.prefetch says how many batches are prepared ahead"),
      {
        from: "use_8bit_adam",
        convert: (value) => [place("optimizer.state_bits", value === true ? 8 : 32)],
      },
      drop("enable_xformers_memory_efficient_attention", "LibTorch chooses the attention kernel itself"),
      drop("allow_tf32", "LibTorch's default holds"),
      drop("set_grads_to_none", "gradients live in buffers that are reused"),
      drop("center_crop", "crops are chosen around a region by the seed"),
      drop("random_flip", "mirrored text is no text"),
      drop("push_to_hub", "nothing is uploaded"),
      drop("hub_token", "secrets don't belong into a configuration"),
      drop("hub_model_id", "nothing is uploaded"),
      drop("tracker_project_name", "the run's name is `name`"),
      drop("cache_dir", "models are folders on disk"),
      drop("revision", "models are folders on disk"),
      drop("variant", "models are folders on disk"),
      drop("non_ema_revision", "models are folders on disk"),
      drop("local_rank", "comes from the launcher"),
    ],
  },
];
