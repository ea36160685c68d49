/** Writes a trained model as a model folder. */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { codedError } from "../errors.ts";
import { digestFile, exists, type FileDigest, writeFolder } from "../models/files.ts";
import type { InpaintingFacts } from "../models/inpainting-facts.ts";
import {
  cardFile,
  configFile,
  graphFile,
  type ModelFolder,
  metadataFile,
  stagesFile,
  textProjectionFile,
  weightsFile,
} from "../models/model-folder.ts";
import { readSafetensorsHeader } from "../models/safetensors-header.ts";
import type { TrainingSummary } from "./model-card.ts";

export interface ExportRequest {
  /** Where graph and configuration come from. */
  readonly source: ModelFolder;
  readonly name: string;
  readonly card: string;
  readonly training: TrainingSummary;
  /** What changes in the source's `config.json`. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Asked for after `write`. */
  readonly inpainting?: () => InpaintingFacts;
  /** Also write `text_projection.safetensors`. */
  readonly withTextProjection?: boolean;
  /** Writes the weights to the given paths; `folder` is where they lie, for what else belongs into it. */
  write(files: { readonly model: string; readonly textProjection?: string }, folder: string): Promise<void>;
}

/**
 * Writes the folder `path`: graph and configuration of the source (with what the request changes), new weights, metadata with hashes and training
 * summary, model card. It appears whole or not at all. Throws ERR_OUTPUT; ERR_MODEL_WEIGHTS when the new weights don't
 * have exactly the source's tensors. Returns the SHA-256 of the new weights.
 */
export async function exportModelFolder(path: string, request: ExportRequest): Promise<string> {
  const { source } = request;
  return writeFolder(path, async (folder) => {
    await copyFile(source.files.graph, join(folder, graphFile));
    if (source.stages !== undefined) await copyFile(source.stages, join(folder, stagesFile));
    if (request.config === undefined) await copyFile(join(source.path, configFile), join(folder, configFile));
    else
      await writeFile(
        join(folder, configFile),
        `${JSON.stringify({ ...source.config, ...request.config }, null, 2)}\n`,
      );
    const paths = {
      model: join(folder, weightsFile),
      ...(request.withTextProjection === true ? { textProjection: join(folder, textProjectionFile) } : {}),
    };
    await request.write(paths, folder);
    await checkTensors(join(folder, weightsFile), source);
    const files = [
      graphFile,
      ...(source.stages === undefined ? [] : [stagesFile]),
      weightsFile,
      ...(request.withTextProjection === true ? [textProjectionFile] : []),
    ];
    const digests = new Map<string, FileDigest>();
    for (const name of files) digests.set(name, await digestFile(join(folder, name)));
    const metadata = {
      ...kept(source),
      name: request.name,
      version: String(request.training.step),
      kind: source.kind,
      licence: request.training.dataset.licence,
      training: request.training,
      ...(request.inpainting === undefined ? {} : { inpainting: request.inpainting() }),
      torch: request.training.versions.libtorch,
      sha256: Object.fromEntries([...digests].map(([name, d]) => [name, d.sha256])),
      bytes: Object.fromEntries([...digests].map(([name, d]) => [name, d.bytes])),
      writtenBy: "anonymizer-native",
    };
    await writeFile(join(folder, metadataFile), `${JSON.stringify(metadata, null, 2)}\n`);
    await writeFile(join(folder, cardFile), request.card);
    return digests.get(weightsFile)!.sha256;
  });
}

/** Facts about the graph, which stays the same; nothing about the weights, which are new. */
function kept(source: ModelFolder): Record<string, unknown> {
  const keys = ["methods", "sizeMultiple", "parameters", "imageHeight", "imageWidth", "tokens", "hiddenSize"];
  return Object.fromEntries(
    keys.flatMap((key) => (source.metadata[key] === undefined ? [] : [[key, source.metadata[key]]])),
  );
}

async function checkTensors(path: string, source: ModelFolder): Promise<void> {
  const written = (await readSafetensorsHeader(path)).tensors;
  const wanted = source.weights.tensors;
  for (const [name, { shape }] of wanted) {
    const found = written.get(name);
    if (found === undefined || found.shape.join() !== shape.join()) {
      throw codedError(
        "ERR_MODEL_WEIGHTS",
        `The exported weights have ${found === undefined ? "no" : `[${found.shape.join(", ")}] for`} ${name}`,
        {
          details: { tensor: name },
        },
      );
    }
  }
  for (const name of written.keys()) {
    if (!wanted.has(name))
      throw codedError("ERR_MODEL_WEIGHTS", `The exported weights have an unknown tensor ${name}`, {
        details: { tensor: name },
      });
  }
}

/** Copies a verified model folder as it is, unless it is there already. */
export async function copyModelFolder(source: ModelFolder, path: string): Promise<void> {
  if (source.path === path) return;
  await writeFolder(path, async (folder) => {
    await mkdir(folder, { recursive: true });
    for (const name of [graphFile, stagesFile, weightsFile, configFile, metadataFile, cardFile, textProjectionFile]) {
      if (await exists(join(source.path, name))) await copyFile(join(source.path, name), join(folder, name));
    }
  });
}
