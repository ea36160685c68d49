/** The diffusion engine on the tiny models: real sampling on real patches, though untrained models don't spell. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { cropImage, pasteImage } from "../../src/documents/image.ts";
import { createClassicalEngine } from "../../src/inpainting/classical-engine.ts";
import { createDiffusionEngine, place } from "../../src/inpainting/diffusion-engine.ts";
import { InpaintingPipeline } from "../../src/inpainting/inpainting-pipeline.ts";
import type { Patch, PatchEngine } from "../../src/inpainting/patch.ts";
import { extractPatch } from "../../src/inpainting/patches.ts";
import { defaultFace } from "../../src/rendering/fonts.ts";
import { renderText } from "../../src/rendering/text.ts";
import { pageLikeBytes, root } from "../helpers/tiny.ts";
import { writeTinyPack } from "../helpers/tiny-pack.ts";
import { entitiesOf } from "../unit/helpers/entities.ts";

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

/** A copy of the pack whose UNet says this of itself, and what lets it say something else. */
function packWith(inpainting: object) {
  const folder = mkdtempSync(join(tmpdir(), "anonymizer-pack-"));
  cpSync(models, folder, { recursive: true });
  const file = join(folder, "unet", "metadata.json");
  const metadata = JSON.parse(readFileSync(file, "utf8"));
  const set = (said: object): void => writeFileSync(file, JSON.stringify({ ...metadata, inpainting: said }));
  set(inpainting);
  return { folder, set };
}

beforeAll(async () => {
  models = mkdtempSync(join(tmpdir(), "anonymizer-pack-"));
  writeTinyPack(models);
  engine = await createDiffusionEngine({ models, device: "cpu", sampling: { steps: 3 } });
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
      expect(at.height).toBe(height < 8 ? 32 : 64);
      expect(at.width % at.height).toBe(0);
      expect(at.width).toBeLessThanOrEqual(512);
      // The whole mask lies on the canvas.
      expect(at.x + 2 * at.scale).toBeGreaterThanOrEqual(-1);
      expect(at.x + (width + 6) * at.scale).toBeLessThanOrEqual(at.width + 1);
    }
  });
});

describe("what is computed", () => {
  const word = (textHeight: number, textWidth: number) => {
    const replacement = {
      entity: { ...entitiesOf("person", ["Jane"])[0]!, box: [200, 200, 200 + textWidth, 200 + textHeight] as const },
      fake: "Erika",
    };
    return extractPatch(page, replacement);
  };

  it("is the word's own surroundings, also for a model trained on squares of 512 pixels", () => {
    const patch = word(20, 20);
    const trainedOn = (height: number) => {
      const { width, height: high, scale } = place(patch, height, 8);
      return { width, height: high, scale };
    };
    // 20 pixels of text on 64 rows, half of which the text takes.
    expect(trainedOn(64)).toMatchObject({ width: 128, height: 64, scale: 1.6 });
    const large = trainedOn(512);
    expect(large.scale).toBe(4);
    expect(large.width * large.height).toBeLessThan((512 * 512) / 2);
  });

  it("is one pass for all regions of a page that need a canvas of one size", async () => {
    const generate = vi.spyOn(InpaintingPipeline.prototype, "generate");
    try {
      const patches = [word(20, 60), word(20, 60), word(20, 300), word(20, 60)];
      let total = 0;
      const counted: number[] = [];
      generate.mockImplementationOnce(function (this: InpaintingPipeline, requests, options) {
        const onProgress = (_: number, all: number) => {
          total = all;
        };
        counted.push(...requests.map(({ image }) => image.width * image.height));
        return InpaintingPipeline.prototype.generate.call(this, requests, { ...options, onProgress });
      });
      await engine.generate(patches);
      // One call; two sizes of canvas, so two passes of three steps each, not four.
      expect(new Set(counted).size).toBe(2);
      expect(total).toBe(2 * 3);
      for (const [i, area] of counted.entries()) {
        const { image, textBox } = patches[i]!;
        const scale = 32 / (textBox[3] - textBox[1]);
        expect(area / (image.width * image.height * scale ** 2)).toBeLessThan(2);
      }
    } finally {
      generate.mockRestore();
    }
  });
});

describe("a UNet that takes drafts", () => {
  it("gets what the classical engine drew, and its result follows the draft", async () => {
    const { folder } = packWith({ maskedFill: "draft" });
    const generate = vi.spyOn(InpaintingPipeline.prototype, "generate");
    const drafted = await createDiffusionEngine({ models: folder, device: "cpu", sampling: { steps: 2 } });
    const pipeline = await InpaintingPipeline.create({ models: folder, device: "cpu" });
    try {
      expect(pipeline.takesDrafts).toBe(true);
      const blank = patch("a", 20, 90);
      const paper = { ...blank.image, data: new Uint8Array(blank.image.data.length).fill(240) };
      const drawn = renderText("Jane Doe", { face: defaultFace, sizePx: 20, background: [240, 240, 240] });
      pasteImage(paper, drawn, 12, 20);
      const [result] = await drafted.generate([{ ...blank, image: paper }]);
      expect(result!.image.data).toHaveLength(paper.data.length);
      const [request] = generate.mock.calls[0]![0];
      const { image, mask, draft } = request!;
      expect(draft!.data).toHaveLength(image.data.length);
      // Another picture under the mask; beside it the same one, but for what enlarging carries over the edge.
      let [under, far] = [0, 0];
      for (let i = 0; i < mask.length; i++) {
        const difference = Math.abs(draft!.data[i * 3]! - image.data[i * 3]!);
        if (mask[i] === 1 && difference > 20) under++;
        if (mask[Math.max(0, i - 8)] === 0 && mask[i] === 0 && mask[i + 8] === 0 && difference > 60) far++;
      }
      expect(under).toBeGreaterThan(50);
      expect(far).toBe(0);
      const black = { ...draft!, data: new Uint8Array(draft!.data.length) };
      const [one] = await pipeline.generate([request!], { steps: 2 });
      const [other] = await pipeline.generate([{ ...request!, draft: black }], { steps: 2 });
      expect(Buffer.from(one!.data).equals(Buffer.from(other!.data))).toBe(false);
      const { draft: _, ...without } = request!;
      await expect(pipeline.generate([without])).rejects.toMatchObject({
        code: "ERR_INVALID_ARGUMENT",
        message: expect.stringContaining("drafts as large as the image"),
      });
    } finally {
      generate.mockRestore();
      await drafted.close();
      await pipeline.close();
      rmSync(folder, { recursive: true });
    }
  });
});

describe("scaling to the canvas", () => {
  it("costs the draft nothing: only what the model changes goes there and back", async () => {
    const { folder } = packWith({ maskedFill: "draft" });
    const drafted = await createDiffusionEngine({ models: folder, device: "cpu" });
    const generate = vi.spyOn(InpaintingPipeline.prototype, "generate");
    try {
      // Print of twice the height that the canvas has for it.
      const image = { data: new Uint8Array(160 * 600 * 3).fill(200), width: 600, height: 160 };
      pasteImage(image, renderText("Jane Doe", { face: defaultFace, sizePx: 80, background: [200, 200, 200] }), 20, 40);
      const tall: Patch = {
        ...{ id: "a", image, pageBox: [0, 0, 600, 160], maskBox: [10, 30, 590, 135], textBox: [20, 40, 580, 120] },
        ...{ text: "Erik Moe", original: "Jane Doe", seed: 1 },
      };
      const classical = createClassicalEngine();
      const [draft] = await classical.generate([tall]);
      await classical.close();
      const withChange = async (change: number): Promise<Uint8Array> => {
        generate.mockImplementationOnce(async (requests) =>
          requests.map((request) => ({
            ...request.draft!,
            data: request.draft!.data.map((v) => Math.min(255, v + change)),
          })),
        );
        return (await drafted.generate([tall]))[0]!.image.data;
      };
      expect(Buffer.from(await withChange(0)).equals(Buffer.from(draft!.image.data))).toBe(true);
      const lighter = await withChange(10);
      let most = 0;
      const [x0, y0, x1, y1] = tall.maskBox;
      for (let y = y0; y < y1; y++) {
        for (let i = (y * 600 + x0) * 3; i < (y * 600 + x1) * 3; i++)
          most = Math.max(most, Math.abs(lighter[i]! - Math.min(255, draft!.image.data[i]! + 10)));
      }
      expect(most).toBeLessThanOrEqual(1);
    } finally {
      generate.mockRestore();
      await drafted.close();
      rmSync(folder, { recursive: true });
    }
  });
});

describe("the pipeline", () => {
  it("samples as the UNet's metadata recommends, unless told otherwise", async () => {
    const { folder, set } = packWith({
      sampling: { sampler: "dpmpp_2m", steps: 3, strength: 0.7, timestepSpacing: "trailing", changeScale: 0.5 },
    });
    const engine = await createDiffusionEngine({ models: folder, device: "cpu", sampling: { steps: 2 } });
    const advised = await InpaintingPipeline.create({ models: folder, device: "cpu" });
    const plain = await InpaintingPipeline.create({ models, device: "cpu" });
    try {
      const recommended = {
        sampler: "dpmpp_2m",
        steps: 3,
        timestepSpacing: "trailing",
        strength: 0.7,
        guidanceScale: 1,
        changeScale: 0.5,
      } as const;
      expect(advised.sampling).toEqual(recommended);
      expect(engine.sampling).toEqual({ ...recommended, steps: 2 });
      expect(plain.sampling).toMatchObject({ sampler: "ddim", steps: 20, timestepSpacing: "leading", strength: 1 });
      const image = { data: pageLikeBytes(1, 32, 64, 4), width: 64, height: 32 };
      const request = { image, mask: new Uint8Array(32 * 64).fill(1, 640, 1280), text: "Jane", seed: 1 };
      const [asRecommended] = await advised.generate([request]);
      const [asAsked] = await plain.generate([request], recommended);
      expect(Buffer.from(asRecommended!.data).equals(Buffer.from(asAsked!.data))).toBe(true);
      const [other] = await advised.generate([request], { strength: 1 });
      expect(Buffer.from(other!.data).equals(Buffer.from(asAsked!.data))).toBe(false);
      await expect(advised.generate([request], { changeScale: 1.5 })).rejects.toMatchObject({
        code: "ERR_INVALID_ARGUMENT",
      });
      for (const impossible of [{ steps: 0 }, { changeScale: 0 }]) {
        set({ sampling: impossible });
        await expect(InpaintingPipeline.create({ models: folder })).rejects.toMatchObject({ code: "ERR_MODEL_GRAPH" });
      }
    } finally {
      for (const part of [engine, advised, plain]) await part.close();
      rmSync(folder, { recursive: true });
    }
  });

  it("refuses a UNet that was trained with another VAE, and one without its projection", async () => {
    const { folder } = packWith({ vaeWeightsSha256: "0".repeat(64) });
    await expect(InpaintingPipeline.create({ models: folder })).rejects.toMatchObject({ code: "ERR_MODEL_HASH" });
    rmSync(folder, { recursive: true });
    await expect(InpaintingPipeline.create({ models: join(root, "models", "tiny") })).rejects.toMatchObject({
      code: "ERR_MODEL_NOT_FOUND",
    });
  });
});
