/** Freezing by module name: which parameters a list of names covers. */
import { closest } from "fastest-levenshtein";
import { codedError } from "../errors.ts";
import type { SafetensorsHeader } from "../models/safetensors-header.ts";

export interface ParameterCounts {
  readonly total: number;
  readonly trainable: number;
  readonly frozen: number;
}

/** A name covers the parameter of that name and everything below the module of that name; never a mere prefix. */
export const isBelow = (parameter: string, module: string): boolean =>
  parameter === module || parameter.startsWith(`${module}.`);

/** Counts values. Throws ERR_CONFIG_INVALID when a name covers nothing, or when nothing is left to train. */
export function countParameters(weights: SafetensorsHeader, freeze: readonly string[]): ParameterCounts {
  const names = [...weights.tensors.keys()];
  for (const module of freeze) {
    if (names.some((name) => isBelow(name, module))) continue;
    const modules = [...new Set(names.flatMap((name) => parents(name)))];
    throw codedError(
      "ERR_CONFIG_INVALID",
      `freeze: no parameter belongs to ${JSON.stringify(module)}; the nearest module is ${closest(module, modules)}`,
      { details: { module, topLevel: [...new Set(names.map((name) => name.split(".")[0]!))] } },
    );
  }
  let frozen = 0;
  for (const [name, tensor] of weights.tensors)
    if (freeze.some((module) => isBelow(name, module))) frozen += tensor.values;
  if (frozen === weights.values)
    throw codedError("ERR_CONFIG_INVALID", "freeze: every parameter is frozen; nothing is left to train");
  return { total: weights.values, trainable: weights.values - frozen, frozen };
}

const parents = (name: string): string[] => {
  const parts = name.split(".");
  return parts.slice(0, -1).map((_, i) => parts.slice(0, i + 1).join("."));
};
