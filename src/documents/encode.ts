/** Pages to a file that holds the picture and its resolution, and nothing else: no EXIF, XMP, ICC or text. */
import { setImmediate } from "node:timers/promises";
import sharp, { type Sharp } from "sharp";
import { AnonymizerError, codedError, throwIfAborted } from "../errors.ts";
import { setJpegDensity, setPngDensity } from "./density.ts";
import { type DocumentFormat, holdsPages, type Page } from "./document.ts";
import { greyChannel, isGrey, type RasterImage } from "./image.ts";
import { type PdfPicture, writePdf } from "./pdf-writer.ts";
import { writeTiff } from "./tiff.ts";

export interface EncodeOptions {
  /** 1…100, default 92: of JPEG, and of WebP when it is lossy. */
  readonly quality?: number;
  /** WebP only; default true. PNG, TIFF and PDF always are, JPEG never is. */
  readonly lossless?: boolean;
  readonly signal?: AbortSignal;
}

/** Largest side the formats can hold. */
const maxSide: Record<DocumentFormat, number> = {
  png: 2 ** 31 - 1,
  jpeg: 65_535,
  webp: 16_383,
  tiff: 2 ** 31 - 1,
  pdf: 2 ** 31 - 1,
};

/**
 * Encodes pages; several of them only as TIFF or PDF. Grey pages are stored with one channel where the format can.
 * Throws ERR_INVALID_ARGUMENT, ERR_OUTPUT when the encoder fails, ERR_ABORTED.
 */
export async function encodeDocument(
  pages: readonly Page[],
  format: DocumentFormat,
  options: EncodeOptions = {},
): Promise<Buffer> {
  const { quality, signal } = options;
  throwIfAborted(signal);
  const [first] = pages;
  if (first === undefined) throw codedError("ERR_INVALID_ARGUMENT", "A document needs at least one page");
  if (!(format in maxSide)) throw codedError("ERR_INVALID_ARGUMENT", `There is no output format "${format}"`);
  if (pages.length > 1 && !holdsPages(format)) {
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `${pages.length} pages don't fit one ${format} file; encode as tiff or pdf, or page by page`,
    );
  }
  if (quality !== undefined && !(Number.isInteger(quality) && quality >= 1 && quality <= 100)) {
    throw codedError("ERR_INVALID_ARGUMENT", "The quality must be a whole number from 1 to 100");
  }
  for (const { image, index } of pages) checkImage(image, index, format);

  if (format === "tiff") {
    const tiffPages = [];
    for (const page of pages)
      tiffPages.push({ ...(await compact(page.image)), ...(page.dpi === undefined ? {} : { dpi: page.dpi }) });
    return writeTiff(tiffPages, signal);
  }
  if (format === "pdf") return writePdf(await pdfPictures(pages, signal));
  const { data, width, height, channels } = await compact(first.image);
  throwIfAborted(signal);
  const raw = sharp(data, { raw: { width, height, channels }, limitInputPixels: false }).toColourspace(
    channels === 1 ? "b-w" : "srgb",
  );
  try {
    const encoded = await encoderOf(raw, format, options).toBuffer();
    if (format === "png") return setPngDensity(encoded, first.dpi);
    if (format === "jpeg") return setJpegDensity(encoded, first.dpi);
    return encoded; // WebP states a resolution only in EXIF
  } catch (error) {
    throw error instanceof AnonymizerError
      ? error
      : codedError("ERR_OUTPUT", `The page could not be encoded as ${format}`, { cause: error });
  }
}

function encoderOf(raw: Sharp, format: Exclude<DocumentFormat, "tiff" | "pdf">, options: EncodeOptions): Sharp {
  const { quality = 92, lossless = true } = options;
  if (format === "png") return raw.png({ compressionLevel: 6 });
  // Without subsampling: it would bleed the colour of stamps into the black of the text.
  if (format === "jpeg") return raw.jpeg({ quality, chromaSubsampling: "4:4:4" });
  return lossless ? raw.webp({ lossless: true, effort: 4 }) : raw.webp({ quality });
}

async function pdfPictures(pages: readonly Page[], signal: AbortSignal | undefined): Promise<PdfPicture[]> {
  const pictures: PdfPicture[] = [];
  for (const page of pages) {
    throwIfAborted(signal);
    const { data, width, height, channels } = await compact(page.image);
    const raw = sharp(data, { raw: { width, height, channels }, limitInputPixels: false });
    const png = await encoderOf(raw.toColourspace(channels === 1 ? "b-w" : "srgb"), "png", {}).toBuffer();
    pictures.push({ png, width, height, channels, page });
  }
  return pictures;
}

function checkImage(image: RasterImage, index: number, format: DocumentFormat): void {
  const { data, width, height } = image;
  if (!(width >= 1 && height >= 1) || data.length !== width * height * 3) {
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `Page ${index + 1}: ${data.length} bytes are not an RGB image of ${width}×${height} px`,
    );
  }
  if (Math.max(width, height) > maxSide[format]) {
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `Page ${index + 1} of ${width}×${height} px is too large for ${format} (${maxSide[format]} px a side); use png`,
    );
  }
}

interface CompactImage extends RasterImage {
  readonly channels: 1 | 3;
}

/** One channel where red, green and blue are equal everywhere. */
async function compact(image: RasterImage): Promise<CompactImage> {
  if (!(await isGrey(image))) return { ...image, channels: 3 };
  await setImmediate();
  return { width: image.width, height: image.height, data: await greyChannel(image), channels: 1 };
}
