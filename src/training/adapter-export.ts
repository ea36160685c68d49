/** Writes a trained adapter: a folder with all three formats and a card. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AdaptedModel, Adapter } from "../adapters/adapter.ts";
import { openAdapters } from "../adapters/apply-adapters.ts";
import { diffusersFile } from "../adapters/diffusers-format.ts";
import { kohyaFile } from "../adapters/kohya-format.ts";
import { mergeWeights } from "../adapters/merge-adapters.ts";
import { parsePeftKey, peftConfigFile, peftWeightsFile } from "../adapters/peft-format.ts";
import { readSafetensorsFile } from "../adapters/safetensors-file.ts";
import { writeAdapter } from "../adapters/write-adapter.ts";
import { writeFolder } from "../models/files.ts";
import { cardFile, type ModelFolder, weightsFile } from "../models/model-folder.ts";
import type { AdapterPlan } from "./adapter-plan.ts";

/** Below an adapter's folder: the whole model with the adapter added. */
export const mergedFolder = "merged";

export interface AdapterExportRequest {
  /** The model the adapter was trained on. */
  readonly base: ModelFolder;
  readonly name: string;
  readonly plan: AdapterPlan;
  /** Optimizer steps. */
  readonly step: number;
  readonly card: string;
  /** Writes the tensors under peft's names. */
  write(file: string): Promise<void>;
}

/**
 * Writes the folder `path`: `adapter_model.safetensors` with `adapter_config.json` (peft),
 * `pytorch_lora_weights.safetensors` (diffusers), `kohya_lora.safetensors` (kohya, ComfyUI), `README.md`. Throws ERR_OUTPUT.
 */
export async function exportAdapter(path: string, request: AdapterExportRequest): Promise<void> {
  const { base, plan, name } = request;
  await writeFolder(path, async (folder) => {
    const file = join(folder, peftWeightsFile);
    await request.write(file);
    const { tensors } = await readSafetensorsFile(file);
    const adapter: Omit<Adapter, "sha256"> = {
      path: file,
      format: "peft",
      rslora: plan.rslora,
      layers: pairsOf([...tensors.keys()], plan),
      tensors,
      origin: {
        model: base.kind as AdaptedModel,
        baseName: base.metadata.name,
        baseSha256: base.metadata.sha256[weightsFile]!,
        step: request.step,
      },
      metadata: {},
    };
    for (const format of ["peft", "diffusers", "kohya"] as const) await writeAdapter(folder, adapter, format, name);
    await writeFile(join(folder, cardFile), `${request.card.trimEnd()}\n\n${files}`);
  });
}

const pairsOf = (keys: readonly string[], { rank, alpha }: AdapterPlan): Adapter["layers"] =>
  keys
    .filter((key) => parsePeftKey(key)?.part === "a")
    .map((a) => ({ name: parsePeftKey(a)!.layer, a, b: a.replace(/lora_A\.weight$/, "lora_B.weight"), rank, alpha }));

const files = `## Files

- \`${peftWeightsFile}\`, \`${peftConfigFile}\`: for peft; what \`adapters\` of this package and training take
- \`${diffusersFile}\`: for diffusers
- \`${kohyaFile}\`: for programs that read kohya's format. A text-to-image program can load it, but what it gives as condition (a text encoder's output) is not what the model was trained with (a glyph encoder's)
`;

/** Writes the weights of `base` with the adapter of the folder `adapter` added to the file `out`. */
export async function writeMerged(base: ModelFolder, adapter: string, out: string): Promise<void> {
  await mergeWeights(base, await openAdapters(base, [{ path: adapter }]), out);
}
