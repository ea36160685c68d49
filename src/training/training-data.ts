/** What the loop needs of a dataset. The one place where the training room meets the datasets room is `dataset-source.ts`. */
import type { NativeTrainer } from "../addon/native-types.ts";
import type { TrainingBatch } from "../datasets/batch.ts";
import type { SkippedSample } from "../datasets/dataset.ts";
import type { WarningEvent } from "./events.ts";

export interface BatchRequest {
  readonly split: "train" | "validation";
  readonly batchSize: number;
  /** Batches to pass over: where a resumed run goes on. */
  readonly startBatch: number;
  /** Latents of the cache in place of pixels, where the configuration has a cache. */
  readonly cached?: boolean;
  /** This process among all that train together; each gets samples of its own. Default: alone. */
  readonly share?: { readonly rank: number; readonly ranks: number };
  readonly signal?: AbortSignal;
}

export interface TrainingData {
  /** Samples of one pass through a split. */
  samples(split: "train" | "validation"): number;
  readonly manifestSha256: string;
  /** Endless, in an order that the seed decides; a given position always yields the same batch. */
  batches(request: BatchRequest): AsyncGenerator<TrainingBatch, void, void>;
  /** Samples that were left out when the data was opened: reason → count. Later ones come with their batch. */
  skipped(): Readonly<Record<string, number>>;
  /** The same by name; the first 10,000. */
  skippedSamples?(): readonly SkippedSample[];
  /** Who makes latents that the cache does not have; called before the first batch. */
  useEncoder?(native: Pick<NativeTrainer, "encode">): void;
  /** What happened to the data since the last call that a user should know. */
  takeWarnings?(): Omit<WarningEvent, "type" | "step">[];
  /** How often the cache helped. */
  cacheStats?(): { readonly hits: number; readonly made: number } | undefined;
}
