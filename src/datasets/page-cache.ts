/** Decoded pages, kept while there is room. */
import sharp from "sharp";
import type { RasterImage } from "../documents/image.ts";
import { codedError } from "../errors.ts";

/** A bounded memory of pages: the least recently used go first. One page is decoded once at a time, however many ask. */
export class PageCache {
  readonly #limit: number;
  readonly #pages = new Map<number, { readonly image: Promise<RasterImage>; bytes: number }>();
  #bytes = 0;

  /** @param limitBytes how many bytes of pixels to keep at most. */
  constructor(limitBytes: number) {
    if (!(limitBytes >= 0)) throw codedError("ERR_INVALID_ARGUMENT", `A page cache can't hold ${limitBytes} bytes`);
    this.#limit = limitBytes;
  }

  /** Bytes of decoded pages held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The page `key`, decoded by `load` unless it is there. A failure is not kept. */
  get(key: number, load: () => Promise<RasterImage>): Promise<RasterImage> {
    const found = this.#pages.get(key);
    if (found !== undefined) {
      this.#pages.delete(key);
      this.#pages.set(key, found);
      return found.image;
    }
    const entry = { image: load(), bytes: 0 };
    this.#pages.set(key, entry);
    entry.image.then(
      (image) => {
        if (this.#pages.get(key) !== entry) return;
        entry.bytes = image.data.byteLength;
        this.#bytes += entry.bytes;
        this.#evict();
      },
      () => {
        if (this.#pages.get(key) === entry) this.#pages.delete(key);
      },
    );
    return entry.image;
  }

  clear(): void {
    this.#pages.clear();
    this.#bytes = 0;
  }

  #evict(): void {
    for (const [key, entry] of this.#pages) {
      if (this.#bytes <= this.#limit) return;
      if (entry.bytes === 0) continue; // still being decoded
      this.#pages.delete(key);
      this.#bytes -= entry.bytes;
    }
  }
}

/**
 * Decodes an image file, by its path or of its bytes, to RGB as it is stored (EXIF turns are not applied: annotations
 * count stored pixels). `path` stands in messages.
 */
export async function decodePage(
  image: string | Buffer,
  expected: { readonly width: number; readonly height: number },
  path = String(image),
): Promise<RasterImage> {
  const { data, info } = await sharp(image, { failOn: "truncated", limitInputPixels: expected.width * expected.height })
    .flatten({ background: "white" })
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      throw codedError("ERR_DOCUMENT_DAMAGED", `${path} can't be decoded`, { cause });
    });
  if (info.width !== expected.width || info.height !== expected.height || info.channels !== 3) {
    throw codedError(
      "ERR_DOCUMENT_DAMAGED",
      `${path} is ${info.width}×${info.height} px with ${info.channels} channels; expected ${expected.width}×${expected.height} RGB`,
    );
  }
  return { data, width: info.width, height: info.height };
}
