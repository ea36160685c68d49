/** Codes, signatures and photographs: found, covered, and gone. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Anonymizer } from "../../src/anonymizer/anonymizer.ts";
import { coverPages, hideInRegions, printedContents, readableCodes } from "../../src/anonymizer/image-regions.ts";
import { openVault } from "../../src/anonymizer/memory.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { type CodeEngine, createCodeEngine, findCodes } from "../../src/detection/image-regions/codes.ts";
import { findImageRegions } from "../../src/detection/image-regions/find-regions.ts";
import type { ImageRegion } from "../../src/detection/image-regions/image-region.ts";
import { findPortraits } from "../../src/detection/image-regions/portraits.ts";
import { findSignatures } from "../../src/detection/image-regions/signatures.ts";
import { makeLine } from "../../src/detection/lines.ts";
import type { OcrEngine, OcrPage, OcrWord } from "../../src/detection/ocr.ts";
import { createTesseractEngine } from "../../src/detection/tesseract-engine.ts";
import { encodeDocument } from "../../src/documents/encode.ts";
import type { Box } from "../../src/documents/geometry.ts";
import { createImage, cropImage, pasteImage, type RasterImage } from "../../src/documents/image.ts";
import { Random } from "../../src/random/random.ts";
import { defaultFace, documentFaces } from "../../src/rendering/fonts.ts";
import { renderText } from "../../src/rendering/text.ts";
import type { Replacement } from "../../src/replacement/replacement.ts";
import { checkOutside } from "../../src/verification/outside-check.ts";
import { readingSimilarity } from "../../src/verification/reading-similarity.ts";
import { root } from "../helpers/tiny.ts";
import { entitiesOf } from "../unit/helpers/entities.ts";
import { columnsOf } from "../unit/helpers/ocr-page.ts";

const thread = join(root, "dist", "detection", "image-regions", "code-thread.js");
const unable = !existsSync(thread);
if (unable) console.log(`skipped: ${thread} is not built`);

const write = (page: RasterImage, text: string, x: number, y: number, sizePx = 24): void =>
  pasteImage(page, renderText(text, { face: defaultFace, sizePx }), x, y);

/** A code of `scale` pixels a module (linear ones as high as told), turned by quarter turns. */
async function stamp(
  page: RasterImage,
  engine: CodeEngine,
  format: string,
  text: string,
  [x, y]: readonly [number, number],
  { scale = 4, height = 0, turned = false } = {},
): Promise<void> {
  const modules = (await engine.write(format, text))!;
  const [w, h] = [modules.width * scale, height || modules.height * scale];
  for (let j = 0; j < h; j++) {
    for (let i = 0; i < w; i++) {
      const row = height ? 0 : Math.floor(j / scale);
      const value = modules.data[row * modules.width + Math.floor(i / scale)]!;
      const [px, py] = turned ? [x + j, y + i] : [x + i, y + j];
      page.data.fill(value === 0 ? 20 : 250, (py * page.width + px) * 3, (py * page.width + px) * 3 + 3);
    }
  }
}

const inside = (inner: Box, outer: Box): boolean =>
  inner[0] >= outer[0] - 4 && inner[1] >= outer[1] - 4 && inner[2] <= outer[2] + 4 && inner[3] <= outer[3] + 4;

describe.skipIf(unable)("codes", () => {
  let engine: CodeEngine;
  beforeAll(() => {
    engine = createCodeEngine();
  });
  afterAll(() => engine.close());

  const regionsOf = async (page: RasterImage): Promise<ImageRegion[]> =>
    (await findCodes(page, engine)).map((found, i) => ({ ...found, id: `p0-i${i}`, page: 0 }));

  const coveredBy = async (
    page: RasterImage,
    regions: ImageRegion[],
    codes: "replace" | "blur" | "solid",
    text: string,
  ) => {
    const { images } = await loadConfig({ images: { codes } }, "anonymizer");
    const contents = new Map(regions.map(({ id }) => [id, text]));
    return coverPages([page], regions, { images, contents, codes: engine });
  };

  it.each<[string, string, string, object]>([
    ["QRCode", "https://example.com/member/4711", "https://example.org/abcdef/9999", {}],
    ["QRCode", "BEGIN:VCARD N:Muster;Erika END:VCARD", "HGKLT:RVCBN W:Xkdjeh;Plmnb ZZZ:QWERT", { scale: 3 }],
    ["DataMatrix", "PAT-12345678", "PAX-87654321", { scale: 5 }],
    ["AztecCode", "TICKET 99812", "TLCKQR 11232", { scale: 5 }],
    ["Code128", "INV-2024-0815", "XKW-3136-4927", { scale: 2, height: 70 }],
    ["Code39", "MEMBER 4711", "NWPLRT 9982", { scale: 2, height: 60 }],
    ["EAN13", "400638133393", "5901234123457", { scale: 3, height: 90 }],
    ["Code128", "INV-2024-0815", "XKW-3136-4927", { scale: 2, height: 70, turned: true }],
  ])("%s %s becomes another one", async (format, text, content, options) => {
    const page = createImage(700, 500);
    await stamp(page, engine, format, text, [90, 60], options);
    const original = page.data.slice();
    const regions = await regionsOf(page);
    expect(regions).toHaveLength(1);
    expect(regions[0]!.code!.text.startsWith(text)).toBe(true);
    const { pages, covered } = await coveredBy(page, regions, "replace", content);
    expect(covered.map(({ method }) => method)).toEqual(["replace"]);
    const read = await engine.read(pages[0]!);
    expect(read.map((code) => [code.format, code.text])).toEqual([[regions[0]!.code!.format, content]]);
    expect(Buffer.compare(page.data, original)).toBe(0);
    expect((await checkOutside(page, pages[0]!, [regions[0]!.box])).changed).toBe(0);
    expect(await readableCodes([page], regions, engine)).toHaveLength(1);
    expect(await readableCodes(pages, regions, engine)).toEqual([]);
  });

  it("have boxes that hold all of their bars, however thin the strip is that was read", async () => {
    const page = createImage(700, 400);
    await stamp(page, engine, "Code128", "INV-2024-0815", [90, 60], { scale: 2, height: 120 });
    const [whole] = await engine.read(page);
    const [[x0], [x1]] = whole!.corners;
    const strip: CodeEngine = {
      ...engine,
      read: async () => [
        {
          ...whole!,
          corners: [
            [x0, 100],
            [x1, 100],
            [x1, 104],
            [x0, 104],
          ],
        },
      ],
    };
    const [region] = await findCodes(page, strip);
    expect(inside([x0, 60, x1, 180], region!.box)).toBe(true);
    expect(region!.box[1]).toBeLessThanOrEqual(60);
    expect(region!.box[3]).toBeGreaterThanOrEqual(180);
    expect(region!.box[3] - region!.box[1]).toBeLessThan(132);
  });

  it.each(["blur", "solid"] as const)("covered by %s are read no more", async (method) => {
    const page = createImage(500, 400, [240, 230, 220]);
    await stamp(page, engine, "QRCode", "https://example.com/member/4711", [90, 60], { scale: 6 });
    await stamp(page, engine, "Code128", "INV-2024-0815", [60, 280], { scale: 2, height: 70 });
    const regions = await regionsOf(page);
    expect(regions).toHaveLength(2);
    const { pages, covered } = await coveredBy(page, regions, method, "unused");
    expect(covered.map((region) => region.method)).toEqual([method, method]);
    expect(await engine.read(pages[0]!)).toEqual([]);
    expect(
      (
        await checkOutside(
          page,
          pages[0]!,
          regions.map(({ box }) => box),
        )
      ).changed,
    ).toBe(0);
  });

  it("that can't hold the new content are blurred", async () => {
    const page = createImage(500, 300);
    await stamp(page, engine, "EAN13", "400638133393", [60, 60], { scale: 3, height: 90 });
    const { pages, covered } = await coveredBy(page, await regionsOf(page), "replace", "no digits");
    expect(covered.map(({ method }) => method)).toEqual(["blur"]);
    expect(await engine.read(pages[0]!)).toEqual([]);
  });

  it("are not seen in print", async () => {
    const page = createImage(800, 600);
    for (let i = 0; i < 14; i++) write(page, "|||| III lll 111 Total 12.50 ||| HIMLN 4711", 30, 20 + 40 * i);
    expect(await findCodes(page, engine)).toEqual([]);
  });

  it("have their content printed below found too", async () => {
    const region: ImageRegion = {
      id: "p0-i0",
      type: "code",
      page: 0,
      box: [0, 0, 100, 50],
      score: 1,
      recognizer: "codes",
      reason: "read as a code",
      code: {
        format: "Code128",
        text: "INV-2024-0815",
        corners: [
          [0, 0],
          [100, 0],
          [100, 50],
          [0, 50],
        ],
      },
    };
    const found = await printedContents(
      [region],
      [columnsOf("ITEM 12", "* inv 2024 0815 *", "1NV-Z024-O8l5", "INV-77")],
    );
    // A misread print is the same value.
    expect(found.map(({ text, line, type }) => [text, line, type])).toEqual([
      ["inv 2024 0815", 1, "id_number"],
      ["INV-2024-0815", 2, "id_number"],
    ]);
  });

  it("go through the whole flow", async () => {
    const page = createImage(760, 420);
    write(page, "Delivery note", 40, 30);
    write(page, "E-mail: ellen.marlow@example.org", 40, 80);
    await stamp(page, engine, "QRCode", "https://example.com/member/4711", [480, 150], { scale: 6 });
    await stamp(page, engine, "Code128", "AB20240815", [60, 180], { scale: 2, height: 80 });
    write(page, "AB2O24O8l5", 110, 275);
    const bytes = await encodeDocument([{ index: 0, image: page }], "png");
    const key = "a key for this test only";
    const folder = await mkdtemp(join(tmpdir(), "image-regions-"));
    const vault = join(folder, "codes.vault");
    const anonymizer = await Anonymizer.create({ engine: "classical", key, vault });
    try {
      const plan = await anonymizer.detect(bytes);
      expect(plan.imageRegions.map(({ type }) => type)).toEqual(["code", "code"]);
      const result = await anonymizer.anonymize(bytes);
      expect(result.report.unproven_because).toEqual([]);
      const covered = result.report.image_regions;
      expect(covered.map(({ type, covered_by }) => [type, covered_by])).toEqual([
        ["code", "replace"],
        ["code", "replace"],
      ]);
      expect(result.report.verification.codes).toEqual({ checked: 2, readable: [] });
      expect(result.report.verification.outside.changed).toBe(0);
      // Covered regions are no ink that nobody has looked at.
      expect(result.report.verification.unread.share).toBeLessThan(0.05);
      const read = await engine.read(result.image);
      expect(read.map(({ format }) => format).sort()).toEqual(["Code128", "QRCode"]);
      const printed = result.report.entities.find(({ recognizer }) => recognizer === "codes")!;
      expect(read.find(({ format }) => format === "Code128")!.text).toBe(printed.fake);
      const report = JSON.stringify(result.report);
      for (const original of ["AB20240815", "member/4711"]) expect(report).not.toContain(original);
      // Who holds the key can look up what a code on the result stands for.
      const kept = await openVault({ vault, key });
      for (const { format, text } of read) {
        const originals = (await kept.find({ fake: text })).map(({ original }) => original);
        expect(originals, format).toContain(format === "QRCode" ? "https://example.com/member/4711" : "AB20240815");
      }
    } finally {
      await anonymizer.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe.skipIf(unable)("values that are covered with regions", () => {
  it("are looked for on the result like those that were drawn over", async () => {
    const page = createImage(760, 420);
    write(page, "Delivery note", 40, 30);
    const codes = createCodeEngine();
    await stamp(page, codes, "Code128", "AB20240815", [60, 180], { scale: 2, height: 80 });
    await codes.close();
    const ocr = await createTesseractEngine({ workers: 1 });
    const box = [400, 340, 620, 364] as const;
    let pages = 0;
    /** Sees the content of the code on the result only. */
    const verifier: OcrEngine = {
      name: "second",
      async read(image, options) {
        const read = await ocr.read(image, options);
        if (options?.layout === "line" || ++pages < 2) return read;
        return { ...read, lines: [...read.lines, makeLine([{ text: "AB20240815", box, confidence: 0.95 }])] };
      },
      async close() {},
    };
    const bytes = await encodeDocument([{ index: 0, image: page }], "png");
    const anonymizer = await Anonymizer.create({ engine: "classical" }, { parts: { ocr, verifier } });
    const { report } = await anonymizer.anonymize(bytes);
    await Promise.all([anonymizer.close(), ocr.close()]);
    expect(report.entities).toMatchObject([{ recognizer: "same-value", type: "id_number", engine: "solid" }]);
    expect(report.unproven_because).toEqual([]);
  });
});

/** A pen's line through points. */
function pen(page: RasterImage, points: readonly (readonly [number, number])[], width = 2): void {
  for (let i = 1; i < points.length; i++) {
    const [[x0, y0], [x1, y1]] = [points[i - 1]!, points[i]!];
    const steps = Math.ceil(Math.hypot(x1 - x0, y1 - y0));
    for (let s = 0; s <= steps; s++) {
      const [cx, cy] = [Math.round(x0 + ((x1 - x0) * s) / steps), Math.round(y0 + ((y1 - y0) * s) / steps)];
      for (let y = cy; y < cy + width; y++)
        page.data.fill(40, (y * page.width + cx) * 3, (y * page.width + cx + width) * 3);
    }
  }
}

const scrawl = (x: number, y: number): (readonly [number, number])[] =>
  Array.from({ length: 60 }, (_, i) => [x + 3 * i, y + 16 * Math.sin(i / 2) * Math.cos(i / 7)] as const);

describe("signatures", () => {
  /** Rows of the reading stand 28 px apart. */
  const reading = columnsOf("Contract of sale", "all of this was agreed", "", "", "", "Signature:", "Place and date");
  const paper = (): RasterImage => {
    const page = createImage(reading.width, reading.height);
    for (const { text, box } of reading.lines) if (text) write(page, text, box[0], box[1], 18);
    return page;
  };

  it("are unread strokes at their label", async () => {
    const page = paper();
    pen(page, scrawl(130, 140));
    pen(
      page,
      [
        [100, 162],
        [400, 162],
      ],
      1,
    );
    const found = await findSignatures(page, reading);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ type: "signature", recognizer: "signatures", evidence: { cue: "signature" } });
    expect(inside([130, 125, 307, 157], found[0]!.box)).toBe(true);
    expect(found[0]!.box[2] - found[0]!.box[0]).toBeLessThan(260);
  });

  it.each(["Unterschrift", "Signature du client", "Firma:", "Handtekening", "Tandatangan", "Yours sincerely,"])(
    "at '%s'",
    async (label) => {
      const here = columnsOf("Contract of sale", "all of this was agreed", "", label, "", "", "");
      const page = createImage(here.width, here.height);
      pen(page, scrawl(20, 130));
      expect(await findSignatures(page, here)).toHaveLength(1);
    },
  );

  it("are not print, lines, or strokes elsewhere", async () => {
    expect(await findSignatures(paper(), reading)).toEqual([]);
    const ruled = paper();
    pen(
      ruled,
      [
        [100, 162],
        [400, 162],
      ],
      1,
    );
    expect(await findSignatures(ruled, reading)).toEqual([]);
    const folded = paper();
    for (let i = 0; i < 90; i++)
      folded.data.fill(0, ((60 + i) * reading.width + 200) * 3, ((60 + i) * reading.width + 200 + i) * 3);
    expect(await findSignatures(folded, reading)).toEqual([]);
    const elsewhere = columnsOf("Contract of sale", "all of this was agreed", "", "", "", "Total:", "");
    const page = createImage(elsewhere.width, elsewhere.height);
    pen(page, scrawl(130, 140));
    expect(await findSignatures(page, elsewhere)).toEqual([]);
  });

  it("are blurred beyond reading, and nothing else changes", async () => {
    const page = paper();
    pen(page, scrawl(130, 140));
    const codes = createCodeEngine();
    const { images } = await loadConfig({ images: { codes: "keep" } }, "anonymizer");
    const regions = await findImageRegions(page, reading, 0, { images, codes });
    const { pages, covered } = await coverPages([page], regions, { images, contents: new Map(), codes });
    expect(covered.map(({ region, method }) => [region.type, method])).toEqual([["signature", "blur"]]);
    expect((await checkOutside(page, pages[0]!, [regions[0]!.box])).changed).toBe(0);
    const darkest = (image: RasterImage): number => Math.min(...cropImage(image, regions[0]!.box).data);
    expect(darkest(page)).toBeLessThan(60);
    expect(darkest(pages[0]!)).toBeGreaterThan(120);
    await codes.close();
  });
});

describe("a signature's region", () => {
  const reading = columnsOf("Contract of sale", "all of this was agreed", "", "", "", "Signature:", "Place and date");
  const paper = (): RasterImage => createImage(reading.width, reading.height);
  const readingWith = (...words: OcrWord[]): OcrPage => ({ ...reading, lines: [...reading.lines, makeLine(words)] });

  it("holds an initial that stands apart, as strokes or as a word", async () => {
    const page = paper();
    pen(page, scrawl(200, 140));
    const initial = Array.from(
      { length: 30 },
      (_, i) => [152 + 12 * Math.cos(i / 4), 140 + 14 * Math.sin(i / 4)] as const,
    );
    pen(page, initial);
    const apart = (await findSignatures(page, reading)).map(({ box }) => box);
    expect(apart.some((box) => inside([140, 126, 164, 154], box))).toBe(true);
    expect(apart.some((box) => inside([200, 125, 377, 157], box))).toBe(true);
    const [read] = await findSignatures(page, readingWith({ text: "O.", box: [138, 124, 168, 156], confidence: 0.95 }));
    expect(inside([138, 125, 377, 157], read!.box)).toBe(true);
    const other = paper();
    pen(other, scrawl(200, 140));
    const far = await findSignatures(
      other,
      readingWith({ text: "Total", box: [132, 130, 168, 148], confidence: 0.95 }),
    );
    expect(far.map(({ box }) => box[0] > 168)).toEqual([true]);
  });

  it("holds the whole of a printed word that strokes run over", async () => {
    const page = paper();
    write(page, "Sandmann", 140, 128, 20);
    pen(page, scrawl(80, 140).slice(0, 40));
    const printed = readingWith({ text: "Sandmann", box: [140, 128, 260, 148], confidence: 0.4 });
    expect((await findSignatures(page, printed)).some(({ box }) => inside([140, 128, 260, 148], box))).toBe(true);
  });
});

describe("text under regions", () => {
  const region = (type: ImageRegion["type"], box: Box): ImageRegion => ({
    id: "p0-i0",
    type,
    page: 0,
    box,
    score: 1,
    recognizer: "x",
    reason: "x",
  });
  const at = (id: string, box: Box, page = 0): Replacement => ({
    entity: { ...entitiesOf("person", ["Olga Sandmann"])[0]!, id, page, box },
    fake: "Ute Kaminski",
  });
  const sizes = [{ width: 400, height: 300 }];

  it("is covered whole, and the region grows to hold it", () => {
    const parts = hideInRegions(
      [
        at("a", [100, 40, 300, 60]),
        at("b", [240, 50, 310, 64]),
        at("c", [100, 200, 300, 220]),
        at("d", [100, 40, 300, 60], 1),
      ],
      [region("signature", [90, 30, 230, 65])],
      sizes,
    );
    // The region grown over the first then holds most of the second.
    expect(parts.hidden.map(({ entity }) => entity.id)).toEqual(["a", "b"]);
    expect(parts.drawn.map(({ entity }) => entity.id)).toEqual(["c", "d"]);
    expect(parts.regions.map(({ box }) => box)).toEqual([[90, 30, 312, 66]]);
  });

  it("is drawn where a code does not hold it", () => {
    const code = region("code", [90, 30, 230, 65]);
    const parts = hideInRegions([at("a", [100, 40, 270, 60]), at("b", [100, 40, 200, 60])], [code], sizes);
    expect(parts.hidden.map(({ entity }) => entity.id)).toEqual(["b"]);
    expect(parts.regions).toEqual([code]);
  });
});

describe("a blur of writing", () => {
  it("keeps too few tones to tell letters", async () => {
    const ocr = await createTesseractEngine({ workers: 1 });
    const codes = createCodeEngine();
    const handwriting = documentFaces.filter(({ category }) => category === "handwriting");
    expect(handwriting.length).toBeGreaterThan(3);
    for (const face of handwriting) {
      const written = renderText("Olga Sandmann", { face, sizePx: 72 });
      const page = createImage(written.width + 40, written.height + 40);
      pasteImage(page, written, 20, 20);
      const region = {
        id: "p0-i0",
        type: "signature" as const,
        page: 0,
        box: [20, 20, written.width + 20, written.height + 20] as Box,
        score: 1,
        recognizer: "x",
        reason: "x",
      };
      const { images } = await loadConfig({}, "anonymizer");
      const { pages } = await coverPages([page], [region], { images, contents: new Map(), codes });
      const { data, width, height } = cropImage(pages[0]!, region.box);
      const rowOf = (y: number) => data.subarray(y * width * 3, (y + 1) * width * 3);
      for (let y = 1; y < height; y++) expect(Buffer.compare(rowOf(y), rowOf(0)), face.id).toBe(0);
      const first = [...rowOf(0)].filter((_, i) => i % 3 === 0);
      const turns = first.filter(
        (_, x) => x > 1 && Math.sign(first[x]! - first[x - 1]!) * Math.sign(first[x - 1]! - first[x - 2]!) < 0,
      );
      expect(turns.length, face.id).toBeLessThan(9);
      const after = await ocr.read(pages[0]!, { layout: "line" });
      const text = (read: OcrPage): string => read.lines.map((line) => line.text).join(" ");
      expect(readingSimilarity(text(after), "Olga Sandmann"), face.id).toBeLessThan(0.3);
    }
    await Promise.all([ocr.close(), codes.close()]);
  });
});

describe("photographs", () => {
  const random = new Random("portrait");
  /** Shades as of a lit head before a wall. */
  const photograph = (page: RasterImage, [x0, y0, x1, y1]: Box): void => {
    for (let y = y0; y < y1; y++) {
      for (let x = x0; x < x1; x++) {
        const [u, v] = [(x - x0) / (x1 - x0) - 0.5, (y - y0) / (y1 - y0) - 0.45];
        const head = Math.exp(-((u / 0.25) ** 2 + (v / 0.35) ** 2));
        const value = 60 + 90 * head + 60 * (u + 0.5) * (1 - head) + 30 * Math.sin(9 * v) * head + 16 * random.next();
        page.data.fill(Math.round(value), (y * page.width + x) * 3, (y * page.width + x) * 3 + 3);
      }
    }
  };
  const reading = columnsOf("|IDENTITY CARD", "|NAME", "|ERIKA MUSTER");
  const card = (): RasterImage => {
    const page = createImage(1000, 640, [225, 235, 240]);
    for (const { text, box } of reading.lines) if (text) write(page, text, box[0], box[1], 18);
    return page;
  };

  it("are rectangles of many tones", async () => {
    const page = card();
    photograph(page, [60, 150, 300, 460]);
    const found = await findPortraits(page, reading);
    expect(found).toHaveLength(1);
    expect(inside([66, 156, 294, 454], found[0]!.box)).toBe(true);
    expect(inside(found[0]!.box, [45, 135, 315, 475])).toBe(true);
  });

  it("are no print, no flat drawings, no whole pages", async () => {
    expect(await findPortraits(card(), reading)).toEqual([]);
    const flat = card();
    for (let y = 150; y < 460; y++) flat.data.fill(90, (y * 1000 + 60) * 3, (y * 1000 + 300) * 3);
    expect(await findPortraits(flat, reading)).toEqual([]);
    const dense = card();
    for (let i = 0; i < 12; i++) write(dense, "unread words in rows", 60, 150 + 26 * i, 22);
    expect(await findPortraits(dense, reading)).toEqual([]);
    const whole = createImage(700, 900);
    photograph(whole, [0, 0, 700, 900]);
    expect(await findPortraits(whole, columnsOf("x"))).toEqual([]);
  });
});
