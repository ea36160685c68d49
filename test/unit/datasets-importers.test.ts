import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { boxToPixels, quadToPixels } from "../../src/datasets/importers/coordinates.ts";
import { entityLines } from "../../src/datasets/importers/funsd.ts";
import { importDataset } from "../../src/datasets/importers/import-dataset.ts";
import { sroieField } from "../../src/datasets/importers/sroie.ts";
import { readManifest } from "../../src/datasets/manifest.ts";
import type { ManifestRecord } from "../../src/datasets/manifest-types.ts";
import type { OcrEngine } from "../../src/detection/ocr.ts";

const data = join(import.meta.dirname, "../../../shared/data");
const hasData = existsSync(join(data, "receipts/manifest.json"));
if (!hasData) console.warn("skipped: the tests on real scans, because ../shared/data is not there");

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "import-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function records(path = join(folder, "out/manifest.jsonl")): Promise<ManifestRecord[]> {
  const found: ManifestRecord[] = [];
  for await (const record of readManifest(path)) found.push(record);
  return found;
}

const image = (path: string, width: number, height: number): Promise<unknown> =>
  sharp({ create: { width, height, channels: 3, background: "white" } }).toFile(path);

describe("coordinates", () => {
  const page = { width: 400, height: 200 };
  it("convert from thousandths and from shares of the page", () => {
    expect(boxToPixels([0, 0, 1000, 1000], "permille", page, "b")).toEqual([0, 0, 400, 200]);
    expect(boxToPixels([250, 500, 500, 750], "permille", page, "b")).toEqual([100, 100, 200, 150]);
    expect(boxToPixels([0.25, 0.5, 0.5, 1], "unit", page, "b")).toEqual([100, 100, 200, 200]);
    expect(quadToPixels([0, 0, 1, 0, 1, 1, 0, 1], "unit", page, "q")).toEqual([0, 0, 400, 0, 400, 200, 0, 200]);
  });

  it.each([
    ["permille", [0, 0, 1001, 5]],
    ["permille", [-1, 0, 10, 5]],
    ["unit", [0, 0, 1.01, 0.5]],
    ["unit", [0, 0, 120, 60]],
    ["pixels", [0, 0, 401, 50]],
    ["pixels", [30, 0, 20, 50]],
  ] as const)("out of range in %s is an error that names the box", (unit, box) => {
    expect(() => boxToPixels(box, unit, page, "page p, region 3")).toThrow(
      expect.objectContaining({
        code: "ERR_GEOMETRY",
        message: expect.stringContaining(`page p, region 3: [${box.join(", ")}]`),
      }),
    );
  });
});

describe("SROIE", () => {
  it.skipIf(!hasData)("imports the 80 receipts with every line", async () => {
    const result = await importDataset({
      format: "sroie",
      source: join(data, "receipts"),
      out: join(folder, "out"),
      split: "test",
    });
    expect(result).toMatchObject({ records: 80, regions: 4377, dropped: {} });
    const all = await records();
    expect(all).toHaveLength(80);
    expect(all.every((record) => record.split === "test")).toBe(true);
    const first = all.find((record) => record.id === "005")!;
    expect(first).toMatchObject({ width: 463, height: 605, image: "images/005.jpg" });
    expect(first.regions.find((region) => region.label === "company")).toMatchObject({
      text: "ABC HO TRADING",
      box: [129, 86, 309, 111],
      entity: "company",
    });
    expect(await readFile(join(folder, "out/images/005.jpg"))).toEqual(
      await readFile(join(data, "receipts/images/005.jpg")),
    );
  });

  it.skipIf(!hasData)("derives the same fields as the annotation on nearly every line", async () => {
    const { items } = JSON.parse(await readFile(join(data, "receipts/manifest.json"), "utf8")) as {
      items: { key: Record<string, string>; lines: { text: string; field?: string }[] }[];
    };
    const lines = items.flatMap((item) => item.lines.map((line) => ({ ...line, key: item.key })));
    const differing = lines.filter((line) => sroieField(line.text, line.key) !== line.field);
    expect(differing.length / lines.length).toBeLessThan(0.005);
    expect(
      lines.filter((line) => line.field !== undefined && sroieField(line.text, line.key) === line.field),
    ).toHaveLength(lines.filter((line) => line.field !== undefined).length);
  });

  async function publicLayout(box: string): Promise<void> {
    for (const name of ["img", "box", "key"]) await mkdir(join(folder, "data", name), { recursive: true });
    await image(join(folder, "data/img/000.jpg"), 300, 200);
    await writeFile(join(folder, "data/box/000.csv"), box);
    await writeFile(
      join(folder, "data/key/000.json"),
      JSON.stringify({
        company: "KEDAI ABC SDN BHD",
        address: "1, JALAN X, 81100 JOHOR",
        date: "01/02/2018",
        total: "RM 9.00",
      }),
    );
  }

  it("reads the public layout, with commas in the text", async () => {
    await publicLayout(
      "10,10,100,10,100,30,10,30,KEDAI ABC SDN BHD\r\n10,40,100,40,100,60,10,60,1, JALAN X,\n10,70,100,70,100,90,10,90,DATE: 01/02/2018 10:00\n10,100,100,100,100,120,10,120,9.00\n\n",
    );
    const result = await importDataset({ format: "sroie", source: folder, out: join(folder, "out") });
    expect(result).toMatchObject({ records: 1, regions: 4 });
    const [record] = await records();
    expect(record!.regions.map(({ text, label, entity }) => [text, label, entity])).toEqual([
      ["KEDAI ABC SDN BHD", "company", "company"],
      ["1, JALAN X,", "address", "address"],
      ["DATE: 01/02/2018 10:00", "date", "date"],
      ["9.00", "total", undefined],
    ]);
    expect(record!.regions[0]!.box).toEqual([10, 10, 100, 30]);
  });

  it("stops at a box beyond the page and names it, or drops and counts it", async () => {
    await publicLayout("10,10,100,10,100,30,10,30,GOOD\n10,10,301,10,301,30,10,30,BAD\n");
    const options = { format: "sroie", source: folder, out: join(folder, "out") } as const;
    await expect(importDataset(options)).rejects.toMatchObject({
      code: "ERR_GEOMETRY",
      message: expect.stringMatching(/"000", region 1, quad: \[10, 10, 301, 30\]/),
    });
    await expect(importDataset({ ...options, onBadBox: "drop" })).resolves.toMatchObject({
      regions: 1,
      dropped: { "box does not fit the page": 1 },
    });
  });

  it("names file and line of a line without coordinates", async () => {
    await publicLayout("10,10,100,10,100,30,10,30,GOOD\n10,10,100,BAD\n");
    await expect(importDataset({ format: "sroie", source: folder, out: join(folder, "out") })).rejects.toMatchObject({
      code: "ERR_DATASET_INVALID",
      message: expect.stringMatching(/000\.csv:2: /),
    });
  });

  it("refuses an image path that leaves the source", async () => {
    await image(join(folder, "outside.png"), 300, 200);
    await mkdir(join(folder, "in"));
    const lines = [{ quad: [1, 1, 9, 1, 9, 9, 1, 9], box: [1, 1, 9, 9], text: "a" }];
    await writeFile(
      join(folder, "in/manifest.json"),
      JSON.stringify({ items: [{ id: "a", file: "../outside.png", width: 300, height: 200, lines }] }),
    );
    await expect(
      importDataset({ format: "sroie", source: join(folder, "in"), out: join(folder, "out") }),
    ).rejects.toMatchObject({ code: "ERR_PATH_OUTSIDE_ROOT" });
    expect(existsSync(join(folder, "out/manifest.jsonl"))).toBe(false);
  });

  it("compares the stated size with the image", async () => {
    await image(join(folder, "a.png"), 300, 200);
    await writeFile(
      join(folder, "manifest.json"),
      JSON.stringify({ items: [{ id: "a", file: "a.png", width: 200, height: 300, lines: [] }] }),
    );
    await expect(importDataset({ format: "sroie", source: folder, out: join(folder, "out") })).rejects.toMatchObject({
      code: "ERR_DATASET_INVALID",
      message: expect.stringContaining("300×200"),
    });
  });
});

describe("FUNSD", () => {
  it.skipIf(!hasData)("imports the 30 forms, one region a line, words inside their line", async () => {
    const result = await importDataset({ format: "funsd", source: join(data, "forms"), out: join(folder, "out") });
    expect(result).toMatchObject({ records: 30, regions: 1653, dropped: {} });
    for (const record of await records()) {
      for (const region of record.regions) {
        expect(region.words!.map((word) => word.text).join(" ")).toBe(region.text);
        for (const { box } of region.words!)
          expect(
            box[0] >= region.box[0] && box[1] >= region.box[1] && box[2] <= region.box[2] && box[3] <= region.box[3],
          ).toBe(true);
      }
    }
  });

  it("breaks an entity into its lines and leaves out words without text", () => {
    const word = (x: number, y: number, text: string) => ({
      box: [x, y, x + 40, y + 10] as [number, number, number, number],
      text,
    });
    const lines = entityLines({
      label: "answer",
      box: [0, 0, 90, 25],
      text: "",
      words: [word(0, 0, "one"), word(50, 1, "two"), word(45, 2, " "), word(0, 14, "three")],
    });
    expect(lines.map((line) => [line.text, line.box])).toEqual([
      ["one two", [0, 0, 90, 11]],
      ["three", [0, 14, 40, 24]],
    ]);
  });

  it("reads the public layout, converts thousandths, and keeps the source's test pages in the test split", async () => {
    const form = [
      {
        id: 0,
        label: "question",
        box: [100, 100, 300, 150],
        text: "Name:",
        words: [{ box: [100, 100, 300, 150], text: "Name:" }],
        linking: [],
      },
    ];
    for (const part of ["training_data", "testing_data"]) {
      for (const name of ["images", "annotations"]) await mkdir(join(folder, part, name), { recursive: true });
      await image(join(folder, part, "images", `${part}.png`), 500, 2000);
      await writeFile(join(folder, part, "annotations", `${part}.json`), JSON.stringify({ form }));
    }
    await importDataset({
      format: "funsd",
      source: folder,
      out: join(folder, "out"),
      coordinates: "permille",
      split: "train",
    });
    const all = await records();
    expect(all.map(({ id, split }) => [id, split])).toEqual([
      ["training_data", "train"],
      ["testing_data", "test"],
    ]);
    expect(all[0]!.regions[0]).toMatchObject({ box: [50, 200, 150, 300], label: "question" });
    await expect(
      importDataset({ format: "funsd", source: folder, out: join(folder, "out2"), coordinates: "unit" }),
    ).rejects.toMatchObject({ code: "ERR_GEOMETRY" });
  });
});

describe("a plain folder", () => {
  const ocr: OcrEngine = {
    name: "fixed",
    read: async ({ width, height }) => ({
      width,
      height,
      engine: "fixed",
      lines: [
        {
          text: "sure thing",
          box: [5, 5, 80, 20],
          confidence: 0.95,
          words: [
            { text: "sure", box: [5, 5, 40, 20], confidence: 0.9 },
            { text: "thing", box: [45, 5, 80, 20], confidence: 1 },
          ],
        },
        {
          text: "gue55",
          box: [5, 25, 80, 40],
          confidence: 0.4,
          words: [{ text: "gue55", box: [5, 25, 80, 40], confidence: 0.4 }],
        },
      ],
    }),
    close: async () => {},
  };

  it("takes what the engine reads with confidence", async () => {
    await mkdir(join(folder, "scans"));
    await image(join(folder, "scans/b.png"), 100, 60);
    await image(join(folder, "scans/a.webp"), 100, 60);
    await writeFile(join(folder, "scans/notes.txt"), "x");
    const result = await importDataset({
      format: "folder",
      source: join(folder, "scans"),
      out: join(folder, "out"),
      ocr,
    });
    expect(result).toMatchObject({ records: 2, regions: 2 });
    expect((await records()).map(({ image, regions }) => [image, regions[0]!.text])).toEqual([
      ["images/a.webp", "sure thing"],
      ["images/b.png", "sure thing"],
    ]);
  });

  it("needs an engine, and at least one page", async () => {
    await expect(importDataset({ format: "folder", source: folder, out: join(folder, "out") })).rejects.toMatchObject({
      code: "ERR_INVALID_ARGUMENT",
    });
    await expect(
      importDataset({ format: "folder", source: folder, out: join(folder, "out"), ocr }),
    ).rejects.toMatchObject({ code: "ERR_DATASET_EMPTY" });
  });
});

describe("importing", () => {
  it.each(["sroie", "funsd"] as const)("says what a folder that is not %s lacks", async (format) => {
    await expect(importDataset({ format, source: folder, out: join(folder, "out") })).rejects.toMatchObject({
      code: "ERR_DATASET_NOT_FOUND",
    });
  });

  it.skipIf(!hasData)("stops when aborted, without a manifest", async () => {
    const abort = new AbortController();
    const run = importDataset({
      format: "sroie",
      source: join(data, "receipts"),
      out: join(folder, "out"),
      signal: abort.signal,
      onProgress: (pages) => pages === 3 && abort.abort(),
    });
    await expect(run).rejects.toMatchObject({ code: "ERR_ABORTED" });
    expect(existsSync(join(folder, "out/manifest.jsonl"))).toBe(false);
  });
});
