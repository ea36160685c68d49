import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { measureOcr } from "../../bench/ocr.bench.ts";
import { Anonymizer } from "../../src/anonymizer/anonymizer.ts";
import { drawSamplePage } from "../../src/anonymizer/sample-page.ts";
import type { OcrEngine } from "../../src/detection/ocr.ts";
import { openPpOcrModels } from "../../src/detection/ppocr/model-files.ts";
import { createPpOcrEngine } from "../../src/detection/ppocr/ppocr-engine.ts";
import { startPpOcrProcess } from "../../src/detection/ppocr/ppocr-process.ts";
import { boxArea, intersectBoxes, quadBounds } from "../../src/documents/geometry.ts";
import { createImage, cropImage } from "../../src/documents/image.ts";
import { iou } from "../../src/evaluation/score-entities.ts";
import { processLives } from "../../src/process-lives.ts";
import { ppocrFolder, ppocrMissing } from "../helpers/ppocr.ts";
import { errorRate, expectLines, plain, reshape } from "../helpers/reading.ts";
import { sampleKey } from "../helpers/sample-lines.ts";
import { root } from "../helpers/tiny.ts";
import { drawPage } from "../unit/helpers/drawn-page.ts";

const code = (value: string) => expect.objectContaining({ code: value });
const texts = [
  "Harbour Books and Maps Limited",
  "14 Quayside Lane, Weymouth DT4 8ED",
  "Telephone 01305 555 0142",
  "Invoice number 20391 of 17 March 2024",
  "Customer: Eleanor Whitfield",
  "Total to be paid 86.40",
];
const drawn = (text: string, i: number) => ({ text, x: 60, y: 40 + i * 88, sizePx: 26 });
const { page, boxes } = drawPage(900, 600, texts.map(drawn));

/** Enough where only something has to be read. */
const small = drawPage(420, 120, [{ text: "Quayside Lane 4711", x: 30, y: 40, sizePx: 26 }]).page;

describe.skipIf(ppocrMissing)("PP-OCR", () => {
  let engine: OcrEngine;
  let folder: string;
  beforeAll(async () => {
    engine = await createPpOcrEngine({ models: ppocrFolder });
    folder = await mkdtemp(join(tmpdir(), "anonymizer-ppocr-"));
  });
  afterAll(async () => {
    await engine?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("reads a page with words and boxes in page pixels", async () => {
    const read = await engine.read(page);
    expect(read).toMatchObject({ width: 900, height: 600, engine: "ppocr" });
    expectLines(read, texts, boxes, { errors: 0.02, overlap: 0.75, confidence: 0.9 });
  });

  it("places each word where it was drawn", async () => {
    // The words of a line, drawn one by one with wide and narrow letters: equal shares would be far off.
    const words = ["illicit", "WOMWAM", "ill", "MAMMOTH"];
    let x = 40;
    const placed = words.map((text) => {
      const at = { text, x, y: 60, sizePx: 30 };
      const [, , x1] = drawPage(1200, 160, [at]).boxes[0]!;
      x = Math.ceil(x1) + 14;
      return at;
    });
    const own = drawPage(1200, 160, placed);
    const read = await engine.read(own.page);
    expect(read.lines.flatMap((line) => line.words.map((word) => word.text))).toEqual(words);
    for (const [i, word] of read.lines.flatMap((line) => line.words).entries())
      expect(iou(word.box, own.boxes[i]!), word.text).toBeGreaterThan(0.75);
  });

  it("reads the same again, whatever was read in between", async () => {
    const first = await engine.read(small);
    await engine.read(drawPage(500, 200, [{ text: "Something else entirely", x: 20, y: 80 }]).page);
    expect(await engine.read(small)).toEqual(first);
  });

  it.each([-4, 2.5, 12])("reads a page turned by %d°, with quads along its lines", async (degrees) => {
    const turned = await reshape(page, (s) => s.rotate(degrees, { background: "#ece9e4" }));
    const read = await engine.read(turned);
    expect(errorRate(read, texts)).toBeLessThan(0.04);
    const angle = (degrees * Math.PI) / 180;
    for (const line of read.lines) {
      const [x0, y0, x1, y1] = line.quad!;
      expect(Math.abs(Math.atan2(y1 - y0, x1 - x0) - angle)).toBeLessThan(0.01);
      for (const word of line.words)
        expect(boxArea(intersectBoxes(word.box, quadBounds(line.quad!)))).toBeGreaterThan(0);
    }
  });

  it("reads pale print on noisy grey paper", async () => {
    const pale = drawPage(900, 600, texts.map(drawn), { paper: [196, 196, 196], ink: [176, 176, 176], noise: 2 }).page;
    expect(errorRate(await engine.read(pale), texts)).toBeLessThan(0.04);
  });

  it("reads a line that runs up the page", async () => {
    const line = drawPage(420, 60, [{ text: "Sideways note 4711", x: 20, y: 15, sizePx: 28 }]).page;
    const upright = await reshape(line, (s) => s.rotate(270));
    const data = createImage(500, 600);
    for (let y = 0; y < upright.height; y++)
      data.data.set(
        upright.data.subarray(y * upright.width * 3, (y + 1) * upright.width * 3),
        ((y + 90) * 500 + 200) * 3,
      );
    const read = await engine.read(data);
    expect(plain(read.lines.map((l) => l.text).join(""))).toContain("sideways");
  });

  it("reads a line image as one line", async () => {
    const [x0, y0, x1, y1] = boxes[4]!;
    const crop = cropImage(page, [Math.floor(x0) - 6, Math.floor(y0) - 4, Math.ceil(x1) + 6, Math.ceil(y1) + 4]);
    const read = await engine.read(crop, { layout: "line" });
    expect(read.lines.map((line) => line.text)).toEqual([texts[4]]);
    expect(iou(read.lines[0]!.box, [6, 4, crop.width - 6, crop.height - 4])).toBeGreaterThan(0.7);
  });

  it("gives no lines where there is no text, however small the image", async () => {
    expect((await engine.read(createImage(300, 200))).lines).toEqual([]);
    expect((await engine.read(createImage(1, 1))).lines).toEqual([]);
    expect((await engine.read(createImage(1, 1), { layout: "line" })).lines).toEqual([]);
    expect((await engine.read(createImage(3000, 2), { layout: "line" })).lines).toEqual([]);
  });

  it("after a time-out or an abort reads on", async () => {
    await expect(engine.read(page, { timeoutMs: 5 })).rejects.toEqual(code("ERR_OCR_TIMEOUT"));
    const controller = new AbortController();
    const running = engine.read(page, { signal: controller.signal });
    const waiting = engine.read(page, { signal: controller.signal });
    setTimeout(() => controller.abort(), 30);
    await expect(running).rejects.toEqual(code("ERR_ABORTED"));
    await expect(waiting).rejects.toEqual(code("ERR_ABORTED"));
    // At whatever moment it is stopped, the process that asked goes on.
    for (const timeoutMs of [60, 200, 400])
      await engine.read(small, { timeoutMs }).catch((error) => expect(error).toEqual(code("ERR_OCR_TIMEOUT")));
    expect(errorRate(await engine.read(page), texts)).toBeLessThan(0.02);
  });

  it("reads several images at once, each with its own result", async () => {
    const pages = ["Alpha Road 12", "Bravo Street 34", "Charlie Lane 56"].map(
      (text) => drawPage(400, 120, [{ text, x: 30, y: 45, sizePx: 28 }]).page,
    );
    const own = await createPpOcrEngine({ models: ppocrFolder, workers: 2 });
    const read = await Promise.all(pages.map((image) => own.read(image)));
    await own.close();
    expect(read.map(({ lines }) => lines[0]!.text.split(" ")[0])).toEqual(["Alpha", "Bravo", "Charlie"]);
  });

  it("ends running and waiting calls when it is closed, and holds nothing while it is idle", async () => {
    const holding = (): string[] =>
      process.getActiveResourcesInfo().filter((kind) => /Process|Pipe|Worker|MessagePort/.test(kind));
    // Processes of the tests before are about to be gone.
    await expect.poll(holding).not.toContain("ProcessWrap");
    const before = holding();
    const own = await createPpOcrEngine({ models: ppocrFolder });
    await own.read(small);
    expect(holding()).toEqual(before);
    const calls = [own.read(page), own.read(page)];
    const closing = own.close();
    for (const call of calls) await expect(call).rejects.toEqual(code("ERR_CLOSED"));
    await closing;
    await own.close();
    await expect(own.read(page)).rejects.toEqual(code("ERR_CLOSED"));
    await expect.poll(holding).toEqual(before);
  });

  it("keeps the event loop free while it reads", async () => {
    // Turns of the event loop during a reading: had the networks run in this thread, there would be a handful.
    let turns = 0;
    let reading = true;
    const count = (): void => {
      turns++;
      if (reading) setTimeout(count, 1);
    };
    count();
    await engine.read(page);
    reading = false;
    expect(turns).toBeGreaterThan(40);
  });

  it.each([
    ["closed", "await engine.close();"],
    ["left open", ""],
    ["left in the middle of a page", "engine.read(image).catch(() => {}); setTimeout(() => process.exit(0), 400);"],
  ])("%s, it lets its caller's process end, and ends with it", async (_name, last) => {
    const script = `
      const { createPpOcrEngine } = await import(${JSON.stringify(join(root, "dist", "index.js"))});
      const { readFileSync } = await import("node:fs");
      const engine = await createPpOcrEngine({ models: ${JSON.stringify(ppocrFolder)} });
      const image = { width: 1400, height: 1800, data: new Uint8Array(1400 * 1800 * 3).fill(255) };
      if (${last.includes("exit") ? "false" : "true"}) await engine.read({ width: 9, height: 9, data: new Uint8Array(243) });
      const children = readFileSync(\`/proc/self/task/\${process.pid}/children\`, "utf8").trim().split(" ");
      console.log(children[0]);
      ${last}
      console.log("end");`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
    const [pid, end] = stdout.trim().split("\n");
    expect(end).toBe("end");
    await expect.poll(() => processLives(Number(pid)), { timeout: 5000 }).toBe(false);
  });

  it("refuses bad arguments", async () => {
    await expect(engine.read({ ...page, width: 901 })).rejects.toEqual(code("ERR_INVALID_ARGUMENT"));
    await expect(createPpOcrEngine({ models: ppocrFolder, workers: 0 })).rejects.toEqual(code("ERR_INVALID_ARGUMENT"));
    await expect(createPpOcrEngine({ models: ppocrFolder, threads: 0.5 })).rejects.toEqual(
      code("ERR_INVALID_ARGUMENT"),
    );
  });

  it("gives a coded error for networks that are none or don't fit the characters", async () => {
    const own = join(folder, "models");
    await cp(ppocrFolder, own, { recursive: true });
    const models = await openPpOcrModels(own);
    const files = { detection: models.detection, recognition: models.recognition, threads: 1 };
    await expect(startPpOcrProcess({ ...files, characters: ["a", "b"] })).rejects.toEqual(code("ERR_MODEL_SHAPE"));
    await writeFile(models.detection, "no model");
    const { characters } = models;
    await expect(startPpOcrProcess({ ...files, characters })).rejects.toEqual(code("ERR_MODEL_GRAPH"));
  });

  it("reads for an anonymizer, and tesseract looks at the result too", async () => {
    const { data, width, height } = drawSamplePage([
      "Name: Ellen Marlow",
      "E-mail: ellen.marlow@example.org",
      "Total 9.50",
    ]);
    const png = await sharp(data, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer();
    const config = { engine: "classical", key: sampleKey } as const;
    const anonymizer = await Anonymizer.create({ ...config, ocr: { engine: "auto", models: ppocrFolder } });
    const { report } = await anonymizer.anonymize(png);
    await anonymizer.close();
    expect(report.reading).toMatchObject({ requested: "auto", chosen: "ppocr", verifiers: ["ppocr", "tesseract"] });
    expect(report.versions["ocr"]).toBe("ppocr");
    expect(report.unproven_because).toEqual([]);
    expect(report.entities.map(({ type }) => type)).toEqual(expect.arrayContaining(["person", "email"]));
    for (const entity of report.entities) expect(entity.confidence).toBeGreaterThan(0.9);
  });

  it("asked for by name must be there; auto goes on with tesseract and says why", async () => {
    const models = join(folder, "nothing");
    await expect(Anonymizer.create({ ocr: { engine: "ppocr", models } })).rejects.toEqual(code("ERR_MODEL_NOT_FOUND"));
    const anonymizer = await Anonymizer.create({ ocr: { engine: "auto", models } });
    expect(anonymizer.reading).toMatchObject({ chosen: "tesseract", reason: "no models of PP-OCR are installed" });
    await anonymizer.close();
  });

  const data = join(root, "..", "shared", "data");
  it.skipIf(!existsSync(join(data, "receipts")))("reads real receipts", async () => {
    const table = await measureOcr(data, engine, { every: 40 });
    expect(table.found).toBeGreaterThan(0.95);
    expect(table.errorRate).toBeLessThan(0.03);
    expect(table.digitsExact).toBeGreaterThan(0.85);
    expect(table.wordsInLines).toBeGreaterThan(0.97);
  });
});
