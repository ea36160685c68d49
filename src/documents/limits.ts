/** How large a document may be. Checked before anything is decoded. */
import { codedError } from "../errors.ts";

export interface DocumentLimits {
  /** Size of the encoded file in bytes. */
  readonly maxBytes: number;
  /** Width × height of one page in pixels. */
  readonly maxPixels: number;
  readonly maxPages: number;
  /** Bytes of all pages together once decoded to RGB (3 per pixel). */
  readonly maxDecodedBytes: number;
}

/** 64 MiB, 100 megapixels a page, 200 pages, 1.5 GiB decoded. */
export const defaultDocumentLimits: DocumentLimits = {
  maxBytes: 64 * 2 ** 20,
  maxPixels: 100e6,
  maxPages: 200,
  maxDecodedBytes: 1.5 * 2 ** 30,
};

/** The limits of a configuration. */
export const limitsFrom = (config: {
  readonly max_bytes: number;
  readonly max_pixels: number;
  readonly max_pages: number;
  readonly max_decoded_bytes: number;
}): DocumentLimits => ({
  maxBytes: config.max_bytes,
  maxPixels: config.max_pixels,
  maxPages: config.max_pages,
  maxDecodedBytes: config.max_decoded_bytes,
});

/** The defaults with `limits` laid over them. Throws ERR_INVALID_ARGUMENT for anything but positive numbers. */
export function resolveLimits(limits: Partial<DocumentLimits> | undefined): DocumentLimits {
  const given = Object.entries(limits ?? {}).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (!(name in defaultDocumentLimits))
      throw codedError("ERR_INVALID_ARGUMENT", `There is no document limit "${name}"`);
    if (typeof value !== "number" || !(value > 0)) {
      throw codedError("ERR_INVALID_ARGUMENT", `The document limit ${name} must be a positive number`);
    }
  }
  return { ...defaultDocumentLimits, ...Object.fromEntries(given) };
}

/** Throws ERR_DOCUMENT_LIMIT when `value` is over the limit. `what` says of what, "Page 2 has 3,600,000,000 pixels". */
export function checkLimit(limits: DocumentLimits, name: keyof DocumentLimits, value: number, what: string): void {
  const limit = limits[name];
  if (value > limit) {
    throw codedError("ERR_DOCUMENT_LIMIT", `${what}; the limit ${name} is ${limit}`, {
      details: { limit: name, value, max: limit },
    });
  }
}
