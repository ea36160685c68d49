/** Nothing but pixels and resolution goes from any input to any output: every kind of hiding place, every pair of formats. */
import sharp, { type Sharp } from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { decodeDocument } from "../../src/documents/decode.ts";
import type { DocumentFormat } from "../../src/documents/document.ts";
import { encodeDocument } from "../../src/documents/encode.ts";
import { createImage } from "../../src/documents/image.ts";
import { findMetadata } from "../../src/verification/metadata.ts";
import { pdfOf, textPdf } from "./helpers/pdf.ts";
import { pngChunk } from "./helpers/png.ts";

/** Stands in every hiding place; no picture holds it by chance. */
const secret = "Ellen-Marlow-4711";
const outputs: readonly DocumentFormat[] = ["png", "jpeg", "webp", "tiff", "pdf"];

const xmp = `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator>${secret}</dc:creator></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`;

const picture = (): Sharp => {
  const image = createImage(48, 32, [210, 200, 190]);
  for (let i = 0; i < image.data.length; i += 5) image.data[i] = 40 + (i % 90);
  return sharp(image.data, { raw: { width: 48, height: 32, channels: 3 } });
};
const described = (): Sharp =>
  picture()
    .withExif({ IFD0: { Artist: secret, ImageDescription: secret }, IFD3: { GPSLatitudeRef: "N" } })
    .withXmp(xmp)
    .withIccProfile("p3");

/** With chunks after the header. */
const pngWith = (png: Buffer, ...chunks: readonly (readonly [type: string, data: Buffer])[]): Buffer =>
  Buffer.concat([png.subarray(0, 33), ...chunks.map(([type, data]) => pngChunk(type, data)), png.subarray(33)]);

function jpegSegment(marker: number, data: Buffer): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(data.length + 2, 2);
  return Buffer.concat([head, data]);
}

/** With segments after the start. */
const jpegWith = (jpeg: Buffer, ...segments: readonly (readonly [marker: number, data: Buffer])[]): Buffer =>
  Buffer.concat([
    jpeg.subarray(0, 2),
    ...segments.map(([marker, data]) => jpegSegment(marker, data)),
    jpeg.subarray(2),
  ]);

/** An 8BIM block with the IPTC field "by-line". */
function iptc(): Buffer {
  const field = Buffer.concat([Buffer.from([0x1c, 2, 80, 0, secret.length]), Buffer.from(secret)]);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(field.length);
  const pad = Buffer.alloc(field.length % 2);
  return Buffer.concat([Buffer.from("Photoshop 3.0\x008BIM\x04\x04\0\0", "latin1"), size, field, pad]);
}

/** Exif whose second directory is a preview, which holds the secret in a comment. */
function thumbnail(preview: Buffer): Buffer {
  const tiff = Buffer.alloc(8 + 2 + 4 + 2 + 3 * 12 + 4);
  tiff.write("II*\0", 0, "latin1");
  tiff.writeUInt32LE(8, 4);
  tiff.writeUInt16LE(0, 8);
  tiff.writeUInt32LE(14, 10);
  tiff.writeUInt16LE(3, 14);
  const entries = [
    [0x0103, 3, 1, 6],
    [0x0201, 4, 1, tiff.length],
    [0x0202, 4, 1, preview.length],
  ] as const;
  for (const [i, [tag, type, count, value]] of entries.entries()) {
    tiff.writeUInt16LE(tag, 16 + i * 12);
    tiff.writeUInt16LE(type, 18 + i * 12);
    tiff.writeUInt32LE(count, 20 + i * 12);
    tiff.writeUInt32LE(value, 24 + i * 12);
  }
  return Buffer.concat([Buffer.from("Exif\0\0", "latin1"), tiff, preview]);
}

/** A TIFF whose first directory has more tags: description, artist, copyright, XMP, IPTC, Photoshop and private ones. */
function tiffWith(tiff: Buffer): Buffer {
  const at = tiff.readUInt32LE(4);
  const count = tiff.readUInt16LE(at);
  const old = Array.from({ length: count }, (_, i) => tiff.subarray(at + 2 + i * 12, at + 14 + i * 12));
  const extra = [270, 305, 315, 316, 33432, 700, 33723, 34377, 37724, 50_000, 65_001].map((id) => ({
    id,
    text: Buffer.from(id === 700 ? `${xmp}\0` : `${secret}\0`),
  }));
  let end = tiff.length;
  const added = extra.map(({ id, text }) => {
    const entry = Buffer.alloc(12);
    entry.writeUInt16LE(id, 0);
    entry.writeUInt16LE([700, 33723, 34377, 37724].includes(id) ? 1 : 2, 2);
    entry.writeUInt32LE(text.length, 4);
    entry.writeUInt32LE(end, 8);
    end += text.length;
    return entry;
  });
  const all = [...old, ...added].sort((a, b) => a.readUInt16LE(0) - b.readUInt16LE(0));
  const header = Buffer.from(tiff.subarray(0, 8));
  header.writeUInt32LE(end, 4);
  const head = Buffer.alloc(2);
  head.writeUInt16LE(all.length);
  const next = tiff.subarray(at + 2 + count * 12, at + 6 + count * 12);
  return Buffer.concat([header, tiff.subarray(8), ...extra.map(({ text }) => text), head, ...all, next]);
}

const hidden = (): Promise<Buffer> =>
  sharp({ create: { width: 8, height: 8, channels: 3, background: "red" } })
    .jpeg()
    .toBuffer()
    .then((jpeg) => jpegWith(jpeg, [0xfe, Buffer.from(secret)]));

const makers: Record<string, () => Promise<Buffer>> = {
  "png: exif, xmp, icc": () => described().png().toBuffer(),
  "png: text chunks, time, a private chunk": async () =>
    pngWith(
      await picture().png().toBuffer(),
      ["tEXt", Buffer.from(`Author\0${secret}`)],
      ["iTXt", Buffer.from(`Comment\0\0\0\0\0${secret}`)],
      ["prVt", Buffer.from(secret)],
    ),
  "png: data after the end": async () => Buffer.concat([await picture().png().toBuffer(), Buffer.from(secret)]),
  "jpeg: exif, xmp, icc": () => described().jpeg().toBuffer(),
  "jpeg: comment, iptc, application segments": async () =>
    jpegWith(
      await picture().jpeg().toBuffer(),
      [0xfe, Buffer.from(secret)],
      [0xed, iptc()],
      [0xe9, Buffer.from(secret)],
      [0xec, Buffer.from(`Ducky\0${secret}`)],
    ),
  "jpeg: a preview": async () => jpegWith(await picture().jpeg().toBuffer(), [0xe1, thumbnail(await hidden())]),
  "jpeg: a picture after the end": async () => Buffer.concat([await picture().jpeg().toBuffer(), await hidden()]),
  "webp: exif, xmp, icc": () => described().webp().toBuffer(),
  "webp: an unknown chunk": async () => {
    const webp = await described().webp({ lossless: true }).toBuffer();
    const chunk = Buffer.concat([Buffer.from("NOTE\x12\0\0\0", "latin1"), Buffer.from(`${secret}\0`)]);
    webp.writeUInt32LE(webp.length - 8 + chunk.length, 4);
    return Buffer.concat([webp, chunk]);
  },
  "tiff: exif, xmp, icc": () => described().tiff().toBuffer(),
  "tiff: text, iptc, photoshop and private tags": async () => tiffWith(await picture().tiff().toBuffer()),
  "tiff: data after the end": async () => Buffer.concat([await picture().tiff().toBuffer(), Buffer.from(secret)]),
  "pdf: title, text layer, link": async () =>
    Buffer.from(
      textPdf([["A line"]], [120, 80])
        .toString("latin1")
        .replace("Ellen Marlow", secret),
      "latin1",
    ),
  "pdf: an attachment, metadata, a script, invisible text": async () =>
    pdfOf(
      [
        {
          body: `<< /Type /Catalog /Pages 2 0 R /Metadata 6 0 R /OpenAction << /S /JavaScript /JS (${secret}) >> /Names << /EmbeddedFiles << /Names [(a) << /Type /Filespec /F (a) /EF << /F 6 0 R >> >>] >> >> >>`,
        },
        { body: "<< /Type /Pages /Count 1 /Kids [3 0 R] >>" },
        {
          body: "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 90 60] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>",
        },
        { body: "<< >>", stream: `0.5 g 10 10 30 30 re f BT /F 8 Tf 3 Tr 10 50 Td (${secret}) Tj ET` },
        { body: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>" },
        { body: "<< /Type /Metadata /Subtype /XML >>", stream: xmp },
      ],
      `/ID [<${Buffer.from(secret).toString("hex")}> <00>]`,
    ),
  "pdf: data after the end": async () =>
    Buffer.concat([textPdf([["A line"]], [120, 80]), Buffer.from(`\n% ${secret}`)]),
};

/** The secret as text in any of the ways files write it. */
const holds = (file: Buffer): boolean =>
  [
    Buffer.from(secret),
    Buffer.from(secret, "utf16le"),
    Buffer.from(secret, "utf16le").swap16(),
    Buffer.from(Buffer.from(secret).toString("hex")),
  ].some((bytes) => file.includes(bytes));

describe.each(Object.keys(makers))("%s", (name) => {
  let file: Buffer;
  beforeAll(async () => {
    file = await makers[name]!();
  });

  it("holds what is to be lost", () => {
    expect(holds(file)).toBe(true);
  });

  it.each(outputs)("is not in a %s made of it", async (format) => {
    const { pages } = await decodeDocument(file);
    const made = await encodeDocument(pages, format);
    expect(holds(made)).toBe(false);
    expect(await findMetadata(made)).toEqual([]);
    expect(endOf(made, format)).toBe(made.length);
    const metadata = format === "pdf" ? {} : await sharp(made).metadata();
    for (const kind of ["exif", "xmp", "xmpAsString", "iptc", "icc", "tifftagPhotoshop", "comments"])
      expect(metadata).not.toHaveProperty(kind);
    expect((await decodeDocument(made)).pages).toHaveLength(pages.length);
  });
});

/** Where a file ends by its own account. */
function endOf(file: Buffer, format: DocumentFormat): number {
  if (format === "png") return file.indexOf("IEND") + 8;
  if (format === "jpeg") return file.indexOf(Buffer.from([0xff, 0xd9])) + 2;
  if (format === "webp") return 8 + file.readUInt32LE(4) + (file.readUInt32LE(4) % 2);
  if (format === "pdf") return file.indexOf("%%EOF") + 6;
  return file.length; // a TIFF has no end; its tags are looked at below
}

it("a TIFF has only the tags that its pixels need", async () => {
  const { pages } = await decodeDocument(await makers["tiff: text, iptc, photoshop and private tags"]!());
  const tiff = await encodeDocument(pages, "tiff");
  const at = tiff.readUInt32LE(4);
  const tags = Array.from({ length: tiff.readUInt16LE(at) }, (_, i) => tiff.readUInt16LE(at + 2 + i * 12));
  const needed = [254, 256, 257, 258, 259, 262, 273, 277, 278, 279, 282, 283, 284, 296, 317];
  expect(tags.filter((tag) => !needed.includes(tag))).toEqual([]);
});
