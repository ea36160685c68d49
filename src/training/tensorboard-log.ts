/** What a run tells, as curves, pictures and texts of TensorBoard: `<run folder>/tensorboard/`. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import type { TrainerConfig } from "../config/training-config.ts";
import { codedError } from "../errors.ts";
import { openTensorBoard, type Summary } from "../telemetry/tensorboard.ts";
import type { TrainingEvent } from "./events.ts";

export interface TensorBoardLog {
  write(event: TrainingEvent): Promise<void>;
  close(): Promise<void>;
}

/** A new event file; `step` counts the steps already finished, after which this run goes on. Throws ERR_OUTPUT. */
export async function openTensorBoardLog(
  outputDir: string,
  config: TrainerConfig,
  step: number,
): Promise<TensorBoardLog> {
  const writer = await openTensorBoard(join(outputDir, "tensorboard"), step > 0 ? { firstStep: step + 1 } : {});
  await writer.write(step, [{ tag: "config", text: `\`\`\`yaml\n${stringify(config)}\`\`\`` }]);
  return {
    async write(event) {
      const summaries = await summariesOf(event);
      if (summaries.length > 0) await writer.write(event.step, summaries);
    },
    close: () => writer.close(),
  };
}

const mebibyte = 2 ** 20;

/** Nothing for events that are no measurement. */
async function summariesOf(event: TrainingEvent): Promise<Summary[]> {
  switch (event.type) {
    case "step":
      return [
        ...scalars("loss", event.losses),
        ...scalars("gradient_norm", event.gradientNorms ?? {}),
        ...scalars("optimizer", {
          learning_rate: event.learningRate,
          gradient_norm: event.gradNorm,
          ...(event.lossScale === undefined ? {} : { loss_scale: event.lossScale }),
        }),
        ...scalars("speed", {
          samples_per_second: event.samplesPerSecond,
          compute_ms: event.computeMs,
          data_wait_share: event.dataWaitShare,
        }),
        ...scalars("memory", { rss_mib: event.rssBytes / mebibyte, micro_batch: event.microBatch }),
        ...scalars("progress", { epoch: event.epoch }),
      ];
    case "validation":
      return scalars("validation", event.losses);
    case "sample":
      return [{ tag: "samples", ...(await readPng(event.path)) }];
    case "warning":
      return [{ tag: "warnings", text: `${event.code}: ${event.message}` }];
    default:
      return [];
  }
}

const scalars = (group: string, values: Readonly<Record<string, number>>): Summary[] =>
  Object.entries(values).map(([name, scalar]) => ({ tag: `${group}/${name}`, scalar }));

/** The file's bytes, and width and height from its IHDR chunk, which is always the first. */
async function readPng(path: string): Promise<{ png: Buffer; width: number; height: number }> {
  const png = await readFile(path).catch((cause: unknown) => {
    throw codedError("ERR_OUTPUT", `${path} can't be read again`, { cause, details: { path } });
  });
  return { png, width: png.readUInt32BE(16), height: png.readUInt32BE(20) };
}
