/** The factor that brings a trained autoencoder's latents to unit variance. */
import { isBelow } from "./frozen-modules.ts";
import { toMicroBatches } from "./micro-batches.ts";
import type { TrainingRun } from "./training-run.ts";

/** Held-out batches that are looked at: the factor is one number over all elements, a few thousand settle it. */
const measuredBatches = 8;

/** AutoencoderKL's modules between pixels and latents. */
const encoderModules = ["encoder", "quant_conv"];

/**
 * 1 ÷ standard deviation of the latents z ~ q(z|x), over all their elements (Rombach et al. 2022, appendix G), on
 * held-out batches (training batches where nothing is held out). undefined where the encoder is the one the run began
 * with, frozen or not trained yet: then its factor stays right. Call it while nothing else uses the native trainer.
 */
export async function measureScalingFactor(run: TrainingRun, useEma: boolean): Promise<number | undefined> {
  const changed = run.native.parameters.some(
    ({ name, trainable }) => trainable && encoderModules.some((module) => isBelow(name, module)),
  );
  if (run.step === 0 || !changed) return undefined;
  const sums = { count: 0, mean: 0, squares: 0, variance: 0 };
  const batches = run.data.batches({
    split: run.data.samples("validation") > 0 ? "validation" : "train",
    batchSize: run.config.train_batch_size,
    startBatch: 0,
    // A run that was stopped can be exported too.
    signal: new AbortController().signal,
  });
  try {
    for (let i = 0; i < measuredBatches; i++) {
      const { value: batch } = await batches.next();
      if (batch === undefined) break;
      for (const piece of toMicroBatches([batch], run.microBatch)) {
        const found = await run.native.latentSums(piece, useEma);
        for (const key of ["count", "mean", "squares", "variance"] as const) sums[key] += found[key];
      }
    }
  } finally {
    await batches.return();
  }
  // Law of total variance: that of the means and the mean of the variances.
  const mean = sums.mean / sums.count;
  const variance = sums.squares / sums.count - mean * mean + sums.variance / sums.count;
  if (!(variance > 0) || !Number.isFinite(variance)) return undefined;
  return Number((1 / Math.sqrt(variance)).toPrecision(6));
}
