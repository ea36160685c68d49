/** Nothing blocks the event loop: a service that trains or anonymizes still answers. */

import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { describe, expect, it } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import type { Anonymizer as PublicAnonymizer } from "../../src/anonymizer/anonymizer.ts";
import { DocumentSynthesizer } from "../../src/datasets/synthesizer/document-synthesizer.ts";
import { encodeDocument } from "../../src/documents/encode.ts";
import { root, vaeBatch, vaeOptions } from "../helpers/tiny.ts";

/** Longest stand-still in milliseconds. Generous: the machine may be busy with other things. */
const bound = 250;

async function longestBlock(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await work();
  delay.disable();
  return delay.max / 1e6;
}

describe("the event loop", () => {
  it("is free while training", async () => {
    const native = await loadNative();
    const trainer = await native.createTrainer(vaeOptions());
    const batch = vaeBatch(8, 64, 256);
    const longest = await longestBlock(async () => {
      for (let step = 0; step < 4; step++) await trainer.step([batch], step);
    });
    await trainer.close();
    expect(longest).toBeLessThan(bound);
  });

  it("is free while anonymizing", async () => {
    const { image } = await new DocumentSynthesizer(3).document(0, "receipt");
    const page = await encodeDocument([{ index: 0, image }], "png");
    // The built package: there the work has a thread of its own.
    const { Anonymizer } = (await import(join(root, "dist", "index.js"))) as { Anonymizer: typeof PublicAnonymizer };
    const anonymizer = await Anonymizer.create({ engine: "classical", models: join(root, "models", "tiny") });
    await anonymizer.anonymize(page); // what is loaded once is not counted
    const longest = await longestBlock(() => anonymizer.anonymize(page));
    await anonymizer.close();
    expect(longest).toBeLessThan(bound);
  });
});
