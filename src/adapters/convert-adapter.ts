/** From one format to another. */
import { resolve } from "node:path";
import { codedError } from "../errors.ts";
import { exists, writeFolder } from "../models/files.ts";
import { type Adapter, type AdapterFormat, checkAdapterFits } from "./adapter.ts";
import { readAdaptableModel } from "./apply-adapters.ts";
import { readAdapter } from "./read-adapter.ts";
import { adaptableLayers } from "./targets.ts";
import { writeAdapter } from "./write-adapter.ts";

export interface ConvertAdapterOptions {
  /** Folder or safetensors file of any format. */
  readonly source: string;
  readonly to: AdapterFormat;
  /** Folder that is made; it must not exist. */
  readonly out: string;
  /** Folder of the model it adapts: needed for kohya files of other programs, and where a file does not say what it adapts. */
  readonly model?: string;
  /** Title in kohya's metadata; default "lora". */
  readonly title?: string;
}

/** Writes `out` and returns the adapter that was read. Errors as `readAdapter`, `checkAdapterFits`; ERR_OUTPUT. */
export async function convertAdapter(options: ConvertAdapterOptions): Promise<Adapter> {
  const { source, to } = options;
  const out = resolve(options.out);
  if (await exists(out)) throw codedError("ERR_OUTPUT", `${out} exists already`, { details: { path: out } });
  const model = options.model === undefined ? undefined : await readAdaptableModel(resolve(options.model));
  const adapter = await readAdapter(source, model === undefined ? {} : { layerNames: adaptableLayers(model.weights) });
  if (model !== undefined) checkAdapterFits(adapter, model, true);
  const kind = adapter.origin.model ?? (model?.kind === "unet" || model?.kind === "vae" ? model.kind : undefined);
  const known = { ...adapter, origin: { ...adapter.origin, ...(kind === undefined ? {} : { model: kind }) } };
  await writeFolder(out, (folder) => writeAdapter(folder, known, to, options.title));
  return adapter;
}
