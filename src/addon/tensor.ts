/** Host-side tensors: a typed array, a shape and a dtype. What crosses into and out of the addon. */
import { codedError } from "../errors.ts";
import type { DType, HostTensor, TensorData } from "./native-types.ts";

/** The typed array that carries a dtype. */
export const arrayOf = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/**
 * A dense row-major array with a shape. Values live on the JavaScript heap; the addon copies them when it takes them.
 * float16 and bfloat16 are carried as bit patterns in a Uint16Array, bool as 0 and 1 in a Uint8Array.
 */
export class Tensor implements HostTensor {
  readonly data: TensorData;
  readonly shape: readonly number[];
  readonly dtype: DType;

  /** @throws ERR_INVALID_ARGUMENT when the array's type or length does not fit dtype and shape. */
  constructor(data: TensorData, shape: readonly number[], dtype: DType = "float32") {
    if (!shape.every((extent) => Number.isInteger(extent) && extent >= 0)) {
      throw codedError("ERR_INVALID_ARGUMENT", `A shape holds integers of 0 or more, not [${shape.join(", ")}]`);
    }
    const wanted = arrayOf[dtype];
    if (wanted === undefined) throw codedError("ERR_INVALID_ARGUMENT", `'${dtype}' is not a dtype`);
    if (!(data instanceof wanted)) {
      throw codedError(
        "ERR_INVALID_ARGUMENT",
        `A ${dtype} tensor is carried by a ${wanted.name}, not a ${data?.constructor?.name}`,
      );
    }
    const count = shape.reduce((product, extent) => product * extent, 1);
    if (data.length !== count) {
      throw codedError(
        "ERR_INVALID_ARGUMENT",
        `The shape [${shape.join(", ")}] asks for ${count} values, the array holds ${data.length}`,
      );
    }
    this.data = data;
    this.shape = [...shape];
    this.dtype = dtype;
  }

  static from(host: HostTensor): Tensor {
    return new Tensor(host.data, host.shape, host.dtype);
  }

  static zeros(shape: readonly number[], dtype: DType = "float32"): Tensor {
    const count = shape.reduce((product, extent) => product * extent, 1);
    return new Tensor(new arrayOf[dtype](count), shape, dtype);
  }
}
