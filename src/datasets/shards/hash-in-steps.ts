/** SHA-256 of an image that may be large. */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";

const step = 1 << 20;

/** Hex; leaves the event loop free between pieces. */
export async function hashInSteps(content: Uint8Array): Promise<string> {
  const hash = createHash("sha256");
  for (let at = 0; at < content.length; at += step) {
    if (at > 0) await setImmediate();
    hash.update(content.subarray(at, at + step));
  }
  return hash.digest("hex");
}
