/** A piece of a page in which one text is to be replaced, and what an engine does with it. */
import type { Box } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import type { ReprintRequest } from "../ink/reprint.ts";

/** `image` is the region and its surroundings. */
export interface Patch extends ReprintRequest {
  /** Id of the region (the entity's id). */
  readonly id: string;
  /** Where the patch lies on the page, in page pixels, integer edges. `image` has exactly this size. */
  readonly pageBox: Box;
}

export interface PatchResult {
  readonly id: string;
  /** Same size as the patch's image. Only `maskBox` is used when pasting. */
  readonly image: RasterImage;
}

export interface GenerateOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Draws new texts into patches. */
export interface PatchEngine {
  readonly name: "classical" | "diffusion" | "solid";
  /** Results in the order of `patches`. */
  generate(patches: readonly Patch[], options?: GenerateOptions): Promise<PatchResult[]>;
  close(): Promise<void>;
}
