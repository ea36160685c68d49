/** Trains the inpainting UNet. */
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { loadConfig } from "../config/load-config.ts";
import type { UNetTrainerConfig, UNetTrainerConfigInput } from "../config/training-config.ts";
import type { InpaintingFacts } from "../models/inpainting-facts.ts";
import { glyphSize, numberOf, textProjectionFile, weightsFile } from "../models/model-folder.ts";
import { mergedFolder, writeMerged } from "./adapter-export.ts";
import { modelCard } from "./model-card.ts";
import { copyModelFolder, exportModelFolder } from "./model-export.ts";
import { assembleTrainer, type ExportOptions, Trainer, type TrainerOptions, type TrainerParts } from "./trainer.ts";
import { trainerSources } from "./trainer-sources.ts";
import { textProjection } from "./training-plan.ts";

/**
 * Trains the denoiser that repaints masked parts of a document, conditioned on the drawn text. Autoencoder and, by
 * default, glyph encoder are frozen; a linear layer between encoder and UNet is made and trained where their widths
 * differ.
 */
export class UNetTrainer extends Trainer {
  private constructor(parts: TrainerParts) {
    super(parts);
  }

  /** A trainer ready for use; arguments and errors as `VAETrainer.create`, and ERR_MODEL_SHAPE unless 2·C+1 channels fit. */
  static async create(config: string | UNetTrainerConfigInput, options: TrainerOptions = {}): Promise<UNetTrainer> {
    return new UNetTrainer(await assembleTrainer(await loadConfig(config, "unet"), options, trainerSources));
  }

  /**
   * Writes the UNet's model folder to `dir`, with `text_projection.safetensors` where there is such a layer. A glyph
   * encoder that was trained too goes to `dir/glyph_encoder`. `exportPipeline` puts everything where the anonymizer
   * looks for it. Of a run with `lora`: the adapter's folder, and with `merged` the UNet with the adapter added below it.
   */
  async exportModel(dir: string, options: ExportOptions = {}): Promise<void> {
    const folder = this.folderFor(dir, "exportModel");
    const { adapter } = this.parts.run.plan;
    if (adapter === undefined) return this.#export(folder);
    await this.exportAdapterFolder(folder, adapter);
    if (options.merged === true) await this.#export(join(folder, mergedFolder), { adapter: folder });
  }

  /**
   * Writes a complete `models` folder for the anonymizer: `unet`, `vae` and `glyph_encoder` below `dir`. Of a run with
   * `lora` the UNet has the adapter added, and `adapter` holds it on its own.
   */
  async exportPipeline(dir: string): Promise<void> {
    const folder = this.folderFor(dir, "exportPipeline");
    const { models, run } = this.parts;
    const adapter = join(folder, "adapter");
    if (run.plan.adapter !== undefined) await this.exportAdapterFolder(adapter, run.plan.adapter);
    await this.#export(join(folder, "unet"), {
      glyphFolder: join(folder, "glyph_encoder"),
      ...(run.plan.adapter === undefined ? {} : { adapter }),
    });
    await copyModelFolder(models.vae!, join(folder, "vae"));
    if (!this.#config.glyph_encoder.trainable)
      await copyModelFolder(models.glyphEncoder!, join(folder, "glyph_encoder"));
  }

  get #config(): UNetTrainerConfig {
    return this.parts.run.config as UNetTrainerConfig;
  }

  /** A trained glyph encoder goes to `glyphFolder`, by default into the UNet's folder; `adapter` is merged. */
  async #export(
    unetFolder: string,
    { glyphFolder, adapter }: { glyphFolder?: string; adapter?: string } = {},
  ): Promise<void> {
    this.checkOpen();
    const { run, models } = this.parts;
    const config = this.#config;
    const training = this.summary();
    const card = modelCard(config.name, config, run.plan, training);
    const withTextProjection = textProjection(models) !== undefined;
    const useEma = config.ema_decay > 0;
    let glyphHash = models.glyphEncoder!.metadata.sha256[weightsFile]!;
    await run.exclusive(() =>
      exportModelFolder(unetFolder, {
        source: models.model,
        name: config.name,
        card,
        training,
        withTextProjection,
        inpainting: () => this.#facts(withTextProjection, glyphHash),
        write: async (files, folder) => {
          if (adapter !== undefined) {
            if (files.textProjection !== undefined)
              await copyFile(join(models.model.path, textProjectionFile), files.textProjection);
            return writeMerged(models.model, adapter, files.model);
          }
          if (!config.glyph_encoder.trainable) return run.native.exportWeights(files, useEma);
          glyphHash = await exportModelFolder(glyphFolder ?? join(folder, "glyph_encoder"), {
            source: models.glyphEncoder!,
            name: `${config.name}-glyph-encoder`,
            card,
            training,
            write: ({ model }) => run.native.exportWeights({ ...files, glyphEncoder: model }, useEma),
          });
        },
      }),
    );
  }

  #facts(withTextProjection: boolean, glyphHash: string): InpaintingFacts {
    const { models } = this.parts;
    const config = this.#config;
    return {
      predictionType: config.loss.prediction_type,
      maskedFill: `${config.loss.masked_fill}`,
      scalingFactor: numberOf(models.vae!, "scaling_factor"),
      glyph: { ...glyphSize(models.glyphEncoder!), fit: config.glyph_encoder.fit },
      ...(withTextProjection ? { textProjection: textProjectionFile } : {}),
      vaeWeightsSha256: models.vae!.metadata.sha256[weightsFile]!,
      glyphEncoderWeightsSha256: glyphHash,
    };
  }
}
