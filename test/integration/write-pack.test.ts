/** The script that makes trained models a pack that ships: half the bytes, the same drawings but for rounding. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InpaintingPipeline } from "../../src/inpainting/inpainting-pipeline.ts";
import { pageLikeBytes, root } from "../helpers/tiny.ts";
import { writeTinyPack } from "../helpers/tiny-pack.ts";

const python = join(root, ".venv", "bin", "python");
const script = join(root, "scripts", "write_pack.py");
const sampling = { sampler: "unipc", steps: 4, strength: 0.5 };
let folder: string;
let trained: string;
let pack: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "write-pack-"));
  trained = join(folder, "trained");
  pack = join(folder, "pack");
  mkdirSync(trained);
  writeTinyPack(trained);
  const file = join(trained, "unet", "metadata.json");
  const metadata = JSON.parse(readFileSync(file, "utf8"));
  const hashOf = (part: string): string =>
    JSON.parse(readFileSync(join(trained, part, "metadata.json"), "utf8")).sha256["model.safetensors"];
  metadata.inpainting = {
    maskedFill: "draft",
    predictionType: "v_prediction",
    vaeWeightsSha256: hashOf("vae"),
    glyphEncoderWeightsSha256: hashOf("glyph_encoder"),
  };
  writeFileSync(file, JSON.stringify(metadata));
  execFileSync(python, [script, trained, pack, "--sampling", JSON.stringify(sampling)]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a pack", () => {
  it("has weights of half the bytes, hashes that agree, and how it is sampled", async () => {
    const bytes = (dir: string, part: string) => statSync(join(dir, part, "model.safetensors")).size;
    for (const part of ["vae", "unet", "glyph_encoder"]) {
      expect(bytes(pack, part) / bytes(trained, part)).toBeLessThan(0.65);
      expect(readdirSync(join(pack, part))).not.toContain("stages.pt");
    }
    // Opening checks every hash, and those of the VAE and the glyph encoder that the UNet names.
    const pipeline = await InpaintingPipeline.create({ models: pack, device: "cpu" });
    expect(pipeline.sampling).toMatchObject(sampling);
    expect(pipeline.takesDrafts).toBe(true);
    await pipeline.close();
  });

  it("draws what the trained models draw, but for rounding", async () => {
    const image = { data: pageLikeBytes(1, 32, 64, 4), width: 64, height: 32 };
    const draft = { ...image, data: pageLikeBytes(1, 32, 64, 9) };
    const request = { image, draft, mask: new Uint8Array(32 * 64).fill(1, 640, 1280), text: "Jane", seed: 1 };
    const draw = async (models: string): Promise<Uint8Array> => {
      const pipeline = await InpaintingPipeline.create({ models, device: "cpu" });
      try {
        return (await pipeline.generate([request], { sampler: "ddim", steps: 2, strength: 1 }))[0]!.data;
      } finally {
        await pipeline.close();
      }
    };
    const [small, whole] = [await draw(pack), await draw(trained)];
    const differences = whole.map((value, i) => Math.abs(value - small[i]!));
    expect(differences.reduce((a, b) => a + b) / differences.length).toBeLessThan(4);
    expect(Buffer.from(small).equals(Buffer.from(whole))).toBe(false);
    const mean = image.data.reduce((sum, value, i) => sum + Math.abs(value - whole[i]!), 0) / whole.length;
    expect(mean).toBeGreaterThan(8);
  });

  it("is refused, and an older one stays, where a part is missing", () => {
    const before = readFileSync(join(pack, "unet", "metadata.json"), "utf8");
    rmSync(join(trained, "glyph_encoder", "metadata.json"));
    const { status, stderr } = spawnSync(python, [script, trained, pack], { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toContain("glyph_encoder is no model folder");
    expect(readFileSync(join(pack, "unet", "metadata.json"), "utf8")).toBe(before);
    expect(readdirSync(folder).sort()).toEqual(["pack", "trained"]);
  });
});
