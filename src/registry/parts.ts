/** Pieces of large files: how they are cut, read and handed to a connection. */
import { createHash, type Hash } from "node:crypto";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { codedError } from "../errors.ts";
import type { Attempt } from "./retry.ts";

/** Bytes read, hashed or handed over at a time. */
const stepBytes = 1 << 20;
const pieceBytes = 1 << 16;

export interface Part {
  /** From 1. */
  readonly number: number;
  readonly start: number;
  readonly bytes: number;
}

export interface PartContent {
  readonly data: Buffer;
  /** Hex. */
  readonly sha256: string;
}

/** Parts of equal size, the last one smaller: R2 takes no others. */
export function partsOf(bytes: number, partBytes: number): Part[] {
  return Array.from({ length: Math.ceil(bytes / partBytes) }, (_, index) => ({
    number: index + 1,
    start: index * partBytes,
    bytes: Math.min(partBytes, bytes - index * partBytes),
  }));
}

/**
 * Reads a part in steps that leave the event loop free, into `memory` where that is given; `whole` gets its bytes, too.
 * Throws ERR_STORE_CHANGED when the file is too short.
 */
export async function readPart(
  path: string,
  part: Part,
  { memory, whole }: { readonly memory?: Buffer; readonly whole?: Hash } = {},
): Promise<PartContent> {
  const file = await open(path, "r");
  try {
    const data = memory?.subarray(0, part.bytes) ?? Buffer.allocUnsafe(part.bytes);
    const hash = createHash("sha256");
    for (let at = 0; at < part.bytes; ) {
      const { bytesRead } = await file.read(data, at, Math.min(stepBytes, part.bytes - at), part.start + at);
      if (bytesRead === 0) throw codedError("ERR_STORE_CHANGED", `${path} became shorter while it was uploaded`);
      hash.update(data.subarray(at, at + bytesRead));
      whole?.update(data.subarray(at, at + bytesRead));
      at += bytesRead;
    }
    return { data, sha256: hash.digest("hex") };
  } finally {
    await file.close();
  }
}

/** A body for one try of a request, which counts as moving while the connection takes pieces of it. */
export function bodyOf(data: Buffer, { moved }: Attempt): Readable | Buffer {
  if (data.length === 0) return data;
  const begun = performance.now();
  let at = 0;
  return new Readable({
    highWaterMark: pieceBytes,
    read() {
      // What the system holds at the end may take about as long again.
      if (at >= data.length) moved(2 * (performance.now() - begun));
      else moved();
      this.push(at < data.length ? data.subarray(at, at + pieceBytes) : null);
      at += pieceBytes;
    },
  });
}
