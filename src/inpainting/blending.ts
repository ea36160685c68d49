/** Puts what an engine drew back into the page. */
import { boxHeight, boxWidth } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { codedError } from "../errors.ts";
import type { Patch, PatchResult } from "./patch.ts";

export interface PasteOptions {
  /** Width of the soft edge inside the mask in pixels, 0 … 64. Default 2. */
  readonly featherPx?: number;
}

/** Differences between old and new pixels (levels, largest channel) from which and up to which the soft edge fades out. */
const sameUpTo = 10;
const differentFrom = 28;

/**
 * Writes `result` into `page` (in place). Only pixels inside the patch's `maskBox` change; every other one keeps its
 * exact value. At the edge of the mask old and new pixels mix over `featherPx`, except at the border of the page, and
 * except where they differ clearly: old ink never shines through. Pasting twice gives the same page as pasting once.
 *
 * Throws ERR_INVALID_ARGUMENT when sizes do not fit together.
 */
export function pastePatch(page: RasterImage, patch: Patch, result: PatchResult, options: PasteOptions = {}): void {
  const { featherPx = 2 } = options;
  const { pageBox, maskBox, image } = patch;
  const { width, height } = image;
  const fits =
    result.image.width === width &&
    result.image.height === height &&
    boxWidth(pageBox) === width &&
    boxHeight(pageBox) === height &&
    pageBox[0] >= 0 &&
    pageBox[1] >= 0 &&
    pageBox[2] <= page.width &&
    pageBox[3] <= page.height &&
    maskBox.every(Number.isInteger) &&
    maskBox[0] >= 0 &&
    maskBox[1] >= 0 &&
    maskBox[2] <= width &&
    maskBox[3] <= height;
  if (!fits) {
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `The result of ${patch.id} (${result.image.width}×${result.image.height} px) does not fit its patch (${width}×${height} px at [${pageBox.join(", ")}])`,
    );
  }
  if (!(featherPx >= 0 && featherPx <= 64))
    throw codedError("ERR_INVALID_ARGUMENT", `A soft edge can't be ${featherPx} px wide`);
  const [x0, y0, x1, y1] = maskBox;
  const beyond = Number.POSITIVE_INFINITY;
  for (let y = y0; y < y1; y++) {
    const fromTop = pageBox[1] + y0 === 0 ? beyond : y - y0 + 1;
    const fromBottom = pageBox[1] + y1 === page.height ? beyond : y1 - y;
    for (let x = x0; x < x1; x++) {
      const fromLeft = pageBox[0] + x0 === 0 ? beyond : x - x0 + 1;
      const fromRight = pageBox[0] + x1 === page.width ? beyond : x1 - x;
      const from = (y * width + x) * 3;
      const to = ((pageBox[1] + y) * page.width + pageBox[0] + x) * 3;
      const share = Math.min(1, Math.min(fromTop, fromBottom, fromLeft, fromRight) / (featherPx + 1));
      const weight = share === 1 ? 1 : Math.max(share, difference(image.data, result.image.data, from));
      for (let channel = 0; channel < 3; channel++) {
        const old = image.data[from + channel]!;
        page.data[to + channel] = Math.round(old + (result.image.data[from + channel]! - old) * weight);
      }
    }
  }
}

/** 0 where two pixels look the same, 1 where they clearly differ. */
function difference(a: Uint8Array, b: Uint8Array, at: number): number {
  const largest = Math.max(
    Math.abs(a[at]! - b[at]!),
    Math.abs(a[at + 1]! - b[at + 1]!),
    Math.abs(a[at + 2]! - b[at + 2]!),
  );
  return Math.min(1, Math.max(0, (largest - sameUpTo) / (differentFrom - sameUpTo)));
}
