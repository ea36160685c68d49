/** Values of stored tensors. */
import type { StoredTensor } from "./adapter.ts";

type Reader = (view: DataView, at: number) => number;

const readers: Readonly<Record<string, { readonly bytes: number; readonly read: Reader }>> = {
  F32: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  F64: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
  F16: { bytes: 2, read: (view, at) => float16(view.getUint16(at, true)) },
  BF16: { bytes: 2, read: (view, at) => bfloat16(view.getUint16(at, true)) },
  I64: { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
  I32: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
};

export const floatTypes = ["F32", "F16", "BF16", "F64"];

/** All values as float32, or undefined for a type that holds none. */
export function floatsOf({ dtype, bytes }: StoredTensor): Float32Array | undefined {
  const reader = readers[dtype];
  if (reader === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.byteLength / reader.bytes }, (_, i) => reader.read(view, i * reader.bytes));
}

/** The tensor times a number, as float32. */
export function scaled(tensor: StoredTensor, factor: number): StoredTensor {
  const values = floatsOf(tensor)!.map((value) => value * factor);
  return { dtype: "F32", shape: tensor.shape, bytes: new Uint8Array(values.buffer) };
}

/** A float32 tensor without dimensions. */
export const scalar = (value: number): StoredTensor => ({
  dtype: "F32",
  shape: [],
  bytes: new Uint8Array(Float32Array.of(value).buffer),
});

/** A float32 has a bfloat16 as its upper half. */
function bfloat16(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint16(0, bits);
  return view.getFloat32(0);
}

/** IEEE 754 half precision. */
function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
