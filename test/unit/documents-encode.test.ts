import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { decodeDocument } from "../../src/documents/decode.ts";
import type { DocumentFormat, Page } from "../../src/documents/document.ts";
import { encodeDocument } from "../../src/documents/encode.ts";
import { createImage, type RasterImage } from "../../src/documents/image.ts";
import { jpegQuality } from "../../src/documents/jpeg-quality.ts";

/** Pixels without a pattern; with `grey`, red = green = blue. */
function noise(width: number, height: number, grey = false): RasterImage {
  const image = createImage(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[i * 3 + c] = ((i + 1) * (grey ? 2654435761 : 2654435761 + c * 97)) % 253;
  }
  return image;
}

const page = (image: RasterImage, index = 0, dpi?: number): Page =>
  dpi === undefined ? { index, image } : { index, image, dpi };
const code = (value: string) => expect.objectContaining({ code: value });

function pngChunks(png: Buffer): string[] {
  const types: string[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) types.push(png.toString("latin1", at + 4, at + 8));
  return types;
}

describe("lossless formats", () => {
  it.each([
    ["png", false],
    ["png", true],
    ["webp", false],
    ["webp", true],
    ["tiff", false],
    ["tiff", true],
  ] as const)("%s gives the same pixels back (grey: %s)", async (format, grey) => {
    const image = noise(301, 203, grey);
    const { pages } = await decodeDocument(await encodeDocument([page(image)], format));
    expect(Buffer.compare(pages[0]!.image.data, image.data)).toBe(0);
  });

  it("store a grey page with one channel", async () => {
    const grey = noise(64, 64, true);
    const almost = { ...grey, data: grey.data.slice() };
    almost.data[64 * 64 * 3 - 1]! ^= 1;
    for (const format of ["png", "tiff"] as const) {
      expect((await sharp(await encodeDocument([page(grey)], format)).metadata()).channels).toBe(1);
      expect((await sharp(await encodeDocument([page(almost)], format)).metadata()).channels).toBe(3);
    }
  });

  it("keep every page of a TIFF in its own size and colours", async () => {
    const images = [noise(120, 80), noise(61, 203, true), noise(300, 1)];
    const tiff = await encodeDocument(
      images.map((image, i) => page(image, i)),
      "tiff",
    );
    const { pages } = await decodeDocument(tiff);
    expect(pages).toHaveLength(3);
    for (const [i, { image }] of pages.entries()) expect(Buffer.compare(image.data, images[i]!.data)).toBe(0);
  });

  it("hold a page of many strips", async () => {
    const image = noise(900, 1200);
    const { pages } = await decodeDocument(await encodeDocument([page(image)], "tiff"));
    expect(Buffer.compare(pages[0]!.image.data, image.data)).toBe(0);
  });
});

describe("JPEG", () => {
  it("is smaller with lower quality, and keeps colours apart", async () => {
    const image = noise(200, 100);
    const [low, high] = await Promise.all([
      encodeDocument([page(image)], "jpeg", { quality: 20 }),
      encodeDocument([page(image)], "jpeg", { quality: 95 }),
    ]);
    expect(low.length).toBeLessThan(high.length);
    expect((await sharp(high).metadata()).chromaSubsampling).toBe("4:4:4");
    expect((await decodeDocument(high)).format).toBe("jpeg");
  });
});

describe("WebP", () => {
  it("is lossy only when that is asked for", async () => {
    const image = noise(100, 100);
    const lossy = await encodeDocument([page(image)], "webp", { lossless: false, quality: 50 });
    const exact = await encodeDocument([page(image)], "webp", { quality: 50 });
    expect(Buffer.compare((await decodeDocument(lossy)).pages[0]!.image.data, image.data)).not.toBe(0);
    expect(Buffer.compare((await decodeDocument(exact)).pages[0]!.image.data, image.data)).toBe(0);
  });
});

describe("the file holds the picture and its resolution, nothing else", () => {
  it.each(["png", "jpeg", "tiff"] as const)("%s states the resolution", async (format) => {
    const { pages } = await decodeDocument(await encodeDocument([page(noise(20, 20), 0, 300)], format));
    expect(pages[0]!.dpi).toBeCloseTo(300, 0);
  });

  it.each(["png", "jpeg", "webp", "tiff"] as const)(
    "%s states none where there is none, and no metadata ever",
    async (format) => {
      for (const dpi of [undefined, 200]) {
        const encoded = await encodeDocument([page(noise(20, 20), 0, dpi)], format);
        const metadata = await sharp(encoded).metadata();
        for (const kind of ["exif", "icc", "iptc", "xmp", "tifftagPhotoshop", "comments"] as const)
          expect(metadata[kind]).toBeUndefined();
        if (dpi === undefined) expect((await decodeDocument(encoded)).pages[0]).not.toHaveProperty("dpi");
      }
    },
  );

  it("a PNG has no chunk that is not needed", async () => {
    expect(pngChunks(await encodeDocument([page(noise(20, 20))], "png"))).toEqual(["IHDR", "IDAT", "IEND"]);
    expect(pngChunks(await encodeDocument([page(noise(20, 20), 0, 300)], "png"))).toEqual([
      "IHDR",
      "pHYs",
      "IDAT",
      "IEND",
    ]);
  });

  it("the same pages give the same bytes", async () => {
    const formats: DocumentFormat[] = ["png", "jpeg", "webp", "tiff"];
    for (const format of formats) {
      const [a, b] = await Promise.all([
        encodeDocument([page(noise(50, 50))], format),
        encodeDocument([page(noise(50, 50))], format),
      ]);
      expect(a.equals(b)).toBe(true);
    }
  });
});

describe("what is refused", () => {
  it("no page, and several pages in a format for one", async () => {
    await expect(encodeDocument([], "png")).rejects.toEqual(code("ERR_INVALID_ARGUMENT"));
    const two = [page(noise(4, 4)), page(noise(4, 4), 1)];
    for (const format of ["png", "jpeg", "webp"] as const)
      await expect(encodeDocument(two, format)).rejects.toEqual(code("ERR_INVALID_ARGUMENT"));
  });

  it("pixels that don't fit their size, qualities and sizes that don't exist", async () => {
    const image = noise(4, 4);
    await expect(encodeDocument([page({ ...image, width: 5 })], "png")).rejects.toEqual(code("ERR_INVALID_ARGUMENT"));
    await expect(encodeDocument([page(image)], "jpeg", { quality: 101 })).rejects.toEqual(code("ERR_INVALID_ARGUMENT"));
    await expect(encodeDocument([page(createImage(16_384, 1))], "webp")).rejects.toEqual(code("ERR_INVALID_ARGUMENT"));
    await expect(encodeDocument([page(image)], "gif" as DocumentFormat)).rejects.toEqual(code("ERR_INVALID_ARGUMENT"));
  });

  it("work after an abort", async () => {
    for (const format of ["png", "tiff"] as const) {
      await expect(encodeDocument([page(noise(4, 4))], format, { signal: AbortSignal.abort() })).rejects.toEqual(
        code("ERR_ABORTED"),
      );
    }
  });
});

describe("the quality of a JPEG", () => {
  it.each([5, 30, 49, 50, 75, 88, 95, 100])("is told from its tables: %i", async (quality) => {
    const image = page(createImage(32, 32));
    for (const file of [
      await encodeDocument([image], "jpeg", { quality }),
      await sharp({ create: { width: 16, height: 16, channels: 3, background: "red" } })
        .jpeg({ quality })
        .toBuffer(),
    ])
      expect((await decodeDocument(file)).quality).toBe(quality);
  });

  it("is near for other tables, and unknown without one", async () => {
    const file = await sharp({ create: { width: 16, height: 16, channels: 3, background: "red" } })
      .jpeg({ quality: 80, quantisationTable: 3 })
      .toBuffer();
    expect(jpegQuality(file)).toBeGreaterThan(40);
    expect(jpegQuality(Buffer.from([0xff, 0xd8, 0xff, 0xd9]))).toBeUndefined();
    expect(jpegQuality(Buffer.from([0xff, 0xd8, 0xff, 0xdb, 0, 67, 0, 1, 2]))).toBeUndefined();
    expect((await decodeDocument(await sharp(file).png().toBuffer())).quality).toBeUndefined();
  });
});
