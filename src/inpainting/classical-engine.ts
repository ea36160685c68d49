/** Draws new texts without a model, each as the old one was printed; sizes agree along a line. */
import { codedError } from "../errors.ts";
import { type MeasuredPrint, measurePrint, paintPrint } from "../ink/reprint.ts";
import { createPacer } from "../pacer.ts";
import type { PatchEngine, PatchResult } from "./patch.ts";
import { commonSizes, patchesByLine, resized } from "./sizes-along-lines.ts";

/** The engine has no state of its own; `close` only makes later calls fail with ERR_CLOSED. */
export function createClassicalEngine(): PatchEngine {
  let closed = false;
  return {
    name: "classical",
    async generate(patches, { signal, onProgress } = {}) {
      if (closed) throw codedError("ERR_CLOSED", "The classical engine is closed");
      const pacer = createPacer(signal);
      const results: PatchResult[] = [];
      let done = 0;
      for (const line of patchesByLine(patches)) {
        const measured: MeasuredPrint[] = [];
        for (const at of line) {
          await pacer.pause();
          measured.push(await measurePrint(patches[at]!, pacer));
        }
        const sizes = commonSizes(
          measured.map(({ fits, factor }, i) => ({ patch: patches[line[i]!]!, fit: fits[0], factor })),
        );
        for (const [i, at] of line.entries()) {
          await pacer.pause();
          const { fits, factor } = measured[i]!;
          const size = sizes[i];
          const agreed = size === undefined ? fits : fits.map((fit) => resized(fit, size / factor));
          const { id, image } = patches[at]!;
          const data = await paintPrint(measured[i]!, pacer, agreed);
          results[at] = { id, image: { data, width: image.width, height: image.height } };
          onProgress?.(++done, patches.length);
        }
      }
      return results;
    },
    async close() {
      closed = true;
    },
  };
}
