/** What the training step promises: the same numbers for the same seed, exact resume, abort, freezing, autocast. */

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import type { NativeBatch, NativeBinding, NativeTrainerOptions } from "../../src/addon/native-types.ts";
import { sha256OfFile } from "../helpers/hash.ts";
import { runPython } from "../helpers/python.ts";
import { readTensors } from "../helpers/safetensors.ts";
import { tinyFiles, tinyFolder, unetBatch, unetOptions, vaeBatch, vaeOptions } from "../helpers/tiny.ts";

let native: NativeBinding;
let folder: string;
beforeAll(async () => {
  native = await loadNative();
  folder = mkdtempSync(join(tmpdir(), "anonymizer-training-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const augment = { rotation: 5, brightness: 0.1, contrast: 0.1 };
const kinds: [string, NativeTrainerOptions, (step: number) => NativeBatch][] = [
  ["vae", vaeOptions({ perceptualWeight: 0.1 }, { augment, emaDecay: 0.99 }), (step) => vaeBatch(2, 32, 64, step + 1)],
  [
    "unet",
    unetOptions({ conditionDropout: 0.3, fullMaskShare: 0.25 }, { augment, emaDecay: 0.99 }),
    (step) => unetBatch(2, 32, 64, step + 1),
  ],
];

async function losses(
  options: NativeTrainerOptions,
  batch: (step: number) => NativeBatch,
  from: number,
  to: number,
  load?: string,
  save?: string,
) {
  const trainer = await native.createTrainer(options);
  if (load) await trainer.loadState(load);
  const result: number[] = [];
  for (let step = from; step < to; step++) {
    const { losses, gradNorm } = await trainer.step([batch(step)], step);
    result.push(losses["total"]!, gradNorm);
  }
  if (save) await trainer.saveState(save);
  await trainer.close();
  return result;
}

describe.each(kinds)("%s", (kind, options, batch) => {
  it("gives the same numbers for the same seed and others for another", async () => {
    const first = await losses(options, batch, 0, 3);
    expect(await losses(options, batch, 0, 3)).toEqual(first);
    expect(await losses({ ...options, seed: 6 }, batch, 0, 3)).not.toEqual(first);
  });

  it("resumed gives bit for bit what it gives unbroken", async () => {
    const at = (name: string) => mkdtempSync(join(folder, `${kind}-${name}-`));
    const [whole, half, resumed] = [at("whole"), at("half"), at("resumed")];
    const unbroken = await losses(options, batch, 0, 4, undefined, whole);
    const before = await losses(options, batch, 0, 2, undefined, half);
    const after = await losses(options, batch, 2, 4, half, resumed);
    expect([...before, ...after]).toEqual(unbroken);
    for (const file of ["model.safetensors", "ema.safetensors", "optimizer.safetensors"]) {
      expect(readFileSync(join(resumed, file)).equals(readFileSync(join(whole, file))), file).toBe(true);
    }
  });

  it("stops in the middle of a step when aborted and goes on afterwards with unchanged weights", async () => {
    const trainer = await native.createTrainer({ ...options, augment: { rotation: 0, brightness: 0, contrast: 0 } });
    const before = await trainer.computeLoss(batch(0), 0);
    const large = kind === "vae" ? vaeBatch(8, 64, 256) : unetBatch(8, 64, 256);
    const step = trainer.step([large, large, large, large], 0);
    setTimeout(() => trainer.abort(), 30);
    await expect(step).rejects.toMatchObject({ code: "ERR_ABORTED" });
    expect(await trainer.computeLoss(batch(0), 0)).toEqual(before);
    await expect(trainer.step([batch(0)], 0)).resolves.toHaveProperty("gradNorm");
    await trainer.close();
  });

  it("learns: the loss on one batch falls", async () => {
    const trainer = await native.createTrainer({
      ...options,
      emaDecay: 0,
      augment: { rotation: 0, brightness: 0, contrast: 0 },
    });
    const first = (await trainer.computeLoss(batch(0), 0))["total"]!;
    for (let step = 0; step < 15; step++) await trainer.step([batch(0)], step);
    expect((await trainer.computeLoss(batch(0), 0))["total"]).toBeLessThan(0.8 * first);
    await trainer.close();
  });
});

describe("the loss", () => {
  it("of the VAE changes when only the image changes", async () => {
    const trainer = await native.createTrainer(vaeOptions());
    const batch = vaeBatch(2, 32, 32);
    const other = { ...batch, images: vaeBatch(2, 32, 32, 9).images };
    expect(await trainer.computeLoss(other, 0)).not.toEqual(await trainer.computeLoss(batch, 0));
    await trainer.close();
  });

  it("of the UNet changes when only the text changes", async () => {
    const trainer = await native.createTrainer(unetOptions());
    const batch = unetBatch(2, 32, 32);
    const other = { ...batch, glyphs: unetBatch(2, 32, 32, 9).glyphs! };
    expect(await trainer.computeLoss(other, 0)).not.toEqual(await trainer.computeLoss(batch, 0));
    await trainer.close();
  });

  it("sees augmented pixels", async () => {
    const plain = await losses(vaeOptions(), () => vaeBatch(2, 32, 32), 0, 1);
    for (const change of [{ rotation: 5 }, { brightness: 0.1 }, { contrast: 0.1 }]) {
      const options = vaeOptions({}, { augment: { rotation: 0, brightness: 0, contrast: 0, ...change } });
      expect(await losses(options, () => vaeBatch(2, 32, 32), 0, 1), JSON.stringify(change)).not.toEqual(plain);
    }
  });

  it("is computed in bfloat16 convolutions under bf16", async () => {
    // The tiny VAE has no matrix product besides its convolutions: any difference means that they were cast.
    const loss = async (precision: "fp32" | "bf16") => {
      const trainer = await native.createTrainer(vaeOptions({}, { precision }));
      const value = (await trainer.computeLoss(vaeBatch(2, 32, 64), 0))["recon"]!;
      await trainer.step([vaeBatch(2, 32, 64)], 0);
      await trainer.close();
      return value;
    };
    const [full, half] = [await loss("fp32"), await loss("bf16")];
    const difference = Math.abs(half / full - 1);
    expect(difference).toBeGreaterThan(1e-6);
    expect(difference).toBeLessThan(0.03);
  });
});

describe("freezing", () => {
  it("by module name leaves exactly those weights as they were", async () => {
    const trainer = await native.createTrainer(vaeOptions({}, { freeze: ["encoder", "quant_conv"] }));
    const frozen = trainer.parameters.filter((p) => !p.trainable).map((p) => p.name);
    expect(frozen.length).toBeGreaterThan(10);
    // post_quant_conv shares letters with quant_conv and is another module.
    expect(frozen.every((name) => /^(encoder|quant_conv)\./.test(name))).toBe(true);
    await trainer.step([vaeBatch(2, 32, 32)], 0);
    const state = mkdtempSync(join(folder, "frozen-"));
    await trainer.saveState(state);
    await trainer.close();
    const before = readTensors(tinyFiles("vae").weights);
    const after = readTensors(join(state, "model.safetensors"));
    for (const name of Object.keys(before)) {
      const same = Buffer.from(before[name]!.data.buffer).equals(Buffer.from(after[name]!.data.buffer));
      expect(same, name).toBe(frozen.includes(name));
    }
  });
});

describe("a trained model", () => {
  it.each(kinds)(
    "%s loads strictly into its Python class and gives the graph's output",
    async (kind, options, batch) => {
      const trainer = await native.createTrainer(options);
      await trainer.step([batch(0)], 0);
      const model = join(folder, `exported-${kind}`);
      cpSync(tinyFolder(kind as "vae" | "unet"), model, { recursive: true });
      const weights = join(model, "model.safetensors");
      await trainer.exportWeights({ model: weights }, false);
      await trainer.close();
      const metadata = JSON.parse(readFileSync(join(model, "metadata.json"), "utf8"));
      metadata.sha256["model.safetensors"] = sha256OfFile(weights);
      writeFileSync(join(model, "metadata.json"), JSON.stringify(metadata));
      expect(readFileSync(weights).equals(readFileSync(join(tinyFolder(kind as "vae"), "model.safetensors")))).toBe(
        false,
      );
      const report = JSON.parse(await runPython(["scripts/verify_export.py", model]));
      expect(report).toMatchObject({ ok: true });
    },
  );
});

describe("abort", () => {
  it("reaches a call that waits in the queue, and none made later", async () => {
    const trainer = await native.createTrainer(vaeOptions());
    const calls = [0, 1].map((step) => trainer.step([vaeBatch(2, 32, 32)], step));
    trainer.abort();
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: "ERR_ABORTED" });
    await expect(trainer.step([vaeBatch(2, 32, 32)], 0)).resolves.toHaveProperty("losses");
    await trainer.close();
  });
});

describe("closing", () => {
  it("waits for the running step, then everything is ERR_CLOSED", async () => {
    const trainer = await native.createTrainer(vaeOptions());
    const step = trainer.step([vaeBatch(2, 32, 32)], 0);
    const closed = trainer.close();
    await expect(step).resolves.toHaveProperty("losses");
    await closed;
    await trainer.close();
    await expect(trainer.step([vaeBatch(2, 32, 32)], 1)).rejects.toMatchObject({ code: "ERR_CLOSED" });
  });
});
