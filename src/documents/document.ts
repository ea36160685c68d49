/** A decoded document: what the anonymize flow carries from room to room. */
import type { Size } from "./geometry.ts";
import type { RasterImage } from "./image.ts";

export type DocumentFormat = "png" | "jpeg" | "webp" | "tiff" | "pdf";

/** Formats that hold several pages. */
export const holdsPages = (format: DocumentFormat): boolean => format === "tiff" || format === "pdf";

export interface Page {
  /** 0-based. */
  readonly index: number;
  readonly image: RasterImage;
  /** Dots per inch where the file states it. */
  readonly dpi?: number;
  /** Size in points (1/72 inch), of the pages of a PDF. */
  readonly points?: Size;
}

export interface DecodedDocument {
  /** File name without folders, or "buffer" / "stream". */
  readonly name: string;
  readonly format: DocumentFormat;
  /** Size of the encoded input in bytes. */
  readonly bytes: number;
  /** Hex SHA-256 of the encoded input. */
  readonly sha256: string;
  /** 1…100, of a JPEG: the quality it was saved with. */
  readonly quality?: number;
  readonly pages: readonly Page[];
}
