/** What the loop needs of a dataset. The one place where the training room meets the datasets room is `dataset-source.ts`. */
import type { TrainingBatch } from "../datasets/batch.ts";

export interface BatchRequest {
  readonly split: "train" | "validation";
  readonly batchSize: number;
  /** Batches to pass over: where a resumed run goes on. */
  readonly startBatch: number;
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
  /** Samples that could not be used so far: reason → count. */
  skipped(): Readonly<Record<string, number>>;
}
