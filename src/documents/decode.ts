/** Encoded bytes to pages of 8-bit sRGB. Everything that could be too large is refused before it is decoded. */
import sharp, { type Metadata, type SharpOptions } from "sharp";
import { AnonymizerError, codedError, throwIfAborted } from "../errors.ts";
import { sha256InPieces } from "../sha256.ts";
import type { DecodedDocument, DocumentFormat, Page } from "./document.ts";
import { sniffFormat } from "./format.ts";
import type { Size } from "./geometry.ts";
import { jpegQuality } from "./jpeg-quality.ts";
import { checkLimit, type DocumentLimits, resolveLimits } from "./limits.ts";
import { decodePdf } from "./pdf.ts";
import { type DocumentInput, readSource } from "./source.ts";

export type { DocumentInput };

export interface DecodeOptions {
  /** Laid over `defaultDocumentLimits`. */
  readonly limits?: Partial<DocumentLimits>;
  readonly signal?: AbortSignal;
}

/** What sharp decodes. */
type PictureFormat = Exclude<DocumentFormat, "pdf">;

interface PageHeader extends Size {
  readonly dpi?: number;
}

/**
 * Reads a PNG, JPEG, WebP, TIFF (all pages) or PDF (all pages, as pictures): upright by its EXIF orientation, transparent parts on white, any colour
 * space and depth as 8-bit sRGB RGB. Metadata stays behind.
 *
 * Throws ERR_DOCUMENT_NOT_FOUND, ERR_DOCUMENT_EMPTY, ERR_DOCUMENT_FORMAT, ERR_DOCUMENT_LIMIT, ERR_DOCUMENT_DAMAGED,
 * ERR_INVALID_ARGUMENT, ERR_ABORTED.
 */
export async function decodeDocument(input: DocumentInput, options: DecodeOptions = {}): Promise<DecodedDocument> {
  const { signal } = options;
  const limits = resolveLimits(options.limits);
  const { name, bytes } = await readSource(input, limits, signal);
  const format = sniffFormat(bytes);
  if (format === undefined) throw codedError("ERR_DOCUMENT_FORMAT", `${name} is not a PNG, JPEG, WebP, TIFF or PDF`);
  if (format === "pdf") {
    const drawn = await decodePdf(name, bytes, limits, signal);
    return { name, format, bytes: bytes.length, sha256: await sha256InPieces(bytes), pages: drawn };
  }

  const headers = await readHeaders(name, bytes, format, limits, signal);
  const pages: Page[] = [];
  for (const [index, header] of headers.entries()) {
    throwIfAborted(signal);
    pages.push(await decodePage(name, bytes, format, index, header));
  }
  throwIfAborted(signal);
  const quality = format === "jpeg" ? jpegQuality(bytes) : undefined;
  const document = { name, format, bytes: bytes.length, sha256: await sha256InPieces(bytes), pages };
  return quality === undefined ? document : { ...document, quality };
}

/** Sizes of all pages from their headers, checked against the limits; no pixel is decoded. */
async function readHeaders(
  name: string,
  bytes: Uint8Array,
  format: PictureFormat,
  limits: DocumentLimits,
  signal?: AbortSignal,
): Promise<PageHeader[]> {
  // The decoder refuses a PNG that ends after its header; the size is known all the same and must be judged first.
  const declared = format === "png" ? pngSize(bytes) : undefined;
  if (declared) checkSize(name, 0, declared, limits);

  const first = await metadataOf(name, bytes, format, 0);
  const count = first.pages ?? 1;
  if (format === "webp" && count > 1)
    throw codedError("ERR_DOCUMENT_FORMAT", `${name} is an animation of ${count} frames, not a document`);
  checkLimit(limits, "maxPages", count, `${name} has ${count} pages`);

  const headers: PageHeader[] = [];
  let decodedBytes = 0;
  for (let index = 0; index < count; index++) {
    throwIfAborted(signal);
    const metadata = index === 0 ? first : await metadataOf(name, bytes, format, index);
    const { width, height } = metadata.autoOrient;
    checkSize(name, index, { width, height }, limits);
    decodedBytes += width * height * 3;
    checkLimit(limits, "maxDecodedBytes", decodedBytes, `${name} needs ${decodedBytes} bytes or more once decoded`);
    const dpi = dpiOf(metadata);
    headers.push(dpi === undefined ? { width, height } : { width, height, dpi });
  }
  return headers;
}

function checkSize(name: string, index: number, { width, height }: Size, limits: DocumentLimits): void {
  checkLimit(limits, "maxPixels", width * height, `Page ${index + 1} of ${name} has ${width}×${height} pixels`);
  checkLimit(
    limits,
    "maxDecodedBytes",
    width * height * 3,
    `Page ${index + 1} of ${name} needs ${width * height * 3} bytes once decoded`,
  );
}

function pngSize(bytes: Uint8Array): Size | undefined {
  if (bytes.length < 24) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

/** A file that states nothing has a density of 72 in some decoders; 72 is no scanner's resolution, so it counts as nothing. */
function dpiOf({ density }: Metadata): number | undefined {
  return density !== undefined && Number.isFinite(density) && density > 0 && density !== 72 ? density : undefined;
}

const sharpOptions = (format: PictureFormat, page: number): SharpOptions => ({
  failOn: "error",
  // Our own limit has been applied to the header.
  limitInputPixels: false,
  sequentialRead: true,
  ...(format === "tiff" ? { page, pages: 1 } : {}),
});

async function metadataOf(name: string, bytes: Uint8Array, format: PictureFormat, page: number): Promise<Metadata> {
  try {
    return await sharp(bytes, sharpOptions(format, page)).metadata();
  } catch (error) {
    throw damaged(name, page, error);
  }
}

async function decodePage(
  name: string,
  bytes: Uint8Array,
  format: PictureFormat,
  index: number,
  header: PageHeader,
): Promise<Page> {
  try {
    const { data, info } = await sharp(bytes, sharpOptions(format, index))
      .autoOrient()
      .flatten({ background: "#ffffff" })
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3 || info.width !== header.width || info.height !== header.height) {
      throw codedError(
        "ERR_DOCUMENT_DAMAGED",
        `Page ${index + 1} of ${name} does not decode to what its header states`,
      );
    }
    const image = { data, width: info.width, height: info.height };
    return header.dpi === undefined ? { index, image } : { index, image, dpi: header.dpi };
  } catch (error) {
    throw error instanceof AnonymizerError ? error : damaged(name, index, error);
  }
}

const damaged = (name: string, page: number, cause: unknown): AnonymizerError =>
  codedError("ERR_DOCUMENT_DAMAGED", `Page ${page + 1} of ${name} can't be decoded`, { cause });
