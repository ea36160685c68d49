import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { OcrEngine, OcrPage } from "../../src/detection/ocr.ts";
import { createTesseractEngine } from "../../src/detection/tesseract-engine.ts";
import { encodeDocument } from "../../src/documents/encode.ts";
import type { Box } from "../../src/documents/geometry.ts";
import { createImage } from "../../src/documents/image.ts";
import { turnBox, turnImage } from "../../src/documents/turn.ts";
import { evaluate } from "../../src/evaluation/evaluate.ts";
import { outsideQuality } from "../../src/evaluation/outside-quality.ts";
import { iou, overallScore, scorePage, typeScore } from "../../src/evaluation/score-entities.ts";
import { Random } from "../../src/random/random.ts";
import { drawPage } from "./helpers/drawn-page.ts";

const line = (y: number, x0 = 0, x1 = 100): Box => [x0, y, x1, y + 20];

describe("scoring findings", () => {
  const truth = [
    { box: line(0), text: "ACME TRADING SDN BHD", type: "company" as const },
    { box: line(30), text: "Date: 01/02/2019 10:22", type: "date" as const },
    { box: line(60), text: "Total 12.80", type: undefined },
    { box: line(90), text: "Thank you", type: undefined },
  ];

  it("takes findings together that share a line, and values inside a longer line", () => {
    const score = scorePage(truth, [
      { box: line(1, 0, 48), text: "ACME TRADING", type: "company" },
      { box: line(1, 52, 99), text: "SDN BHD", type: "company" },
      { box: line(32, 30, 70), text: "01/02/2019", type: "date" },
    ]);
    expect(typeScore(score.types.get("company")!)).toMatchObject({
      labelled: 1,
      found: 2,
      precision: 1,
      recall: 1,
      f1: 1,
    });
    expect(typeScore(score.types.get("date")!)).toMatchObject({ precision: 1, recall: 1, covered: 1 });
    expect(score).toMatchObject({ others: 2, untouched: 2, covered: [true, true] });
  });

  it("counts a wrong type as hidden but not as found, and what stands elsewhere as wrong", () => {
    const score = scorePage(truth, [
      { box: line(0), text: "ACME TRADING SDN BHD", type: "address" },
      { box: line(60), text: "12.80", type: "date" },
    ]);
    expect(typeScore(score.types.get("company")!)).toMatchObject({ recall: 0, precision: null, f1: null, covered: 1 });
    expect(typeScore(score.types.get("date")!)).toMatchObject({ recall: 0, precision: 0, f1: 0, covered: 0 });
    expect(score).toMatchObject({ others: 2, untouched: 1 });
    // Of addresses none is labelled: whether the finding is wrong can't be said.
    expect(overallScore(score.types)).toMatchObject({ labelled: 2, found: 1, recall: 0, precision: 0 });
  });

  it("judges the rest of a line by itself where the line is listed beside the values in it", () => {
    const lines = [
      { box: line(0, 0, 200), text: "Your contact is Jane Roe, call 555 0100", type: undefined },
      { box: line(2, 80, 120), text: "Jane Roe", type: "person" as const },
      { box: line(0, 150, 200), text: "555 0100", type: "phone" as const },
    ];
    const name = { box: line(1, 82, 121), text: "Jane Roe", type: "person" as const };
    expect(scorePage(lines, [name])).toMatchObject({ others: 1, untouched: 1 });
    const withWords = { ...name, box: line(1, 30, 121) };
    expect(scorePage(lines, [withWords])).toMatchObject({ others: 1, untouched: 0 });
  });

  it("does not take a sliver for the line", () => {
    const score = scorePage(truth, [{ box: [0, 15, 10, 35], text: "x", type: "company" }]);
    expect(typeScore(score.types.get("company")!)).toMatchObject({ recall: 0, precision: 0, covered: 0 });
  });

  it("knows the intersection over union", () => {
    expect(iou([0, 0, 10, 10], [0, 0, 10, 10])).toBe(1);
    expect(iou([0, 0, 10, 10], [5, 0, 15, 10])).toBeCloseTo(1 / 3);
    expect(iou([0, 0, 10, 10], [20, 0, 30, 10])).toBe(0);
  });
});

describe("the picture outside the boxes", () => {
  const noisy = (amount: number) => {
    const image = createImage(64, 64, [200, 190, 180]);
    const random = new Random(7);
    for (let i = 0; i < image.data.length; i++)
      image.data[i] = image.data[i]! - 60 + Math.round(random.normal() * amount);
    return image;
  };

  it("is the same where it is the same, whatever happens inside", async () => {
    const [a, b] = [noisy(9), noisy(9)];
    for (let y = 8; y < 24; y++) b.data.fill(0, (y * 64 + 8) * 3, (y * 64 + 40) * 3);
    const quality = await outsideQuality(a, b, [[8, 8, 40, 24]]);
    expect(quality).toMatchObject({ values: (64 * 64 - 32 * 16) * 3, changed: 0, squaredError: 0, windows: 64 - 8 });
    expect(quality.ssimSum / quality.windows).toBeCloseTo(1, 10);
    expect((await outsideQuality(a, b, [[8, 8, 40, 23]])).changed).toBeGreaterThan(0);
  });

  it("counts values and errors, and SSIM falls with noise", async () => {
    const a = noisy(9);
    const b = { ...a, data: Uint8Array.from(a.data) };
    b.data[0]! += 3;
    b.data[1]! += 4;
    expect(await outsideQuality(a, b, [])).toMatchObject({ changed: 2, squaredError: 25 });
    const at = async (amount: number): Promise<number> => {
      const random = new Random(3);
      const c = { ...a, data: a.data.map((v) => v + Math.round(random.normal() * amount)) };
      const { ssimSum, windows } = await outsideQuality(a, c, []);
      return ssimSum / windows;
    };
    const [little, much] = [await at(2), await at(20)];
    expect(little).toBeLessThan(1);
    expect(much).toBeLessThan(little);
  });

  it("agrees with SSIM written out for one window", async () => {
    const a = { width: 8, height: 8, data: new Uint8Array(192).map((_, i) => (Math.floor(i / 3) * 3) % 251) };
    const b = { width: 8, height: 8, data: a.data.map((v, i) => Math.min(255, v + (Math.floor(i / 3) % 5))) };
    const grey = (image: { data: Uint8Array }) => Array.from({ length: 64 }, (_, i) => image.data[i * 3]!);
    const [x, y] = [grey(a), grey(b)];
    const mean = (v: number[]) => v.reduce((s, n) => s + n, 0) / v.length;
    const [mx, my] = [mean(x), mean(y)];
    const [vx, vy] = [mean(x.map((n) => (n - mx) ** 2)), mean(y.map((n) => (n - my) ** 2))];
    const covariance = mean(x.map((n, i) => (n - mx) * (y[i]! - my)));
    const [c1, c2] = [(0.01 * 255) ** 2, (0.03 * 255) ** 2];
    const expected = ((2 * mx * my + c1) * (2 * covariance + c2)) / ((mx ** 2 + my ** 2 + c1) * (vx + vy + c2));
    expect((await outsideQuality(a, b, [])).ssimSum).toBeCloseTo(expected, 6);
  });

  it("refuses pages of different sizes", async () => {
    await expect(outsideQuality(createImage(8, 8), createImage(9, 8), [])).rejects.toMatchObject({
      code: "ERR_INVALID_ARGUMENT",
    });
  });
});

describe("evaluating a manifest", () => {
  let folder: string;
  let manifest: string;
  const email = "ellen.marlow@example.org";
  const name = "Please call Greta Kalwitz";

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "evaluation-"));
    await mkdir(join(folder, "images"));
    const { page, boxes } = drawPage(600, 240, [
      { text: `E-mail: ${email}`, x: 40, y: 40 },
      { text: name, x: 40, y: 120 },
    ]);
    await writeFile(join(folder, "images", "a.png"), await encodeDocument([{ index: 0, image: page }], "png"));
    const record = (id: string, split: string) => ({
      id,
      image: "images/a.png",
      width: 600,
      height: 240,
      split,
      regions: [
        { box: boxes[0], text: `E-mail: ${email}`, entity: "email" },
        { box: boxes[1], text: name, entity: "person" },
      ],
    });
    manifest = join(folder, "manifest.jsonl");
    await writeFile(
      manifest,
      [record("a", "test"), record("b", "train")].map((r) => `${JSON.stringify(r)}\n`).join(""),
    );
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Reads nothing of what it is shown, or always the same. */
  const engineThat = (engine: string, says: readonly string[]): OcrEngine => ({
    name: engine,
    read: async ({ width, height }): Promise<OcrPage> => ({
      engine,
      width,
      height,
      lines: says.map((text, i) => {
        const box = [0, i * 20, width, i * 20 + 18] as const;
        return { text, box, confidence: 1, words: text.split(" ").map((word) => ({ text: word, box, confidence: 1 })) };
      }),
    }),
    close: async () => {},
  });

  it("asks every engine, each by itself", async () => {
    const seen: string[] = [];
    const result = await evaluate(manifest, {
      config: { engine: "classical", types: ["email", "person"], key: "a key for evaluating" },
      engines: [engineThat("blind", []), engineThat("sharp", ["called gretakalwitz by", name])],
      split: "test",
      onProgress: (done, total, id) => seen.push(`${id} ${done}/${total}`),
    });
    expect(seen).toEqual(["a 1/1"]);
    expect(result.documents).toEqual({ total: 1, proven: 1, unproven: 0, failed: 0 });
    expect(result.engines["blind"]).toMatchObject({ searched: 2, readable: 0, reread_similarity: 0, reread_exact: 0 });
    expect(result.engines["sharp"]).toMatchObject({ readable: 1, readable_by_type: { person: 1 }, documents: ["a"] });
    expect(result.engines["sharp"]).toMatchObject({
      replaced: result.engines["blind"]!.replaced,
      replaced_readable: 0,
    });
    expect(result.types["email"]).toMatchObject({ recall: 1 });
    expect(result.outside).toMatchObject({ changed_pixels: 0, psnr: null });
    expect(JSON.stringify(result)).not.toMatch(/marlow|Kalwitz/i);
  });

  it("looks for what was replaced, too, labelled or not", async () => {
    const result = await evaluate(manifest, {
      config: { engine: "classical", types: ["email"] },
      engines: [engineThat("sharp", [`write to ${email} today`])],
      limit: 1,
    });
    expect(result.engines["sharp"]).toMatchObject({ replaced: 1, replaced_readable: 1, documents: ["a"] });
  });

  it("reads pages that lie on their side as the anonymizer does", async () => {
    const texts = [`E-mail: ${email}`, "Thank you for your order", "Total amount to be paid 128.40"];
    const { page, boxes } = drawPage(
      600,
      240,
      texts.map((text, i) => ({ text, x: 40, y: 30 + 70 * i })),
    );
    const image = await turnImage(page, 90);
    await writeFile(join(folder, "images", "side.png"), await encodeDocument([{ index: 0, image }], "png"));
    const box = turnBox(boxes[0]!, page, 90);
    const regions = [{ box, text: texts[0], entity: "email" }];
    const record = { id: "side", image: "images/side.png", width: 240, height: 600, split: "test", regions };
    const own = join(folder, "side.jsonl");
    await writeFile(own, `${JSON.stringify(record)}\n`);
    const engine = await createTesseractEngine();
    const result = await evaluate(own, { config: { engine: "classical", types: ["email"] }, engines: [engine] });
    await engine.close();
    expect(result.types["email"]).toMatchObject({ recall: 1 });
    expect(result.engines["tesseract"]).toMatchObject({ readable: 0, drawn: 1 });
    expect(result.engines["tesseract"]!.reread_similarity).toBeGreaterThan(0.8);
    expect(result.outside).toMatchObject({ changed_pixels: 0, psnr: null });
  });

  it("does not look for types that are not replaced", async () => {
    const result = await evaluate(manifest, {
      config: { engine: "classical", types: ["email"] },
      engines: [engineThat("sharp", [name])],
      limit: 1,
    });
    expect(result.engines["sharp"]).toMatchObject({ searched: 1, readable: 0 });
    expect(result.types["person"]).toBeUndefined();
    expect(result.others.lines).toBe(1);
  });

  it("refuses what can't be evaluated", async () => {
    await expect(evaluate(manifest, { split: "validation" })).rejects.toMatchObject({ code: "ERR_DATASET_EMPTY" });
    await expect(evaluate(manifest, { engines: [] })).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
    await expect(evaluate(manifest, { jobs: 0 })).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
    await expect(evaluate(join(folder, "none"))).rejects.toMatchObject({ code: "ERR_DATASET_NOT_FOUND" });
    await expect(evaluate(manifest, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ERR_ABORTED" });
  });
});
