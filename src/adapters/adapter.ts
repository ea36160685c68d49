/**
 * A low-rank adapter: for each of its layers a pair A, B, added to the layer's weight as weight · scale · B·A
 * (Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models").
 */
import { codedError } from "../errors.ts";
import { type ModelFolder, weightsFile } from "../models/model-folder.ts";

export const adapterFormats = ["peft", "diffusers", "kohya"] as const;
export type AdapterFormat = (typeof adapterFormats)[number];
export type AdaptedModel = "unet" | "vae";

/** One of an adapter's tensors as its file holds it. */
export interface StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export interface AdapterLayer {
  /** Full name of the Linear or Conv2d: "mid_block.attentions.0.transformer_blocks.0.attn1.to_q". */
  readonly name: string;
  /** The file's names of A [r, in] or [r, in, k, k] and B [out, r] or [out, r, 1, 1]. */
  readonly a: string;
  readonly b: string;
  readonly rank: number;
  readonly alpha: number;
}

/** What this project's own files say about where they come from. */
export interface AdapterOrigin {
  readonly model?: AdaptedModel;
  /** Name of the model folder it was trained on. */
  readonly baseName?: string;
  /** SHA-256 of the weights it was trained on. */
  readonly baseSha256?: string;
  /** Optimizer steps. */
  readonly step?: number;
}

export interface Adapter {
  /** Absolute path of the safetensors file. */
  readonly path: string;
  readonly format: AdapterFormat;
  /** Hex SHA-256 of the file. */
  readonly sha256: string;
  /** Scale α/√r (rank-stabilised, Kalajdzievski 2023) in place of α/r. */
  readonly rslora: boolean;
  /** Sorted by name. */
  readonly layers: readonly AdapterLayer[];
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly origin: AdapterOrigin;
  /** Of the file's header. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Factor on B·A. */
export const scaleOf = (adapter: Pick<Adapter, "rslora">, { rank, alpha }: AdapterLayer): number =>
  alpha / (adapter.rslora ? Math.sqrt(rank) : rank);

/** Values of A and B together. */
export function adapterValues(adapter: Adapter): number {
  let values = 0;
  for (const { a, b } of adapter.layers)
    for (const name of [a, b]) values += adapter.tensors.get(name)!.shape.reduce((x, y) => x * y, 1);
  return values;
}

/** "LoRA of rank 8 (α 8) on 32 layers" */
export function describeAdapter(adapter: Pick<Adapter, "rslora" | "layers">): string {
  const list = (values: number[]): string => [...new Set(values)].sort((a, b) => a - b).join(", ");
  const { layers } = adapter;
  const kind = adapter.rslora ? "rank-stabilised LoRA" : "LoRA";
  return `${kind} of rank ${list(layers.map((l) => l.rank))} (α ${list(layers.map((l) => l.alpha))}) on ${layers.length} layers`;
}

export const adapterError = (path: string, reason: string, details: Record<string, unknown> = {}): Error =>
  codedError("ERR_ADAPTER", `${path}: ${reason}`, { details: { path, ...details } });

/** Names that the error of an adapter for another model lists. */
const listed = 3;

/**
 * Throws ERR_ADAPTER unless every layer of the adapter is a layer of the model with fitting shapes. Where the adapter says
 * which weights it was trained on, they must be the model's, unless `anyBase`.
 */
export function checkAdapterFits(adapter: Adapter, model: ModelFolder, anyBase = false): void {
  const { path, origin } = adapter;
  if (origin.model !== undefined && origin.model !== model.kind)
    throw adapterError(path, `it adapts a ${origin.model}; ${model.path} is a ${model.kind}`);
  const missing: string[] = [];
  const unfit: string[] = [];
  for (const layer of adapter.layers) {
    const weight = model.weights.tensors.get(`${layer.name}.weight`)?.shape;
    const [a, b] = [adapter.tensors.get(layer.a)!.shape, adapter.tensors.get(layer.b)!.shape];
    if (weight === undefined) missing.push(layer.name);
    else if (!fits(weight, a, b))
      unfit.push(`${layer.name} (A [${a.join(", ")}], B [${b.join(", ")}], weight [${weight.join(", ")}])`);
  }
  const show = (names: string[]): string =>
    names.slice(0, listed).join(", ") + (names.length > listed ? ` and ${names.length - listed} more` : "");
  if (missing.length > 0)
    throw adapterError(path, `${model.path} has no layer ${show(missing)}`, { missing: missing.length });
  if (unfit.length > 0)
    throw adapterError(path, `the shapes are of another model than ${model.path}: ${show(unfit)}`, {
      unfit: unfit.length,
    });
  const sha256 = model.metadata.sha256[weightsFile];
  if (!anyBase && origin.baseSha256 !== undefined && origin.baseSha256 !== sha256)
    throw adapterError(
      path,
      `it was trained on ${origin.baseName ?? "a model"} with the weights ${origin.baseSha256.slice(0, 12)}…, ${model.path} has ${sha256?.slice(0, 12)}…; say that any base will do if that is meant`,
      { expected: origin.baseSha256, actual: sha256 },
    );
}

/** Whether A and B belong to the weight; a 1×1 convolution may be stored as a matrix and the other way round. */
function fits(weight: readonly number[], a: readonly number[], b: readonly number[]): boolean {
  if (weight.length !== 2 && weight.length !== 4) return false;
  const kernel = (shape: readonly number[]): string =>
    shape
      .slice(2)
      .filter((n) => n !== 1)
      .join();
  return a[1] === weight[1] && b[0] === weight[0] && a[0] === b[1] && kernel(a) === kernel(weight) && kernel(b) === "";
}
