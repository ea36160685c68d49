/**
 * Writes multi-page TIFF (Adobe TIFF 6.0, Deflate of Technical Note 3). Own code, because pages may differ in size and
 * only the tags needed to decode them may be there.
 */
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { deflate } from "node:zlib";
import { throwIfAborted } from "../errors.ts";

const compress = promisify(deflate);

/** Raw bytes per strip; a strip is compressed at once. */
const stripBytes = 1 << 18;

export interface TiffPage {
  /** `width * height * channels` bytes. */
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** 1: grey, 3: RGB. */
  readonly channels: 1 | 3;
  readonly dpi?: number;
}

const short = 3;
const long = 4;
const rational = 5;

interface Tag {
  readonly id: number;
  readonly type: number;
  /** A rational takes two values. */
  readonly values: readonly number[];
}

/** One TIFF with all pages, lossless. Stays below the format's 4 GiB as long as the pages' raw bytes do. */
export async function writeTiff(pages: readonly TiffPage[], signal?: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = [Buffer.from([0x49, 0x49, 42, 0, 0, 0, 0, 0])];
  let length = 8;
  const append = (part: Buffer): number => {
    const at = length;
    parts.push(part);
    length += part.length;
    // Offsets of directories and values have to be even.
    if (length % 2 === 1) {
      parts.push(Buffer.alloc(1));
      length++;
    }
    return at;
  };

  let link: { buffer: Buffer; at: number } = { buffer: parts[0]!, at: 4 };
  for (const [index, page] of pages.entries()) {
    const rowsPerStrip = Math.max(1, Math.floor(stripBytes / (page.width * page.channels)));
    const offsets: number[] = [];
    const sizes: number[] = [];
    for (let row = 0; row < page.height; row += rowsPerStrip) {
      throwIfAborted(signal);
      const strip = await compress(differences(page, row, Math.min(page.height, row + rowsPerStrip)));
      offsets.push(append(strip));
      sizes.push(strip.length);
      await setImmediate();
    }
    const tags = pageTags(page, index, pages.length, rowsPerStrip, offsets, sizes);
    const { directory, linkAt } = writeDirectory(tags, append);
    link.buffer.writeUInt32LE(append(directory), link.at);
    link = { buffer: directory, at: linkAt };
  }
  return Buffer.concat(parts, length);
}

/** Rows of a page as differences to the pixel on the left (predictor 2). */
function differences(page: TiffPage, from: number, to: number): Buffer {
  const { data, width, channels } = page;
  const stride = width * channels;
  const out = Buffer.allocUnsafe((to - from) * stride);
  for (let row = from; row < to; row++) {
    const start = row * stride;
    const target = (row - from) * stride;
    for (let i = 0; i < stride; i++)
      out[target + i] = data[start + i]! - (i < channels ? 0 : data[start + i - channels]!);
  }
  return out;
}

function pageTags(
  page: TiffPage,
  index: number,
  count: number,
  rowsPerStrip: number,
  offsets: number[],
  sizes: number[],
): Tag[] {
  const rgb = page.channels === 3;
  const resolution = [Math.round((page.dpi ?? 72) * 1000), 1000];
  return [
    { id: 254, type: long, values: [count > 1 ? 2 : 0] }, // one page of several
    { id: 256, type: long, values: [page.width] },
    { id: 257, type: long, values: [page.height] },
    { id: 258, type: short, values: rgb ? [8, 8, 8] : [8] },
    { id: 259, type: short, values: [8] }, // Deflate
    { id: 262, type: short, values: [rgb ? 2 : 1] }, // RGB, or grey with 0 = black
    { id: 273, type: long, values: offsets },
    { id: 277, type: short, values: [page.channels] },
    { id: 278, type: long, values: [rowsPerStrip] },
    { id: 279, type: long, values: sizes },
    ...(page.dpi === undefined
      ? []
      : [
          { id: 282, type: rational, values: resolution },
          { id: 283, type: rational, values: resolution },
        ]),
    { id: 284, type: short, values: [1] }, // channels interleaved
    ...(page.dpi === undefined ? [] : [{ id: 296, type: short, values: [2] }]), // unit: inch
    ...(count > 1 ? [{ id: 297, type: short, values: [index, count] }] : []),
    { id: 317, type: short, values: [2] }, // horizontal predictor
  ];
}

/** `linkAt` is where in the directory the offset of the next one goes. */
function writeDirectory(tags: readonly Tag[], append: (part: Buffer) => number): { directory: Buffer; linkAt: number } {
  const directory = Buffer.alloc(2 + tags.length * 12 + 4);
  directory.writeUInt16LE(tags.length, 0);
  for (const [i, tag] of tags.entries()) {
    const at = 2 + i * 12;
    const wide = tag.type !== short;
    const bytes = Buffer.alloc(Math.max(4, tag.values.length * (wide ? 4 : 2)));
    tag.values.forEach((value, k) => {
      if (wide) bytes.writeUInt32LE(value, k * 4);
      else bytes.writeUInt16LE(value, k * 2);
    });
    directory.writeUInt16LE(tag.id, at);
    directory.writeUInt16LE(tag.type, at + 2);
    directory.writeUInt32LE(tag.type === rational ? tag.values.length / 2 : tag.values.length, at + 4);
    if (bytes.length <= 4) bytes.copy(directory, at + 8);
    else directory.writeUInt32LE(append(bytes), at + 8);
  }
  return { directory, linkAt: 2 + tags.length * 12 };
}
