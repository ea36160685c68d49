/** Bad input to the addon: each with its code, and the process and the trainer live on. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import type { HostTensor, NativeBinding } from "../../src/addon/native-types.ts";
import { readTensors, writeTensors } from "../helpers/safetensors.ts";
import { tinyFiles, unetBatch, unetOptions, vaeBatch, vaeOptions } from "../helpers/tiny.ts";

let native: NativeBinding;
let folder: string;
beforeAll(async () => {
  native = await loadNative();
  folder = mkdtempSync(join(tmpdir(), "anonymizer-errors-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string): string => join(folder, name);
const vaeWith = (files: { graph?: string; weights?: string }) =>
  native.createTrainer(vaeOptions({}, { model: { ...tinyFiles("vae"), ...files } }));

describe("a damaged graph", () => {
  it.each([
    ["truncated", (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
    ["not a graph", () => Buffer.from("hello")],
    ["empty", () => Buffer.alloc(0)],
  ])("%s is ERR_MODEL_GRAPH", async (name, damage) => {
    const path = file(`${name}.pt`);
    writeFileSync(path, damage(readFileSync(tinyFiles("vae").graph)));
    await expect(vaeWith({ graph: path })).rejects.toMatchObject({ code: "ERR_MODEL_GRAPH" });
  });

  it("missing is ERR_MODEL_NOT_FOUND", async () => {
    await expect(vaeWith({ graph: file("nothing.pt") })).rejects.toMatchObject({ code: "ERR_MODEL_NOT_FOUND" });
  });

  it("of another model is ERR_MODEL_WEIGHTS naming a tensor", async () => {
    await expect(vaeWith({ graph: tinyFiles("unet").graph })).rejects.toMatchObject({
      code: "ERR_MODEL_WEIGHTS",
      message: expect.stringContaining("'"),
    });
  });
});

describe("damaged weights", () => {
  const header = (value: unknown, data = Buffer.alloc(0)): Buffer => {
    const text = Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([size, text, data]);
  };
  const good = () => readFileSync(tinyFiles("vae").weights);
  const huge = Buffer.alloc(16);
  huge.writeBigUInt64LE(2n ** 60n);
  const cases: [string, () => Buffer][] = [
    ["truncated", () => good().subarray(0, good().length - 100)],
    ["with bytes at the end", () => Buffer.concat([good(), Buffer.alloc(12)])],
    ["empty", () => Buffer.alloc(0)],
    ["with a header longer than the file", () => huge],
    ["with a header that is no JSON", () => header('{"a": [')],
    ["with nested brackets without end", () => header(`{"a": ${"[".repeat(5000)}`)],
    ["with offsets outside", () => header({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8] } })],
    [
      "with offsets backwards",
      () => header({ a: { dtype: "F32", shape: [2], data_offsets: [8, 0] } }, Buffer.alloc(8)),
    ],
    [
      "with a shape that overflows",
      () => header({ a: { dtype: "F32", shape: [2 ** 40, 2 ** 40], data_offsets: [0, 8] } }, Buffer.alloc(8)),
    ],
    ["with an unknown dtype", () => header({ a: { dtype: "Q7", shape: [2], data_offsets: [0, 8] } }, Buffer.alloc(8))],
  ];
  it.each(cases)("%s are ERR_MODEL_WEIGHTS", async (name, make) => {
    const path = file(`${name}.safetensors`);
    writeFileSync(path, make());
    await expect(vaeWith({ weights: path })).rejects.toMatchObject({ code: "ERR_MODEL_WEIGHTS" });
  });

  it("that lack a tensor, or have one too many, name it", async () => {
    const tensors = readTensors(tinyFiles("vae").weights);
    const { "encoder.conv_in.bias": _, ...fewer } = tensors;
    writeTensors(file("fewer.safetensors"), fewer);
    await expect(vaeWith({ weights: file("fewer.safetensors") })).rejects.toThrow("encoder.conv_in.bias");
    writeTensors(file("more.safetensors"), {
      ...tensors,
      surprise: { data: new Float32Array(1), shape: [1], dtype: "float32" },
    });
    await expect(vaeWith({ weights: file("more.safetensors") })).rejects.toThrow("surprise");
  });
});

describe("a UNet with the wrong number of channels", () => {
  it("is ERR_MODEL_SHAPE naming 4 and 9", async () => {
    const tensors: Record<string, HostTensor> = readTensors(tinyFiles("unet").weights);
    const old = tensors["conv_in.weight"]!;
    const [out, , h, w] = old.shape as [number, number, number, number];
    tensors["conv_in.weight"] = { data: new Float32Array(out * 4 * h * w), shape: [out, 4, h, w], dtype: "float32" };
    writeTensors(file("unet4.safetensors"), tensors);
    copyFileSync(tinyFiles("unet").graph, file("unet4.pt"));
    const creating = native.createTrainer(
      unetOptions({}, { model: { graph: file("unet4.pt"), weights: file("unet4.safetensors") } }),
    );
    await expect(creating).rejects.toMatchObject({
      code: "ERR_MODEL_SHAPE",
      message: expect.stringMatching(/takes 4 channels.*takes 9/),
    });
  });
});

describe("a bad batch", () => {
  it("with a value that is not finite is ERR_TRAINING_NAN naming the sample, and changes nothing", async () => {
    const trainer = await native.createTrainer(vaeOptions());
    const batch = vaeBatch(2, 32, 32);
    const before = await trainer.computeLoss(batch, 0);
    const images = Float32Array.from(batch.images as Uint8Array, (v) => v / 127.5 - 1);
    images[32 * 32 * 3 + 5] = Number.NaN;
    await expect(trainer.step([{ ...batch, images }], 0)).rejects.toMatchObject({
      code: "ERR_TRAINING_NAN",
      message: expect.stringContaining("1001"),
    });
    expect(await trainer.computeLoss(batch, 0)).toEqual(before);
    await trainer.close();
  });

  it("that makes the loss overflow is ERR_TRAINING_NAN naming the term, and changes nothing", async () => {
    const trainer = await native.createTrainer(vaeOptions({}, { emaDecay: 0.9 }));
    const batch = vaeBatch(2, 32, 32);
    const before = await trainer.computeLoss(batch, 0);
    const images = new Float32Array(2 * 32 * 32 * 3).fill(3e38);
    await expect(trainer.step([{ ...batch, images }], 0)).rejects.toMatchObject({
      code: "ERR_TRAINING_NAN",
      message: expect.stringMatching(/recon|gradient/),
    });
    expect(await trainer.computeLoss(batch, 0)).toEqual(before);
    await expect(trainer.step([batch], 1)).resolves.toHaveProperty("gradNorm");
    await trainer.close();
  });

  it("whose arrays don't fit their shape is ERR_INVALID_ARGUMENT naming the array", async () => {
    const trainer = await native.createTrainer(unetOptions());
    const batch = unetBatch(2, 32, 32);
    const bad = (change: object) => () => trainer.step([{ ...batch, ...change }], 0);
    expect(bad({ images: new Uint8Array(5) })).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARGUMENT", message: expect.stringContaining("images") }),
    );
    expect(bad({ masks: new Uint8Array(5) })).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARGUMENT", message: expect.stringContaining("masks") }),
    );
    expect(bad({ ids: new BigUint64Array(0) })).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }));
    expect(bad({ height: -1 })).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }));
    expect(bad({ images: "pixels" })).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }));
    const { masks: _, ...maskless } = batch;
    await expect(trainer.step([maskless], 0)).rejects.toMatchObject({
      code: "ERR_INVALID_ARGUMENT",
      message: expect.stringContaining("masks"),
    });
    await trainer.close();
  });

  it("of a size the VAE can't give back is a coded error", async () => {
    const trainer = await native.createTrainer(vaeOptions());
    await expect(trainer.computeLoss(vaeBatch(1, 30, 34), 0)).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_(MODEL_SHAPE|NATIVE)$/),
    });
    await trainer.close();
  });
});

describe("bad options", () => {
  it.each([
    [{ device: "gpu" }, "ERR_DEVICE"],
    [{ device: "cuda:7" }, "ERR_DEVICE"],
    [{ precision: "fp8" }, "ERR_INVALID_ARGUMENT"],
    [{ freeze: ["encodr"] }, "ERR_INVALID_ARGUMENT"],
    [{ freeze: ["encoder", "decoder", "quant_conv", "post_quant_conv"] }, "ERR_INVALID_ARGUMENT"],
    [{ optimizer: { learningRate: Number.NaN } }, "ERR_INVALID_ARGUMENT"],
    [{ kind: "gan" }, "ERR_INVALID_ARGUMENT"],
  ])("%o is %s", async (change, code) => {
    const create = async () => native.createTrainer({ ...vaeOptions(), ...(change as object) });
    await expect(create()).rejects.toMatchObject({ code });
  });
});

describe("an unwritable folder", () => {
  it("is ERR_OUTPUT", async () => {
    const trainer = await native.createTrainer(vaeOptions());
    await expect(trainer.saveState(join(folder, "does", "not", "exist"))).rejects.toMatchObject({ code: "ERR_OUTPUT" });
    await trainer.close();
  });
});
