/** Pages as a PDF that holds pictures and nothing else: no text, fonts, metadata, identifiers or dates. */
import type { Page } from "./document.ts";
import type { Size } from "./geometry.ts";

/** Where neither the page's size nor its resolution is known. */
const assumedDpi = 200;

export interface PdfPicture extends Size {
  /** A whole PNG, 8 bits, without transparency or interlacing. */
  readonly png: Uint8Array;
  readonly channels: 1 | 3;
  readonly page: Page;
}

/**
 * A PDF 1.4 file (ISO 32000) with one lossless picture a page. A PNG's compressed rows are put in as they are: PDF knows
 * them as FlateDecode with PNG predictors. The same pages give the same bytes.
 */
export function writePdf(pictures: readonly PdfPicture[]): Buffer {
  const parts: Buffer[] = [];
  const offsets: number[] = [];
  let length = 0;
  const write = (part: string | Buffer): void => {
    const bytes = typeof part === "string" ? Buffer.from(part, "latin1") : part;
    parts.push(bytes);
    length += bytes.length;
  };
  const object = (body: string, stream?: Buffer): void => {
    offsets.push(length);
    write(`${offsets.length} 0 obj\n${body}\n`);
    if (stream) {
      write("stream\n");
      write(stream);
      write("\nendstream\n");
    }
    write("endobj\n");
  };
  // The second line marks the file as binary.
  write(Buffer.concat([Buffer.from("%PDF-1.4\n%"), Buffer.from([0xe2, 0xe3, 0xcf, 0xd3, 0x0a])]));
  const kids = pictures.map((_, i) => `${3 + i * 3} 0 R`).join(" ");
  object("<< /Type /Catalog /Pages 2 0 R >>");
  object(`<< /Type /Pages /Count ${pictures.length} /Kids [${kids}] >>`);
  for (const [i, picture] of pictures.entries()) {
    const { width, height, channels } = picture;
    const { width: wide, height: high } = pointsOf(picture.page);
    const [content, image] = [4 + i * 3, 5 + i * 3];
    object(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${number(wide)} ${number(high)}] ` +
        `/Resources << /XObject << /P ${image} 0 R >> >> /Contents ${content} 0 R >>`,
    );
    const drawing = Buffer.from(`q ${number(wide)} 0 0 ${number(high)} 0 0 cm /P Do Q`, "latin1");
    object(`<< /Length ${drawing.length} >>`, drawing);
    const rows = compressedRows(picture.png);
    object(
      `<< /Type /XObject /Subtype /Image /Width ${width} /Height ${height} /BitsPerComponent 8 ` +
        `/ColorSpace /${channels === 1 ? "DeviceGray" : "DeviceRGB"} /Filter /FlateDecode ` +
        `/DecodeParms << /Predictor 15 /Colors ${channels} /BitsPerComponent 8 /Columns ${width} >> /Length ${rows.length} >>`,
      rows,
    );
  }
  const table = length;
  write(`xref\n0 ${offsets.length + 1}\n0000000000 65535 f \n`);
  for (const offset of offsets) write(`${String(offset).padStart(10, "0")} 00000 n \n`);
  write(`trailer\n<< /Size ${offsets.length + 1} /Root 1 0 R >>\nstartxref\n${table}\n%%EOF\n`);
  return Buffer.concat(parts, length);
}

const number = (value: number): string => String(Math.round(value * 1000) / 1000);

function pointsOf({ image, points, dpi = assumedDpi }: Page): Size {
  return points ?? { width: (image.width / dpi) * 72, height: (image.height / dpi) * 72 };
}

/** The content of all IDAT chunks. */
function compressedRows(png: Uint8Array): Buffer {
  const file = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
  const parts: Buffer[] = [];
  for (let at = 8; at + 12 <= file.length; at += 12 + file.readUInt32BE(at)) {
    if (file.toString("latin1", at + 4, at + 8) === "IDAT")
      parts.push(file.subarray(at + 8, at + 8 + file.readUInt32BE(at)));
  }
  return Buffer.concat(parts);
}
