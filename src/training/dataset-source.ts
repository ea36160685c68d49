/** Training data from a manifest: where the training room meets the datasets room. */
import type { TrainerConfig } from "../config/training-config.ts";
import type { TrainingBatch } from "../datasets/batch.ts";
import { DocumentDataset } from "../datasets/dataset.ts";
import { type BatchLoader, createLoader, type LoaderOptions } from "../datasets/loader.ts";
import { AnonymizerError } from "../errors.ts";
import { digestFile } from "../models/files.ts";
import { glyphSize, sizeMultiple } from "../models/model-folder.ts";
import type { BatchRequest, TrainingData } from "./training-data.ts";
import type { TrainingModels } from "./training-plan.ts";

/** Decoded pages kept for validation and previews, which look at few. */
const smallCacheBytes = 64 * 2 ** 20;

/** Opens both splits of `data.manifest`. Throws ERR_DATASET_NOT_FOUND, ERR_DATASET_EMPTY (nothing to train on), ERR_ABORTED. */
export async function openTrainingData(
  config: TrainerConfig,
  models: TrainingModels,
  signal: AbortSignal | undefined,
): Promise<TrainingData> {
  const { manifest, height, width, prefetch } = config.data;
  const aborting = signal === undefined ? {} : { signal };
  const train = await DocumentDataset.open(manifest, { split: "train", ...aborting });
  const validation = await openIfAny(manifest, aborting);
  const manifestSha256 = (await digestFile(manifest, signal)).sha256;
  const loaders = new Set<BatchLoader>();
  const skippedByLoaders = new Map<string, string>();

  const forUnet =
    config.kind === "unet"
      ? {
          masks: true,
          // A mask that ends inside a latent would leave part of the old text under it unmasked.
          maskGrid: sizeMultiple(models.vae!),
          glyph: { ...glyphSize(models.glyphEncoder!), fit: config.glyph_encoder.fit },
        }
      : { masks: false };

  const noteSkips = (loader: BatchLoader): void => {
    for (const { id, region, reason } of loader.skipped) skippedByLoaders.set(`${id}#${region ?? ""}`, reason);
  };

  async function* batches(request: BatchRequest): AsyncGenerator<TrainingBatch, void, void> {
    const dataset = request.split === "train" ? train : validation;
    if (dataset === undefined) return;
    const loader = createLoader(dataset, {
      batchSize: request.batchSize,
      height,
      width,
      seed: config.seed,
      startBatch: request.startBatch,
      ...sharing(request),
      prefetch: request.split === "train" ? prefetch : 1,
      ...(request.split === "train" ? {} : { cacheBytes: smallCacheBytes }),
      ...forUnet,
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    loaders.add(loader);
    try {
      yield* loader;
    } finally {
      await loader.return();
      noteSkips(loader);
      loaders.delete(loader);
    }
  }

  return {
    samples: (split) => (split === "train" ? train : validation)?.samples.length ?? 0,
    manifestSha256,
    batches,
    skipped() {
      for (const loader of loaders) noteSkips(loader);
      const counts: Record<string, number> = { ...train.skippedCounts };
      for (const reason of skippedByLoaders.values()) counts[reason] = (counts[reason] ?? 0) + 1;
      return counts;
    },
  };
}

/**
 * In training every rank sees every n-th sample, so that a step takes the same samples whatever the number of ranks. In
 * validation it takes every n-th batch: there the batches are the same ones.
 */
function sharing({ split, startBatch, share }: BatchRequest): Partial<LoaderOptions> {
  if (share === undefined || share.ranks === 1) return {};
  if (split === "train") return { rank: share.rank, worldSize: share.ranks };
  return { startBatch: startBatch + share.rank, batchStride: share.ranks };
}

async function openIfAny(manifest: string, options: { signal?: AbortSignal }): Promise<DocumentDataset | undefined> {
  return DocumentDataset.open(manifest, { split: "validation", ...options }).catch((error: unknown) => {
    if (error instanceof AnonymizerError && error.code === "ERR_DATASET_EMPTY") return undefined;
    throw error;
  });
}
