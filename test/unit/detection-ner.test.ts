/** A user's token classification model: tokenizer, folder, findings. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load-config.ts";
import { createDetector } from "../../src/detection/detector.ts";
import { openNerRecognizer } from "../../src/detection/ner/ner-recognizer.ts";
import { wordPieces } from "../../src/detection/ner/word-pieces.ts";
import { lookupClassifier } from "../helpers/onnx.ts";
import { root } from "../helpers/tiny.ts";
import { columnsOf } from "./helpers/ocr-page.ts";

const labels = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-MISC"];
/** Piece → label that the model gives it. */
const vocabulary: readonly (readonly [string, string])[] = [
  ["[PAD]", "O"],
  ["[UNK]", "O"],
  ["[CLS]", "O"],
  ["[SEP]", "O"],
  ["paid", "O"],
  ["by", "O"],
  ["anna", "B-PER"],
  ["ber", "I-PER"],
  ["##g", "O"],
  ["##mann", "O"],
  ["acme", "B-ORG"],
  ["works", "I-ORG"],
  [",", "O"],
  ["thing", "B-MISC"],
];

const settings = {
  vocabulary: new Map(vocabulary.map(([piece], id) => [piece, id])),
  lowerCase: true,
  stripAccents: true,
  unknown: "[UNK]",
  continuing: "##",
};

describe("word pieces", () => {
  const pieces = (text: string): string[] =>
    wordPieces(text, settings).map(({ id, start, end }) => `${vocabulary[id]![0]}=${text.slice(start, end)}`);
  it("are the longest known ones, with their places", () => {
    expect(pieces("Paid by Ánna Bergmann, thing")).toEqual([
      "paid=Paid",
      "by=by",
      "anna=Ánna",
      "ber=Ber",
      "##g=g",
      "##mann=mann",
      ",=,",
      "thing=thing",
    ]);
    expect(pieces("berx")).toEqual(["[UNK]=berx"]);
    expect(pieces("a".repeat(200))).toEqual([`[UNK]=${"a".repeat(200)}`]);
    expect(pieces("anna,anna\u0000by\u4e00")).toEqual(["anna=anna", ",=,", "anna=anna", "by=by", "[UNK]=\u4e00"]);
    expect(pieces("")).toEqual([]);
  });

  it("keep letters with more than one unit in place", () => {
    expect(pieces("😀 anna")).toEqual(["[UNK]=😀", "anna=anna"]);
  });
});

const thread = join(root, "dist", "detection", "ner", "thread.js");
const runtime = existsSync(join(root, "node_modules", "onnxruntime-node"));
const unable = !existsSync(thread) || !runtime;
if (unable) console.log(`skipped: ${runtime ? `${thread} is not built` : "onnxruntime-node is not installed"}`);

describe.skipIf(unable)("a model folder", () => {
  let folder: string;
  const files: Record<string, string | Uint8Array> = {
    "config.json": JSON.stringify({ id2label: { ...labels }, max_position_embeddings: 32 }),
    "vocab.txt": `${vocabulary.map(([piece]) => piece).join("\n")}\n`,
    "tokenizer_config.json": JSON.stringify({ do_lower_case: true }),
    "model.onnx": lookupClassifier(vocabulary.map(([, label]) => labels.map((other) => (other === label ? 6 : 0)))),
  };
  const write = async (changes: Record<string, string | Uint8Array | undefined> = {}): Promise<string> => {
    const made = await mkdtemp(join(folder, "m-"));
    for (const [name, content] of Object.entries({ ...files, ...changes })) {
      if (content === undefined) continue;
      await mkdir(join(made, name, ".."), { recursive: true });
      await writeFile(join(made, name), content);
    }
    return made;
  };
  const open = async (model: string, more = {}) =>
    openNerRecognizer((await loadConfig({ ner: { model, ...more } }, "anonymizer")).ner!);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "ner-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("finds names in words of several pieces, over lines, and says so", async () => {
    const recognizer = await open(await write());
    const detector = createDetector({ types: ["person", "company"], recognizers: [recognizer] });
    const page = columnsOf("paid by anna bergmann, acme", "works by anna anna");
    const entities = await detector.detect(page, 0);
    expect(entities.map(({ type, text }) => [type, text])).toEqual([
      ["person", "anna bergmann"],
      ["company", "acme"],
      ["company", "works"],
      ["person", "anna"],
      ["person", "anna"],
    ]);
    expect(entities[0]).toMatchObject({ recognizer: "ner", reason: "model", evidence: { cue: "PER" } });
    expect(entities[0]!.score).toBeCloseTo(Math.exp(6) / (Math.exp(6) + 5), 5);
    await recognizer.close();
    await expect(Promise.resolve(recognizer.find(page))).rejects.toMatchObject({ code: "ERR_CLOSED" });
  });

  it("reads long pages in pieces", async () => {
    const recognizer = await open(await write(), { max_tokens: 16 });
    const page = columnsOf(...Array.from({ length: 20 }, () => "paid by anna bergmann"));
    const found = await recognizer.find(page);
    expect(found).toHaveLength(20);
    expect(found.every(({ line, span }) => page.lines[line]!.text.slice(...span) === "anna bergmann")).toBe(true);
    await recognizer.close();
  });

  it("may have a tokenizer.json, a graph in onnx/, and labels of its own", async () => {
    const tokenizer = {
      normalizer: { type: "BertNormalizer", lowercase: true, strip_accents: null },
      model: { type: "WordPiece", vocab: Object.fromEntries(settings.vocabulary) },
    };
    const model = await write({
      "tokenizer.json": JSON.stringify(tokenizer),
      "vocab.txt": undefined,
      "model.onnx": undefined,
      "onnx/model.onnx": files["model.onnx"]!,
    });
    const recognizer = await open(model, { labels: { MISC: "id_number" } });
    expect(recognizer.types).toEqual(["id_number"]);
    expect(await recognizer.find(columnsOf("anna thing"))).toMatchObject([{ type: "id_number", span: [5, 10] }]);
    await recognizer.close();
  });

  it.each<[string, Record<string, string | Uint8Array | undefined>, string, RegExp]>([
    ["no config", { "config.json": undefined }, "ERR_MODEL_NOT_FOUND", /config\.json/],
    ["no graph", { "model.onnx": undefined }, "ERR_MODEL_NOT_FOUND", /model\.onnx/],
    ["no vocabulary", { "vocab.txt": undefined }, "ERR_MODEL_NOT_FOUND", /vocab\.txt/],
    ["a damaged graph", { "model.onnx": Uint8Array.of(1, 2, 3) }, "ERR_MODEL_GRAPH", /can't be loaded/],
    ["a damaged config", { "config.json": "{" }, "ERR_MODEL_SHAPE", /is no JSON/],
    ["a gap in the labels", { "config.json": '{"id2label":{"0":"O","2":"B-PER"}}' }, "ERR_MODEL_SHAPE", /every class/],
    ["too few labels", { "config.json": '{"id2label":{"0":"O","1":"B-PER"}}' }, "ERR_MODEL_SHAPE", /not float32/],
    [
      "unknown labels",
      { "config.json": JSON.stringify({ id2label: { ...labels.map((_, i) => `LABEL_${i}`) } }) },
      "ERR_MODEL_SHAPE",
      /LABEL_0/,
    ],
    ["another tokenizer", { "tokenizer.json": '{"model":{"type":"BPE"}}' }, "ERR_MODEL_SHAPE", /BPE/],
    ["no marks", { "vocab.txt": "[UNK]\nanna\n" }, "ERR_MODEL_SHAPE", /\[CLS\]/],
    ["another input", { "model.onnx": lookupClassifier([[1]], ["pixels"]) }, "ERR_MODEL_SHAPE", /pixels/],
  ])("with %s is refused", async (_, changes, code, message) => {
    const error = await open(await write(changes)).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });
});
