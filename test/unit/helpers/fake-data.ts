/** Training data made of counted ids; a position always gives the same batch. */
import type { TrainerConfig } from "../../../src/config/training-config.ts";
import type { TrainingBatch } from "../../../src/datasets/batch.ts";
import type { SkippedSample } from "../../../src/datasets/dataset.ts";
import { throwIfAborted } from "../../../src/errors.ts";
import type { TrainingData } from "../../../src/training/training-data.ts";

export interface FakeDataSettings {
  readonly trainSamples?: number;
  readonly validationSamples?: number;
  readonly manifestSha256?: string;
  readonly skipped?: Record<string, number>;
  /** Number of the batch → what it had to leave out. */
  readonly skippedInBatch?: Readonly<Record<number, readonly SkippedSample[]>>;
}

export function fakeBatch(config: TrainerConfig, first: number, size: number): TrainingBatch {
  const { height, width } = config.data;
  const common = {
    size,
    ids: BigUint64Array.from({ length: size }, (_, i) => BigInt(first + i)),
    images: Uint8Array.from({ length: size * height * width * 3 }, (_, i) => (first * 31 + i * 7) % 256),
    height,
    width,
    texts: Array.from({ length: size }, (_, i) => `text ${first + i}`),
  };
  if (config.kind === "vae") return common;
  return {
    ...common,
    masks: Uint8Array.from({ length: size * height * width }, (_, i) => (i % width < 8 ? 1 : 0)),
    glyphs: new Uint8Array(size * 32 * 128 * 3).fill(255),
    glyphHeight: 32,
    glyphWidth: 128,
  };
}

export function fakeData(
  config: TrainerConfig,
  settings: FakeDataSettings = {},
): TrainingData & { opened: number; ended: number } {
  const counts = { train: settings.trainSamples ?? 40, validation: settings.validationSamples ?? 8 };
  const data = {
    opened: 0,
    ended: 0,
    samples: (split: "train" | "validation") => counts[split],
    manifestSha256: settings.manifestSha256 ?? "a".repeat(64),
    skipped: () => settings.skipped ?? {},
    async *batches({ split, batchSize, startBatch, signal }: Parameters<TrainingData["batches"]>[0]) {
      data.opened += 1;
      try {
        for (let i = startBatch; ; i++) {
          throwIfAborted(signal);
          const skipped = split === "train" ? settings.skippedInBatch?.[i] : undefined;
          yield {
            ...fakeBatch(config, (split === "train" ? 0 : 100_000) + ((i * batchSize) % counts[split]), batchSize),
            ...(skipped === undefined ? {} : { skipped }),
          };
        }
      } finally {
        data.ended += 1;
      }
    },
  };
  return data;
}
