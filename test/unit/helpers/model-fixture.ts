/** Small model folders on disk, whole enough for everything that TypeScript checks. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ModelKind } from "../../../src/models/model-folder.ts";
import { sha256 } from "../../helpers/hash.ts";

export type TensorShapes = Readonly<Record<string, readonly number[]>>;

/** A safetensors file of float32 tensors filled with `value`. */
export function safetensors(shapes: TensorShapes, value = 0, metadata?: Record<string, string>): Buffer {
  const header: Record<string, unknown> = metadata === undefined ? {} : { __metadata__: metadata };
  const parts: Buffer[] = [];
  let at = 0;
  for (const [name, shape] of Object.entries(shapes)) {
    const count = shape.reduce((a, b) => a * b, 1);
    header[name] = { dtype: "F32", shape, data_offsets: [at, at + count * 4] };
    parts.push(Buffer.from(new Float32Array(count).fill(value).buffer));
    at += count * 4;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, ...parts]);
}

export const shapesOf: Record<ModelKind, TensorShapes> = {
  vae: {
    "encoder.conv_in.weight": [4, 3, 3, 3],
    "quant_conv.weight": [8, 8, 1, 1],
    "decoder.conv_out.weight": [3, 4, 3, 3],
  },
  unet: { "conv_in.weight": [8, 9, 3, 3], "conv_out.weight": [4, 8, 3, 3] },
  glyph_encoder: { "embeddings.weight": [16, 3] },
  vgg16: { "features.0.weight": [8, 3, 3, 3] },
};

const configs: Record<ModelKind, object> = {
  vae: { latent_channels: 4, block_out_channels: [4, 8, 8], layers_per_block: 1, scaling_factor: 0.18215 },
  unet: { in_channels: 9, out_channels: 4, block_out_channels: [8, 16], layers_per_block: 1, cross_attention_dim: 12 },
  glyph_encoder: { hidden_size: 16, image_size: [32, 128] },
  vgg16: { backbone: "random-vgg", calibrated: false, channels: [8, 16] },
};

export interface FixtureOptions {
  readonly shapes?: TensorShapes;
  readonly config?: object;
  readonly value?: number;
}

export async function modelFixture(path: string, kind: ModelKind, options: FixtureOptions = {}): Promise<string> {
  const graph = Buffer.from(`graph of ${kind}`);
  const weights = safetensors(options.shapes ?? shapesOf[kind], options.value ?? 0.5);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "graph.pt"), graph);
  await writeFile(join(path, "model.safetensors"), weights);
  await writeFile(join(path, "config.json"), JSON.stringify({ ...configs[kind], ...options.config }));
  const metadata = {
    name: `fixture-${kind}`,
    version: "1",
    kind,
    sha256: { "graph.pt": sha256(graph), "model.safetensors": sha256(weights) },
  };
  await writeFile(join(path, "metadata.json"), JSON.stringify(metadata));
  return path;
}
