/** The diffusion engine on the tiny models: real sampling on real patches, though untrained models don't spell. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cropImage } from "../../src/documents/image.ts";
import { createDiffusionEngine, place } from "../../src/inpainting/diffusion-engine.ts";
import { InpaintingPipeline } from "../../src/inpainting/inpainting-pipeline.ts";
import type { Patch, PatchEngine } from "../../src/inpainting/patch.ts";
import { pageLikeBytes, root } from "../helpers/tiny.ts";
import { writeTinyPack } from "../helpers/tiny-pack.ts";

let models: string;
let engine: PatchEngine;
const page = { data: pageLikeBytes(1, 400, 600, 4), width: 600, height: 400 };

const patch = (id: string, x: number, width: number, seed = 1): Patch => {
  const pageBox = [x, 100, x + width + 24, 160] as const;
  return {
    id,
    image: cropImage(page, pageBox),
    pageBox,
    maskBox: [10, 16, width + 14, 44],
    textBox: [12, 18, width + 12, 42],
    text: "Erika Muster",
    original: "Jane Doe",
    seed,
  };
};

beforeAll(async () => {
  models = mkdtempSync(join(tmpdir(), "anonymizer-pack-"));
  writeTinyPack(models);
  engine = await createDiffusionEngine({ models, device: "cpu", steps: 3 });
});
afterAll(async () => {
  await engine.close();
  rmSync(models, { recursive: true });
});

describe("the diffusion engine", () => {
  it("gives each patch an image of its own size, in order, with progress", async () => {
    const patches = [patch("a", 20, 90), patch("b", 150, 200), patch("c", 20, 40)];
    const progress: number[] = [];
    const results = await engine.generate(patches, { onProgress: (done) => progress.push(done) });
    expect(results.map((r) => r.id)).toEqual(["a", "b", "c"]);
    const sizes = (images: readonly { readonly width: number; readonly height: number }[]) =>
      images.map(({ width, height }) => [width, height]);
    expect(sizes(results.map((r) => r.image))).toEqual(sizes(patches.map((p) => p.image)));
    expect(progress.at(-1)).toBe(3);
    // Something was drawn under the mask.
    expect(Buffer.from(results[0]!.image.data).equals(Buffer.from(patches[0]!.image.data))).toBe(false);
  });

  it("draws the same pixels for the same seed and others for another", async () => {
    const draw = async (seed: number) => (await engine.generate([patch("a", 20, 90, seed)]))[0]!.image.data;
    const first = await draw(5);
    expect(Buffer.from(await draw(5)).equals(Buffer.from(first))).toBe(true);
    expect(Buffer.from(await draw(6)).equals(Buffer.from(first))).toBe(false);
  });

  it("stops when aborted and works afterwards", async () => {
    const controller = new AbortController();
    const many = Array.from({ length: 24 }, (_, i) => patch(`p${i}`, 20, 60 + i * 10));
    const drawing = engine.generate(many, { signal: controller.signal });
    setTimeout(() => controller.abort(), 40);
    await expect(drawing).rejects.toMatchObject({ code: "ERR_ABORTED" });
    await expect(engine.generate([patch("a", 20, 90)])).resolves.toHaveLength(1);
  });

  it("scales a patch so that its text has the trained height, within bounds", () => {
    for (const [width, height] of [
      [3, 3],
      [1000, 30],
      [40, 400],
      [15_000, 20],
    ] as const) {
      const image = { data: new Uint8Array(0), width: width + 8, height: height + 8 };
      const at = place(
        { image, maskBox: [2, 2, width + 6, height + 6], textBox: [4, 4, width + 4, height + 4] },
        64,
        8,
      );
      expect(at.height).toBe(64);
      expect(at.width % 64).toBe(0);
      expect(at.width).toBeLessThanOrEqual(512);
      // The whole mask lies on the canvas.
      expect(at.x + 2 * at.scale).toBeGreaterThanOrEqual(-1);
      expect(at.x + (width + 6) * at.scale).toBeLessThanOrEqual(at.width + 1);
    }
  });
});

describe("the pipeline", () => {
  it("refuses a UNet that was trained with another VAE, and one without its projection", async () => {
    const folder = mkdtempSync(join(tmpdir(), "anonymizer-pack-"));
    cpSync(models, folder, { recursive: true });
    const file = join(folder, "unet", "metadata.json");
    const metadata = JSON.parse(readFileSync(file, "utf8"));
    writeFileSync(file, JSON.stringify({ ...metadata, inpainting: { vaeWeightsSha256: "0".repeat(64) } }));
    await expect(InpaintingPipeline.create({ models: folder })).rejects.toMatchObject({ code: "ERR_MODEL_HASH" });
    rmSync(folder, { recursive: true });
    await expect(InpaintingPipeline.create({ models: join(root, "models", "tiny") })).rejects.toMatchObject({
      code: "ERR_MODEL_NOT_FOUND",
    });
  });
});
