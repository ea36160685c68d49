/** Training data from a manifest: where the training room meets the datasets room. */
import type { TrainerConfig } from "../config/training-config.ts";
import type { TrainingBatch } from "../datasets/batch.ts";
import { createLoader, type LoaderOptions } from "../datasets/loader.ts";
import { AnonymizerError } from "../errors.ts";
import { cropOptions } from "./crop-options.ts";
import { type CachedConfig, LatentCache } from "./latent-cache.ts";
import { openDatasetSource, orderIdentity } from "./open-dataset.ts";
import type { BatchRequest, TrainingData } from "./training-data.ts";
import type { TrainingModels } from "./training-plan.ts";

/** Decoded pages kept for validation and previews, which look at few. */
const smallCacheBytes = 64 * 2 ** 20;

/**
 * Opens both splits of `data.manifest`, and the cache where the configuration has one. Throws ERR_DATASET_NOT_FOUND,
 * ERR_DATASET_EMPTY (nothing to train on), ERR_DATASET_DAMAGED and ERR_STORE_* (shards), ERR_CONFIG_INVALID (buckets,
 * size of the shards' cache), ERR_OUTPUT (cache), ERR_ABORTED.
 */
export async function openTrainingData(
  config: TrainerConfig,
  models: TrainingModels,
  signal: AbortSignal | undefined,
): Promise<TrainingData> {
  const { prefetch } = config.data;
  const aborting = signal === undefined ? {} : { signal };
  const { variants, ...crops } = cropOptions(config, models);
  const source = await openDatasetSource(config, signal);
  const train = await source.open("train");
  const validation = await source.open("validation").catch((error: unknown) => {
    if (error instanceof AnonymizerError && error.code === "ERR_DATASET_EMPTY") return undefined;
    throw error;
  });
  const cache = hasCache(config) ? await LatentCache.open(config, models, aborting) : undefined;

  async function* batches(request: BatchRequest): AsyncGenerator<TrainingBatch, void, void> {
    const dataset = request.split === "train" ? train : validation;
    if (dataset === undefined) return;
    const fromCache = request.cached === true && cache !== undefined && variants !== undefined;
    const loader = createLoader(dataset, {
      ...crops,
      batchSize: request.batchSize,
      startBatch: request.startBatch,
      ...sharing(request),
      prefetch: request.split === "train" ? prefetch : 1,
      ...(request.split === "train" ? {} : { cacheBytes: smallCacheBytes }),
      ...(fromCache ? { cache, variants } : {}),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    try {
      yield* loader;
    } finally {
      await loader.return();
    }
  }

  return {
    samples: (split) => (split === "train" ? train : validation)?.samples.length ?? 0,
    manifestSha256: orderIdentity(source.manifestSha256, train),
    batches,
    skipped: () => train.skippedCounts,
    skippedSamples: () => train.skipped,
    useEncoder: (native) => cache?.useEncoder(native),
    takeWarnings: () => cache?.takeWarnings() ?? [],
    cacheStats: () => cache?.stats,
  };
}

export const hasCache = (config: TrainerConfig): config is CachedConfig =>
  config.kind === "unet" && config.cache !== undefined;

/**
 * In training every rank sees every n-th sample, so that a step takes the same samples whatever the number of ranks. In
 * validation it takes every n-th batch: there the batches are the same ones.
 */
function sharing({ split, startBatch, share }: BatchRequest): Partial<LoaderOptions> {
  if (share === undefined || share.ranks === 1) return {};
  if (split === "train") return { rank: share.rank, worldSize: share.ranks };
  return { startBatch: startBatch + share.rank, batchStride: share.ranks };
}
