/** Adds adapters to a model's weights for good. */
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { loadNative } from "../addon/binding.ts";
import { codedError } from "../errors.ts";
import { digestFile, exists, writeFolder } from "../models/files.ts";
import { cardFile, configFile, type ModelFolder, metadataFile, weightsFile } from "../models/model-folder.ts";
import { describeAdapter } from "./adapter.ts";
import {
  type AdapterRequest,
  nativeAdapter,
  openAdapters,
  type ReadyAdapter,
  readAdaptableModel,
} from "./apply-adapters.ts";

export interface MergeAdaptersOptions {
  /** The UNet or VAE folder to start from; it stays as it is. */
  readonly model: string;
  readonly adapters: readonly AdapterRequest[];
  /** Model folder that is made; it must not exist. */
  readonly out: string;
}

/** Writes `model`'s weights with the adapters added to the file `out`. */
export async function mergeWeights(model: ModelFolder, adapters: readonly ReadyAdapter[], out: string): Promise<void> {
  const native = await loadNative();
  await native.mergeWeights({ weights: model.files.weights, adapters: adapters.map(nativeAdapter), out });
}

/**
 * Writes a model folder with W + Σ weight · scale · B·A; `metadata.json` says what was merged. Errors as `openAdapters`;
 * ERR_OUTPUT, ERR_LIBTORCH_*.
 */
export async function mergeAdapters(options: MergeAdaptersOptions): Promise<readonly ReadyAdapter[]> {
  const out = resolve(options.out);
  if (await exists(out)) throw codedError("ERR_OUTPUT", `${out} exists already`, { details: { path: out } });
  const model = await readAdaptableModel(resolve(options.model));
  const adapters = await openAdapters(model, options.adapters);
  await writeFolder(out, async (folder) => {
    await mergeWeights(model, adapters, join(folder, weightsFile));
    const stated = Object.keys(model.metadata.sha256).filter((name) => name !== weightsFile && name === basename(name));
    for (const name of [configFile, ...stated]) await copyFile(join(model.path, name), join(folder, name));
    const digest = await digestFile(join(folder, weightsFile));
    const bytes = model.metadata["bytes"];
    const metadata = {
      ...model.metadata,
      name: `${model.metadata.name}-merged`,
      sha256: { ...model.metadata.sha256, [weightsFile]: digest.sha256 },
      ...(bytes !== null && typeof bytes === "object" ? { bytes: { ...bytes, [weightsFile]: digest.bytes } } : {}),
      merged: {
        base: { name: model.metadata.name, weightsSha256: model.metadata.sha256[weightsFile] },
        adapters: adapters.map(({ adapter, weight }) => ({ sha256: adapter.sha256, format: adapter.format, weight })),
      },
      writtenBy: "anonymizer-native",
    };
    await writeFile(join(folder, metadataFile), `${JSON.stringify(metadata, null, 2)}\n`);
    const card = await readFile(join(model.path, cardFile), "utf8").catch(() => `# ${model.metadata.name}\n`);
    const lines = adapters.map(
      ({ adapter, weight }) => `- ${describeAdapter(adapter)}, weight ${weight}, sha256 ${adapter.sha256.slice(0, 16)}`,
    );
    await writeFile(join(folder, cardFile), `${card.trimEnd()}\n\n## Merged adapters\n\n${lines.join("\n")}\n`);
  });
  return adapters;
}
