/** Copies of large contents that leave the event loop free: 32 MiB at once would hold it for tens of milliseconds. */
import { createPacer } from "./pacer.ts";

const stepBytes = 1 << 19;
/** Milliseconds at a time: several copies may be under way. */
export const copySliceMs = 1;

/** Joins `pieces` in `bytes`; default: in a buffer of their own, which nobody else has a view of. */
export async function joinInPieces(
  pieces: readonly Uint8Array[],
  bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0)),
): Promise<Uint8Array<ArrayBuffer>> {
  const pacer = createPacer(undefined, copySliceMs);
  let at = 0;
  for (const piece of pieces) {
    for (let from = 0; from < piece.length; from += stepBytes) {
      const part = piece.subarray(from, from + stepBytes);
      bytes.set(part, at);
      at += part.length;
      await pacer.pause();
    }
  }
  return bytes;
}
