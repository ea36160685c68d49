/** What anonymizing a document gives. */
import { extname } from "node:path";
import type { DocumentFormat, Page } from "../documents/document.ts";
import { encodeDocument } from "../documents/encode.ts";
import { writeFileAtomic } from "../documents/files.ts";
import type { RasterImage } from "../documents/image.ts";
import { codedError } from "../errors.ts";
import type { Report } from "../report.ts";
import { sha256InPieces } from "../sha256.ts";
import { findMetadata } from "../verification/metadata.ts";

export interface SaveOptions {
  /** Default: by the path's extension, else the format of `data`. */
  readonly format?: DocumentFormat;
  /** Write also what could not be proven. Default false. */
  readonly allowUnproven?: boolean;
  readonly signal?: AbortSignal;
}

export interface EncodeSettings {
  /** 1…100, of JPEG and lossy WebP. */
  readonly quality: number;
}

const formatOf: Readonly<Record<string, DocumentFormat>> = {
  ".png": "png",
  ".jpg": "jpeg",
  ".jpeg": "jpeg",
  ".webp": "webp",
  ".tif": "tiff",
  ".tiff": "tiff",
  ".pdf": "pdf",
};

export class AnonymizeResult {
  /** The finished pages. */
  readonly pages: readonly Page[];
  /** The encoded document in `format`. */
  readonly data: Buffer;
  readonly format: DocumentFormat;
  readonly report: Report;
  /** How `save` encodes another format. */
  readonly settings: EncodeSettings;

  constructor(pages: readonly Page[], data: Buffer, format: DocumentFormat, report: Report, settings: EncodeSettings) {
    this.pages = pages;
    this.data = data;
    this.format = format;
    this.report = report;
    this.settings = settings;
  }

  /** The first page. */
  get image(): RasterImage {
    return this.pages[0]!.image;
  }

  /**
   * Writes the document, whole or not at all. Rejects with ERR_NOT_PROVEN when the report says it is not proven (unless
   * `allowUnproven`), ERR_OUTPUT, ERR_ABORTED. Resolves to what was written; in another format than `data` that has
   * another hash than the report's.
   */
  async save(path: string, options: SaveOptions = {}): Promise<{ path: string; bytes: number; sha256: string }> {
    if (!this.report.proven && options.allowUnproven !== true) {
      throw codedError(
        "ERR_NOT_PROVEN",
        `${this.report.document.name}: the result was not written because ${this.report.unproven_because.join(", ")}`,
        { details: { reasons: this.report.unproven_because } },
      );
    }
    const format = options.format ?? formatOf[extname(path).toLowerCase()] ?? this.format;
    const data = format === this.format ? this.data : await this.#encode(format);
    await writeFileAtomic(path, data, options.signal ? { signal: options.signal } : {});
    return { path, bytes: data.length, sha256: await sha256InPieces(data) };
  }

  async #encode(format: DocumentFormat): Promise<Buffer> {
    const data = await encodeDocument(this.pages, format, this.settings);
    const found = await findMetadata(data);
    if (found.length > 0)
      throw codedError("ERR_NOT_PROVEN", `The ${format} output carries metadata: ${found.join(", ")}`);
    return data;
  }
}
