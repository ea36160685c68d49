/** Trains an AutoencoderKL. */
import { join } from "node:path";
import { loadConfig } from "../config/load-config.ts";
import type { VAETrainerConfigInput } from "../config/training-config.ts";
import { mergedFolder, writeMerged } from "./adapter-export.ts";
import { measureScalingFactor } from "./latent-scale.ts";
import { modelCard } from "./model-card.ts";
import { type ExportRequest, exportModelFolder } from "./model-export.ts";
import { assembleTrainer, type ExportOptions, Trainer, type TrainerOptions, type TrainerParts } from "./trainer.ts";
import { trainerSources } from "./trainer-sources.ts";

/**
 * Trains the autoencoder between pixels and latents: reconstruction + KL + perceptual distance, with a named reduction.
 *
 * ```ts
 * const trainer = await VAETrainer.create("configs/vae.yaml", { signal });
 * try {
 *   for await (const event of trainer.train()) if (event.type === "step") console.log(event.step, event.losses.total);
 *   await trainer.exportModel("models/mine/vae");
 * } finally {
 *   await trainer.close();
 * }
 * ```
 */
export class VAETrainer extends Trainer {
  private constructor(parts: TrainerParts) {
    super(parts);
  }

  /**
   * A trainer ready for use. `config` is an object or the path of a YAML file.
   *
   * Throws ERR_CONFIG_*, ERR_MODEL_*, ERR_DATASET_*, ERR_CHECKPOINT_* (with `resumeFrom`), ERR_LIBTORCH_*, ERR_DEVICE,
   * ERR_ABORTED; ERR_INVALID_ARGUMENT when the run folder holds checkpoints and `resumeFrom` is not given.
   */
  static async create(config: string | VAETrainerConfigInput, options: TrainerOptions = {}): Promise<VAETrainer> {
    return new VAETrainer(await assembleTrainer(await loadConfig(config, "vae"), options, trainerSources));
  }

  /**
   * Writes a model folder to `dir`. Where the encoder was trained, `scaling_factor` in its config.json is measured anew
   * on held-out crops, so that a UNet trained on it sees latents of unit variance; a frozen encoder's stays. Of a run with
   * `lora`: the adapter's folder, and with `merged` such a model folder below it.
   */
  override async exportModel(dir: string, options: ExportOptions = {}): Promise<void> {
    const folder = this.folderFor(dir, "exportModel");
    const { run, models } = this.parts;
    if (run.plan.adapter === undefined) {
      return this.#exportFolder(folder, (files) => run.native.exportWeights(files, run.config.ema_decay > 0));
    }
    await this.exportAdapterFolder(folder, run.plan.adapter);
    if (options.merged === true)
      await this.#exportFolder(join(folder, mergedFolder), ({ model }) => writeMerged(models.model, folder, model));
  }

  async #exportFolder(folder: string, write: ExportRequest["write"]): Promise<void> {
    const { run, models } = this.parts;
    const summary = this.summary();
    await run.exclusive(async () => {
      const scalingFactor = await measureScalingFactor(run, run.config.ema_decay > 0);
      await exportModelFolder(folder, {
        source: models.model,
        name: run.config.name,
        card: modelCard(run.config.name, run.config, run.plan, summary),
        training: summary,
        ...(scalingFactor === undefined ? {} : { config: { scaling_factor: scalingFactor } }),
        write,
      });
    });
  }
}
