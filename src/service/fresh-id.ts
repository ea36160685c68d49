/** Ids that nobody can guess and no two processes share. */
import { closeSync, openSync, readSync } from "node:fs";

/**
 * A random UUID (version 4) of bytes that the kernel gives now. Node's own random state, and the ids it holds ready, are
 * part of a memory snapshot: processes that go on from the same one would hand out the same ids.
 */
export function freshId(): string {
  const bytes = Buffer.alloc(16);
  const kernel = openSync("/dev/urandom", "r");
  try {
    // So few come at once, or an error is thrown.
    readSync(kernel, bytes);
  } finally {
    closeSync(kernel);
  }
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
