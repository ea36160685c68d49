/**
 * The header of a safetensors file: 8 bytes length (little endian), then JSON with name → dtype, shape and byte range.
 * Everything in it is checked against the file before it is believed; no tensor data is read.
 */
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { codedError } from "../errors.ts";
import { exportCure } from "./export-cure.ts";

export interface TensorInfo {
  /** As the format names it: "F32", "BF16" … */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Number of values. */
  readonly values: number;
}

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Values of all tensors together. */
  readonly values: number;
}

// The format's own limit.
const maxHeaderBytes = 100_000_000;

const dtypeBytes: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
};

/**
 * Reads and checks the header of `path`. Throws ERR_MODEL_NOT_FOUND when there is no such file, ERR_MODEL_WEIGHTS (naming
 * the tensor where there is one) when the file is cut short, has holes or overlaps, or lies about its sizes.
 */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  const handle = await open(path, "r").catch((cause: unknown) => {
    throw codedError("ERR_MODEL_NOT_FOUND", `${path} can't be opened`, {
      cause,
      details: { path },
      cure: exportCure(dirname(path)),
    });
  });
  try {
    const { size } = await handle.stat();
    const lengthBytes = Buffer.alloc(8);
    if (size < 8 || (await handle.read(lengthBytes, 0, 8, 0)).bytesRead < 8)
      throw damaged(path, `only ${size} bytes long`);
    const length = lengthBytes.readBigUInt64LE();
    if (length > BigInt(maxHeaderBytes) || Number(length) > size - 8) {
      throw damaged(path, `a header of ${length} bytes does not fit a file of ${size} bytes`);
    }
    const header = Buffer.alloc(Number(length));
    const { bytesRead } = await handle.read(header, 0, header.length, 8);
    if (bytesRead < header.length) throw damaged(path, "the header is cut short");
    return parseHeader(path, header.toString("utf8"), size - 8 - header.length);
  } finally {
    await handle.close();
  }
}

const damaged = (path: string, reason: string, tensor?: string): Error =>
  codedError("ERR_MODEL_WEIGHTS", `${path}: ${tensor === undefined ? "" : `${tensor}: `}${reason}`, {
    details: { path, ...(tensor === undefined ? {} : { tensor }) },
  });

function parseHeader(path: string, text: string, dataBytes: number): SafetensorsHeader {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw codedError("ERR_MODEL_WEIGHTS", `${path}: the header is no JSON`, { cause, details: { path } });
  }
  if (json === null || typeof json !== "object" || Array.isArray(json))
    throw damaged(path, "the header is no JSON object");
  const tensors = new Map<string, TensorInfo>();
  const ranges: { name: string; start: number; end: number }[] = [];
  let metadata: Record<string, string> = {};
  let values = 0;
  for (const [name, entry] of Object.entries(json)) {
    if (name === "__metadata__") {
      metadata = entry as Record<string, string>;
      continue;
    }
    const tensor = checkTensor(path, name, entry);
    ranges.push({ name, ...tensor.range });
    tensors.set(name, tensor.info);
    values += tensor.info.values;
  }
  ranges.sort((a, b) => a.start - b.start || a.end - b.end);
  let at = 0;
  for (const { name, start, end } of ranges) {
    if (start !== at) throw damaged(path, `starts at byte ${start}, expected ${at}`, name);
    at = end;
  }
  if (at !== dataBytes) throw damaged(path, `the tensors take ${at} bytes, the file holds ${dataBytes}`);
  return { tensors, metadata, values };
}

function checkTensor(
  path: string,
  name: string,
  entry: unknown,
): { info: TensorInfo; range: { start: number; end: number } } {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  const bytes = typeof dtype === "string" && Object.hasOwn(dtypeBytes, dtype) ? dtypeBytes[dtype]! : undefined;
  if (bytes === undefined) throw damaged(path, `unknown dtype ${JSON.stringify(dtype)}`, name);
  const natural = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  if (!Array.isArray(shape) || !shape.every(natural)) throw damaged(path, "the shape is not valid", name);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(natural)) {
    throw damaged(path, "the byte range is not valid", name);
  }
  const [start, end] = offsets as [number, number];
  const values = shape.reduce<number>((product, n) => product * n, 1);
  if (end - start !== values * bytes) {
    throw damaged(path, `${dtype} [${shape.join(", ")}] needs ${values * bytes} bytes, not ${end - start}`, name);
  }
  return { info: { dtype: dtype as string, shape: shape as number[], values }, range: { start, end } };
}
