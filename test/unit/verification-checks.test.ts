import { describe, expect, it } from "vitest";
import type { Entity } from "../../src/detection/entity.ts";
import type { OcrEngine, OcrPage } from "../../src/detection/ocr.ts";
import type { Box } from "../../src/documents/geometry.ts";
import { createImage } from "../../src/documents/image.ts";
import { Random } from "../../src/random/random.ts";
import { documentConfidence, regionConfidence } from "../../src/verification/confidence.ts";
import { judgeRegion } from "../../src/verification/gate.ts";
import { checkNeighbours } from "../../src/verification/neighbours.ts";
import { checkOutside } from "../../src/verification/outside-check.ts";
import { sortFindings } from "../../src/verification/redetect.ts";
import { checkRegion, compareReadings, textInside } from "../../src/verification/region-check.ts";
import { measureUnread } from "../../src/verification/unread.ts";

const options = { minConfidence: 0.6, leakSimilarity: 0.8 };
const judge = (read: string, original: string, fake: string | null) =>
  judgeRegion(compareReadings([read], original, fake), fake === null, options);

describe("the gate of a region", () => {
  it("accepts the invented value, also when it is read with some errors", () => {
    expect(judge("Paul Weaver", "John Carter", "Paul Weaver")).toBe("accepted");
    expect(judge("Pau1 Weavor", "John Carter", "Paul Weaver")).toBe("accepted");
    expect(judge("19/03/2018", "12/03/2018", "19/03/2018")).toBe("accepted");
  });

  it("refuses the original, nothing, and what lies between", () => {
    expect(judge("John Carter", "John Carter", "Paul Weaver")).toBe("original_readable");
    expect(judge("12/03/2018", "12/03/2018", "19/03/2018")).toBe("original_readable");
    expect(judge("", "John Carter", "Paul Weaver")).toBe("illegible");
    expect(judge("Paul Weaver John Carter", "John Carter", "Paul Weaver")).not.toBe("accepted");
    expect(judge("15/03/2018", "12/03/2018", "19/03/2018")).not.toBe("accepted");
  });

  it("refuses an invented value that reads like the original", () => {
    expect(judge("8O1", "801", "8O1")).toBe("near_original");
  });

  it("accepts a solid box unless the original is still read", () => {
    expect(judge("", "John Carter", null)).toBe("accepted");
    expect(judge("~~ |", "John Carter", null)).toBe("accepted");
    expect(judge("John Cartr", "John Carter", null)).toBe("original_readable");
  });

  it("counts the better reading for legibility and the worse for the original", () => {
    const check = compareReadings(["Paul Weaver", "John Carter"], "John Carter", "Paul Weaver");
    expect(check.similarityToFake).toBe(1);
    expect(check.similarityToOriginal).toBe(1);
    expect(judgeRegion(check, false, options)).toBe("original_readable");
  });
});

describe("two engines that look at a region", () => {
  const region = {
    id: "p0-e0",
    page: 0,
    box: [10, 10, 90, 30] as Box,
    textBox: [12, 12, 88, 28] as Box,
    original: "John Carter",
    fake: "Paul Weaver",
  };
  /** An engine that reads one text wherever it looks, and counts its readings of cut-out boxes. */
  function reader(text: string): { ocr: OcrEngine; pageReading: OcrPage; read: () => number } {
    let calls = 0;
    const at = (box: Box): OcrPage => {
      const words = [{ text, box, confidence: 0.9 }];
      return { lines: [{ text, box, words, confidence: 0.9 }], width: 100, height: 40, engine: text };
    };
    const ocr: OcrEngine = {
      name: text,
      async read(image) {
        calls++;
        return { ...at([10, 4, image.width - 10, image.height - 4]), width: image.width, height: image.height };
      },
      async close() {},
    };
    return { ocr, pageReading: at([12, 12, 88, 28]), read: () => calls };
  }
  const look = (first: ReturnType<typeof reader>, second: ReturnType<typeof reader>) =>
    checkRegion(createImage(100, 40), region, first.ocr, { pageReading: first.pageReading, others: [second] });

  it("find the invented value when either reads it", async () => {
    const second = reader("Paul Weaver");
    const check = await look(reader("Fs/| Wzzvor"), second);
    expect(check.similarityToFake).toBe(1);
    expect(judgeRegion(check, false, options)).toBe("accepted");
    const neither = await look(reader("Fs/| Wzzvor"), reader("~~~~"));
    expect(judgeRegion(neither, false, options)).not.toBe("accepted");
  });

  it("find the original when either reads it", async () => {
    for (const [a, b] of [
      ["Paul Weaver", "John Carter"],
      ["John Carter", "Paul Weaver"],
    ] as const) {
      const check = await look(reader(a), reader(b));
      expect(check.similarityToOriginal).toBe(1);
      expect(judgeRegion(check, false, options)).toBe("original_readable");
    }
  });

  it("ask the second for the box only where the first does not show the value clearly", async () => {
    const idle = reader("Paul Weaver");
    await look(reader("Paul Weaver"), idle);
    expect(idle.read()).toBe(0);
    const asked = reader("Paul Weaver");
    await checkRegion(createImage(100, 40), region, reader("Pxxx Wxxxx").ocr, {
      others: [{ ocr: asked.ocr, pageReading: reader("").pageReading }],
    });
    expect(asked.read()).toBe(1);
  });
});

describe("confidence", () => {
  const check = (similarityToFake: number, similarityToOriginal: number, expectedSimilarity = 0.2) => ({
    similarityToFake,
    similarityToOriginal,
    expectedSimilarity,
  });

  it("of a region falls with legibility and with traces of the original", () => {
    expect(regionConfidence(check(1, 0.2), false)).toBe(1);
    expect(regionConfidence(check(0.7, 0.2), false)).toBe(0.7);
    expect(regionConfidence(check(1, 0.9), false)).toBeLessThan(0.5);
    expect(regionConfidence(check(1, 1), false)).toBe(0);
    expect(regionConfidence(check(0, 0.1, 0), true)).toBe(0.5);
  });

  it("of a document is 0 with a leak or a pixel changed outside, and falls with what is unknown or unread", () => {
    const evidence = {
      regions: [1, 0.8],
      leaks: 0,
      pixelsChangedOutside: 0,
      unknownFindings: 0,
      damagedNeighbours: 0,
      unreadShare: 0,
    };
    expect(documentConfidence(evidence)).toBe(0.9);
    expect(documentConfidence({ ...evidence, leaks: 1 })).toBe(0);
    expect(documentConfidence({ ...evidence, pixelsChangedOutside: 1 })).toBe(0);
    expect(documentConfidence({ ...evidence, unknownFindings: 1 })).toBeCloseTo(0.81);
    expect(documentConfidence({ ...evidence, damagedNeighbours: 2 })).toBeCloseTo(0.8123);
    expect(documentConfidence({ ...evidence, unreadShare: 0.5 })).toBeCloseTo(0.675);
    expect(documentConfidence({ ...evidence, regions: [] })).toBe(1);
  });
});

describe("pixels outside the boxes", () => {
  const before = createImage(50, 600, [200, 190, 180]);
  const changedAt = (...places: [x: number, y: number][]) => {
    const after = { ...before, data: before.data.slice() };
    for (const [x, y] of places) after.data[(y * 50 + x) * 3 + 2]!++;
    return after;
  };

  it("are all counted, and changes only there", async () => {
    const boxes: Box[] = [
      [10, 10, 20, 20],
      [15, 15, 30.5, 25],
      [40, 590, 90, 700],
      [16, 16, 18, 24],
    ];
    const after = changedAt([10, 10], [19, 24], [30, 24], [31, 24], [9, 10], [49, 599], [0, 0]);
    const { compared, changed } = await checkOutside(before, after, boxes);
    expect(changed).toBe(4 - 1);
    expect(compared).toBe(50 * 600 - (100 + 16 * 10 - 5 * 5 + 10 * 10));
  });

  it("must have the same size", async () => {
    await expect(checkOutside(before, createImage(50, 599), [])).rejects.toMatchObject({
      code: "ERR_INVALID_ARGUMENT",
    });
  });
});

describe("findings on the result", () => {
  const entity = (text: string, box: Box, page = 0): Entity => ({
    id: "x",
    type: "person",
    page,
    line: 0,
    words: [0, 1],
    span: [0, 1],
    text,
    box,
    score: 0.9,
    recognizer: "test",
    reason: "test",
  });
  const painted = [
    {
      id: "a",
      page: 0,
      box: [0, 0, 100, 20] as Box,
      textBox: [2, 2, 98, 18] as Box,
      original: "John Carter",
      fake: "Paul Weaver",
    },
  ];

  it("are known in a painted box or as an invented value, and unknown elsewhere", () => {
    const found = [
      entity("anything", [0, 0, 120, 20]),
      entity("Paul Weavr", [300, 0, 400, 20]),
      entity("Mary Stone", [300, 50, 400, 70]),
      entity("Mary Stone", [0, 0, 100, 20], 1),
    ];
    const { known, unknown } = sortFindings(found, painted);
    expect(known).toBe(2);
    expect(unknown.map((u) => [u.page, ...u.box])).toEqual([
      [0, 300, 50, 400, 70],
      [1, 0, 0, 100, 20],
    ]);
  });
});

describe("reading a region", () => {
  const reading: OcrPage = {
    engine: "test",
    width: 200,
    height: 40,
    lines: [
      {
        text: "Tel:0123 next",
        box: [0, 10, 130, 30],
        confidence: 1,
        words: [
          { text: "Tel:0123", box: [0, 10, 80, 30], confidence: 1 },
          { text: "next", box: [90, 10, 130, 30], confidence: 1 },
        ],
      },
    ],
  };

  it("takes only the characters inside the box", () => {
    expect(textInside(reading, [40, 8, 82, 32])).toBe("0123");
    expect(textInside(reading, [300, 8, 320, 32])).toBe("");
  });

  it("cuts the box with context, reads one line, and stays inside the page", async () => {
    const seen: { width: number; height: number; layout: string | undefined }[] = [];
    const ocr: OcrEngine = {
      name: "test",
      read: async (image, o) => {
        seen.push({ width: image.width, height: image.height, layout: o?.layout });
        return { ...reading, width: image.width, height: image.height };
      },
      close: async () => {},
    };
    const region = {
      id: "a",
      page: 0,
      box: [0, 5, 82, 35] as Box,
      textBox: [2, 7, 80, 33] as Box,
      original: "John Carter",
      fake: "Tel 0123",
    };
    const check = await checkRegion(createImage(100, 40), region, ocr);
    expect(seen).toEqual([{ width: 97, height: 40, layout: "line" }]);
    expect(check.similarityToFake).toBeGreaterThan(0.9);
  });
});

describe("a solid box", () => {
  const ocr: OcrEngine = {
    name: "imagining",
    read: async () => ({
      engine: "x",
      width: 1,
      height: 1,
      lines: [
        {
          text: "Carter",
          box: [0, 0, 60, 30],
          confidence: 1,
          words: [{ text: "Carter", box: [0, 0, 60, 30], confidence: 1 }],
        },
      ],
    }),
    close: async () => {},
  };
  const region = {
    id: "a",
    page: 0,
    box: [10, 5, 70, 25] as Box,
    textBox: [10, 5, 70, 25] as Box,
    original: "Carter",
    fake: null,
  };

  it("of one colour shows nothing, whatever an engine reads into it", async () => {
    const page = createImage(100, 40);
    for (let y = 5; y < 25; y++) page.data.fill(3, (y * 100 + 10) * 3, (y * 100 + 70) * 3);
    expect((await checkRegion(page, region, ocr)).similarityToOriginal).toBe(0);
    page.data.fill(200, (15 * 100 + 30) * 3, (15 * 100 + 34) * 3);
    expect((await checkRegion(page, region, ocr)).similarityToOriginal).toBeGreaterThan(0.8);
  });
});

describe("words beside a painted box", () => {
  const pageOf = (...words: [text: string, x: number][]): OcrPage => ({
    engine: "test",
    width: 1000,
    height: 40,
    lines: words.map(([text, x]) => {
      const box: Box = [x, 10, x + text.length * 10, 30];
      return { text, box, confidence: 1, words: [{ text, box, confidence: 0.9 }] };
    }),
  });
  const region = (x0: number, x1: number) => ({
    id: "a",
    page: 0,
    box: [x0 - 15, 5, x1 + 15, 35] as Box,
    textBox: [x0, 10, x1, 30] as Box,
    original: "Carter",
    fake: "Weaver",
  });

  it("are counted when they can't be recognised any more, but not the value and not words far away", () => {
    const before = pageOf(["Total", 0], ["Carter", 60], ["paid", 130], ["elsewhere", 400]);
    const painted = [region(60, 120)];
    expect(checkNeighbours(before, pageOf(["Total", 0], ["Weaver", 60], ["paid", 130]), painted)).toEqual({
      checked: 2,
      damaged: 0,
    });
    expect(checkNeighbours(before, pageOf(["Total", 0], ["Weaver", 60], ["--", 130]), painted)).toEqual({
      checked: 2,
      damaged: 1,
    });
  });
});

describe("ink that was not read", () => {
  it("is counted as areas and share, without rules and frames", async () => {
    const page = createImage(640, 400);
    const ink = (x0: number, y0: number, x1: number, y1: number) => {
      for (let y = y0; y < y1; y++) page.data.fill(0, (y * 640 + x0) * 3, (y * 640 + x1) * 3);
    };
    for (let x = 40; x < 140; x += 10) ink(x, 40, x + 5, 56);
    for (let x = 300; x < 400; x += 10) ink(x, 200, x + 5, 216);
    ink(0, 300, 640, 302);
    const word = (x0: number, y0: number, x1: number, y1: number, confidence: number) => ({
      text: "x",
      box: [x0, y0, x1, y1] as Box,
      confidence,
    });
    const readingOf = (words: ReturnType<typeof word>[]): OcrPage => ({
      engine: "test",
      width: 640,
      height: 400,
      lines: [{ text: "", box: [0, 0, 1, 1], confidence: 1, words }],
    });
    const first = word(38, 38, 142, 58, 0.9);
    expect(await measureUnread(page, readingOf([first]))).toEqual({ words: 0, areas: 1, share: 0.5 });
    expect(await measureUnread(page, readingOf([first, word(298, 198, 402, 218, 0.3)]))).toEqual({
      words: 1,
      areas: 0,
      share: 0.5,
    });
    expect(await measureUnread(page, readingOf([first, word(298, 198, 402, 218, 0.8)]))).toEqual({
      words: 0,
      areas: 0,
      share: 0,
    });
  });

  it("is no writing in pictures, shapes and specks, but is in print that grew together", async () => {
    const nothing = (size: { width: number; height: number }): OcrPage => ({ ...size, engine: "test", lines: [] });
    const shareOf = async (draw: (set: (x: number, y: number, level: number) => void) => void): Promise<number> => {
      const page = createImage(640, 480);
      draw((x, y, level) => page.data.fill(level, (y * 640 + x) * 3, (y * 640 + x) * 3 + 3));
      return (await measureUnread(page, nothing(page))).share;
    };
    const random = new Random("pictures");
    const everywhere = (level: (x: number, y: number) => number) =>
      shareOf((set) => {
        for (let y = 0; y < 480; y++) for (let x = 0; x < 640; x++) set(x, y, Math.round(level(x, y)));
      });
    expect(await everywhere((x, y) => 120 + 60 * Math.sin(x / 5) * Math.sin(y / 7) + 60 * random.next())).toBeLessThan(
      0.2,
    );
    // A filled disc and the contour of a large one.
    expect(await everywhere((x, y) => (Math.hypot(x - 99, y - 99) < 20 ? 0 : 255))).toBe(0);
    expect(await everywhere((x, y) => (Math.abs(Math.hypot(x - 320, y - 240) - 200) < 2 ? 0 : 255))).toBeLessThan(0.2);
    expect(await everywhere((x, y) => (x % 80 === 40 && y % 80 < 2 ? 0 : 255))).toBe(0);
    // Slanted strokes, apart and all of them joined.
    const slanted = (x: number, y: number) => (x + y) % 12 < 2;
    expect(await everywhere((x, y) => (slanted(x, y) && y % 20 < 14 ? 20 : 250))).toBeGreaterThan(0.9);
    expect(await everywhere((x, y) => (slanted(x, y) || slanted(x, 480 - y) ? 20 : 250))).toBeGreaterThan(0.9);
  });
});
