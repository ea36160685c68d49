/** Filling, checking and removing a configuration's latent cache, apart from training. */
import { resolveDevice } from "../addon/devices.ts";
import { loadConfig } from "../config/load-config.ts";
import type { UNetTrainerConfigInput } from "../config/training-config.ts";
import { bucketOf } from "../datasets/aspect-buckets.ts";
import type { CropSize } from "../datasets/crops.ts";
import type { DatasetSample, DocumentDataset } from "../datasets/dataset.ts";
import { clearStore, type DamagedEntry } from "../datasets/entry-store.ts";
import type { SampleIdentity } from "../datasets/sample-cache.ts";
import { SampleRenderer, UnusableSample } from "../datasets/sample-renderer.ts";
import { cropRandom } from "../datasets/variants.ts";
import { codedError, throwIfAborted } from "../errors.ts";
import { type CropOptions, cropOptions } from "./crop-options.ts";
import { hasCache } from "./dataset-source.ts";
import { type CachedConfig, cacheGroups, LatentCache } from "./latent-cache.ts";
import { nativeOptions } from "./native-options.ts";
import { openDatasetSource } from "./open-dataset.ts";
import { trainerSources } from "./trainer-sources.ts";
import { checkFit, readTrainingModels, type TrainingModels } from "./training-plan.ts";

export interface CacheProgress {
  /** "check": entries that are there are read; "build": samples (each variant counts) are looked at. */
  readonly stage: "check" | "build";
  readonly done: number;
  readonly total: number;
}

export interface CacheOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CacheProgress) => void;
}

export interface CacheReport {
  readonly folder: string;
  /** Entries of this configuration: latents and glyph features. */
  readonly entries: number;
  /** Bytes of the whole folder, other configurations' entries too. */
  readonly bytes: number;
  /** Samples × variants of the training split. */
  readonly samples: number;
  /** Those of them whose latents are not there. */
  readonly missing: number;
  readonly damaged: readonly DamagedEntry[];
}

export interface BuildReport extends CacheReport {
  /** Samples whose latents were made now. */
  readonly made: number;
  /** Samples that can't be used, each variant counted: reason → count. */
  readonly skipped: Readonly<Record<string, number>>;
  /** Entries that were not kept: the cache is full, or the disk refused. */
  readonly notKept: number;
}

/** Samples worked on at the same time: pages are decoded while others are encoded. */
const parallelSamples = 4;
const pageBytes = 256 * 2 ** 20;

interface Subject {
  readonly config: CachedConfig;
  readonly models: TrainingModels;
  readonly crops: CropOptions;
}

/**
 * Makes every entry that a run of `config` (an object or the path of a YAML file with `cache`) would need and that is
 * not there. Damaged entries are made again. Can be stopped and started again; several may run at once.
 *
 * Throws ERR_CONFIG_*, ERR_MODEL_*, ERR_DATASET_*, ERR_LIBTORCH_*, ERR_DEVICE, ERR_OUTPUT, ERR_OUT_OF_MEMORY,
 * ERR_ABORTED.
 */
export async function buildLatentCache(
  config: string | UNetTrainerConfigInput,
  options: CacheOptions = {},
): Promise<BuildReport> {
  const { signal, onProgress } = options;
  const subject = await readSubject(config, signal);
  const dataset = await openDataset(subject, signal);
  const cache = await openCache(subject, options);
  const binding = await trainerSources.loadNative();
  const native = await binding.createTrainer(
    nativeOptions(subject.config, subject.models, resolveDevice(subject.config.device, binding.info())),
  );
  const skipped: Record<string, number> = {};
  const total = dataset.samples.length * subject.config.cache.variants;
  let done = 0;
  let present = 0;
  try {
    cache.useEncoder(native);
    await forEachSample(dataset, subject, signal, async (identity, crop) => {
      try {
        const sample = await identity();
        await cache.get(sample, crop);
        if (cache.hasLatents(sample)) present++;
      } catch (error) {
        if (!(error instanceof UnusableSample)) throw error;
        skipped[error.reason] = (skipped[error.reason] ?? 0) + 1;
      }
      onProgress?.({ stage: "build", done: ++done, total });
    });
  } finally {
    await native.close();
  }
  return {
    ...reportOf(cache, total, total - present),
    made: cache.stats.made,
    skipped,
    notKept: cache.store.refusals,
  };
}

/** Reads every entry of `config`, removes nothing, makes nothing. Throws as `buildLatentCache`, but needs no LibTorch. */
export async function verifyLatentCache(
  config: string | UNetTrainerConfigInput,
  options: CacheOptions = {},
): Promise<CacheReport> {
  const subject = await readSubject(config, options.signal);
  const dataset = await openDataset(subject, options.signal);
  const cache = await openCache(subject, options, true);
  let missing = 0;
  await forEachSample(dataset, subject, options.signal, async (identity) => {
    const known = await identity().catch((error: unknown) => {
      if (error instanceof UnusableSample) return undefined;
      throw error;
    });
    if (known === undefined || !cache.hasLatents(known)) missing++;
  });
  return reportOf(cache, dataset.samples.length * subject.config.cache.variants, missing);
}

/**
 * Removes the entries of `config` from its cache; with `all` those of every configuration. Other files in the folder
 * stay. Throws ERR_CONFIG_*, ERR_MODEL_*.
 */
export async function clearLatentCache(
  config: string | UNetTrainerConfigInput,
  options: { readonly all?: boolean; readonly signal?: AbortSignal } = {},
): Promise<{ readonly folder: string; readonly entries: number; readonly bytes: number }> {
  const { config: checked, models } = await readSubject(config, options.signal);
  const { latents, glyphs } = cacheGroups(checked, models);
  const folder = checked.cache.dir;
  return { folder, ...(await clearStore(folder, options.all === true ? undefined : [latents, glyphs])) };
}

async function readSubject(input: string | UNetTrainerConfigInput, signal?: AbortSignal): Promise<Subject> {
  const config = await loadConfig(input, "unet");
  if (!hasCache(config)) {
    throw codedError("ERR_CONFIG_INVALID", "The configuration has no cache; add cache.dir", {
      details: { key: "cache.dir" },
    });
  }
  const models = await readTrainingModels(config, signal);
  checkFit(config, models);
  return { config, models, crops: cropOptions(config, models) };
}

const openDataset = async ({ config }: Subject, signal?: AbortSignal): Promise<DocumentDataset> =>
  (await openDatasetSource(config, signal)).open("train");

function openCache({ config, models }: Subject, options: CacheOptions, keepDamaged = false): Promise<LatentCache> {
  const { signal, onProgress } = options;
  return LatentCache.open(config, models, {
    keepDamaged,
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined
      ? {}
      : { onProgress: ({ checked, entries }) => onProgress({ stage: "check", done: checked, total: entries }) }),
  });
}

const reportOf = ({ store }: LatentCache, samples: number, missing: number): CacheReport => ({
  folder: store.folder,
  ...store.size,
  samples,
  missing,
  damaged: store.damaged,
});

/** Every variant of every sample of the training split, page by page, some at the same time. */
async function forEachSample(
  dataset: DocumentDataset,
  { config, crops }: Subject,
  signal: AbortSignal | undefined,
  work: (identity: () => Promise<SampleIdentity>, crop: () => ReturnType<SampleRenderer["crop"]>) => Promise<void>,
): Promise<void> {
  const renderer = new SampleRenderer(dataset, pageBytes, signal);
  const { height, width, buckets, maskGrid = 1, seed } = crops;
  const sizeOf = ({ record, region }: DatasetSample): CropSize => {
    const shape =
      buckets === undefined
        ? { height, width }
        : buckets[bucketOf(dataset.records[record]!.regions[region]!, buckets)]!;
    return { ...shape, maskGrid };
  };
  function* all(): Generator<{ sample: DatasetSample; variant: number }, void, void> {
    for (const sample of dataset.samples)
      for (let variant = 0; variant < config.cache.variants; variant++) yield { sample, variant };
  }
  const queue = all();
  const worker = async (): Promise<void> => {
    for (const { sample, variant } of queue) {
      throwIfAborted(signal);
      const { id, record, region: index } = sample;
      const region = dataset.records[record]!.regions[index]!;
      const size = sizeOf(sample);
      await work(
        async () => ({ id, region, content: await renderer.content(record), size, variant }),
        () => renderer.crop(sample, size, cropRandom(seed, id, 0, variant)),
      );
    }
  };
  const ending = async (): Promise<void> => {
    try {
      await worker();
    } catch (error) {
      queue.return(); // the others finish what they hold
      throw error;
    }
  };
  const results = await Promise.allSettled(Array.from({ length: parallelSamples }, ending));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
