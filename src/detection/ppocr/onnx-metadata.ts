/**
 * Reads what stands beside the graph in an ONNX file: the key-value pairs of `ModelProto.metadata_props`
 * (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). The runtime for Node does not hand them out.
 */
import { codedError } from "../../errors.ts";

const graphField = 7;
const metadataField = 14;

/** Throws ERR_MODEL_GRAPH when the bytes are no ONNX model. */
export function readOnnxMetadata(model: Uint8Array): Map<string, string> {
  const found = new Map<string, string>();
  let hasGraph = false;
  for (const { field, bytes } of fieldsOf(model)) {
    if (field === graphField && bytes !== undefined && bytes.length > 0) hasGraph = true;
    if (field !== metadataField || bytes === undefined) continue;
    let [key, value] = ["", ""];
    for (const part of fieldsOf(bytes)) {
      const text = new TextDecoder().decode(part.bytes);
      if (part.field === 1) key = text;
      if (part.field === 2) value = text;
    }
    found.set(key, value);
  }
  if (!hasGraph) throw notOnnx();
  return found;
}

const notOnnx = () => codedError("ERR_MODEL_GRAPH", "The file is not an ONNX model");

/** The fields of a protocol-buffer message; those that are not bytes come without them. */
function* fieldsOf(message: Uint8Array): Generator<{ field: number; bytes?: Uint8Array }> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++];
      if (byte === undefined || scale > 2 ** 63) throw notOnnx();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const skip = (length: number): void => {
    at += length;
    if (at > message.length) throw notOnnx();
  };
  while (at < message.length) {
    const tag = varint();
    const [field, wire] = [Math.floor(tag / 8), tag % 8];
    if (wire === 0) {
      varint();
      yield { field };
    } else if (wire === 1 || wire === 5) {
      skip(wire === 1 ? 8 : 4);
      yield { field };
    } else if (wire === 2) {
      const length = varint();
      const start = at;
      skip(length);
      yield { field, bytes: message.subarray(start, at) };
    } else throw notOnnx();
  }
}
