/** Each limit on each format, to the byte, pixel and page; and files that state more than they hold. */
import { describe, expect, it } from "vitest";
import { anonymizerSchema } from "../../src/config/anonymizer-config.ts";
import { decodeDocument } from "../../src/documents/decode.ts";
import type { DocumentFormat } from "../../src/documents/document.ts";
import { encodeDocument } from "../../src/documents/encode.ts";
import { createImage } from "../../src/documents/image.ts";
import { type DocumentLimits, defaultDocumentLimits, limitsFrom } from "../../src/documents/limits.ts";
import { textPdf } from "./helpers/pdf.ts";

const [width, height] = [60, 40];
const formats: readonly DocumentFormat[] = ["png", "jpeg", "webp", "tiff", "pdf"];
/** At 200 dpi, so that a page of a PDF has as many pixels as its picture. */
const file = (format: DocumentFormat, pages = 1): Promise<Buffer> =>
  encodeDocument(
    Array.from({ length: pages }, (_, index) => ({ index, image: createImage(width, height, [9, 99, 200]), dpi: 200 })),
    format,
  );
const decode = (bytes: Uint8Array, limits: Partial<DocumentLimits>) => decodeDocument(bytes, { limits });
const over = (limit: keyof DocumentLimits) => ({ code: "ERR_DOCUMENT_LIMIT", details: { limit } });

describe.each(formats)("of a %s", (format) => {
  it("bytes are counted", async () => {
    const bytes = await file(format);
    await expect(decode(bytes, { maxBytes: bytes.length - 1 })).rejects.toMatchObject(over("maxBytes"));
    await expect(decode(bytes, { maxBytes: bytes.length })).resolves.toBeDefined();
  });

  it("pixels are counted; a PDF is drawn with as many as are allowed", async () => {
    const bytes = await file(format);
    const limits = { maxPixels: width * height - 1 };
    if (format === "pdf") {
      const { image } = (await decode(bytes, limits)).pages[0]!;
      expect(image.width * image.height).toBeLessThan(width * height);
    } else await expect(decode(bytes, limits)).rejects.toMatchObject(over("maxPixels"));
    const { image } = (await decode(bytes, { maxPixels: width * height })).pages[0]!;
    expect(image.data.length).toBeGreaterThan(width * height * 2.9);
  });

  it("memory is counted", async () => {
    const bytes = await file(format);
    const limits = { maxDecodedBytes: width * height * 3 - 1 };
    if (format === "pdf")
      expect((await decode(bytes, limits)).pages[0]!.image.data.length).toBeLessThan(width * height * 3);
    else await expect(decode(bytes, limits)).rejects.toMatchObject(over("maxDecodedBytes"));
    await expect(decode(bytes, { maxDecodedBytes: width * height * 3 })).resolves.toBeDefined();
  });
});

describe.each(["tiff", "pdf"] as const)("of several pages of a %s", (format) => {
  it("the number is counted, and the memory of all together", async () => {
    const bytes = await file(format, 4);
    await expect(decode(bytes, { maxPages: 3 })).rejects.toMatchObject(over("maxPages"));
    const all = 4 * width * height * 3;
    await expect(decode(bytes, { maxDecodedBytes: all - 1 })).rejects.toMatchObject(over("maxDecodedBytes"));
    expect((await decode(bytes, { maxPages: 4, maxDecodedBytes: all })).pages).toHaveLength(4);
  });
});

describe("a file that states more than it holds is refused before anything is made of it", () => {
  const claims: Record<string, () => Promise<Buffer>> = {
    "jpeg of 65,000 × 65,000": async () => {
      const jpeg = await file("jpeg");
      const frame = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1]! >= 0xc0 && jpeg[i + 1]! <= 0xc2);
      jpeg.writeUInt16BE(65_000, frame + 5);
      jpeg.writeUInt16BE(65_000, frame + 7);
      return jpeg;
    },
    "webp of 16,383 × 16,383": async () => {
      const webp = await file("webp");
      // VP8L: one byte of signature, then 14 bits of width − 1 and of height − 1.
      const at = webp.indexOf("VP8L") + 9;
      webp.writeUInt32LE(((webp.readUInt32LE(at) & 0xf0000000) | (0x3ffe << 14) | 0x3ffe) >>> 0, at);
      return webp;
    },
    "tiff of 40,000 × 40,000": async () => {
      const tiff = await file("tiff");
      for (const id of [256, 257]) setTag(tiff, id, 40_000);
      return tiff;
    },
  };
  it.each(Object.keys(claims))("%s", async (name) => {
    const before = process.memoryUsage.rss();
    await expect(decode(await claims[name]!(), {})).rejects.toMatchObject(over("maxPixels"));
    expect(process.memoryUsage.rss() - before).toBeLessThan(150 * 2 ** 20);
  });

  it("a PDF page of 14,400 points a side takes what is allowed and no more", async () => {
    const { image } = (await decode(textPdf([["x"]], [14_400, 14_400]), { maxPixels: 250_000 })).pages[0]!;
    expect(image.width * image.height).toBeLessThanOrEqual(250_000);
  });

  it("a TIFF whose directories lead back to an earlier one ends", async () => {
    const tiff = await file("tiff", 2);
    const first = tiff.readUInt32LE(4);
    const second = tiff.readUInt32LE(first + 2 + tiff.readUInt16LE(first) * 12);
    tiff.writeUInt32LE(first, second + 2 + tiff.readUInt16LE(second) * 12);
    const outcome = await decode(tiff, { maxPages: 50 }).then(
      ({ pages }) => pages.length,
      (error: { code: string }) => error.code,
    );
    expect([2, "ERR_DOCUMENT_DAMAGED", "ERR_DOCUMENT_LIMIT"]).toContain(outcome);
  });
});

function setTag(tiff: Buffer, id: number, value: number): void {
  const at = tiff.readUInt32LE(4);
  for (let i = 0; i < tiff.readUInt16LE(at); i++)
    if (tiff.readUInt16LE(at + 2 + i * 12) === id) tiff.writeUInt32LE(value, at + 10 + i * 12);
}

it("the limits of a configuration are those of decoding, under the same names", () => {
  const { limits } = anonymizerSchema.parse({
    limits: { max_bytes: 1, max_pixels: 2, max_pages: 3, max_decoded_bytes: 4 },
  });
  expect(limitsFrom(limits)).toEqual({ maxBytes: 1, maxPixels: 2, maxPages: 3, maxDecodedBytes: 4 });
  expect(Object.keys(limitsFrom(limits))).toEqual(Object.keys(defaultDocumentLimits));
});
