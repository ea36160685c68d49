/** Which layers of a model get an adapter. */
import { closest } from "fastest-levenshtein";
import { codedError } from "../errors.ts";
import type { SafetensorsHeader } from "../models/safetensors-header.ts";

/** Layers whose weight has the shape of a Linear [out, in] or a Conv2d [out, in, k, k], in the file's order. */
export function adaptableLayers(weights: SafetensorsHeader): string[] {
  const layers: string[] = [];
  for (const [name, { shape }] of weights.tensors) {
    if (name.endsWith(".weight") && (shape.length === 2 || shape.length === 4))
      layers.push(name.slice(0, -".weight".length));
  }
  return layers;
}

const regexPrefix = "re:";

/**
 * Full names of the layers that `targets` mean, sorted. A target is a name's end at a dot, as peft's `target_modules`
 * (`to_q` means every `….to_q`, `attn1.to_out.0` those of self-attention), or after `re:` a regular expression for the
 * whole name. Throws ERR_CONFIG_INVALID when a target means no layer.
 */
export function matchTargets(weights: SafetensorsHeader, targets: readonly string[]): string[] {
  const layers = adaptableLayers(weights);
  const found = new Set<string>();
  for (const target of targets) {
    const matches = layers.filter(matcher(target));
    if (matches.length === 0) throw nothingMatches(target, layers);
    for (const name of matches) found.add(name);
  }
  return [...found].sort();
}

function matcher(target: string): (layer: string) => boolean {
  if (!target.startsWith(regexPrefix)) return (layer) => layer === target || layer.endsWith(`.${target}`);
  try {
    const whole = new RegExp(`^(?:${target.slice(regexPrefix.length)})$`, "u");
    return (layer) => whole.test(layer);
  } catch (cause) {
    throw codedError(
      "ERR_CONFIG_INVALID",
      `lora.targets: ${JSON.stringify(target)} is no valid regular expression: ${(cause as Error).message}`,
      { cause, details: { target } },
    );
  }
}

function nothingMatches(target: string, layers: readonly string[]): Error {
  const ends = [...new Set(layers.map((name) => name.replace(/^.*\.(?=\D)/, "")))];
  const hint =
    layers.length === 0 ? "the model has none" : `the nearest name is ${closest(target.replace(/^re:/, ""), ends)}`;
  return codedError(
    "ERR_CONFIG_INVALID",
    `lora.targets: no Linear or Conv2d layer is meant by ${JSON.stringify(target)}; ${hint}`,
    { details: { target, known: ends } },
  );
}
