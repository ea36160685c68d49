/** Reads an adapter of any format. Nothing in a file is passed over: what is not understood is an error. */
import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { codedError } from "../errors.ts";
import { digestFile, exists } from "../models/files.ts";
import { type Adapter, type AdapterLayer, type AdapterOrigin, adapterError, type StoredTensor } from "./adapter.ts";
import { diffusersFile, diffusersMetadataKey, parseDiffusersKey, readDiffusersMetadata } from "./diffusers-format.ts";
import { floatsOf, floatTypes } from "./floats.ts";
import { flatName, isKohyaKey, ownLayerNames, parseKohyaKey } from "./kohya-format.ts";
import {
  isPeftKey,
  parsePeftKey,
  patternValue,
  peftConfigFile,
  peftWeightsFile,
  problemOfConfig,
} from "./peft-format.ts";
import { readSafetensorsFile, type SafetensorsFile } from "./safetensors-file.ts";

export interface ReadAdapterOptions {
  /** Layer names of the model it belongs to; needed for kohya files of other programs. */
  readonly layerNames?: readonly string[];
}

/** What a format's reader finds out. */
interface Parsed {
  readonly format: Adapter["format"];
  readonly rslora: boolean;
  readonly model?: "unet" | "vae";
  readonly layers: AdapterLayer[];
}

/**
 * Reads a folder (with `adapter_model.safetensors` or `pytorch_lora_weights.safetensors`) or a safetensors file; the
 * tensors' names tell the format.
 *
 * Throws ERR_MODEL_NOT_FOUND, ERR_MODEL_WEIGHTS (damaged file), ERR_ADAPTER (no adapter, a kind that is not supported, a
 * tensor without its partner, names that can't be understood).
 */
export async function readAdapter(path: string, options: ReadAdapterOptions = {}): Promise<Adapter> {
  const file = await adapterFile(resolve(path));
  const content = await readSafetensorsFile(file);
  const keys = [...content.tensors.keys()];
  if (keys.length === 0) throw adapterError(file, "it holds no tensors");
  const parsed = keys.some(isKohyaKey)
    ? readKohya(file, content, options.layerNames ?? [])
    : keys.some(isPeftKey) || ((await exists(join(dirname(file), peftConfigFile))) && file.endsWith(peftWeightsFile))
      ? await readPeft(file, content)
      : readDiffusers(file, content);
  for (const layer of parsed.layers) checkPair(file, layer, content.tensors);
  return {
    path: file,
    format: parsed.format,
    sha256: (await digestFile(file)).sha256,
    rslora: parsed.rslora,
    layers: parsed.layers.sort((x, y) => (x.name < y.name ? -1 : 1)),
    tensors: content.tensors,
    origin: originOf(content.metadata, parsed.model),
    metadata: content.metadata,
  };
}

async function adapterFile(path: string): Promise<string> {
  const info = await stat(path).catch((cause: unknown) => {
    throw codedError("ERR_MODEL_NOT_FOUND", `There is no adapter ${path}`, { cause, details: { path } });
  });
  if (!info.isDirectory()) return path;
  for (const name of [peftWeightsFile, diffusersFile]) {
    if (await exists(join(path, name))) return join(path, name);
  }
  throw adapterError(path, `the folder holds neither ${peftWeightsFile} nor ${diffusersFile}`);
}

function originOf(metadata: Readonly<Record<string, string>>, found: "unet" | "vae" | undefined): AdapterOrigin {
  const stated = metadata["anonymizer_model"];
  const model = found ?? (stated === "unet" || stated === "vae" ? stated : undefined);
  const step = Number(metadata["anonymizer_step"] ?? Number.NaN);
  const { anonymizer_base_name: baseName, anonymizer_base_sha256: baseSha256 } = metadata;
  return {
    ...(model === undefined ? {} : { model }),
    ...(baseName === undefined ? {} : { baseName }),
    ...(baseSha256 === undefined ? {} : { baseSha256 }),
    ...(Number.isSafeInteger(step) ? { step } : {}),
  };
}

/** Tensors gathered by layer. */
class Pairs {
  readonly #path: string;
  readonly #layers = new Map<string, { a?: string; b?: string; alpha?: string }>();

  constructor(path: string) {
    this.#path = path;
  }

  add(layer: string, role: "a" | "b" | "alpha", key: string): void {
    const entry = this.#layers.get(layer) ?? {};
    if (entry[role] !== undefined)
      throw adapterError(this.#path, `${entry[role]} and ${key} are both for ${layer}`, { layer });
    entry[role] = key;
    this.#layers.set(layer, entry);
  }

  /** Every layer with both of its tensors. */
  *whole(): Generator<{ layer: string; a: string; b: string; alpha: string | undefined }> {
    for (const [layer, { a, b, alpha }] of this.#layers) {
      if (a === undefined || b === undefined)
        throw adapterError(this.#path, `${layer} has no ${a === undefined ? "A (down)" : "B (up)"} tensor`, { layer });
      yield { layer, a, b, alpha };
    }
  }
}

function unknownKey(path: string, key: string): Error {
  const kinds: [RegExp, string][] = [
    [/dora_scale|lora_magnitude_vector/, "DoRA"],
    [/hada_/, "LoHa"],
    [/lokr_/, "LoKr"],
    [/lora_mid/, "LoCon with a middle tensor"],
    [/lora_embedding/, "LoRA of an embedding"],
    [/^lora_te|text_encoder/, "an adapter of a text encoder"],
  ];
  const kind = kinds.find(([pattern]) => pattern.test(key))?.[1];
  const reason =
    kind === undefined
      ? `the tensor ${key} belongs to no known format`
      : `${key} is ${kind}; only LoRA of a UNet or VAE is supported`;
  return adapterError(path, reason, { tensor: key });
}

function checkPair(path: string, { name, a, b, rank, alpha }: AdapterLayer, tensors: SafetensorsFile["tensors"]): void {
  const [down, up] = [tensors.get(a)!, tensors.get(b)!];
  for (const [key, tensor] of [
    [a, down],
    [b, up],
  ] as const) {
    if (!floatTypes.includes(tensor.dtype))
      throw adapterError(path, `${key} is ${tensor.dtype}, not a floating-point tensor`);
    if (tensor.shape.length !== 2 && tensor.shape.length !== 4)
      throw adapterError(path, `${key} has the shape [${tensor.shape.join(", ")}]; 2 or 4 dimensions are needed`);
  }
  if (rank < 1 || up.shape[1] !== rank)
    throw adapterError(path, `${name}: A has rank ${rank}, B has rank ${up.shape[1]}`, { layer: name });
  if (!Number.isFinite(alpha)) throw adapterError(path, `${name}: alpha is ${alpha}`, { layer: name });
}

const rankOf = (content: SafetensorsFile, a: string): number => content.tensors.get(a)!.shape[0] ?? 0;

async function readPeft(path: string, content: SafetensorsFile): Promise<Parsed> {
  const file = join(dirname(path), peftConfigFile);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw codedError("ERR_ADAPTER", `${path}: ${peftConfigFile} is not beside it, so its strength is not known`, {
      cause,
      details: { path },
    });
  });
  const config = parseObject(text);
  if (config === undefined) throw adapterError(file, "it is no JSON object");
  const problem = problemOfConfig(config);
  if (problem !== undefined) throw adapterError(file, problem);
  const pairs = new Pairs(path);
  for (const key of content.tensors.keys()) {
    const parsed = parsePeftKey(key);
    if (parsed === undefined) throw unknownKey(path, key);
    pairs.add(parsed.layer, parsed.part, key);
  }
  const layers = [...pairs.whole()].map(({ layer, a, b }) => {
    const rank = rankOf(content, a);
    const stated = patternValue(config["rank_pattern"], layer, Number(config["r"]));
    if (stated !== rank)
      throw adapterError(path, `${layer} has rank ${rank}, ${peftConfigFile} says ${stated}`, { layer });
    return {
      name: layer,
      a,
      b,
      rank,
      alpha: patternValue(config["alpha_pattern"], layer, Number(config["lora_alpha"])),
    };
  });
  return { format: "peft", rslora: config["use_rslora"] === true, layers };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return json !== null && typeof json === "object" && !Array.isArray(json)
      ? (json as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function readDiffusers(path: string, content: SafetensorsFile): Parsed {
  const pairs = new Pairs(path);
  const parts = new Set<string | undefined>();
  for (const key of content.tensors.keys()) {
    const parsed = parseDiffusersKey(key);
    if (parsed === undefined) throw unknownKey(path, key);
    if (parsed.part?.startsWith("text_encoder") === true) throw unknownKey(path, key);
    parts.add(parsed.part);
    pairs.add(parsed.layer, parsed.role, key);
  }
  if (parts.size !== 1)
    throw adapterError(
      path,
      `it adapts several models: ${[...parts].map((part) => part ?? "one without a name").join(", ")}`,
    );
  const [part] = parts;
  const text = content.metadata[diffusersMetadataKey];
  const config = text === undefined ? undefined : readDiffusersMetadata(text, part);
  if (text !== undefined && config === undefined)
    throw adapterError(path, `the header's ${diffusersMetadataKey} is damaged or says nothing about ${part}`);
  const problem = config === undefined ? undefined : problemOfConfig(config);
  if (problem !== undefined) throw adapterError(path, problem);
  const layers = [...pairs.whole()].map(({ layer, a, b, alpha }) => {
    const rank = rankOf(content, a);
    // As diffusers does: a stated α, else one in the header, else the rank.
    const own = alpha === undefined ? undefined : scalarOf(path, alpha, content.tensors.get(alpha)!);
    const general =
      config === undefined ? rank : patternValue(config["alpha_pattern"], layer, Number(config["lora_alpha"]));
    return { name: layer, a, b, rank, alpha: own ?? general };
  });
  return {
    format: "diffusers",
    rslora: config?.["use_rslora"] === true,
    layers,
    ...(part === "unet" || part === "vae" ? { model: part } : {}),
  };
}

function readKohya(path: string, content: SafetensorsFile, layerNames: readonly string[]): Parsed {
  const pairs = new Pairs(path);
  const models = new Set<"unet" | "vae">();
  for (const key of content.tensors.keys()) {
    const parsed = parseKohyaKey(key);
    if (parsed === undefined) throw unknownKey(path, key);
    models.add(parsed.model);
    pairs.add(parsed.flat, parsed.role, key);
  }
  if (models.size !== 1) throw adapterError(path, "it adapts several models: unet, vae");
  const [model] = models;
  const names = new Map<string, string>();
  for (const name of [...ownLayerNames(content.metadata), ...layerNames]) {
    const flat = flatName(model!, name);
    const other = names.get(flat);
    if (other !== undefined && other !== name)
      throw adapterError(path, `${flat} may mean ${other} or ${name}`, { layers: [other, name] });
    names.set(flat, name);
  }
  const layers = [...pairs.whole()].map(({ layer: flat, a, b, alpha }) => {
    const name = names.get(flat);
    if (name === undefined) {
      const cure =
        layerNames.length === 0 ? "; name the model it belongs to, whose layers tell what the underscores mean" : "";
      throw adapterError(path, `${flat} is not known as a layer${cure}`, { layer: flat });
    }
    const rank = rankOf(content, a);
    return { name, a, b, rank, alpha: alpha === undefined ? rank : scalarOf(path, alpha, content.tensors.get(alpha)!) };
  });
  return { format: "kohya", rslora: false, layers, model: model! };
}

/** The one number of an `.alpha` tensor. */
function scalarOf(path: string, key: string, tensor: StoredTensor): number {
  const values = floatsOf(tensor);
  if (values?.length === 1) return values[0]!;
  throw adapterError(path, `${key} is no single number`);
}
