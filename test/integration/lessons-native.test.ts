/** Faults of earlier systems that only the real addon can show to be absent (docs/lessons.md). */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import type { NativeBinding } from "../../src/addon/native-types.ts";
import { InpaintingPipeline } from "../../src/inpainting/inpainting-pipeline.ts";
import { runPython } from "../helpers/python.ts";
import { pageLikeBytes, unetBatch, unetOptions, vaeBatch, vaeOptions } from "../helpers/tiny.ts";
import { writeTinyPack } from "../helpers/tiny-pack.ts";

let native: NativeBinding;
let folder: string;
beforeAll(async () => {
  native = await loadNative();
  folder = mkdtempSync(join(tmpdir(), "anonymizer-lessons-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("the UNet", () => {
  it("looks at the image: its loss changes when only the image does", async () => {
    const trainer = await native.createTrainer(unetOptions());
    const batch = unetBatch(2, 32, 32);
    const other = { ...batch, images: unetBatch(2, 32, 32, 9).images };
    expect(await trainer.computeLoss(other, 0)).not.toEqual(await trainer.computeLoss(batch, 0));
    await trainer.close();
  });

  it("names shape, dtype and device of every part of its input when they can't be joined", async () => {
    // An autoencoder with 8 latent channels in place of 4.
    const program = `
import sys, torch
from safetensors.torch import save_file
class Vae(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(16, 3, 1, 1))
    def forward(self, x):
        return x
    @torch.jit.export
    def encode(self, x):
        return torch.conv2d(torch.nn.functional.avg_pool2d(x, 4), self.weight)
    @torch.jit.export
    def decode(self, z):
        return z[:, :3]
vae = Vae()
save_file({"weight": vae.weight.detach().clone()}, sys.argv[1] + "/wide.safetensors")
vae.weight.data = torch.empty(0)
torch.jit.script(vae).save(sys.argv[1] + "/wide.pt")`;
    // TorchScript reads the source again, so it has to lie in a file.
    writeFileSync(join(folder, "wide.py"), program);
    await runPython([join(folder, "wide.py"), folder]);
    const wide = { graph: join(folder, "wide.pt"), weights: join(folder, "wide.safetensors") };
    const trainer = await native.createTrainer(unetOptions({}, { vae: wide }));
    const error = await trainer.computeLoss(unetBatch(2, 32, 32), 0).catch((e) => e);
    expect(error).toMatchObject({ code: "ERR_MODEL_SHAPE" });
    expect(error.message).toMatch(
      /noisy \[2, 8, 8, 8\] Float on cpu, mask \[2, 1, 8, 8\] Float on cpu, masked image \[2, 8, 8, 8\] Float on cpu; the UNet takes 9 channels/,
    );
    await trainer.close();
  });
});

/** Memory outside JavaScript's heap, which grows and shrinks as it likes. */
function mebibytes(): number {
  const { rss, heapTotal } = process.memoryUsage();
  return (rss - heapTotal) / 2 ** 20;
}

describe("memory stays level", () => {
  it("over 100 training steps", { timeout: 600_000 }, async () => {
    const trainer = await native.createTrainer(vaeOptions({}, { threads: 1 }));
    const batch = vaeBatch(4, 64, 64);
    for (let step = 0; step < 20; step++) await trainer.step([batch], step);
    const before = mebibytes();
    for (let step = 20; step < 120; step++) await trainer.step([batch], step);
    // One batch kept a step would be 19 MiB.
    expect(mebibytes() - before).toBeLessThan(12);
    await trainer.close();
  });

  it("over 1,000 patches, which run together in batches", { timeout: 600_000 }, async () => {
    const models = join(folder, "models");
    writeTinyPack(models);
    const pipeline = await InpaintingPipeline.create({ models, device: "cpu", batchSize: 8 });
    const mask = new Uint8Array(16 * 32).fill(1);
    const request = (seed: number) => ({
      image: { data: pageLikeBytes(1, 16, 32, 1), width: 32, height: 16 },
      mask,
      text: "7",
      seed,
    });
    const draw = async (count: number): Promise<number> => {
      let runs = 0;
      const requests = Array.from({ length: count }, (_, i) => request(i));
      const images = await pipeline.generate(requests, { steps: 1, onProgress: (_, total) => (runs = total) });
      expect(images).toHaveLength(count);
      return runs;
    };
    // 20 patches of one size are three runs of the network, not twenty.
    expect(await draw(20)).toBe(3);
    for (let i = 0; i < 5; i++) await draw(10);
    const before = mebibytes();
    for (let i = 0; i < 25; i++) await draw(40);
    expect(mebibytes() - before).toBeLessThan(24);
    await pipeline.close();
  });
});
