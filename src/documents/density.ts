/** Writes the resolution into encoded files. Done on the bytes, because the encoder only does it along with EXIF and ICC. */
import { crc32 } from "node:zlib";

const pngSignatureLength = 8;

/** A copy of a PNG without ancillary chunks; with `dpi`, one pHYs chunk is written after the header. */
export function setPngDensity(png: Buffer, dpi: number | undefined): Buffer {
  const parts: Buffer[] = [png.subarray(0, pngSignatureLength)];
  for (let at = pngSignatureLength; at < png.length; ) {
    const end = at + 12 + png.readUInt32BE(at);
    const type = png.toString("latin1", at + 4, at + 8);
    // A chunk whose name starts with a capital letter is needed to decode the picture; the others are extras.
    if (type[0]! < "a") parts.push(png.subarray(at, end));
    if (type === "IHDR" && dpi !== undefined) parts.push(physicalSizeChunk(dpi));
    at = end;
  }
  return Buffer.concat(parts);
}

function physicalSizeChunk(dpi: number): Buffer {
  const chunk = Buffer.alloc(12 + 9);
  const perMetre = Math.round(dpi / 0.0254);
  chunk.writeUInt32BE(9, 0);
  chunk.write("pHYs", 4, "latin1");
  chunk.writeUInt32BE(perMetre, 8);
  chunk.writeUInt32BE(perMetre, 12);
  chunk.writeUInt8(1, 16); // unit: metre
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 17)), 17);
  return chunk;
}

/** A copy of a JPEG that starts with a JFIF header; the encoder writes none. Without `dpi` the header states no unit. */
export function setJpegDensity(jpeg: Buffer, dpi: number | undefined): Buffer {
  const header = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0]);
  if (dpi !== undefined) {
    header.writeUInt8(1, 13); // unit: inch
    header.writeUInt16BE(Math.round(dpi), 14);
    header.writeUInt16BE(Math.round(dpi), 16);
  }
  return Buffer.concat([header, jpeg.subarray(2)]);
}
