/** Numbers that follow from what they are for: the same parts give the same bytes on every machine. Not for secrets. */
import { createHash } from "node:crypto";

export type SeedPart = string | number | bigint;

/** SHA-256 of the parts, joined unambiguously; 32 bytes. */
export function hashParts(...parts: readonly SeedPart[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${typeof part}:${part}\0`);
  return hash.digest();
}

/** Mixes 32 bits so that every input bit reaches every output bit (the finalizer of MurmurHash3). */
export function mix32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
