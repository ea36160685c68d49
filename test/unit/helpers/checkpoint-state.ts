import type { CheckpointState } from "../../../src/training/checkpoints.ts";

/** What a run wrote at `step`, with the hashes and versions of nothing in particular. */
export const checkpointState = (config: CheckpointState["config"], step: number): CheckpointState => ({
  step,
  epoch: step / 10,
  kind: "vae",
  config,
  microBatch: 16,
  models: { model: "f".repeat(64) },
  dataset: { manifestSha256: "e".repeat(64) },
  sampler: { position: step * 2 },
  seeds: { seed: 0, rank: 0 },
  versions: { package: "0", node: "20", libtorch: "2.13.0" },
});
