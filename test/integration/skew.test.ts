/** Pages whose lines slope come back as they lie, with the invented values drawn along their lines. */
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Anonymizer } from "../../src/anonymizer/anonymizer.ts";
import { drawSamplePage } from "../../src/anonymizer/sample-page.ts";
import type { OcrEngine } from "../../src/detection/ocr.ts";
import { createTesseractEngine } from "../../src/detection/tesseract-engine.ts";
import { decodeDocument } from "../../src/documents/decode.ts";
import { encodeDocument } from "../../src/documents/encode.ts";
import { type Box, growBox, roundOut, uniteBoxes } from "../../src/documents/geometry.ts";
import { createImage, cropImage, luma, pasteImage, type RasterImage } from "../../src/documents/image.ts";
import { turnImage } from "../../src/documents/turn.ts";
import { estimateSlope } from "../../src/ink/ink-edges.ts";
import type { Report } from "../../src/report.ts";
import { ppocrFolder, ppocrMissing } from "../helpers/ppocr.ts";
import { sampleKey as key, sampleLines as lines } from "../helpers/sample-lines.ts";

let ocr: OcrEngine;
let straight: { readonly page: RasterImage; readonly report: Report; readonly output: RasterImage };

beforeAll(async () => {
  ocr = await createTesseractEngine();
  const page = drawSamplePage(lines);
  straight = { page, ...(await anonymize(page)) };
});
afterAll(() => ocr.close());

async function anonymize(page: RasterImage, config: object = {}, parts: { ocr?: OcrEngine } = { ocr }) {
  const anonymizer = await Anonymizer.create({ engine: "classical", key, ...config }, { parts });
  const { report, data } = await anonymizer.anonymize(await encodeDocument([{ index: 0, image: page }], "png"));
  await anonymizer.close();
  return { report, output: (await decodeDocument(data)).pages[0]!.image };
}

/** Turned clockwise by sharp, independently of what is tested, on white. */
async function slanted({ data, width, height }: RasterImage, degrees: number): Promise<RasterImage> {
  const turned = await sharp(data, { raw: { width, height, channels: 3 } })
    .rotate(degrees, { background: "#ffffff" })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data: turned.data, width: turned.info.width, height: turned.info.height };
}

/** A slanted page level again, cut to the size it had. */
async function straightened(page: RasterImage, degrees: number): Promise<RasterImage> {
  const level = await slanted(page, -degrees);
  const [x, y] = [(level.width - straight.page.width) >> 1, (level.height - straight.page.height) >> 1];
  return cropImage(level, [x, y, x + straight.page.width, y + straight.page.height]);
}

/** Where a pixel of a slanted page lies on the straight one. */
function onStraight(x: number, y: number, from: RasterImage, degrees: number): readonly [number, number] {
  const angle = (degrees * Math.PI) / 180;
  const [dx, dy] = [x + 0.5 - from.width / 2, y + 0.5 - from.height / 2];
  return [
    straight.page.width / 2 + dx * Math.cos(angle) + dy * Math.sin(angle),
    straight.page.height / 2 - dx * Math.sin(angle) + dy * Math.cos(angle),
  ];
}

/** The ink within a box: the box around it, and the slope of its line. */
function inkIn(page: RasterImage, box: Box): { readonly edges: Box; readonly slope: number } {
  const crop = cropImage(page, roundOut(box));
  const data = new Float32Array(crop.width * crop.height);
  const parts: Box[] = [];
  for (let i = 0; i < data.length; i++) {
    data[i] = 1 - luma(crop.data, i * 3) / 255;
    const [x, y] = [i % crop.width, Math.floor(i / crop.width)];
    if (data[i]! > 0.4) parts.push([x, y, x + 1, y + 1]);
  }
  return { edges: uniteBoxes(parts), slope: estimateSlope({ data, width: crop.width, height: crop.height }) };
}

const painted = ({ entities }: Report): Box[] => entities.map((entity) => entity.painted!);
const values = ({ entities }: Report) => entities.map(({ type, fake, engine }) => [type, fake, engine]);

/** All that is to hold of a page that slopes by `degrees`. */
async function expectKept(page: RasterImage, degrees: number, report: Report, output: RasterImage): Promise<void> {
  expect(report.unproven_because).toEqual([]);
  expect(values(report)).toEqual(values(straight.report));
  expect(report.document.pages).toEqual([
    { index: 0, width: page.width, height: page.height, skew: expect.closeTo(degrees, 0) },
  ]);
  expect([output.width, output.height]).toEqual([page.width, page.height]);

  // Whatever changed lies where it changed on the straight page, but for the few pixels by which masks differ.
  const allowed = painted(straight.report).map((box) => growBox(box, 6));
  const reported = painted(report);
  const inside = (boxes: readonly Box[], x: number, y: number): boolean =>
    boxes.some(([x0, y0, x1, y1]) => x >= x0 && x < x1 && y >= y0 && y < y1);
  let astray = 0;
  for (let i = 0; i < page.data.length; i++) {
    if (page.data[i] === output.data[i]) continue;
    const [x, y] = [Math.floor(i / 3) % page.width, Math.floor(i / 3 / page.width)];
    if (!inside(allowed, ...onStraight(x, y, page, degrees)) || !inside(reported, x, y)) astray++;
  }
  expect(astray).toBe(0);

  const back = await straightened(output, degrees);
  const text = (await ocr.read(back)).lines.map((line) => line.text).join("\n");
  for (const { fake } of straight.report.entities) expect(text).toContain(fake!);
  expect(text).not.toMatch(/Marlow|7946/);
  for (const box of painted(straight.report)) {
    const [drawn, expected] = [inkIn(back, growBox(box, 2)), inkIn(straight.output, growBox(box, 2))];
    expect(Math.abs(drawn.slope - expected.slope)).toBeLessThan(0.0121);
    for (const side of [0, 1, 2, 3] as const)
      expect(Math.abs(drawn.edges[side] - expected.edges[side])).toBeLessThan(side % 2 === 1 ? 5 : 9);
  }
}

describe("a page whose lines slope", () => {
  it.each([-9, 4, 12])("by %i degrees keeps all but the replaced values, which follow its lines", async (degrees) => {
    const page = await slanted(straight.page, degrees);
    const { report, output } = await anonymize(page);
    await expectKept(page, degrees, report, output);
  });

  it("is turned upright besides where it lies on its side", async () => {
    const page = await slanted(straight.page, 6);
    const { report, output } = await anonymize(await turnImage(page, 90));
    expect(report.document.pages[0]).toMatchObject({ turned: 270, width: page.height, height: page.width });
    const upright = await turnImage(output, 270);
    const text = (await ocr.read(await straightened(upright, 6))).lines.map((line) => line.text).join("\n");
    for (const { fake } of straight.report.entities) expect(text).toContain(fake!);
    expect(report.unproven_because).toEqual([]);
    expect(report.verification.outside.changed).toBe(0);
  });

  it.skipIf(ppocrMissing !== undefined)("is read by PP-OCR as well", async () => {
    const page = await slanted(straight.page, -30);
    const { report, output } = await anonymize(page, { ocr: { engine: "ppocr", models: ppocrFolder } }, {});
    await expectKept(page, -30, report, output);
  });
});

describe.skipIf(ppocrMissing !== undefined)("a line that slopes otherwise than its page", () => {
  it("is not drawn on as if it were level: the document is not proven", async () => {
    const page = createImage(700, 700);
    pasteImage(page, straight.page, 50, 0);
    const line = await slanted(drawSamplePage(["mara.dellow@example.org"]), 20);
    pasteImage(page, line, 40, page.height - line.height);
    const { report } = await anonymize(page, { ocr: { engine: "ppocr", models: ppocrFolder } }, {});
    expect(report.document.pages[0]!.skew).toBeUndefined();
    expect(report.unproven_because).toContain("1 of the values stand on lines that slope otherwise than their page");
  });
});

describe("a level page", () => {
  it("is drawn on as it is", () => {
    expect(straight.report.document.pages).toEqual([
      { index: 0, width: straight.page.width, height: straight.page.height },
    ]);
  });
});
