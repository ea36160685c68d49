/**
 * kohya's format, which ComfyUI and A1111 read too: one file with `lora_unet_LAYER.lora_down.weight` (A),
 * `….lora_up.weight` (B) and `….alpha` (one number), where LAYER has underscores for dots; the strength is α/r. The
 * underscores can only be undone with the model's layer names at hand, or with the list that our own files carry.
 */
import type { AdaptedModel, Adapter, AdapterLayer, AdapterOrigin } from "./adapter.ts";
import { scaleOf } from "./adapter.ts";
import { mostCommon } from "./peft-format.ts";

export const kohyaFile = "kohya_lora.safetensors";
/** Layer names in our own files, as JSON. */
export const kohyaLayersKey = "anonymizer_layers";

const prefixes: Readonly<Record<AdaptedModel, string>> = { unet: "lora_unet_", vae: "lora_vae_" };

export const flatName = (model: AdaptedModel, layer: string): string => prefixes[model] + layer.replaceAll(".", "_");

export const isKohyaKey = (key: string): boolean => /^lora_(unet|vae|te\d?)_/.test(key);

export interface KohyaKey {
  readonly model: AdaptedModel;
  /** "lora_unet_mid_block_attentions_0_…" */
  readonly flat: string;
  readonly role: "a" | "b" | "alpha";
}

export function parseKohyaKey(key: string): KohyaKey | undefined {
  const match = /^(lora_(unet|vae)_[^.]+)\.(lora_down\.weight|lora_up\.weight|alpha)$/.exec(key);
  if (match === null) return undefined;
  const role = match[3] === "alpha" ? "alpha" : match[3] === "lora_down.weight" ? "a" : "b";
  return { model: match[2] as AdaptedModel, flat: match[1]!, role };
}

/** kohya knows α/r alone: the α that gives a layer its strength. */
const ownAlpha = (adapter: Pick<Adapter, "rslora">, layer: AdapterLayer): number =>
  scaleOf(adapter, layer) * layer.rank;

/**
 * One α for all layers and for each layer the factor on B that is then left over (1 where all layers agree). diffusers
 * forgets a layer's own α when it reads attention layers from a file in which they differ, so they must not.
 */
export function kohyaAlpha(adapter: Pick<Adapter, "rslora" | "layers">): {
  alpha: number;
  factorOf: (layer: AdapterLayer) => number;
} {
  const alphas = adapter.layers.map((layer) => ownAlpha(adapter, layer)).filter((value) => value !== 0);
  const alpha = alphas.length === 0 ? 1 : mostCommon(alphas);
  return { alpha, factorOf: (layer) => ownAlpha(adapter, layer) / alpha };
}

/** ss_* as kohya's scripts write them, modelspec.* as the Stability model metadata standard names them. */
export function kohyaMetadata(
  model: AdaptedModel,
  adapter: Pick<Adapter, "rslora" | "layers" | "origin">,
  title: string,
): Record<string, string> {
  const uniform = (values: number[]): string => (new Set(values).size === 1 ? String(values[0]) : "Dynamic");
  return {
    ss_network_module: "networks.lora",
    ss_network_dim: uniform(adapter.layers.map((layer) => layer.rank)),
    ss_network_alpha: String(kohyaAlpha(adapter).alpha),
    ss_output_name: title,
    ss_steps: String(adapter.origin.step ?? 0),
    ss_sd_model_name: adapter.origin.baseName ?? "",
    ...(model === "unet" ? { ss_v2: "True", ss_base_model_version: "sd_v2" } : {}),
    "modelspec.sai_model_spec": "1.0.0",
    "modelspec.architecture": model === "unet" ? "stable-diffusion-v2-inpainting/lora" : "autoencoder-kl/lora",
    "modelspec.implementation": "diffusers",
    "modelspec.title": title,
    "modelspec.description":
      model === "unet"
        ? "Inpaints text conditioned on a glyph encoder. A text-to-image UI can load it, but its text prompt is no condition that this adapter knows."
        : "Adapts an autoencoder.",
  };
}

/** The layer names that an own file carries. */
export function ownLayerNames(metadata: Readonly<Record<string, string>>): string[] {
  try {
    const names: unknown = JSON.parse(metadata[kohyaLayersKey] ?? "[]");
    return Array.isArray(names) ? names.filter((name) => typeof name === "string") : [];
  } catch {
    return [];
  }
}

/** Where an adapter comes from, for every format's header. */
export function originMetadata(origin: AdapterOrigin): Record<string, string> {
  const { model, baseName, baseSha256, step } = origin;
  return {
    ...(model === undefined ? {} : { anonymizer_model: model }),
    ...(baseName === undefined ? {} : { anonymizer_base_name: baseName }),
    ...(baseSha256 === undefined ? {} : { anonymizer_base_sha256: baseSha256 }),
    ...(step === undefined ? {} : { anonymizer_step: String(step) }),
  };
}
