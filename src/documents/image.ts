/** Pixels in memory. One layout everywhere: 8-bit RGB, rows from the top, channels interleaved (sharp's raw HWC). */
import { setImmediate } from "node:timers/promises";
import { codedError } from "../errors.ts";
import type { Box, Size } from "./geometry.ts";

export interface RasterImage extends Size {
  /** RGB bytes, `width * height * 3` of them. */
  readonly data: Uint8Array;
}

export function createImage(
  width: number,
  height: number,
  rgb: readonly [number, number, number] = [255, 255, 255],
): RasterImage {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw codedError("ERR_INVALID_ARGUMENT", `An image can't be ${width}×${height} px`);
  }
  const data = new Uint8Array(width * height * 3);
  if (rgb[0] === rgb[1] && rgb[1] === rgb[2]) data.fill(rgb[0]);
  else for (let i = 0; i < data.length; i += 3) data.set(rgb, i);
  return { data, width, height };
}

/** A copy of the pixels inside an integer `box`, which must lie inside the image. */
export function cropImage(image: RasterImage, box: Box): RasterImage {
  const [x0, y0, x1, y1] = box;
  const width = x1 - x0;
  const height = y1 - y0;
  if (
    !box.every(Number.isInteger) ||
    x0 < 0 ||
    y0 < 0 ||
    x1 > image.width ||
    y1 > image.height ||
    width < 1 ||
    height < 1
  ) {
    throw codedError(
      "ERR_GEOMETRY",
      `Crop [${box.join(", ")}] does not fit the image of ${image.width}×${image.height} px`,
    );
  }
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const from = ((y0 + y) * image.width + x0) * 3;
    data.set(image.data.subarray(from, from + width * 3), y * width * 3);
  }
  return { data, width, height };
}

// Not slice(): of a Buffer, which decoding gives, that is a view of the same memory.
export const copyImage = (image: RasterImage): RasterImage => ({ ...image, data: new Uint8Array(image.data) });

/** Writes `patch` into `image` in place with its top left corner at integer (x, y); it must fit. */
export function pasteImage(image: RasterImage, patch: RasterImage, x: number, y: number): void {
  if (x < 0 || y < 0 || x + patch.width > image.width || y + patch.height > image.height) {
    throw codedError(
      "ERR_GEOMETRY",
      `A patch of ${patch.width}×${patch.height} px at (${x}, ${y}) does not fit ${image.width}×${image.height} px`,
    );
  }
  for (let row = 0; row < patch.height; row++) {
    image.data.set(
      patch.data.subarray(row * patch.width * 3, (row + 1) * patch.width * 3),
      ((y + row) * image.width + x) * 3,
    );
  }
}

/** ITU-R BT.601 luma of the pixel that starts at byte `i`, 0…255. */
export const luma = (data: Uint8Array, i: number): number =>
  0.299 * data[i]! + 0.587 * data[i + 1]! + 0.114 * data[i + 2]!;

/** Pixels handled between two turns of the event loop; about 2 ms of work. */
const chunkPixels = 1 << 19;

/** Whether red, green and blue are equal in every pixel. Yields to the event loop on large images. */
export async function isGrey({ data }: RasterImage): Promise<boolean> {
  for (let from = 0; from < data.length; from += chunkPixels * 3) {
    if (from > 0) await setImmediate();
    const to = Math.min(data.length, from + chunkPixels * 3);
    for (let i = from; i < to; i += 3) if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
  }
  return true;
}

/** The first channel alone, `width * height` bytes: the grey values of an image for which `isGrey` holds. */
export async function greyChannel({ data, width, height }: RasterImage): Promise<Uint8Array> {
  const out = new Uint8Array(width * height);
  for (let from = 0; from < out.length; from += chunkPixels) {
    if (from > 0) await setImmediate();
    const to = Math.min(out.length, from + chunkPixels);
    for (let i = from; i < to; i++) out[i] = data[i * 3]!;
  }
  return out;
}
