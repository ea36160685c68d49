/** Adapter files in the real peft and diffusers: what they add to the weights, what the model then gives, both ways. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type AdapterFormat, adapterFormats } from "../../src/adapters/adapter.ts";
import { nativeAdapter, openAdapters } from "../../src/adapters/apply-adapters.ts";
import { convertAdapter } from "../../src/adapters/convert-adapter.ts";
import { kohyaFile } from "../../src/adapters/kohya-format.ts";
import { readAdapter } from "../../src/adapters/read-adapter.ts";
import { writeAdapter } from "../../src/adapters/write-adapter.ts";
import { readModelFolder } from "../../src/models/model-folder.ts";
import { deltaOf, madeAdapter, tinyLayers } from "../helpers/adapters.ts";
import { runReference } from "../helpers/python.ts";
import { relativeDifference } from "../helpers/safetensors.ts";
import { noisyBatch, openPipeline, samplingInputs, size } from "../helpers/sampling.ts";
import { referenceInputs, tinyFolder, tinyFolders, vaeBatch } from "../helpers/tiny.ts";

const folder = mkdtempSync(join(tmpdir(), "anonymizer-lora-files-"));
afterAll(() => rmSync(folder, { recursive: true }));
const tolerance = 1e-5;
const sampling = { steps: 1, guidanceScale: 1, strength: 1, predictionType: "epsilon", maskedFill: "0" } as const;

const attention = tinyLayers("unet", /\.to_(q|k|v|out\.0)$/);
const mixed = tinyLayers("unet", /attn2\.to_k$|ff\.net\.2$|proj_out$|conv1$|downsamplers\.0\.conv$|conv_shortcut$/);
const cases = [
  { name: "one strength", adapter: madeAdapter("unet", attention, () => ({ rank: 4, alpha: 6 })) },
  {
    name: "rank-stabilised",
    adapter: madeAdapter("unet", attention, () => ({ rank: 4, alpha: 3 }), { rslora: true, seed: 2 }),
  },
  {
    name: "convolutions, ranks and strengths of their own",
    adapter: madeAdapter("unet", mixed, (i) => ({ rank: 1 + (i % 3), alpha: 2 + (i % 2) }), { seed: 3 }),
  },
];

async function written(adapter: (typeof cases)[number]["adapter"]): Promise<string> {
  const own = mkdtempSync(join(folder, "own-"));
  for (const format of adapterFormats) await writeAdapter(own, adapter, format);
  return own;
}

const fileOf = (own: string, format: AdapterFormat): string =>
  format === "peft" ? own : join(own, format === "kohya" ? kohyaFile : "pytorch_lora_weights.safetensors");

describe("adapter files", () => {
  it.each(cases)("$name: peft and diffusers load all three and compute what we compute", async ({ adapter }) => {
    const model = await readModelFolder(tinyFolder("unet"), "unet");
    const own = await written(adapter);
    const layers = adapter.layers.map((layer) => layer.name);
    const reference = await runReference(
      "lora_files",
      {
        model: "unet",
        files: Object.fromEntries(adapterFormats.map((format) => [format, { format, path: fileOf(own, format) }])),
        layers,
        ...tinyFolders,
        scalingFactor: 0.18215,
        ...sampling,
        save: join(own, "theirs"),
        saveFrom: "peft",
      },
      samplingInputs,
    );
    const theirs = { peft: join(own, "theirs", "peft"), diffusers: join(own, "theirs", "diffusers") };
    const paths = [
      ...adapterFormats.map((format) => [format, fileOf(own, format)] as const),
      ...Object.entries(theirs),
    ];
    for (const format of adapterFormats) {
      for (const name of layers) {
        const delta = reference.tensors[`${format}.delta.${name}`]!.data as Float32Array;
        expect(relativeDifference(delta, deltaOf(adapter, name)), `${format}: ${name}`).toBeLessThan(tolerance);
      }
    }
    for (const [format, path] of paths) {
      const [ready] = await openAdapters(model, [{ path }]);
      for (const name of layers)
        expect(
          relativeDifference(deltaOf(ready!.adapter, name), deltaOf(adapter, name)),
          `${format} read back: ${name}`,
        ).toBeLessThan(1e-6);
      const pipeline = await openPipeline({ adapters: [nativeAdapter(ready!)] });
      const options = { sampler: "ddim", ...sampling, seeds: new BigUint64Array(size), returnLatents: true } as const;
      const latents = await pipeline.generate(noisyBatch, options);
      await pipeline.close();
      for (const other of adapterFormats)
        expect(
          relativeDifference(latents.data as Float32Array, reference.tensors[`${other}.output`]!.data as Float32Array),
          `output with ${format} against ${other}`,
        ).toBeLessThan(tolerance);
    }
  });

  it("an adapter of the VAE is loaded by peft and diffusers", async () => {
    const layers = tinyLayers("vae", /decoder\..*conv[12]$|decoder\.conv_in$/);
    const adapter = madeAdapter("vae", layers, () => ({ rank: 2, alpha: 3 }));
    const own = await written(adapter);
    const reference = await runReference(
      "lora_files",
      {
        model: "vae",
        files: {
          peft: { format: "peft", path: own },
          diffusers: { format: "diffusers", path: fileOf(own, "diffusers") },
        },
        layers,
        vae: tinyFolder("vae"),
      },
      referenceInputs(vaeBatch(1, 32, 32)),
    );
    for (const format of ["peft", "diffusers"])
      for (const name of layers) {
        const delta = reference.tensors[`${format}.delta.${name}`]!.data as Float32Array;
        expect(relativeDifference(delta, deltaOf(adapter, name)), `${format}: ${name}`).toBeLessThan(tolerance);
      }
    const [a, b] = ["peft", "diffusers"].map((f) => reference.tensors[`${f}.output`]!.data as Float32Array);
    expect(relativeDifference(a!, b!)).toBeLessThan(tolerance);
  });

  it("every format converts into every other without a change of what is added", async () => {
    const { adapter } = cases[2]!;
    const own = await written(adapter);
    for (const from of adapterFormats)
      for (const to of adapterFormats) {
        const out = join(own, `${from}-${to}`);
        await convertAdapter({ source: fileOf(own, from), to, out });
        const back = await readAdapter(to === "kohya" ? join(out, kohyaFile) : out);
        expect(back.format).toBe(to);
        expect(back.origin.model).toBe("unet");
        for (const { name } of adapter.layers)
          expect(
            relativeDifference(deltaOf(back, name), deltaOf(adapter, name)),
            `${from} to ${to}: ${name}`,
          ).toBeLessThan(1e-6);
      }
    mkdirSync(join(own, "there"));
    await expect(convertAdapter({ source: own, to: "kohya", out: join(own, "there") })).rejects.toMatchObject({
      code: "ERR_OUTPUT",
    });
  });
});
