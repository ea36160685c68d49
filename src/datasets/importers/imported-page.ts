/** What an importer hands on: one page of the source, coordinates still in the source's unit. */
import type { Box, Quad } from "../../documents/geometry.ts";
import { codedError } from "../../errors.ts";
import type { Region, Split } from "../manifest-types.ts";

export interface ImportedPage {
  readonly id: string;
  /** Path of the image, relative to the source folder. */
  readonly image: string;
  /** The size the source states, where it does; compared with the image. */
  readonly width?: number;
  readonly height?: number;
  /** Where the source has its own splits. */
  readonly split?: Split;
  /** Boxes in the source's unit, unchecked. A region with a quad may leave its box to be derived. */
  readonly regions: readonly ImportedRegion[];
}

export type ImportedRegion = Omit<Region, "box"> & { readonly box?: Box; readonly quad?: Quad };

/** Parses JSON of a source file; the fault names the file, never its content. */
export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw codedError("ERR_DATASET_INVALID", `${file}: is not valid JSON`);
  }
}

/** UTF-8, or Latin-1 where the bytes are not valid UTF-8 (old annotation files). */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("latin1").decode(bytes);
  }
}
