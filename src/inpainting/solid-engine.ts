/** Covers the old text with one colour: the last resort where no drawing could be proven. */
import { copyImage } from "../documents/image.ts";
import { codedError } from "../errors.ts";
import { createPacer } from "../pacer.ts";
import type { Patch, PatchEngine, PatchResult } from "./patch.ts";

export interface SolidEngineOptions {
  /** RGB 0…255. Default black: a box that everybody knows to be a redaction. */
  readonly colour?: readonly [number, number, number];
}

/** Never fails. The result tells nothing about the old text but where it stood. */
export function createSolidEngine({ colour = [0, 0, 0] }: SolidEngineOptions = {}): PatchEngine {
  let closed = false;
  return {
    name: "solid",
    async generate(patches, { signal, onProgress } = {}) {
      if (closed) throw codedError("ERR_CLOSED", "The solid engine is closed");
      const pacer = createPacer(signal);
      const results: PatchResult[] = [];
      for (const patch of patches) {
        await pacer.pause();
        results.push(cover(patch, colour));
        onProgress?.(results.length, patches.length);
      }
      return results;
    },
    async close() {
      closed = true;
    },
  };
}

function cover({ id, image, maskBox }: Patch, colour: readonly [number, number, number]): PatchResult {
  const { data } = copyImage(image);
  const [x0, y0, x1, y1] = maskBox;
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) data.set(colour, (y * image.width + x) * 3);
  }
  return { id, image: { data, width: image.width, height: image.height } };
}
