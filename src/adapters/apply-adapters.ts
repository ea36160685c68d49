/** Adapters on a model: read, checked, ready for the native side. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { NativeAdapter } from "../addon/native-types.ts";
import { codedError } from "../errors.ts";
import { type ModelFolder, metadataFile, readModelFolder } from "../models/model-folder.ts";
import { type Adapter, checkAdapterFits, scaleOf } from "./adapter.ts";
import { readAdapter } from "./read-adapter.ts";
import { adaptableLayers } from "./targets.ts";

/** An adapter that is to work on a model. */
export interface AdapterRequest {
  /** Folder or safetensors file in peft's, diffusers' or kohya's format. */
  readonly path: string;
  /** Factor on what it adds; default 1. Several adapters add up. */
  readonly weight?: number;
  /** Use it on another model of the same shapes than the one it was trained on. */
  readonly anyBase?: boolean;
}

export interface ReadyAdapter {
  readonly adapter: Adapter;
  readonly weight: number;
}

/** Reads the folder of a UNet or VAE, whichever it is; errors as `readModelFolder`. */
export async function readAdaptableModel(path: string): Promise<ModelFolder> {
  const text = await readFile(join(path, metadataFile), "utf8").catch(() => "{}");
  const kind = /"kind"\s*:\s*"vae"/.test(text) ? "vae" : "unet";
  return readModelFolder(path, kind);
}

/** Reads an adapter and, where a model folder is named, checks that it fits the model. Errors as `openAdapters`. */
export async function checkAdapter(path: string, model?: string): Promise<Adapter> {
  if (model === undefined) return readAdapter(path);
  const [ready] = await openAdapters(await readAdaptableModel(model), [{ path }]);
  return ready!.adapter;
}

/** Reads adapters and checks that they fit `model`. Errors as `readAdapter` and `checkAdapterFits`; ERR_INVALID_ARGUMENT for a weight. */
export async function openAdapters(model: ModelFolder, requests: readonly AdapterRequest[]): Promise<ReadyAdapter[]> {
  const layerNames = adaptableLayers(model.weights);
  const result: ReadyAdapter[] = [];
  for (const { path, weight = 1, anyBase } of requests) {
    checkWeight(weight, path);
    const adapter = await readAdapter(path, { layerNames });
    checkAdapterFits(adapter, model, anyBase);
    result.push({ adapter, weight });
  }
  return result;
}

export function checkWeight(weight: number, path: string): void {
  if (typeof weight === "number" && Number.isFinite(weight)) return;
  throw codedError("ERR_INVALID_ARGUMENT", `The weight of the adapter ${path} must be a finite number, not ${weight}`);
}

export const nativeAdapter = ({ adapter, weight }: ReadyAdapter): NativeAdapter => ({
  path: adapter.path,
  weight,
  layers: adapter.layers.map((layer) => ({
    name: layer.name,
    a: layer.a,
    b: layer.b,
    scale: scaleOf(adapter, layer),
  })),
});
