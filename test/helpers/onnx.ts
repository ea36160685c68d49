/** ONNX files written by hand (protocol buffers of onnx.proto): graphs small enough to know what they give. */

const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
const number = (field: number, value: number): number[] => [...varint(field << 3), ...varint(value)];
const bytes = (field: number, value: readonly number[] | Uint8Array): number[] => [
  ...varint((field << 3) | 2),
  ...varint(value.length),
  ...value,
];
const text = (field: number, value: string): number[] => bytes(field, new TextEncoder().encode(value));

const float32 = 1;
const int64 = 7;

/** Dimensions: numbers, or names where they are free. */
function valueInfo(name: string, type: number, shape: readonly (number | string)[]): number[] {
  const dims = shape.flatMap((dim) => bytes(1, typeof dim === "number" ? number(1, dim) : text(2, dim)));
  return [...text(1, name), ...bytes(2, bytes(1, [...number(1, type), ...bytes(2, dims)]))];
}

/**
 * A token classifier that looks each token up in a table: logits[t] = table[id[t]]. `table` is [tokens][classes].
 * `inputs` are declared besides input_ids and not used.
 */
export function lookupClassifier(
  table: readonly (readonly number[])[],
  inputs: readonly string[] = ["attention_mask", "token_type_ids"],
): Uint8Array {
  const [rows, columns] = [table.length, table[0]!.length];
  const values = new Uint8Array(Float32Array.from(table.flat()).buffer);
  const tensor = [
    ...number(1, rows),
    ...number(1, columns),
    ...number(2, float32),
    ...text(8, "table"),
    ...bytes(9, values),
  ];
  const node = [...text(1, "table"), ...text(1, "input_ids"), ...text(2, "logits"), ...text(4, "Gather")];
  const shape = ["batch", "length"];
  const graph = [
    ...bytes(1, node),
    ...text(2, "lookup"),
    ...bytes(5, tensor),
    ...["input_ids", ...inputs].flatMap((name) => bytes(11, valueInfo(name, int64, shape))),
    ...bytes(12, valueInfo("logits", float32, [...shape, columns])),
  ];
  return Uint8Array.from([...number(1, 8), ...bytes(7, graph), ...bytes(8, number(2, 13))]);
}
