/** The whole anonymizer with an OCR engine whose readings no page has: what it must survive is the engine, not the file. */
import sharp from "sharp";
import { Anonymizer } from "../../src/anonymizer/anonymizer.ts";
import { makeLine } from "../../src/detection/lines.ts";
import type { OcrEngine, OcrLine, OcrPage, OcrWord } from "../../src/detection/ocr.ts";
import { decodeDocument } from "../../src/documents/decode.ts";
import type { Box } from "../../src/documents/geometry.ts";
import { createImage, type RasterImage } from "../../src/documents/image.ts";
import type { Random } from "../../src/random/random.ts";
import { reportSchema, reportText } from "../../src/report.ts";
import { check } from "./check.ts";

const [width, height] = [260, 180];

/** What is found on a page, so that the flow gets to drawing and proving. */
const texts = [
  "Mr. Ellen Marlow",
  "E-mail: ellen.marlow@example.org",
  "Phone: +44 20 7946 0958",
  "Date: 14.03.2019",
  "IBAN DE89 3704 0044 0532 0130 00",
  "Marlow Trading Ltd",
  "Total 12.80",
];

const oddTexts: readonly ((random: Random) => string)[] = [
  () => "",
  () => " ",
  () => "\ud800",
  () => "a\udc00b@example.org",
  () => "שלום ellen@example.org עולם",
  () => "\u202Eellen.marlow@example.org\u202C",
  () => "السيد محمد +44 20 7946 0958",
  () => "e\u0301".repeat(40),
  () => "\0\x07\uFEFF\u200B",
  () => "👩‍👩‍👧‍👦🏴‍☠️",
  (random) => random.pick(["x", "1", ".", "@", "14.03.2019 ", "a@b.c "]).repeat(random.pick([50, 80])),
  () => "İıſßﬁǅ",
];

const oddNumbers = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, 0, 0.5, 1e9, -1e9, 1e308];

/** A page of dark strokes where the words of `texts` are said to stand. */
async function pageFile(): Promise<Buffer> {
  const image = createImage(width, height);
  image.data.fill(245);
  for (let y = 0; y < height; y++)
    for (let x = 10; x < width - 20; x++)
      if (y % 24 > 8 && y % 24 < 20 && (x * 7 + y * 3) % 5 === 0)
        image.data.fill(30, (y * width + x) * 3, (y * width + x) * 3 + 3);
  return sharp(image.data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** `text` as words of a line in the given box. */
function plainLine(text: string, [x0, y0, x1, y1]: Box): OcrLine {
  const glyph = (x1 - x0) / text.length;
  let x = x0;
  const words = text.split(" ").map((word): OcrWord => {
    const box: Box = [x, y0, x + glyph * word.length, y1];
    x = box[2] + glyph;
    return { text: word, box, confidence: 0.9 };
  });
  return makeLine(words);
}

/** Boxes that a page can have; with `broken` also such as none has. */
function oddBox([x0, y0, x1, y1]: Box, random: Random, broken: boolean): Box {
  const any = (value: number): number => (random.chance(0.4) ? random.pick(oddNumbers) : value);
  return random.weighted<() => Box>([
    [() => [x0 - 40, y0 - 40, x1 + 400, y1 + 400], 1],
    [() => [0, 0, width, height], 1],
    [() => [x0 + 0.3, y0 + 0.3, x0 + 0.4, y0 + 0.4], 1],
    [() => [x0, y0, x0 + 1, y0 + 90], 1],
    [() => [any(x0), any(y0), any(x1), any(y1)], broken ? 3 : 0],
    [() => [x0, y0, x0, y1], broken ? 1 : 0],
    [() => [x1, y1, x0, y0], broken ? 1 : 0],
    [() => [x0 + width, y0, x1 + width, y1], broken ? 1 : 0],
  ])();
}

function oddWord(word: OcrWord, random: Random, broken: boolean): OcrWord {
  return {
    text: random.chance(0.4)
      ? random
          .pick(oddTexts)(random)
          .repeat(broken && random.chance(0.1) ? 60 : 1)
      : word.text,
    box: random.chance(0.6) ? oddBox(word.box, random, broken) : word.box,
    confidence: random.chance(0.2) ? (broken ? random.pick(oddNumbers) : random.next()) : word.confidence,
  };
}

function oddLine(line: OcrLine, random: Random, broken: boolean): OcrLine {
  const words = line.words.map((word) => (random.chance(0.4) ? oddWord(word, random, broken) : word));
  const joined = { ...makeLine(words), ...(random.chance(0.3) && { box: oddBox(line.box, random, broken) }) };
  return random.weighted<() => OcrLine>([
    [() => joined, 8],
    [() => makeLine([...words].reverse()), 1],
    [() => ({ ...joined, text: random.pick(oddTexts)(random) }), broken ? 1 : 0],
    [() => ({ ...joined, words: [] }), broken ? 1 : 0],
  ])();
}

/** Words by the thousand, but nothing to find: proving costs as many scans of them as there are findings. */
const crowd = (count: number, random: Random): OcrLine[] =>
  Array.from({ length: Math.ceil(count / 20) }, (_, i) =>
    plainLine(Array.from({ length: 20 }, () => random.pick(["page", "of", "the", "and", "to"])).join(" "), [
      2,
      i / 10,
      width - 2,
      i / 10 + 12,
    ]),
  );

function pageLines(random: Random): OcrLine[] {
  const lines = texts.map((text, i) => plainLine(text, [10, 8 + 24 * i, 10 + 6 * text.length, 21 + 24 * i]));
  return lines.filter(() => random.chance(0.8));
}

/** Reads the page as it should be, then damages the reading; each time another way. A third breaks what engines promise. */
function oddEngine(random: Random): OcrEngine {
  const damage = random.pick([0.05, 0.3, 1]);
  const broken = random.chance(0.3);
  const crowded = random.chance(0.1) ? random.pick([300, 3000]) : 0;
  return {
    name: "odd",
    async read(image: RasterImage): Promise<OcrPage> {
      const isPage = image.width === width && image.height === height;
      const lines = isPage ? pageLines(random) : [];
      if (lines.length === 0) lines.push(plainLine(random.pick(texts), [0, 0, image.width, image.height]));
      const size = broken && random.chance(0.05) ? random.pick([0, -1, Number.NaN, 1e9]) : image.width;
      return {
        lines: [
          ...lines.map((line) => (random.chance(damage) ? oddLine(line, random, broken) : line)),
          ...(isPage ? crowd(crowded, random) : []),
        ],
        width: size,
        height: image.height,
        engine: "odd",
      };
    },
    close: () => Promise.resolve(),
  };
}

export async function flows({ random: randomOf }: { readonly random: (index: number) => Random }) {
  const file = await pageFile();
  return async (index: number): Promise<void> => {
    const random = randomOf(index);
    const parts = { ocr: oddEngine(random), ...(random.chance(0.3) && { verifier: oddEngine(random) }) };
    const config = { engine: "classical", key: "a key for odd readings", gate: { retries: random.int(0, 2) } } as const;
    const anonymizer = await Anonymizer.create(config, { parts });
    try {
      const { report, data } = await anonymizer.anonymize(file);
      check(reportSchema.safeParse(JSON.parse(reportText(report))).success, "the report is none");
      check(report.proven === (report.unproven_because.length === 0), "proven, and yet not");
      const { pages } = await decodeDocument(data);
      check(pages[0]!.image.width === width && pages[0]!.image.height === height, "the page has another size");
      await anonymizer.detect(file);
    } finally {
      await anonymizer.close();
    }
  };
}
