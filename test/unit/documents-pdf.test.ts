import { getEventListeners } from "node:events";
import { inflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { decodeDocument } from "../../src/documents/decode.ts";
import { encodeDocument } from "../../src/documents/encode.ts";
import { createImage, type RasterImage } from "../../src/documents/image.ts";
import { findMetadata } from "../../src/verification/metadata.ts";
import { pdfOf, textPdf } from "./helpers/pdf.ts";

const code = (value: string) => expect.objectContaining({ code: value });
const pixel = ({ data, width }: RasterImage, x: number, y: number): number[] => [
  ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];

function noise(width: number, height: number, grey = false): RasterImage {
  const image = createImage(width, height);
  for (let i = 0; i < image.data.length; i++) image.data[i] = ((grey ? Math.floor(i / 3) : i) * 7919) % 251;
  return image;
}

/** A page that one picture of 2×2 pixels (red, green / blue, white) fills. */
const scanned = (pageExtra = "", trailer = ""): Buffer =>
  pdfOf(
    [
      { body: "<< /Type /Catalog /Pages 2 0 R >>" },
      { body: "<< /Type /Pages /Count 1 /Kids [3 0 R] >>" },
      {
        body: `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 72 72] ${pageExtra} /Resources << /XObject << /P 5 0 R >> >> /Contents 4 0 R >>`,
      },
      { body: "<< >>", stream: "q 72 0 0 72 0 0 cm /P Do Q" },
      {
        body: "<< /Type /XObject /Subtype /Image /Width 2 /Height 2 /BitsPerComponent 8 /ColorSpace /DeviceRGB /Filter /ASCIIHexDecode >>",
        stream: "ff0000 00ff00 0000ff ffffff>",
      },
    ],
    trailer,
  );

describe("reading a PDF", () => {
  it("draws every page at 200 dpi, in grey where its text is black, with its size in points", async () => {
    const { format, pages } = await decodeDocument(textPdf([["Page one"], ["Page two", "second line"], []]));
    expect(format).toBe("pdf");
    expect(pages.map(({ index, dpi, points }) => ({ index, dpi, points }))).toEqual(
      [0, 1, 2].map((index) => ({ index, dpi: 200, points: { width: 400, height: 300 } })),
    );
    for (const { image } of pages) expect([image.width, image.height]).toEqual([1111, 833]);
    const dark = pages.map(({ image }) => image.data.filter((value) => value < 100).length);
    expect(dark[0]).toBeGreaterThan(1000);
    expect(dark[1]).toBeGreaterThan(dark[0]!);
    expect(dark[2]).toBe(0);
    const { data } = pages[0]!.image;
    for (let i = 0; i < data.length; i += 3) if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) expect.fail();
  });

  it("takes a scan at its own resolution, within bounds, and keeps colours in their places", async () => {
    const { pages } = await decodeDocument(scanned());
    const { image, dpi } = pages[0]!;
    expect(dpi).toBe(100); // 2 pixels an inch is below what is read
    expect([image.width, image.height]).toEqual([100, 100]);
    expect(pixel(image, 10, 10)).toEqual([255, 0, 0]);
    expect(pixel(image, 90, 10)).toEqual([0, 255, 0]);
    expect(pixel(image, 10, 90)).toEqual([0, 0, 255]);
    const fine = await encodeDocument([{ index: 0, image: noise(300, 200), dpi: 300 }], "pdf");
    expect((await decodeDocument(fine)).pages[0]).toMatchObject({ image: { width: 300, height: 200 } });
  });

  it("leaves nothing on the caller's signal", async () => {
    const { signal } = new AbortController();
    const { pages } = await decodeDocument(textPdf([["one"], ["two"]], [72, 72]), { signal });
    expect(pages).toHaveLength(2);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("turns pages as their viewer would", async () => {
    const { pages } = await decodeDocument(scanned("/Rotate 90"));
    expect(pixel(pages[0]!.image, 90, 10)).toEqual([255, 0, 0]);
    expect(pixel(pages[0]!.image, 10, 10)).toEqual([0, 0, 255]);
  });

  it("shows annotations: what a viewer shows must be found", async () => {
    const note = "/Annots [<< /Type /Annot /Subtype /Square /Rect [100 100 200 200] /C [1 0 0] /IC [1 0 0] /F 4 >>]";
    const { image } = (await decodeDocument(textPdf([[]], [300, 300], note))).pages[0]!;
    expect(image.data.length).toBeGreaterThan(0);
    expect(pixel(image, Math.round((150 / 72) * 200), Math.round((150 / 72) * 200))).toEqual([255, 0, 0]);
  });

  it("draws posters with as many pixels as are allowed, and refuses too many pages and bytes", async () => {
    const poster = textPdf([["wide"]], [8000, 8000]);
    const { pages } = await decodeDocument(poster, { limits: { maxPixels: 1e6 } });
    expect(pages[0]!.image.width * pages[0]!.image.height).toBeGreaterThan(0.98e6);
    expect(pages[0]!.image.width * pages[0]!.image.height).toBeLessThanOrEqual(1e6);
    const many = textPdf(Array.from({ length: 4 }, () => ["x"]));
    await expect(decodeDocument(many, { limits: { maxPages: 3 } })).rejects.toEqual(code("ERR_DOCUMENT_LIMIT"));
    await expect(decodeDocument(many, { limits: { maxDecodedBytes: 4e6 } })).rejects.toEqual(
      code("ERR_DOCUMENT_LIMIT"),
    );
  });

  it("refuses what it can't draw, each with its code", async () => {
    const whole = textPdf([["text"]]);
    await expect(decodeDocument(Buffer.from("%PDF-1.7\nnothing"))).rejects.toEqual(code("ERR_DOCUMENT_DAMAGED"));
    await expect(decodeDocument(whole.subarray(0, 60))).rejects.toEqual(code("ERR_DOCUMENT_DAMAGED"));
    const encrypted = scanned(
      "",
      `/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <${"11".repeat(32)}> /U <${"22".repeat(32)}> >> /ID [<00> <00>]`,
    );
    await expect(decodeDocument(encrypted)).rejects.toMatchObject({
      code: "ERR_DOCUMENT_FORMAT",
      message: expect.stringContaining("password"),
    });
    await expect(decodeDocument(whole, { signal: AbortSignal.abort() })).rejects.toEqual(code("ERR_ABORTED"));
    const controller = new AbortController();
    const work = decodeDocument(whole, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await expect(work).rejects.toEqual(code("ERR_ABORTED"));
  });
});

describe("writing a PDF", () => {
  const pages = [
    { index: 0, image: noise(120, 90), points: { width: 595.28, height: 841.89 } },
    { index: 1, image: noise(40, 30, true), dpi: 100 },
  ];

  it("keeps pages, sizes and every pixel, and nothing else; the same pages give the same bytes", async () => {
    const pdf = await encodeDocument(pages, "pdf");
    expect(await encodeDocument(pages, "pdf")).toEqual(pdf);
    expect(await findMetadata(pdf)).toEqual([]);
    const structure = pdf.toString("latin1");
    expect(structure).toContain("/MediaBox [0 0 595.28 841.89]");
    expect(structure).toContain("/MediaBox [0 0 28.8 21.6]");
    expect(structure.match(/\/ColorSpace \/\w+/g)).toEqual(["/ColorSpace /DeviceRGB", "/ColorSpace /DeviceGray"]);
    expect(rowsOf(pdf, 0, 120 * 3)).toEqual(Buffer.from(pages[0]!.image.data));
    // Every offset of the table leads to its object.
    const offsets = [...structure.matchAll(/^(\d{10}) 00000 n/gm)].map((match) => Number(match[1]));
    for (const [i, offset] of offsets.entries())
      expect(structure.slice(offset, offset + 10)).toMatch(new RegExp(`^${i + 1} 0 obj`));
    const back = await decodeDocument(pdf);
    expect(back.pages).toHaveLength(2);
    expect(back.pages[0]!.points!.width).toBeCloseTo(595.28, 2);
  });

  it("does not pass on what a PDF says about itself", async () => {
    const source = textPdf([["Ellen Marlow"]]);
    expect(await findMetadata(source)).toEqual(expect.arrayContaining(["Info", "Font"]));
    const { pages: drawn } = await decodeDocument(source);
    const clean = await encodeDocument(drawn, "pdf");
    expect(await findMetadata(clean)).toEqual([]);
    expect(clean.toString("latin1")).not.toMatch(/Marlow|Secret|Helvetica/);
  });
});

/** The pixels of the `index`th picture, by the PNG predictors of its rows (PNG specification, section 9). */
function rowsOf(pdf: Buffer, index: number, stride: number): Buffer {
  const text = pdf.toString("latin1");
  const heads = [...text.matchAll(/\/Predictor 15 \/Colors (\d).*?\/Length (\d+) >>\nstream\n/g)];
  const head = heads[index]!;
  const start = head.index + head[0].length;
  const rows = inflateSync(pdf.subarray(start, start + Number(head[2])));
  const colours = Number(head[1]);
  const out = Buffer.alloc((rows.length / (stride + 1)) * stride);
  for (let y = 0; y * stride < out.length; y++) {
    const filter = rows[y * (stride + 1)]!;
    for (let x = 0; x < stride; x++) {
      const left = x < colours ? 0 : out[y * stride + x - colours]!;
      const above = y === 0 ? 0 : out[(y - 1) * stride + x]!;
      const corner = x < colours || y === 0 ? 0 : out[(y - 1) * stride + x - colours]!;
      const guess = left + above - corner;
      const near = [left, above, corner].sort((a, b) => Math.abs(guess - a) - Math.abs(guess - b))[0]!;
      const add = [0, left, above, Math.floor((left + above) / 2), near][filter]!;
      out[y * stride + x] = rows[y * (stride + 1) + 1 + x]! + add;
    }
  }
  return out;
}
