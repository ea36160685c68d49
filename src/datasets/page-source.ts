/** Where the images of a dataset come from: files of a folder, or shards. */
import { dirname } from "node:path";
import sharp from "sharp";
import { resolveInside } from "../documents/inside-folder.ts";
import { AnonymizerError, codedError } from "../errors.ts";
import { digestFile } from "../models/files.ts";
import type { ManifestRecord } from "./manifest-types.ts";

export interface PageSource {
  /** Why the image of a record can't be used, as far as its head tells; undefined when it can. */
  fault(record: ManifestRecord): Promise<string | undefined>;
  /**
   * The image file: its path or its bytes. Rejects with ERR_DATASET_* or ERR_PATH_OUTSIDE_ROOT when this image can't be
   * had, with others when none can.
   */
  image(record: ManifestRecord, signal?: AbortSignal): Promise<string | Buffer>;
  /** SHA-256 of the image file. Rejects as `image`. */
  sha256(record: ManifestRecord, signal?: AbortSignal): Promise<string>;
  /** Which pages lie together and are best read together. */
  readonly shards?: PageShards;
  /** Tells which shards `owner` will read soon, the most urgent first; [] = none any more. */
  expect?(owner: object, shards: readonly number[]): void;
}

export interface PageShards {
  of(record: ManifestRecord): number;
  /** Shards whose pages are shuffled among each other. */
  readonly window: number;
  /** Tells this cut into shards from any other. */
  readonly identity: string;
}

const missing = { missing: "ERR_DATASET_NOT_FOUND" } as const;

export const imageFaults = {
  size: "the image has another size than the manifest says",
  damaged: "the image is damaged or of an unknown format",
  outside: "the image's path leaves the dataset's folder",
  missing: "the image does not exist",
} as const;

/** The files that a manifest names, below its folder. */
export class FolderPages implements PageSource {
  readonly #folder: string;

  constructor(manifest: string) {
    this.#folder = dirname(manifest);
  }

  async fault(record: ManifestRecord): Promise<string | undefined> {
    try {
      const { width, height } = await sharp(await this.image(record)).metadata();
      return width === record.width && height === record.height ? undefined : imageFaults.size;
    } catch (error) {
      if (!(error instanceof AnonymizerError)) return imageFaults.damaged;
      return error.code === "ERR_PATH_OUTSIDE_ROOT" ? imageFaults.outside : imageFaults.missing;
    }
  }

  /** The real path. */
  image(record: ManifestRecord): Promise<string> {
    return resolveInside(this.#folder, record.image, missing);
  }

  async sha256(record: ManifestRecord, signal?: AbortSignal): Promise<string> {
    const path = await this.image(record);
    const { sha256 } = await digestFile(path, signal).catch((cause: unknown) => {
      if (cause instanceof AnonymizerError) throw cause;
      throw codedError("ERR_DOCUMENT_DAMAGED", `${path} can't be read`, { cause });
    });
    return sha256;
  }
}
