/** SHA-256 of contents, in hex. Of files: `digestFile`. */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";

export const sha256Of = (data: Uint8Array | string): string => createHash("sha256").update(data).digest("hex");

/** In pieces, so that large contents do not hold the event loop. */
export async function sha256InPieces(bytes: Uint8Array): Promise<string> {
  const piece = 1 << 20;
  const hash = createHash("sha256");
  for (let i = 0; i < bytes.length; i += piece) {
    hash.update(bytes.subarray(i, i + piece));
    if (i + piece < bytes.length) await setImmediate();
  }
  return hash.digest("hex");
}
