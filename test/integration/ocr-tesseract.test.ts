import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { OcrEngine } from "../../src/detection/ocr.ts";
import { createTesseractEngine } from "../../src/detection/tesseract-engine.ts";
import { startTesseractWorker } from "../../src/detection/tesseract-worker.ts";
import { type Box, intersectBoxes, quadBounds } from "../../src/documents/geometry.ts";
import { createImage, cropImage } from "../../src/documents/image.ts";
import { iou } from "../../src/evaluation/score-entities.ts";
import { fontFace } from "../../src/rendering/fonts.ts";
import { errorRate, expectLines, reshape } from "../helpers/reading.ts";
import { drawPage } from "../unit/helpers/drawn-page.ts";

const code = (value: string) => expect.objectContaining({ code: value });
const texts = [
  "Harbour Books and Maps Limited",
  "14 Quayside Lane, Weymouth DT4 8ED",
  "Telephone 01305 555 0142",
  "Invoice number 20391 of 17 March 2024",
  "Customer: Eleanor Whitfield",
  "Atlas of the northern coast",
  "Three nautical charts, folded",
  "Total to be paid 86.40",
  "Thank you for your order",
];

const { page, boxes } = drawPage(
  900,
  600,
  texts.map((text, i) => ({ text, x: 60, y: 40 + i * 58, sizePx: 26 })),
);

let engine: OcrEngine;
beforeAll(async () => {
  engine = await createTesseractEngine();
});
afterAll(() => engine.close());

describe("a page", () => {
  it("is read with words and boxes in page pixels", async () => {
    const read = await engine.read(page);
    expect(read).toMatchObject({ width: 900, height: 600, engine: "tesseract" });
    expectLines(read, texts, boxes, { errors: 0.03, overlap: 0.6, confidence: 0.7 });
  });

  it("reads the same again, whatever was read in between", async () => {
    const first = await engine.read(page);
    await engine.read(drawPage(500, 200, [{ text: "Something else entirely", x: 20, y: 80 }]).page);
    expect(await engine.read(page)).toEqual(first);
  });

  it("of small print is read, with boxes on the small page", async () => {
    const small = await reshape(page, (s) => s.resize({ width: 450 }));
    const read = await engine.read(small);
    expect(errorRate(read, texts)).toBeLessThan(0.06);
    const half = boxes[0]!.map((v) => v / 2) as unknown as Box;
    expect(iou(read.lines[0]!.box, half)).toBeGreaterThan(0.5);
  });

  it.each([-3.5, 2])("turned by %d° is read upright, with boxes and quads on the turned page", async (degrees) => {
    const turned = await reshape(page, (s) => s.rotate(degrees, { background: "#ece9e4" }));
    const read = await engine.read(turned);
    expect(errorRate(read, texts)).toBeLessThan(0.05);
    const line = read.lines.find(({ text }) => text.startsWith("Customer"))!;
    expect(line.quad).toBeDefined();
    const angle = (degrees * Math.PI) / 180;
    const [x0, y0, x1, y1] = boxes[4]!;
    const onTurned = ([x, y]: readonly [number, number]): readonly [number, number] => {
      const [dx, dy] = [x - page.width / 2, y - page.height / 2];
      return [
        turned.width / 2 + dx * Math.cos(angle) - dy * Math.sin(angle),
        turned.height / 2 + dx * Math.sin(angle) + dy * Math.cos(angle),
      ];
    };
    const corners = [onTurned([x0, y0]), onTurned([x1, y0]), onTurned([x1, y1]), onTurned([x0, y1])];
    corners.flat().forEach((value, i) => {
      expect(Math.abs(line.quad![i]! - value)).toBeLessThan(8);
    });
    for (const word of line.words)
      expect(iou(intersectBoxes(word.box, quadBounds(line.quad!)), word.box)).toBeGreaterThan(0.8);
  });

  it("with pale print on grey, shaded paper is read", async () => {
    const lines = texts.map((text, i) => ({ text, x: 60, y: 40 + i * 58, sizePx: 26 }));
    const pale = drawPage(900, 600, lines, { paper: [190, 190, 190], ink: [150, 150, 150], noise: 1 }).page;
    for (let y = 0; y < 600; y++)
      for (let i = y * 2700; i < (y + 1) * 2700; i++) pale.data[i] = Math.round(pale.data[i]! * (1 - 0.4 * (y / 600)));
    expect(errorRate(await engine.read(pale), texts)).toBeLessThan(0.06);
  });

  it("with light print on a dark bar is read", async () => {
    const bar = drawPage(900, 70, [{ text: "Bank details of the holder", x: 30, y: 22, sizePx: 26 }], {
      paper: [40, 44, 60],
      ink: [250, 250, 250],
    }).page;
    const data = page.data.slice();
    data.set(bar.data, 530 * 900 * 3);
    const read = await engine.read({ ...page, data });
    expect(errorRate({ ...read, lines: read.lines.slice(-1) }, ["Bank details of the holder"])).toBeLessThan(0.1);
  });

  it("with rules through a form's cells is read", async () => {
    const data = page.data.slice();
    for (const box of boxes) {
      const y = Math.min(599, Math.round(box[3]) + 1);
      for (let x = 40; x < 860; x++)
        for (let dy = 0; dy < 2; dy++) data.fill(30, ((y + dy) * 900 + x) * 3, ((y + dy) * 900 + x) * 3 + 3);
    }
    expect(errorRate(await engine.read({ ...page, data }), texts)).toBeLessThan(0.06);
  });

  it("without text gives no lines", async () => {
    expect((await engine.read(createImage(300, 200))).lines).toEqual([]);
    expect((await engine.read(createImage(1, 1))).lines).toEqual([]);
  });
});

describe("a line image", () => {
  it("is read as one line, low ones too", async () => {
    for (const [sizePx, limit] of [
      [26, 0.05],
      [13, 0.15],
    ] as const) {
      const drawn = drawPage(700, 60, [
        { text: "Eleanor Whitfield, Weymouth", x: 20, y: 18, sizePx, face: fontFace("tinos-400") },
      ]);
      const [x0, y0, x1, y1] = drawn.boxes[0]!;
      const crop = cropImage(drawn.page, [
        Math.floor(x0) - 4,
        Math.floor(y0) - 3,
        Math.ceil(x1) + 4,
        Math.ceil(y1) + 3,
      ]);
      const read = await engine.read(crop, { layout: "line" });
      expect(read.lines).toHaveLength(1);
      expect(errorRate(read, ["Eleanor Whitfield, Weymouth"])).toBeLessThan(limit);
      const around = read.lines[0]!.box;
      expect(iou(around, [4, 3, crop.width - 4, crop.height - 3])).toBeGreaterThan(0.6);
    }
  });
});

describe("calls at once", () => {
  it("queue and all get their own result", async () => {
    const pages = ["Alpha Road 12", "Bravo Street 34", "Charlie Lane 56"].map(
      (text) => drawPage(400, 120, [{ text, x: 30, y: 45, sizePx: 28 }]).page,
    );
    const read = await Promise.all(pages.map((image) => engine.read(image)));
    expect(read.map(({ lines }) => lines[0]!.text.split(" ")[0])).toEqual(["Alpha", "Bravo", "Charlie"]);
  });
});

describe("a time-out", () => {
  it("stops reading, and the engine reads on", async () => {
    await expect(engine.read(page, { timeoutMs: 5 })).rejects.toEqual(code("ERR_OCR_TIMEOUT"));
    expect(errorRate(await engine.read(page), texts)).toBeLessThan(0.03);
  });
});

describe("an abort", () => {
  it("ends the running call, the waiting one and the one not yet made", async () => {
    const controller = new AbortController();
    const running = engine.read(page, { signal: controller.signal });
    const waiting = engine.read(page, { signal: controller.signal });
    const other = engine.read(page);
    setTimeout(() => controller.abort(), 30);
    await expect(running).rejects.toEqual(code("ERR_ABORTED"));
    await expect(waiting).rejects.toEqual(code("ERR_ABORTED"));
    await expect(engine.read(page, { signal: controller.signal })).rejects.toEqual(code("ERR_ABORTED"));
    expect(errorRate(await other, texts)).toBeLessThan(0.03);
  });
});

describe("bad arguments", () => {
  it("are refused", async () => {
    await expect(engine.read({ ...page, width: 901 })).rejects.toEqual(code("ERR_INVALID_ARGUMENT"));
    await expect(engine.read(page, { timeoutMs: 0 })).rejects.toEqual(code("ERR_INVALID_ARGUMENT"));
    await expect(createTesseractEngine({ workers: 0 })).rejects.toEqual(code("ERR_INVALID_ARGUMENT"));
    await expect(createTesseractEngine({ language: "deu" as "eng" })).rejects.toEqual(code("ERR_INVALID_ARGUMENT"));
  });
});

describe("a thread", () => {
  it("that gets what is no image says so and is not used again", async () => {
    const worker = await startTesseractWorker("eng");
    await expect(worker.recognize(new Uint8Array([1, 2, 3]), 6)).rejects.toEqual(code("ERR_OCR_FAILED"));
    expect(worker.alive).toBe(false);
    await expect(worker.recognize(new Uint8Array([1, 2, 3]), 6)).rejects.toEqual(code("ERR_OCR_FAILED"));
    await worker.terminate();
  });

  it("that is stopped while it works rejects and leaves nothing unhandled", async () => {
    const unhandled: unknown[] = [];
    const listener = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", listener);
    const worker = await startTesseractWorker("eng");
    const pgm = Buffer.concat([Buffer.from("P5\n1000 1000\n255\n"), Buffer.alloc(1e6, 255)]);
    const call = worker.recognize(new Uint8Array(pgm), 6);
    await worker.terminate();
    await expect(call).rejects.toEqual(code("ERR_OCR_FAILED"));
    await new Promise((resolve) => setTimeout(resolve, 50));
    process.off("unhandledRejection", listener);
    expect(unhandled).toEqual([]);
  });

  it("for a language that is not installed gives a coded error", async () => {
    await expect(startTesseractWorker("tlh")).rejects.toEqual(code("ERR_OCR_FAILED"));
  });
});

describe("closing", () => {
  it("ends running and waiting calls, can be done twice, and nothing is read after it", async () => {
    const own = await createTesseractEngine();
    const calls = [own.read(page), own.read(page)];
    const closing = own.close();
    for (const call of calls) await expect(call).rejects.toEqual(code("ERR_CLOSED"));
    await closing;
    await own.close();
    await expect(own.read(page)).rejects.toEqual(code("ERR_CLOSED"));
  });

  it("is not needed for the process to end: an idle engine holds nothing", async () => {
    const holding = (): string[] =>
      process.getActiveResourcesInfo().filter((kind) => kind === "MessagePort" || kind === "Worker");
    const before = holding();
    const own = await createTesseractEngine();
    await own.read(page);
    expect(holding()).toEqual(before);
    await own.close();
  });
});
