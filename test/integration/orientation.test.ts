/** Pages scanned on their side or upside down are read, and come back as they lay. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Anonymizer } from "../../src/anonymizer/anonymizer.ts";
import { openVault } from "../../src/anonymizer/memory.ts";
import { drawSamplePage } from "../../src/anonymizer/sample-page.ts";
import type { OcrEngine } from "../../src/detection/ocr.ts";
import { findUprightTurn } from "../../src/detection/orientation.ts";
import { createPpOcrEngine } from "../../src/detection/ppocr/ppocr-engine.ts";
import { createTesseractEngine } from "../../src/detection/tesseract-engine.ts";
import { decodeDocument } from "../../src/documents/decode.ts";
import { encodeDocument } from "../../src/documents/encode.ts";
import { createImage, pasteImage, type RasterImage } from "../../src/documents/image.ts";
import { type QuarterTurn, quarterTurns, turnBack, turnBox, turnImage, turnSize } from "../../src/documents/turn.ts";
import { reportSchema } from "../../src/report.ts";
import { ppocrFolder, ppocrMissing } from "../helpers/ppocr.ts";
import { sampleKey as key, sampleLines as lines } from "../helpers/sample-lines.ts";
import { root } from "../helpers/tiny.ts";

const receipt = join(root, "..", "shared", "data", "receipts", "images", "316.jpg");
if (!existsSync(receipt)) console.log(`skipped: ${receipt} is not there`);

let ocr: OcrEngine;
let reads = 0;
let folder: string;
beforeAll(async () => {
  const engine = await createTesseractEngine();
  ocr = {
    name: engine.name,
    read: (image, options) => {
      if (options?.layout !== "line") reads++;
      return engine.read(image, options);
    },
    close: () => engine.close(),
  };
  folder = await mkdtemp(join(tmpdir(), "orientation-test-"));
});
afterAll(async () => {
  await ocr.close();
  await rm(folder, { recursive: true, force: true });
});

const asPng = async (page: RasterImage, turn: QuarterTurn): Promise<Buffer> =>
  encodeDocument([{ index: 0, image: await turnImage(page, turn), dpi: 200 }], "png");

/** Pixels that differ outside the boxes. */
function changedOutside(before: RasterImage, after: RasterImage, boxes: readonly (readonly number[])[]): number {
  expect([after.width, after.height]).toEqual([before.width, before.height]);
  let changed = 0;
  for (let i = 0; i < before.data.length; i++) {
    if (before.data[i] === after.data[i]) continue;
    const [x, y] = [Math.floor(i / 3) % before.width, Math.floor(i / 3 / before.width)];
    if (!boxes.some(([x0, y0, x1, y1]) => x >= x0! && x < x1! && y >= y0! && y < y1!)) changed++;
  }
  return changed;
}

async function inDirections(turns: readonly QuarterTurn[], page: RasterImage, config: object = {}) {
  const anonymizer = await Anonymizer.create({ engine: "classical", key, ...config }, { parts: { ocr } });
  const results = [];
  for (const turn of turns) {
    const file = await asPng(page, turn);
    const { report, data } = await anonymizer.anonymize(file);
    const input = (await decodeDocument(file)).pages[0]!;
    const output = (await decodeDocument(data)).pages[0]!;
    expect(output.dpi).toBe(input.dpi);
    expect(reportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(JSON.parse(JSON.stringify(report)));
    expect(report.document.pages).toEqual([
      {
        index: 0,
        width: input.image.width,
        height: input.image.height,
        ...(turn === 0 ? {} : { turned: turnBack(turn) }),
      },
    ]);
    const painted = report.entities.map((entity) => entity.painted!);
    expect(changedOutside(input.image, output.image, [...painted, ...report.image_regions.map(({ box }) => box)])).toBe(
      0,
    );
    results.push({ turn, report, output: output.image });
  }
  await anonymizer.close();
  return results;
}

describe("a page in any of four directions", () => {
  it("has the same values replaced in the same places, and is proven", async () => {
    const page = drawSamplePage(lines);
    const vault = join(folder, "names.vault");
    const [upright, ...turned] = await inDirections(quarterTurns, page, { vault });
    const fakes = upright!.report.entities.map(({ type, fake }) => [type, fake]);
    expect(fakes.map(([type]) => type)).toEqual(expect.arrayContaining(["person", "email", "phone"]));
    for (const { turn, report, output } of [upright!, ...turned]) {
      expect(report.unproven_because).toEqual([]);
      expect(report.entities.map(({ type, fake }) => [type, fake])).toEqual(fakes);
      const back = await turnImage(output, turnBack(turn));
      const text = (await ocr.read(back)).lines.map((line) => line.text).join("\n");
      expect(text).toContain("Total 128.40");
      expect(text).not.toMatch(/Marlow|7946/);
      for (const [i, { box }] of report.entities.entries()) {
        const expected = turnBox(upright!.report.entities[i]!.box, page, turn);
        for (const side of [0, 1, 2, 3]) expect(Math.abs(box[side]! - expected[side]!)).toBeLessThan(2);
      }
    }
    const kept = await (await openVault({ vault, key })).find();
    const boxes = turned.flatMap(({ report }) => report.entities.map(({ box }) => box.map(Math.round)));
    for (const box of boxes) expect(kept.map((entry) => entry.box.map(Math.round))).toContainEqual(box);
  });

  it("is looked at in its own geometry", async () => {
    const page = drawSamplePage(lines);
    const anonymizer = await Anonymizer.create({ engine: "classical", key }, { parts: { ocr } });
    const upright = await anonymizer.detect(await asPng(page, 0));
    const plan = await anonymizer.detect(await asPng(page, 90));
    await anonymizer.close();
    expect(plan.pages).toEqual([turnSize(page, 90)]);
    expect(plan.replacements.map(({ fake }) => fake)).toEqual(upright.replacements.map(({ fake }) => fake));
    for (const [i, { entity }] of plan.replacements.entries()) {
      const expected = turnBox(upright.replacements[i]!.entity.box, page, 90);
      for (const side of [0, 1, 2, 3]) expect(Math.abs(entity.box[side]! - expected[side]!)).toBeLessThan(2);
    }
  });

  it.skipIf(!existsSync(receipt))("also when it is a real receipt", async () => {
    const page = (await decodeDocument(receipt)).pages[0]!.image;
    const anonymizer = await Anonymizer.create({ engine: "classical", key }, { parts: { ocr } });
    const upright = (await anonymizer.detect(await asPng(page, 0))).replacements;
    await anonymizer.close();
    const values = upright.map(({ entity, fake }) => [entity.type, fake]);
    expect(values.length).toBeGreaterThan(2);
    const { report } = (await inDirections([90], page))[0]!;
    expect(report.unproven_because).toEqual([]);
    // What the proof found besides is appended; a solid box shows nothing.
    for (const [i, [type, fake]] of values.entries()) {
      const entity = report.entities[i]!;
      expect([entity.type, entity.fake ?? fake]).toEqual([type, fake]);
    }
  });

  it("is turned page by page in a PDF, whose pages keep their sizes", async () => {
    const page = drawSamplePage(lines);
    const images = [page, await turnImage(page, 270)];
    const pages = images.map((image, index) => ({ index, image, dpi: 150 }));
    const anonymizer = await Anonymizer.create({ engine: "classical", key }, { parts: { ocr } });
    const { report, data } = await anonymizer.anonymize(await encodeDocument(pages, "pdf"));
    await anonymizer.close();
    expect(report.document.pages.map(({ turned }) => turned)).toEqual([undefined, 90]);
    expect(report.unproven_because).toEqual([]);
    const back = (await decodeDocument(data)).pages;
    for (const [i, { points }] of back.entries()) {
      expect(points!.width).toBeCloseTo((images[i]!.width / 150) * 72, 1);
      expect(points!.height).toBeCloseTo((images[i]!.height / 150) * 72, 1);
    }
  });
});

describe("a page is left as it lies", () => {
  const turnOf = async (page: RasterImage): Promise<{ turn: QuarterTurn; extra: number }> => {
    const reading = await ocr.read(page);
    const before = reads;
    return { turn: await findUprightTurn(page, reading, ocr), extra: reads - before };
  };

  it("when it reads well, without a further look", async () => {
    expect(await turnOf(drawSamplePage(lines))).toEqual({ turn: 0, extra: 0 });
  });

  it("when there is hardly any text on it", async () => {
    expect(await turnOf(await turnImage(drawSamplePage(["Total 4.10"]), 90))).toEqual({ turn: 0, extra: 0 });
    expect(await turnOf(createImage(400, 300))).toEqual({ turn: 0, extra: 0 });
  });

  it("when no direction is clearly better", async () => {
    const scribble = createImage(700, 700);
    for (let i = 0; i < 400; i++)
      pasteImage(scribble, createImage(7, 13, [20, 20, 20]), (i * 97) % 690, (i * 211) % 680);
    expect((await turnOf(scribble)).turn).toBe(0);
  });
});

describe.skipIf(ppocrMissing !== undefined)("with PP-OCR", () => {
  it("the direction is found as well", async () => {
    const engine = await createPpOcrEngine({ models: ppocrFolder });
    const page = drawSamplePage(lines);
    // On its side PP-OCR reads text as surely as upright, on its head it half believes what it reads.
    for (const turn of [0, 90, 180] as const) {
      const turned = await turnImage(page, turn);
      expect(await findUprightTurn(turned, await engine.read(turned), engine)).toBe(turnBack(turn));
    }
    await engine.close();
  });
});
