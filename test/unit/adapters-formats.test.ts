/** Reading adapter files as other programs write them, and which layers a target means. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Adapter, type StoredTensor, scaleOf } from "../../src/adapters/adapter.ts";
import { floatsOf } from "../../src/adapters/floats.ts";
import { readAdapter } from "../../src/adapters/read-adapter.ts";
import { readSafetensorsFile, writeSafetensorsFile } from "../../src/adapters/safetensors-file.ts";
import { matchTargets } from "../../src/adapters/targets.ts";
import { writeAdapter } from "../../src/adapters/write-adapter.ts";
import type { AnonymizerError } from "../../src/errors.ts";
import type { SafetensorsHeader } from "../../src/models/safetensors-header.ts";

const folder = mkdtempSync(join(tmpdir(), "adapter-formats-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

const tensor = (shape: readonly number[], dtype = "F32"): StoredTensor => ({
  dtype,
  shape,
  bytes: new Uint8Array(shape.reduce((a, b) => a * b, 1) * (dtype === "F32" ? 4 : 2)),
});
const bits = (dtype: string, bytes: number[]): StoredTensor => ({ dtype, shape: [], bytes: Uint8Array.from(bytes) });

async function file(
  tensors: Readonly<Record<string, StoredTensor>>,
  metadata: Readonly<Record<string, string>> = {},
  config?: unknown,
): Promise<string> {
  const own = mkdtempSync(join(folder, "own-"));
  const path = join(own, config === undefined ? `lora-${++files}.safetensors` : "adapter_model.safetensors");
  await writeSafetensorsFile(path, { tensors: new Map(Object.entries(tensors)), metadata });
  if (config !== undefined) writeFileSync(join(own, "adapter_config.json"), JSON.stringify(config));
  return path;
}

const refused = (path: string, layerNames: readonly string[] = []): Promise<AnonymizerError> =>
  readAdapter(path, { layerNames }).then(
    () => expect.fail(`${path} was read`),
    (error: AnonymizerError) => error,
  );
const strengths = (adapter: Adapter) =>
  Object.fromEntries(adapter.layers.map((layer) => [layer.name, scaleOf(adapter, layer)]));
const [a, b] = [tensor([2, 8]), tensor([6, 2])];

describe("diffusers' files", () => {
  it("are read with every way of naming a tensor; without a stated strength it is 1", async () => {
    const adapter = await readAdapter(
      await file({
        "unet.mid.attn1.to_q.lora.down.weight": a,
        "unet.mid.attn1.to_q.lora.up.weight": b,
        "unet.mid.attn1.to_k.lora_A.weight": a,
        "unet.mid.attn1.to_k.lora_B.weight": b,
        "unet.mid.attn2.processor.to_out_lora.down.weight": a,
        "unet.mid.attn2.processor.to_out_lora.up.weight": b,
      }),
    );
    expect(adapter).toMatchObject({ format: "diffusers", origin: { model: "unet" } });
    expect(strengths(adapter)).toEqual({ "mid.attn1.to_k": 1, "mid.attn1.to_q": 1, "mid.attn2.to_out.0": 1 });
  });

  it("take their strength from the header or from an alpha of a layer", async () => {
    const pair = { "vae.x.conv.lora.down.weight": a, "vae.x.conv.lora.up.weight": b };
    const header = JSON.stringify({ "vae.r": 2, "vae.lora_alpha": 8, "vae.alpha_pattern": { "^y.conv": 1 } });
    const more = { "vae.y.conv.lora.down.weight": a, "vae.y.conv.lora.up.weight": b };
    const stated = await readAdapter(await file({ ...pair, ...more }, { lora_adapter_metadata: header }));
    expect(strengths(stated)).toEqual({ "x.conv": 4, "y.conv": 0.5 });
    const alone = await readAdapter(await file({ ...pair, "vae.x.conv.alpha": bits("BF16", [0x40, 0x40]) }));
    expect(strengths(alone)).toEqual({ "x.conv": 1.5 });
    const damaged = await refused(await file(pair, { lora_adapter_metadata: "{" }));
    expect(damaged).toMatchObject({ code: "ERR_ADAPTER" });
    const other = JSON.stringify({ "unet.r": 2, "unet.lora_alpha": 8 });
    expect((await refused(await file(pair, { lora_adapter_metadata: other }))).message).toContain("vae");
  });
});

describe("kohya's files", () => {
  const pair = (flat: string) => ({ [`${flat}.lora_down.weight`]: a, [`${flat}.lora_up.weight`]: b });
  const flat = "lora_unet_mid_block_attn1_to_out_0";

  it("need the model's layer names, and keep each alpha", async () => {
    const path = await file({ ...pair(flat), [`${flat}.alpha`]: bits("F16", [0x00, 0x3c]) });
    expect((await refused(path)).message).toContain("name the model");
    expect((await refused(path, ["mid_block.attn1.to_k"])).message).toContain(flat);
    const adapter = await readAdapter(path, { layerNames: ["mid_block.attn1.to_out.0", "conv_in"] });
    expect(strengths(adapter)).toEqual({ "mid_block.attn1.to_out.0": 0.5 });
    const two = ["mid_block.attn1.to_out.0", "mid_block_attn1.to_out.0"];
    expect((await refused(path, two)).message).toContain("may mean");
  });

  it("of our own need nothing, and have one alpha for all layers", async () => {
    const own = mkdtempSync(join(folder, "own-"));
    const made: Omit<Adapter, "sha256"> = {
      path: "made",
      format: "peft",
      rslora: false,
      layers: [
        { name: "one.to_q", a: "a", b: "b", rank: 2, alpha: 2 },
        { name: "two.to_q", a: "a", b: "b", rank: 2, alpha: 6 },
        { name: "zero.to_q", a: "a", b: "b", rank: 2, alpha: 0 },
      ],
      tensors: new Map([
        ["a", a],
        ["b", { ...b, bytes: new Uint8Array(new Float32Array(12).fill(1.5).buffer) }],
      ]),
      origin: { model: "unet", baseName: "mine", baseSha256: "ab", step: 7 },
      metadata: {},
    };
    await writeAdapter(own, made, "kohya", "a title");
    const path = join(own, "kohya_lora.safetensors");
    const adapter = await readAdapter(path);
    expect(strengths(adapter)).toEqual({ "one.to_q": 1, "two.to_q": 1, "zero.to_q": 1 });
    const { tensors, metadata } = await readSafetensorsFile(path);
    const up = (name: string) => floatsOf(tensors.get(`lora_unet_${name}_to_q.lora_up.weight`)!)![0];
    expect([up("one"), up("two"), up("zero")]).toEqual([1.5, 4.5, 0]);
    expect(metadata).toMatchObject({
      ss_network_dim: "2",
      ss_network_alpha: "2",
      ss_steps: "7",
      "modelspec.title": "a title",
      "modelspec.architecture": "stable-diffusion-v2-inpainting/lora",
    });
    expect(adapter.origin).toEqual(made.origin);
  });
});

describe("peft's files", () => {
  const pair = {
    "base_model.model.mid.to_q.lora_A.weight": a,
    "base_model.model.mid.to_q.lora_B.weight": b,
    "base_model.model.conv_in.lora_A.weight": tensor([4, 3, 3, 3]),
    "base_model.model.conv_in.lora_B.weight": tensor([6, 4, 1, 1]),
  };

  it("are read with ranks and strengths of single layers, and rank-stabilised", async () => {
    const config = {
      peft_type: "LORA",
      r: 2,
      lora_alpha: 4,
      rank_pattern: { conv_in: 4 },
      alpha_pattern: { "mid.*": 1 },
    };
    expect(strengths(await readAdapter(await file(pair, {}, config)))).toEqual({ "mid.to_q": 0.5, conv_in: 1 });
    const stable = await readAdapter(await file(pair, {}, { ...config, use_rslora: true }));
    expect(strengths(stable)["conv_in"]).toBe(2);
  });

  it("with settings that are not plain LoRA are refused", async () => {
    const config = { r: 2, lora_alpha: 4, rank_pattern: { conv_in: 4 } };
    for (const change of [
      { use_dora: true },
      { bias: "all" },
      { fan_in_fan_out: true },
      { modules_to_save: ["conv_out"] },
      { peft_type: "LOHA" },
      { r: 0 },
      { lora_alpha: "4" },
      { rank_pattern: {} },
    ]) {
      const error = await refused(await file(pair, {}, { ...config, ...change }));
      expect(error.code, JSON.stringify(change)).toBe("ERR_ADAPTER");
    }
  });

  it("name layers without a dot by a whole regular expression, so that none below another module is meant", async () => {
    const own = mkdtempSync(join(folder, "own-"));
    const adapter = await readAdapter(await file(pair, {}, { r: 2, lora_alpha: 4, rank_pattern: { conv_in: 4 } }));
    await writeAdapter(own, adapter, "peft");
    const config = JSON.parse(readFileSync(join(own, "adapter_config.json"), "utf8"));
    expect(config).toMatchObject({ r: 2, lora_alpha: 4, target_modules: "^(?:conv_in|mid\\.to_q)$" });
    expect(config.rank_pattern).toEqual({ "^conv_in": 4 });
  });
});

describe("other files", () => {
  it.each([
    ["DoRA", { "unet.x.lora_A.weight": a, "unet.x.lora_B.weight": b, "unet.x.lora_magnitude_vector": tensor([6]) }],
    ["LoHa", { "lora_unet_x.hada_w1_a": a }],
    ["LoKr", { "lora_unet_x.lokr_w1": a }],
    [
      "middle",
      { "lora_unet_x.lora_down.weight": a, "lora_unet_x.lora_up.weight": b, "lora_unet_x.lora_mid.weight": a },
    ],
    ["text encoder", { "lora_te_text_model.lora_down.weight": a }],
    ["text encoder", { "text_encoder.x.lora_A.weight": a, "text_encoder.x.lora_B.weight": b }],
    [
      "several models",
      { "unet.x.lora_A.weight": a, "unet.x.lora_B.weight": b, "vae.y.lora_A.weight": a, "vae.y.lora_B.weight": b },
    ],
    ["no B", { "unet.x.lora_A.weight": a }],
    ["no A", { "unet.x.lora_B.weight": b }],
    ["both", { "unet.x.lora_A.weight": a, "unet.x.lora.down.weight": a, "unet.x.lora_B.weight": b }],
    ["rank", { "unet.x.lora_A.weight": a, "unet.x.lora_B.weight": tensor([6, 3]) }],
    ["4 dimensions", { "unet.x.lora_A.weight": tensor([2, 8, 3]), "unet.x.lora_B.weight": b }],
    ["floating-point", { "unet.x.lora_A.weight": tensor([2, 8], "I16"), "unet.x.lora_B.weight": b }],
    ["single number", { "unet.x.lora_A.weight": a, "unet.x.lora_B.weight": b, "unet.x.alpha": tensor([2]) }],
    ["no tensors", {}],
  ] as [string, Record<string, StoredTensor>][])("are refused: %s", async (word, tensors) => {
    const error = await refused(await file(tensors), ["x"]);
    expect(error).toMatchObject({ code: "ERR_ADAPTER" });
    expect(error.message).toContain(word);
  });
});

describe("targets", () => {
  const shapes: Record<string, number[]> = {
    "conv_in.weight": [8, 3, 3, 3],
    "conv_in.bias": [8],
    "down.0.attn1.to_k.weight": [8, 8],
    "down.0.attn2.to_k.weight": [8, 8],
    "down.0.attn2.to_out.0.weight": [8, 8],
    "down.0.norm.weight": [8],
    "down.0.not_to_k.weight": [8, 8],
  };
  const weights: SafetensorsHeader = {
    tensors: new Map(Object.entries(shapes).map(([name, shape]) => [name, { dtype: "F32", shape, values: 1 }])),
    metadata: {},
    values: 0,
  };

  it("mean ends of names at a dot, or whole names by a regular expression", () => {
    expect(matchTargets(weights, ["to_k"])).toEqual(["down.0.attn1.to_k", "down.0.attn2.to_k"]);
    expect(matchTargets(weights, ["attn2.to_k", "to_out.0"])).toEqual(["down.0.attn2.to_k", "down.0.attn2.to_out.0"]);
    expect(matchTargets(weights, ["re:down\\.\\d\\..*to_k"])).toEqual([
      "down.0.attn1.to_k",
      "down.0.attn2.to_k",
      "down.0.not_to_k",
    ]);
    expect(matchTargets(weights, ["conv_in", "conv_in"])).toEqual(["conv_in"]);
  });

  it.each(["norm", "to", "re:to_k", "down", "re:("])("mean no layer: %s", (target) => {
    expect(() => matchTargets(weights, ["to_k", target])).toThrowError(
      expect.objectContaining({ code: "ERR_CONFIG_INVALID" }),
    );
  });
});
