/** Reads and writes safetensors files in tests, apart from the code under test. */
import { readFileSync, writeFileSync } from "node:fs";
import type { DType, HostTensor, TensorData } from "../../src/addon/native-types.ts";

const dtypes: Record<string, { dtype: DType; make: (buffer: ArrayBuffer) => TensorData }> = {
  F32: { dtype: "float32", make: (b) => new Float32Array(b) },
  F64: { dtype: "float64", make: (b) => new Float64Array(b) },
  I64: { dtype: "int64", make: (b) => new BigInt64Array(b) },
  I32: { dtype: "int32", make: (b) => new Int32Array(b) },
  U8: { dtype: "uint8", make: (b) => new Uint8Array(b) },
};

export function readTensors(path: string): Record<string, HostTensor> {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const result: Record<string, HostTensor> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const known = dtypes[entry.dtype];
    if (!known) throw new Error(`${path}: ${name} is ${entry.dtype}`);
    const [from, to] = entry.data_offsets;
    const bytes = Uint8Array.from(file.subarray(8 + length + from, 8 + length + to));
    result[name] = { data: known.make(bytes.buffer), shape: entry.shape, dtype: known.dtype };
  }
  return result;
}

export function writeTensors(path: string, tensors: Readonly<Record<string, HostTensor>>): void {
  const header: Record<string, unknown> = {};
  const parts: Buffer[] = [];
  let offset = 0;
  for (const [name, tensor] of Object.entries(tensors)) {
    const code = Object.keys(dtypes).find((key) => dtypes[key]!.dtype === tensor.dtype);
    const bytes = Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
    header[name] = { dtype: code, shape: tensor.shape, data_offsets: [offset, offset + bytes.length] };
    offset += bytes.length;
    parts.push(bytes);
  }
  let text = JSON.stringify(header);
  text += " ".repeat((8 - ((text.length + 8) % 8)) % 8);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([size, Buffer.from(text), ...parts]));
}

/** ‖a − b‖ / ‖b‖ in double precision. */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} values against ${b.length}`);
  let difference = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return size === 0 ? Math.sqrt(difference) : Math.sqrt(difference / size);
}
