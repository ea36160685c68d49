/**
 * diffusers' format: `pytorch_lora_weights.safetensors` with `unet.LAYER.lora.down.weight` (A) and `….lora.up.weight` (B).
 * Rank and α stand in the header's `lora_adapter_metadata`; without them diffusers takes α = r, so a file with another
 * strength would be loaded wrongly. Also read: `lora_A`/`lora_B`, and the older names of attention processors.
 */
import type { AdaptedModel, Adapter } from "./adapter.ts";
import { type PeftConfig, peftConfigOf } from "./peft-format.ts";

export const diffusersFile = "pytorch_lora_weights.safetensors";
export const diffusersMetadataKey = "lora_adapter_metadata";

export const diffusersKeys = (model: AdaptedModel, layer: string): { a: string; b: string } => ({
  a: `${model}.${layer}.lora.down.weight`,
  b: `${model}.${layer}.lora.up.weight`,
});

export interface DiffusersKey {
  /** Part of the pipeline; undefined in a file of one model alone. */
  readonly part: string | undefined;
  readonly layer: string;
  readonly role: "a" | "b" | "alpha";
}

const parts = /^(unet|vae|text_encoder|text_encoder_2)\.(.+)$/;
const roles: readonly [pattern: RegExp, role: DiffusersKey["role"]][] = [
  [/^(.+)\.(?:lora\.down|lora_A)\.weight$/, "a"],
  [/^(.+)\.(?:lora\.up|lora_B)\.weight$/, "b"],
  [/^(.+?)(?:\.lora)?\.alpha$/, "alpha"],
];
/** `attn1.processor.to_out_lora.down` → `attn1.to_out.0`, `attn1.processor.to_q_lora.up` → `attn1.to_q` */
const processor = /^(.+\.)?processor\.to_(q|k|v|out)_lora\.(down|up)\.weight$/;

export function parseDiffusersKey(key: string): DiffusersKey | undefined {
  const [, part, own] = parts.exec(key) ?? [undefined, undefined, key];
  const old = processor.exec(own!);
  if (old !== null) {
    const [, path = "", name, direction] = old;
    return { part, layer: `${path}to_${name}${name === "out" ? ".0" : ""}`, role: direction === "down" ? "a" : "b" };
  }
  for (const [pattern, role] of roles) {
    const match = pattern.exec(own!);
    if (match !== null) return { part, layer: match[1]!, role };
  }
  return undefined;
}

/** The header's metadata for an adapter: peft's configuration with the model's prefix on every key. */
export function diffusersMetadata(model: AdaptedModel, adapter: Pick<Adapter, "rslora" | "layers">): string {
  const config: PeftConfig = peftConfigOf(adapter);
  return JSON.stringify(Object.fromEntries(Object.entries(config).map(([key, value]) => [`${model}.${key}`, value])));
}

/** The configuration in a header, for one model. */
export function readDiffusersMetadata(text: string, part: string | undefined): Record<string, unknown> | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (json === null || typeof json !== "object") return undefined;
  const entries = Object.entries(json);
  if (part === undefined) return Object.fromEntries(entries);
  const own = entries.filter(([key]) => key.startsWith(`${part}.`)).map(([key, v]) => [key.slice(part.length + 1), v]);
  return own.length === 0 ? undefined : Object.fromEntries(own);
}
