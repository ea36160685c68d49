/** One sample's cached tensors: joined to a batch, and to and from bytes. */
import type { DType, HostTensor, NativeCachedInputs, TensorData } from "../addon/native-types.ts";
import { arrayOf } from "../addon/tensor.ts";
import { codedError } from "../errors.ts";
import type { CachedSample } from "./sample-cache.ts";

/** Joins tensors along their first axis. @throws ERR_INVALID_ARGUMENT when shapes or types differ. */
export function joinTensors(tensors: readonly HostTensor[]): HostTensor {
  const first = tensors[0]!;
  const rest = first.shape.slice(1);
  const length = tensors.reduce((sum, { data }) => sum + data.length, 0);
  const data = new (first.data.constructor as new (length: number) => TensorData)(length);
  let at = 0;
  let count = 0;
  for (const tensor of tensors) {
    if (tensor.dtype !== first.dtype || String(tensor.shape.slice(1)) !== String(rest)) {
      throw codedError(
        "ERR_INVALID_ARGUMENT",
        `Tensors of a batch don't fit each other: ${tensor.dtype} [${tensor.shape.join(", ")}] beside ${first.dtype} [${first.shape.join(", ")}]`,
      );
    }
    (data as { set(part: TensorData, offset: number): void }).set(tensor.data, at);
    at += tensor.data.length;
    count += tensor.shape[0]!;
  }
  return { data, shape: [count, ...rest], dtype: first.dtype };
}

/** The cached inputs of a batch. */
export function joinCached(samples: readonly CachedSample[]): NativeCachedInputs {
  const join = (pick: (sample: CachedSample) => HostTensor): HostTensor => joinTensors(samples.map(pick));
  return {
    mean: join((sample) => sample.mean),
    logvar: join((sample) => sample.logvar),
    masked: join((sample) => sample.masked),
    mask: join((sample) => sample.mask),
    ...(samples[0]!.glyphs === undefined ? {} : { glyphs: join((sample) => sample.glyphs!) }),
  };
}

/** Samples `start` to `end` (exclusive); views of the same memory. */
export function sliceCached(cached: NativeCachedInputs, start: number, end: number): NativeCachedInputs {
  const slice = ({ data, shape, dtype }: HostTensor): HostTensor => {
    const one = data.length / shape[0]!;
    return { data: data.subarray(start * one, end * one), shape: [end - start, ...shape.slice(1)], dtype };
  };
  return {
    mean: slice(cached.mean),
    logvar: slice(cached.logvar),
    masked: slice(cached.masked),
    mask: slice(cached.mask),
    ...(cached.glyphs === undefined ? {} : { glyphs: slice(cached.glyphs) }),
  };
}

export interface PackedTensors {
  readonly tensors: Readonly<Record<string, HostTensor>>;
  readonly notes: Readonly<Record<string, unknown>>;
}

/** Length of the header (4 bytes, little-endian), the header as JSON, the tensors' bytes one after the other. */
export function packTensors({ tensors, notes }: PackedTensors): Buffer {
  const entries = Object.entries(tensors);
  const header = Buffer.from(
    JSON.stringify({
      notes,
      tensors: entries.map(([name, { shape, dtype, data }]) => ({ name, shape, dtype, bytes: data.byteLength })),
    }),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  const bytes = entries.map(([, { data }]) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  return Buffer.concat([length, header, ...bytes]);
}

/** The opposite of `packTensors`. Undefined when the bytes are something else. */
export function unpackTensors(packed: Buffer): PackedTensors | undefined {
  try {
    const start = 4 + packed.readUInt32LE(0);
    const header = JSON.parse(packed.toString("utf8", 4, start)) as {
      notes: Record<string, unknown>;
      tensors: { name: string; shape: number[]; dtype: DType; bytes: number }[];
    };
    const tensors: Record<string, HostTensor> = {};
    let at = start;
    for (const { name, shape, dtype, bytes } of header.tensors) {
      // Copied, because a view must start at a multiple of its element's size.
      const data = new arrayOf[dtype](new Uint8Array(packed.subarray(at, at + bytes)).buffer);
      if (data.byteLength !== bytes || data.length !== shape.reduce((a, b) => a * b, 1)) return undefined;
      tensors[name] = { data, shape, dtype };
      at += bytes;
    }
    return at === packed.length ? { tensors, notes: header.notes } : undefined;
  } catch {
    return undefined;
  }
}
