import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeDocument } from "../../src/documents/decode.ts";
import { encodeDocument } from "../../src/documents/encode.ts";
import { createImage } from "../../src/documents/image.ts";
import { pngChunk } from "./helpers/png.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "documents-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const red = { r: 200, g: 10, b: 30 };
const picture = (width = 20, height = 10) => sharp({ create: { width, height, channels: 3, background: red } });
const grey = () => sharp({ create: { width: 20, height: 10, channels: 3, background: "#808080" } });
const code = (value: string) => expect.objectContaining({ code: value });
const firstPixel = (data: Uint8Array): number[] => [...data.subarray(0, 3)];

/** A PNG that states a size; with or without the data for it. */
function pngOf(width: number, height: number, withData: boolean): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  header[9] = 2;
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  const rest = withData ? [pngChunk("IDAT", deflateSync(Buffer.alloc(64))), pngChunk("IEND", Buffer.alloc(0))] : [];
  return Buffer.concat([signature, pngChunk("IHDR", header), ...rest]);
}

describe("what a document may come as", () => {
  it("is a path, a file URL, bytes, or a stream, all giving the same", async () => {
    const bytes = await picture().png().toBuffer();
    const path = join(folder, "scan.png");
    await writeFile(path, bytes);
    const [fromPath, fromUrl, fromBytes, fromStream] = await Promise.all([
      decodeDocument(path),
      decodeDocument(pathToFileURL(path)),
      decodeDocument(new Uint8Array(bytes)),
      decodeDocument(Readable.from([bytes.subarray(0, 10), bytes.subarray(10)])),
    ]);
    expect([fromPath.name, fromUrl.name, fromBytes.name, fromStream.name]).toEqual([
      "scan.png",
      "scan.png",
      "buffer",
      "stream",
    ]);
    for (const document of [fromPath, fromUrl, fromBytes, fromStream]) {
      expect(document).toMatchObject({ format: "png", bytes: bytes.length, sha256: fromPath.sha256 });
      expect(document.pages[0]!.image).toMatchObject({ width: 20, height: 10 });
    }
    expect(fromPath.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each(["png", "jpeg", "webp", "tiff"] as const)("may be %s, told by content and not by name", async (format) => {
    const path = join(folder, `picture-${format}.txt`);
    await writeFile(path, await picture()[format]().toBuffer());
    expect((await decodeDocument(path)).format).toBe(format);
  });

  it("is not fetched from the network", async () => {
    await expect(decodeDocument(new URL("https://example.org/scan.png"))).rejects.toEqual(code("ERR_INVALID_ARGUMENT"));
  });
});

describe("decoded pixels", () => {
  it.each([
    ["greyscale PNG", () => grey().toColourspace("b-w").png(), [128, 128, 128], 1],
    ["16-bit RGB PNG", () => picture().toColourspace("rgb16").png(), [200, 10, 30], 0],
    ["16-bit grey PNG", () => grey().toColourspace("grey16").png(), [128, 128, 128], 1],
    ["palette PNG", () => picture().png({ palette: true }), [200, 10, 30], 0],
    [
      "bilevel TIFF",
      () =>
        sharp({ create: { width: 20, height: 10, channels: 3, background: "#fff" } })
          .toColourspace("b-w")
          .tiff({ bitdepth: 1 }),
      [255, 255, 255],
      0,
    ],
    ["CMYK JPEG", () => picture().toColourspace("cmyk").jpeg(), [200, 10, 30], 30],
    ["Lab TIFF", () => picture().toColourspace("lab").tiff(), [200, 10, 30], 2],
    ["wide-gamut PNG", () => picture().withIccProfile("p3").png(), [200, 10, 30], 2],
  ])("of a %s are 8-bit sRGB", async (_name, make, expected, tolerance) => {
    const { pages } = await decodeDocument(await make().toBuffer());
    const { data, width, height } = pages[0]!.image;
    expect(data.length).toBe(width * height * 3);
    for (const [i, value] of firstPixel(data).entries())
      expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(tolerance);
  });

  it("show white where the picture is transparent", async () => {
    const clear = sharp({ create: { width: 4, height: 4, channels: 4, background: { ...red, alpha: 0 } } });
    expect(firstPixel((await decodeDocument(await clear.png().toBuffer())).pages[0]!.image.data)).toEqual([
      255, 255, 255,
    ]);
  });

  it.each(["jpeg", "tiff"] as const)("are upright by the orientation a %s states", async (format) => {
    const turned = await picture(20, 10).withMetadata({ orientation: 6 })[format]().toBuffer();
    expect((await decodeDocument(turned)).pages[0]!.image).toMatchObject({ width: 10, height: 20 });
  });

  it("of all pages of a TIFF come in order, each in its own size", async () => {
    const images = [createImage(30, 20, [255, 0, 0]), createImage(10, 40, [0, 255, 0]), createImage(25, 25, [9, 9, 9])];
    const tiff = await encodeDocument(
      images.map((image, index) => ({ index, image, dpi: 200 })),
      "tiff",
    );
    const { pages } = await decodeDocument(tiff);
    expect(pages.map(({ index, image }) => [index, image.width, image.height])).toEqual([
      [0, 30, 20],
      [1, 10, 40],
      [2, 25, 25],
    ]);
    expect(pages.map(({ image }) => firstPixel(image.data))).toEqual([
      [255, 0, 0],
      [0, 255, 0],
      [9, 9, 9],
    ]);
    expect(pages[1]!.dpi).toBeCloseTo(200, 0);
  });

  it("come with the resolution only where the file states one", async () => {
    const stated = await picture().withMetadata({ density: 300 }).jpeg().toBuffer();
    expect((await decodeDocument(stated)).pages[0]!.dpi).toBe(300);
    expect((await decodeDocument(await picture().jpeg().toBuffer())).pages[0]).not.toHaveProperty("dpi");
  });
});

describe("what is refused", () => {
  it("a file that does not exist, and a folder", async () => {
    await expect(decodeDocument(join(folder, "nothing.png"))).rejects.toEqual(code("ERR_DOCUMENT_NOT_FOUND"));
    await expect(decodeDocument(folder)).rejects.toEqual(code("ERR_DOCUMENT_NOT_FOUND"));
  });

  it("text with the name of a picture", async () => {
    const path = join(folder, "notes.png");
    await writeFile(path, "Not a picture at all.");
    await expect(decodeDocument(path)).rejects.toEqual(code("ERR_DOCUMENT_FORMAT"));
  });

  it("nothing at all", async () => {
    await expect(decodeDocument(Buffer.alloc(0))).rejects.toEqual(code("ERR_DOCUMENT_EMPTY"));
  });

  it("an animation", async () => {
    const frames = Buffer.alloc(4 * 8 * 3, 90);
    frames.fill(200, frames.length / 2);
    const webp = await sharp(frames, { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } })
      .webp({ loop: 0 })
      .toBuffer();
    expect((await sharp(webp).metadata()).pages).toBe(2);
    await expect(decodeDocument(webp)).rejects.toEqual(code("ERR_DOCUMENT_FORMAT"));
  });

  it.each([0.3, 0.6, 0.95])("a JPEG cut off at %d of its length", async (share) => {
    const noisy = sharp(Buffer.from(Array.from({ length: 200 * 200 * 3 }, (_, i) => (i * 7919) % 251)), {
      raw: { width: 200, height: 200, channels: 3 },
    });
    const jpeg = await noisy.jpeg().toBuffer();
    await expect(decodeDocument(jpeg.subarray(0, Math.floor(jpeg.length * share)))).rejects.toEqual(
      code("ERR_DOCUMENT_DAMAGED"),
    );
  });

  it("a PNG with a flipped bit in its data", async () => {
    const png = await picture(200, 100).png().toBuffer();
    const at = png.indexOf("IDAT") + 12;
    png[at] = png[at]! ^ 0xff;
    await expect(decodeDocument(png)).rejects.toEqual(code("ERR_DOCUMENT_DAMAGED"));
  });
});

describe("limits, before anything is decoded", () => {
  it.each([
    [true, "with data"],
    [false, "that ends after its header"],
  ])("stop a PNG header of 60,000 × 60,000 (%s)", async (withData) => {
    await expect(decodeDocument(pngOf(60_000, 60_000, withData))).rejects.toEqual(code("ERR_DOCUMENT_LIMIT"));
  });

  it("count bytes", async () => {
    const png = await picture().png().toBuffer();
    const path = join(folder, "large.png");
    await writeFile(path, png);
    const limits = { maxBytes: png.length - 1 };
    await expect(decodeDocument(png, { limits })).rejects.toEqual(code("ERR_DOCUMENT_LIMIT"));
    await expect(decodeDocument(path, { limits })).rejects.toEqual(code("ERR_DOCUMENT_LIMIT"));
    await expect(decodeDocument(png, { limits: { maxBytes: png.length } })).resolves.toBeDefined();
  });

  it("stop an endless stream early and close it", async () => {
    let given = 0;
    const endless = Readable.from(
      (function* () {
        for (;;) {
          given += 1000;
          yield Buffer.alloc(1000, 1);
        }
      })(),
    );
    await expect(decodeDocument(endless, { limits: { maxBytes: 50_000 } })).rejects.toEqual(code("ERR_DOCUMENT_LIMIT"));
    expect(given).toBeLessThan(200_000);
    expect(endless.destroyed).toBe(true);
  });

  it("count pixels of each page, pages, and memory of all pages", async () => {
    const two = await encodeDocument(
      [
        { index: 0, image: createImage(30, 20) },
        { index: 1, image: createImage(40, 20) },
      ],
      "tiff",
    );
    const attempt = (limits: object) => decodeDocument(two, { limits });
    await expect(attempt({ maxPixels: 799 })).rejects.toMatchObject({
      code: "ERR_DOCUMENT_LIMIT",
      details: { limit: "maxPixels" },
    });
    await expect(attempt({ maxPages: 1 })).rejects.toMatchObject({ details: { limit: "maxPages" } });
    await expect(attempt({ maxDecodedBytes: (600 + 800) * 3 - 1 })).rejects.toMatchObject({
      details: { limit: "maxDecodedBytes" },
    });
    await expect(attempt({ maxPixels: 800, maxPages: 2, maxDecodedBytes: 1400 * 3 })).resolves.toBeDefined();
  });

  it("must be positive numbers with known names", async () => {
    const png = await picture().png().toBuffer();
    for (const limits of [{ maxPages: 0 }, { maxPages: Number.NaN }, { maxFiles: 3 }]) {
      await expect(decodeDocument(png, { limits })).rejects.toEqual(code("ERR_INVALID_ARGUMENT"));
    }
  });
});

describe("an abort", () => {
  it("ends decoding, also while a stream hangs", async () => {
    const png = await picture().png().toBuffer();
    await expect(decodeDocument(png, { signal: AbortSignal.abort() })).rejects.toEqual(code("ERR_ABORTED"));
    const hanging = new Readable({ read() {} });
    const controller = new AbortController();
    const decoding = decodeDocument(hanging, { signal: controller.signal });
    controller.abort();
    await expect(decoding).rejects.toEqual(code("ERR_ABORTED"));
    expect(hanging.destroyed).toBe(true);
  });
});

describe("a stream", () => {
  it("that fails gives a coded error", async () => {
    const failing = new Readable({
      read() {
        this.destroy(new Error("gone"));
      },
    });
    await expect(decodeDocument(failing)).rejects.toEqual(code("ERR_DOCUMENT_NOT_FOUND"));
  });
});

it("never leaves the folder of a name in the document's name", async () => {
  const inner = join(folder, "a", "b");
  await mkdir(inner, { recursive: true });
  await writeFile(join(inner, "scan.webp"), await picture().webp().toBuffer());
  expect((await decodeDocument(join(inner, "scan.webp"))).name).toBe("scan.webp");
});
