import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DocumentDataset, sampleId } from "../../src/datasets/dataset.ts";
import { textHeight, textTurn, unusableReason } from "../../src/datasets/text-geometry.ts";

let folder: string;
let manifest: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "dataset-"));
  manifest = join(folder, "manifest.jsonl");
  await mkdir(join(folder, "images"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const page = async (name: string, width = 200, height = 100): Promise<void> => {
  await sharp({ create: { width, height, channels: 3, background: "white" } }).toFile(join(folder, "images", name));
};
const region = (text: string, box: readonly number[] = [10, 10, 100, 30]) => ({ box, text });
const record = (id: string, changes: object = {}) => ({
  id,
  image: `images/${id}.png`,
  width: 200,
  height: 100,
  split: "train",
  regions: [region("text")],
  ...changes,
});
const write = (records: readonly (object | string)[]): Promise<void> =>
  writeFile(manifest, records.map((entry) => (typeof entry === "string" ? entry : JSON.stringify(entry))).join("\n"));

describe("a dataset", () => {
  it("has one sample a usable region, with stable ids", async () => {
    await page("a.png");
    await page("b.png");
    await write([record("a", { regions: [region("one"), region("---"), region("two")] }), record("b")]);
    const dataset = await DocumentDataset.open(manifest);
    expect(dataset.records.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(dataset.samples.map((sample) => [sample.record, sample.region])).toEqual([
      [0, 0],
      [0, 2],
      [1, 0],
    ]);
    expect([...dataset.sampleStarts]).toEqual([0, 2, 3]);
    const expected = createHash("sha256").update("a\u00002").digest().subarray(0, 8).toString("hex");
    expect(dataset.samples[1]!.id.toString(16).padStart(16, "0")).toBe(expected);
    expect(sampleId("a", 2)).toBe(dataset.samples[1]!.id);
    expect(await dataset.pages.image(dataset.records[1]!)).toMatch(/images\/b\.png$/);
  });

  it("skips what is broken, each with its reason, and counts all", async () => {
    await page("good.png");
    await page("other-size.png", 100, 100);
    await writeFile(join(folder, "images/text.png"), "not an image");
    await symlink("/etc/hostname", join(folder, "images/link.png"));
    await write([
      record("good", {
        regions: [region("fine"), region("fine", [10, 10, 300, 30]), region("tiny", [10, 10, 50, 15]), region(" : ")],
      }),
      record("other-size"),
      record("text"),
      record("missing"),
      record("link"),
      record("up", { image: "../up.png" }),
      { id: "no-size", image: "images/good.png", split: "train", regions: [] },
      "nonsense",
      record("good"),
    ]);
    const dataset = await DocumentDataset.open(manifest);
    expect(dataset.samples).toHaveLength(1);
    expect(dataset.skippedCounts).toEqual({
      "a box does not fit the page": 1,
      "the image's path leaves the dataset's folder": 2,
      "the manifest line is not valid": 3,
      "the text is lower than 8 px": 1,
      "the text has no letter or digit": 1,
      "the image has another size than the manifest says": 1,
      "the image is damaged or of an unknown format": 1,
      "the image does not exist": 1,
    });
    const reasons = Object.fromEntries(dataset.skipped.map(({ id, reason }) => [id, reason]));
    expect(reasons).toMatchObject({
      text: "the image is damaged or of an unknown format",
      missing: "the image does not exist",
      "line 8": "line 8: is not valid JSON",
    });
    expect(dataset.skipped.find(({ region }) => region === 1)).toMatchObject({
      id: "good",
      reason: expect.stringContaining("regions[1].box: [10, 10, 300, 30]"),
    });
    expect(dataset.skipped).toHaveLength(Object.values(dataset.skippedCounts).reduce((a, b) => a + b));
  });

  it("skips an image whose header is cut off", async () => {
    await page("a.png");
    await page("b.png");
    await truncate(join(folder, "images/b.png"), 20);
    await write([record("a"), record("b")]);
    const dataset = await DocumentDataset.open(manifest);
    expect(dataset.records.map(({ id }) => id)).toEqual(["a"]);
    expect(dataset.skipped).toEqual([{ id: "b", reason: "the image is damaged or of an unknown format" }]);
  });

  it("takes one split", async () => {
    for (const id of ["a", "b"]) await page(`${id}.png`);
    await write([record("a"), record("b", { split: "test" })]);
    expect((await DocumentDataset.open(manifest, { split: "test" })).records.map(({ id }) => id)).toEqual(["b"]);
  });

  it("is an error with counted reasons when nothing is left", async () => {
    await page("a.png");
    await write([
      record("a", { regions: [region("a", [0, 0, 20, 4]), region("b", [0, 0, 20, 4])] }),
      record("b"),
      record("c", { split: "test" }),
    ]);
    await expect(DocumentDataset.open(manifest, { split: "train" })).rejects.toMatchObject({
      code: "ERR_DATASET_EMPTY",
      message: expect.stringMatching(
        /2 × the text is lower than 8 px.*1 × the record belongs to another split|1 × the image does not exist/,
      ),
      details: { reasons: { "the text is lower than 8 px": 2, "the image does not exist": 1 } },
    });
    await writeFile(manifest, "");
    await expect(DocumentDataset.open(manifest)).rejects.toMatchObject({ code: "ERR_DATASET_EMPTY" });
  });

  it("stops when aborted and says when there is no manifest", async () => {
    await page("a.png");
    await write([record("a")]);
    await expect(DocumentDataset.open(manifest, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ERR_ABORTED",
    });
    await expect(DocumentDataset.open(join(folder, "none.jsonl"))).rejects.toMatchObject({
      code: "ERR_DATASET_NOT_FOUND",
    });
    await expect(DocumentDataset.open(manifest, { minTextHeight: Number.NaN })).rejects.toMatchObject({
      code: "ERR_INVALID_ARGUMENT",
    });
  });
});

describe("a region", () => {
  const turned = (degrees: number) => {
    const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
    const corner = (x: number, y: number): [number, number] => [50 + x * c - y * s, 50 + x * s + y * c];
    const quad = [...corner(0, 0), ...corner(100, 0), ...corner(100, 12), ...corner(0, 12)] as unknown as readonly [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    return { box: [40, 40, 160, 110] as const, quad, text: "turned" };
  };

  it("is measured across its line when it has a quad", () => {
    expect(textHeight(turned(5))).toBeCloseTo(12, 9);
    expect(textTurn(turned(5))).toBeCloseTo((5 * Math.PI) / 180, 9);
    expect(textHeight({ box: [0, 0, 50, 9], text: "a" })).toBe(9);
  });

  it("is not used when it is turned far, stands upright, is small or says nothing", () => {
    expect(unusableReason(turned(7), 8)).toBeUndefined();
    expect(unusableReason(turned(-9), 8)).toMatch(/turned/);
    expect(unusableReason({ box: [0, 0, 10, 80], text: "upright" }, 8)).toMatch(/vertically/);
    expect(unusableReason({ box: [0, 0, 10, 80], text: "I" }, 8)).toBeUndefined();
    expect(unusableReason({ box: [0, 0, 3, 20], text: "I" }, 8)).toMatch(/narrower/);
    expect(unusableReason({ box: [0, 0, 30, 20], text: "—" }, 8)).toMatch(/no letter/);
    expect(unusableReason({ box: [0, 0, 30, 20], text: "é" }, 8)).toBeUndefined();
  });
});
