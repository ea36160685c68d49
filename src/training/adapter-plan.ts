/** What a run with low-rank adapters will train. */

import { describeAdapter } from "../adapters/adapter.ts";
import { matchTargets } from "../adapters/targets.ts";
import type { NativeTrainer } from "../addon/native-types.ts";
import type { TrainerConfig } from "../config/training-config.ts";
import { codedError } from "../errors.ts";
import type { ModelFolder } from "../models/model-folder.ts";
import type { Logger } from "../telemetry/logger.ts";

export type LoraConfig = NonNullable<TrainerConfig["lora"]>;

export interface AdapterPlan {
  readonly rank: number;
  readonly alpha: number;
  readonly rslora: boolean;
  /** As configured. */
  readonly targets: readonly string[];
  /** Full names of the layers they mean. */
  readonly layers: readonly string[];
  /** Values of all A and B. */
  readonly values: number;
  readonly quantizedBase: boolean;
  /** Values of the frozen model that are kept in 8 bits. */
  readonly quantizedValues: number;
  /** "LoRA of rank 8 (α 8) on 32 layers" */
  readonly description: string;
}

export const alphaOf = (lora: LoraConfig): number => lora.alpha ?? lora.rank;

/** Full names of the layers that get adapters. Throws ERR_CONFIG_INVALID when a target means none. */
export const loraLayers = (model: ModelFolder, lora: LoraConfig): string[] => matchTargets(model.weights, lora.targets);

/** Weights smaller than this stay float32 in native/adapters. */
const minQuantized = 4096;

export function planAdapter(model: ModelFolder, lora: LoraConfig): AdapterPlan {
  const layers = loraLayers(model, lora);
  const alpha = alphaOf(lora);
  let values = 0;
  for (const name of layers) {
    const [out, ...rest] = model.weights.tensors.get(`${name}.weight`)!.shape as [number, ...number[]];
    values += lora.rank * (out + rest.reduce((a, b) => a * b, 1));
  }
  let quantizedValues = 0;
  for (const [name, tensor] of lora.quantize_base ? model.weights.tensors : []) {
    const matrix = tensor.shape.length === 2 || tensor.shape.length === 4;
    if (name.endsWith(".weight") && matrix && tensor.values >= minQuantized) quantizedValues += tensor.values;
  }
  const named = layers.map((name) => ({ name, a: "", b: "", rank: lora.rank, alpha }));
  return {
    rank: lora.rank,
    alpha,
    rslora: lora.rslora,
    targets: lora.targets,
    layers,
    values,
    quantizedBase: lora.quantize_base,
    quantizedValues,
    description: describeAdapter({ rslora: lora.rslora, layers: named }),
  };
}

/** The native side trains exactly the pairs of the planned layers and nothing else; logs which. */
export function checkAdapterTrained(native: NativeTrainer, plan: AdapterPlan, logger: Logger): void {
  const wanted = new Set(plan.layers.flatMap((name) => [`${name}.lora_A.weight`, `${name}.lora_B.weight`]));
  const wrong = native.parameters.find(({ name, trainable }) => !trainable || !wanted.delete(name))?.name;
  const culprit = wrong ?? [...wanted][0];
  if (culprit !== undefined)
    throw codedError(
      "ERR_NATIVE",
      `${culprit} is ${wrong === undefined ? "not trained" : "trained"} against lora.targets`,
      {
        details: { name: culprit },
      },
    );
  logger.info({ layers: plan.layers, count: plan.layers.length, values: plan.values }, plan.description);
}
