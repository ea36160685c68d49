/** Adapters with made-up values for tests. */
import { join } from "node:path";
import type { Adapter, StoredTensor } from "../../src/adapters/adapter.ts";
import { readTensors } from "./safetensors.ts";
import { normalTensor, type TinyModel, tinyFolder } from "./tiny.ts";

export interface MadeLayer {
  readonly rank: number;
  readonly alpha: number;
}

/** Layers of a tiny model whose names match. */
export function tinyLayers(kind: TinyModel, pattern: RegExp): string[] {
  return Object.entries(readTensors(join(tinyFolder(kind), "model.safetensors"))).flatMap(([name, { shape }]) => {
    const layer = name.replace(/\.weight$/, "");
    return layer !== name && shape.length !== 1 && pattern.test(layer) ? [layer] : [];
  });
}

/** An adapter for layers of a tiny model; A and B are normal numbers times `size`. */
export function madeAdapter(
  kind: "unet" | "vae",
  layers: readonly string[],
  of: (index: number) => MadeLayer,
  more: { rslora?: boolean; size?: number; seed?: number } = {},
): Omit<Adapter, "sha256"> {
  const weights = readTensors(join(tinyFolder(kind), "model.safetensors"));
  const tensors = new Map<string, StoredTensor>();
  const made = layers.map((name, index) => {
    const { rank, alpha } = of(index);
    const [out, ...rest] = weights[`${name}.weight`]!.shape as [number, ...number[]];
    const seed = 1000 * (more.seed ?? 1) + 2 * index;
    const pair = { a: [rank, ...rest], b: [out, rank, ...rest.slice(1).map(() => 1)] };
    for (const [k, [key, shape]] of Object.entries(pair).entries()) {
      const values = normalTensor(shape, seed + k).data as Float32Array;
      const bytes = new Uint8Array(values.map((v) => v * (more.size ?? 0.1)).buffer);
      tensors.set(`${name}.${key}`, { dtype: "F32", shape, bytes });
    }
    return { name, a: `${name}.a`, b: `${name}.b`, rank, alpha };
  });
  return {
    path: "made",
    format: "peft",
    rslora: more.rslora ?? false,
    layers: made,
    tensors,
    origin: { model: kind },
    metadata: {},
  };
}

const floats = (tensor: StoredTensor): Float32Array =>
  new Float32Array(tensor.bytes.buffer.slice(tensor.bytes.byteOffset, tensor.bytes.byteOffset + tensor.bytes.length));

/** scale · B·A of a layer in double precision, as the weight lies in memory. */
export function deltaOf(adapter: Pick<Adapter, "rslora" | "layers" | "tensors">, name: string): Float64Array {
  const layer = adapter.layers.find((l) => l.name === name)!;
  const [a, b] = [adapter.tensors.get(layer.a)!, adapter.tensors.get(layer.b)!];
  const [down, up] = [floats(a), floats(b)];
  const out = b.shape[0]!;
  const width = down.length / layer.rank;
  const scale = layer.alpha / (adapter.rslora ? Math.sqrt(layer.rank) : layer.rank);
  const result = new Float64Array(out * width);
  for (let o = 0; o < out; o++)
    for (let i = 0; i < width; i++) {
      let sum = 0;
      for (let r = 0; r < layer.rank; r++) sum += up[o * layer.rank + r]! * down[r * width + i]!;
      result[o * width + i] = scale * sum;
    }
  return result;
}
