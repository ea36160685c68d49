/** Whole safetensors files of adapters, which are small: every tensor's bytes with its name, and the header's metadata. */
import { readFile } from "node:fs/promises";
import { writeBinaryFile } from "../models/files.ts";
import { readSafetensorsHeader } from "../models/safetensors-header.ts";
import type { StoredTensor } from "./adapter.ts";

export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Reads and checks a file; errors as `readSafetensorsHeader`. */
export async function readSafetensorsFile(path: string): Promise<SafetensorsFile> {
  const { tensors: checked, metadata } = await readSafetensorsHeader(path);
  const file = await readFile(path);
  const start = 8 + Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, start).toString("utf8")) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { dtype, shape }] of checked) {
    const [from, to] = header[name]!.data_offsets;
    tensors.set(name, { dtype, shape, bytes: file.subarray(start + from, start + to) });
  }
  return { tensors, metadata: strings(metadata) };
}

/** The format's metadata are strings; anything else is passed over. */
function strings(metadata: Readonly<Record<string, unknown>>): Record<string, string> {
  const entries = Object.entries(metadata ?? {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return Object.fromEntries(entries);
}

/** Writes a file through a temporary one: tensors sorted by name, so that the same content gives the same bytes. ERR_OUTPUT. */
export async function writeSafetensorsFile(path: string, { tensors, metadata }: SafetensorsFile): Promise<void> {
  const header: Record<string, unknown> = Object.keys(metadata).length === 0 ? {} : { __metadata__: metadata };
  const names = [...tensors.keys()].sort();
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const name of names) {
    const { dtype, shape, bytes } = tensors.get(name)!;
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
    offset += bytes.length;
    parts.push(bytes);
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, " ")]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  await writeBinaryFile(path, Buffer.concat([length, padded, ...parts]));
}
