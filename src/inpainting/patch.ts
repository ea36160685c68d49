/** A piece of a page in which one text is to be replaced, and what an engine does with it. */
import type { Box } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";

export interface Patch {
  /** Id of the region (the entity's id). */
  readonly id: string;
  /** The region and its surroundings, original pixels. */
  readonly image: RasterImage;
  /** Where the patch lies on the page, in page pixels, integer edges. `image` has exactly this size. */
  readonly pageBox: Box;
  /** What may be repainted, in patch pixels, integer edges. */
  readonly maskBox: Box;
  /** Where the old text stands, in patch pixels (inside `maskBox`). */
  readonly textBox: Box;
  /** What to draw. */
  readonly text: string;
  /** What stands there now; lets an engine measure the font from a known string. */
  readonly original: string;
  /** Seed of this region: the same seed draws the same pixels. */
  readonly seed: number;
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
