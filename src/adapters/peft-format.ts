/**
 * peft's format, the one that training resumes from: `adapter_model.safetensors` with
 * `base_model.model.LAYER.lora_A.weight` and `….lora_B.weight`, beside `adapter_config.json` with rank and α. Layers of
 * another rank or α than the configuration's stand in `rank_pattern` and `alpha_pattern`.
 */
import type { Adapter, AdapterLayer } from "./adapter.ts";

export const peftWeightsFile = "adapter_model.safetensors";
export const peftConfigFile = "adapter_config.json";
const prefix = "base_model.model.";

/** The keys of peft's LoraConfig that decide what an adapter adds to a weight. */
export interface PeftConfig {
  readonly r: number;
  readonly lora_alpha: number;
  readonly use_rslora: boolean;
  readonly target_modules: readonly string[] | string;
  readonly rank_pattern: Readonly<Record<string, number>>;
  readonly alpha_pattern: Readonly<Record<string, number>>;
}

export const peftKeys = (layer: string): { a: string; b: string } => ({
  a: `${prefix}${layer}.lora_A.weight`,
  b: `${prefix}${layer}.lora_B.weight`,
});

export const isPeftKey = (key: string): boolean => key.startsWith(prefix);

/** The layer that a key belongs to and its part, or undefined. */
export function parsePeftKey(key: string): { layer: string; part: "a" | "b" } | undefined {
  const match = /^(?:base_model\.model\.)?(.+)\.lora_([AB])\.weight$/.exec(key);
  return match === null ? undefined : { layer: match[1]!, part: match[2] === "A" ? "a" : "b" };
}

/** Settings that change the result in a way this project does not compute. */
const unsupported: readonly [key: string, allowed: (value: unknown) => boolean][] = [
  ["use_dora", (v) => v === false],
  ["fan_in_fan_out", (v) => v === false],
  ["bias", (v) => v === "none"],
  ["lora_bias", (v) => v === false],
  ["modules_to_save", (v) => Array.isArray(v) && v.length === 0],
  ["peft_type", (v) => v === "LORA"],
];

/** What is wrong with a configuration, or undefined. */
export function problemOfConfig(config: Readonly<Record<string, unknown>>): string | undefined {
  for (const [key, allowed] of unsupported) {
    const value = config[key];
    if (value !== undefined && value !== null && !allowed(value))
      return `${key} ${JSON.stringify(value)} is not supported; only plain LoRA is`;
  }
  for (const key of ["r", "lora_alpha"] as const) {
    const value = config[key];
    if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) return `${key} is missing or not above 0`;
  }
  return undefined;
}

/** A layer's own value of a pattern, else the general one. peft matches a pattern with the end of a name. */
export function patternValue(patterns: unknown, layer: string, general: number): number {
  if (patterns === null || typeof patterns !== "object") return general;
  for (const [pattern, value] of Object.entries(patterns)) {
    if (typeof value !== "number") continue;
    const plain = pattern.replace(/^\^/, "");
    if (plain === layer || (!pattern.startsWith("^") && layer.endsWith(`.${plain}`)) || matches(pattern, layer))
      return value;
  }
  return general;
}

function matches(pattern: string, layer: string): boolean {
  try {
    return new RegExp(`^(?:.*\\.)?(?:${pattern})$`).test(layer);
  } catch {
    return false;
  }
}

/** Rank, α and layers of an adapter as peft's configuration says it. */
export function peftConfigOf(adapter: Pick<Adapter, "rslora" | "layers">): PeftConfig {
  const { layers } = adapter;
  const r = mostCommon(layers.map((layer) => layer.rank));
  const alpha = mostCommon(layers.map((layer) => layer.alpha));
  const others = (value: (layer: AdapterLayer) => number, general: number): Record<string, number> =>
    Object.fromEntries(layers.filter((l) => value(l) !== general).map((l) => [`^${l.name}`, value(l)]));
  return {
    r,
    lora_alpha: alpha,
    use_rslora: adapter.rslora,
    target_modules: targetModules(layers.map((layer) => layer.name)),
    rank_pattern: others((l) => l.rank, r),
    alpha_pattern: others((l) => l.alpha, alpha),
  };
}

/**
 * peft takes a list's entries as ends of names. A name without a dot (`conv_in`) could then mean another model part's
 * layer too (`encoder.conv_in`); a regular expression for whole names can't.
 */
function targetModules(names: readonly string[]): readonly string[] | string {
  if (names.every((name) => name.includes("."))) return names;
  return `^(?:${names.map((name) => name.replaceAll(".", "\\.")).join("|")})$`;
}

/** The smallest of the values that occur most often. */
export function mostCommon(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([a, x], [b, y]) => y - x || a - b)[0]![0];
}

/** The whole `adapter_config.json`. */
export function peftConfigFileOf(adapter: Pick<Adapter, "rslora" | "layers" | "origin">): Record<string, unknown> {
  return {
    peft_type: "LORA",
    task_type: null,
    base_model_name_or_path: adapter.origin.baseName ?? null,
    inference_mode: true,
    ...peftConfigOf(adapter),
    lora_dropout: 0,
    bias: "none",
    fan_in_fan_out: false,
    use_dora: false,
    init_lora_weights: true,
    modules_to_save: null,
  };
}
