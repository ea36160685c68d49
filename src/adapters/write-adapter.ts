/** Writes an adapter in any of the three formats. What it adds to the weights stays the same. */
import { join } from "node:path";
import { codedError } from "../errors.ts";
import { writeTextFile } from "../models/files.ts";
import type { AdaptedModel, Adapter, AdapterFormat, StoredTensor } from "./adapter.ts";
import { diffusersFile, diffusersKeys, diffusersMetadata, diffusersMetadataKey } from "./diffusers-format.ts";
import { scalar, scaled } from "./floats.ts";
import { flatName, kohyaAlpha, kohyaFile, kohyaLayersKey, kohyaMetadata, originMetadata } from "./kohya-format.ts";
import { peftConfigFile, peftConfigFileOf, peftKeys, peftWeightsFile } from "./peft-format.ts";
import { writeSafetensorsFile } from "./safetensors-file.ts";

/**
 * Writes into an existing folder: `adapter_model.safetensors` with `adapter_config.json` (peft),
 * `pytorch_lora_weights.safetensors` (diffusers) or `kohya_lora.safetensors` (kohya). Returns the names. Throws ERR_OUTPUT;
 * ERR_ADAPTER when diffusers or kohya is asked for and it is not known which model is adapted.
 */
export async function writeAdapter(
  folder: string,
  adapter: Omit<Adapter, "sha256">,
  format: AdapterFormat,
  title = "lora",
): Promise<string[]> {
  const origin = originMetadata(adapter.origin);
  const rename = (keys: (layer: string) => { a: string; b: string }): Map<string, StoredTensor> => {
    const tensors = new Map<string, StoredTensor>();
    for (const { name, a, b } of adapter.layers) {
      const own = keys(name);
      tensors.set(own.a, adapter.tensors.get(a)!);
      tensors.set(own.b, adapter.tensors.get(b)!);
    }
    return tensors;
  };
  if (format === "peft") {
    await writeSafetensorsFile(join(folder, peftWeightsFile), {
      tensors: rename(peftKeys),
      metadata: { format: "pt", ...origin },
    });
    await writeTextFile(join(folder, peftConfigFile), `${JSON.stringify(peftConfigFileOf(adapter), null, 2)}\n`);
    return [peftWeightsFile, peftConfigFile];
  }
  const model = modelOf(adapter);
  if (format === "diffusers") {
    await writeSafetensorsFile(join(folder, diffusersFile), {
      tensors: rename((layer) => diffusersKeys(model, layer)),
      metadata: { format: "pt", [diffusersMetadataKey]: diffusersMetadata(model, adapter), ...origin },
    });
    return [diffusersFile];
  }
  const tensors = rename((layer) => ({
    a: `${flatName(model, layer)}.lora_down.weight`,
    b: `${flatName(model, layer)}.lora_up.weight`,
  }));
  const { alpha, factorOf } = kohyaAlpha(adapter);
  for (const layer of adapter.layers) {
    const flat = flatName(model, layer.name);
    const [up, factor] = [`${flat}.lora_up.weight`, factorOf(layer)];
    if (factor !== 1) tensors.set(up, scaled(tensors.get(up)!, factor));
    tensors.set(`${flat}.alpha`, scalar(alpha));
  }
  await writeSafetensorsFile(join(folder, kohyaFile), {
    tensors,
    metadata: {
      format: "pt",
      ...kohyaMetadata(model, adapter, title),
      [kohyaLayersKey]: JSON.stringify(adapter.layers.map((layer) => layer.name)),
      ...origin,
    },
  });
  return [kohyaFile];
}

function modelOf({ path, origin }: Omit<Adapter, "sha256">): AdaptedModel {
  if (origin.model !== undefined) return origin.model;
  throw codedError("ERR_ADAPTER", `${path} does not say which model it adapts; name the model folder`, {
    details: { path },
  });
}
