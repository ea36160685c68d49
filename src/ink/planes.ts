/** Small operations on single-channel images. A plane is `width * height` numbers, rows from the top. */
import { luma, type RasterImage } from "../documents/image.ts";
import type { Pacer } from "../pacer.ts";

export interface Plane {
  readonly data: Float32Array;
  readonly width: number;
  readonly height: number;
}

export const createPlane = (width: number, height: number): Plane => ({
  data: new Float32Array(width * height),
  width,
  height,
});

/** BT.601 luma, 0…255. */
export function lumaPlane(image: RasterImage): Plane {
  const plane = createPlane(image.width, image.height);
  for (let i = 0, at = 0; i < plane.data.length; i++, at += 3) plane.data[i] = luma(image.data, at);
  return plane;
}

/** Gaussian blur with zeros outside; `sigma` in pixels. Below 0.2 px the plane is returned as it is. */
export function blurPlane(plane: Plane, sigma: number): Plane {
  if (sigma < 0.2) return plane;
  const radius = Math.max(1, Math.ceil(sigma * 2.6));
  const kernel = Array.from({ length: radius + 1 }, (_, i) => Math.exp(-(i * i) / (2 * sigma * sigma)));
  const sum = kernel.reduce((total, value, i) => total + (i === 0 ? value : 2 * value), 0);
  const { width, height } = plane;
  // Along rows as if the plane were one long row, with as many zeros after each row as the kernel reaches.
  const stride = width + radius;
  const padded = new Float32Array(radius + stride * height);
  for (let y = 0; y < height; y++) padded.set(plane.data.subarray(y * width, (y + 1) * width), radius + y * stride);
  const across = new Float32Array(padded.length);
  addShifted(across, padded, kernel, sum, 1);
  const rows = new Float32Array(width * (height + 2 * radius));
  for (let y = 0; y < height; y++) {
    rows.set(across.subarray(radius + y * stride, radius + y * stride + width), (y + radius) * width);
  }
  const down = new Float32Array(rows.length);
  addShifted(down, rows, kernel, sum, width);
  return { data: down.slice(radius * width, (radius + height) * width), width, height };
}

/** `target` = `source` convolved with a symmetric kernel whose taps lie `step` elements apart. */
function addShifted(
  target: Float32Array,
  source: Float32Array,
  kernel: readonly number[],
  sum: number,
  step: number,
): void {
  kernel.forEach((value, k) => {
    const weight = value / sum;
    const shift = k * step;
    if (k === 0) for (let i = 0; i < source.length; i++) target[i] = weight * source[i]!;
    else
      for (let i = shift; i < source.length - shift; i++)
        target[i]! += weight * (source[i - shift]! + source[i + shift]!);
  });
}

/** The plane sampled at a `factor` times lower resolution (not necessarily whole), between its pixels. */
export function shrinkPlane(plane: Plane, factor: number): Plane {
  if (factor === 1) return plane;
  const small = createPlane(
    Math.max(1, Math.ceil(plane.width / factor)),
    Math.max(1, Math.ceil(plane.height / factor)),
  );
  for (let y = 0; y < small.height; y++) {
    const fromY = Math.min(plane.height - 1, (y + 0.5) * factor - 0.5);
    const y0 = Math.floor(fromY);
    const y1 = Math.min(plane.height - 1, y0 + 1);
    for (let x = 0; x < small.width; x++) {
      const fromX = Math.min(plane.width - 1, (x + 0.5) * factor - 0.5);
      const x0 = Math.floor(fromX);
      const x1 = Math.min(plane.width - 1, x0 + 1);
      const top =
        plane.data[y0 * plane.width + x0]! * (1 - fromX + x0) + plane.data[y0 * plane.width + x1]! * (fromX - x0);
      const bottom =
        plane.data[y1 * plane.width + x0]! * (1 - fromX + x0) + plane.data[y1 * plane.width + x1]! * (fromX - x0);
      small.data[y * small.width + x] = top * (1 - fromY + y0) + bottom * (fromY - y0);
    }
  }
  return small;
}

/** Every pixel of the result is the mean of the `factor` × `factor` pixels it covers; odd ones at the end are left out. */
export function shrinkImage(image: RasterImage, factor: number): RasterImage {
  if (factor === 1) return image;
  const small = smallImage(image, factor);
  for (let y = 0; y < small.height; y++) shrinkRow(image, factor, small, y);
  return small;
}

/** As `shrinkImage`, giving way to other work between rows. */
export async function shrinkLargeImage(image: RasterImage, factor: number, pacer: Pacer): Promise<RasterImage> {
  if (factor === 1) return image;
  const small = smallImage(image, factor);
  for (let y = 0; y < small.height; y++) {
    await pacer.pause();
    shrinkRow(image, factor, small, y);
  }
  return small;
}

function smallImage(image: RasterImage, factor: number): RasterImage {
  const width = Math.max(1, Math.floor(image.width / factor));
  const height = Math.max(1, Math.floor(image.height / factor));
  return { data: new Uint8Array(width * height * 3), width, height };
}

function shrinkRow(image: RasterImage, factor: number, small: RasterImage, y: number): void {
  const bottom = Math.min(image.height, (y + 1) * factor);
  for (let x = 0; x < small.width; x++) {
    const right = Math.min(image.width, (x + 1) * factor);
    let r = 0;
    let g = 0;
    let b = 0;
    for (let yy = y * factor; yy < bottom; yy++) {
      const row = yy * image.width;
      for (let at = (row + x * factor) * 3; at < (row + right) * 3; at += 3) {
        r += image.data[at]!;
        g += image.data[at + 1]!;
        b += image.data[at + 2]!;
      }
    }
    const count = (bottom - y * factor) * (right - x * factor);
    const to = (y * small.width + x) * 3;
    small.data[to] = Math.round(r / count);
    small.data[to + 1] = Math.round(g / count);
    small.data[to + 2] = Math.round(b / count);
  }
}

/**
 * By how much an image is shrunk before its text is measured: so that lines are no higher than `tallest` pixels and the
 * whole has at most `maxMeasuredPixels`, as long as letters stay large enough to be told apart.
 */
export function measuringFactor(pixels: number, lineHeight: number, tallest: number): number {
  const byHeight = Math.ceil(lineHeight / tallest);
  const byArea = Math.min(Math.ceil(Math.sqrt(pixels / maxMeasuredPixels)), Math.floor(lineHeight / 18));
  return Math.max(1, byHeight, byArea);
}

const maxMeasuredPixels = 90_000;

/** 1 where a pixel of `mask` lies within `radius` pixels (a square neighbourhood). */
export function dilate(mask: Uint8Array, width: number, height: number, radius: number): Uint8Array {
  if (radius < 1) return mask.slice();
  const across = new Uint8Array(mask.length);
  for (let y = 0; y < height; y++) {
    let last = Number.NEGATIVE_INFINITY;
    const row = y * width;
    for (let x = 0; x < width; x++) {
      if (mask[row + x]) last = x;
      if (x - last <= radius) across[row + x] = 1;
    }
    last = Number.POSITIVE_INFINITY;
    for (let x = width - 1; x >= 0; x--) {
      if (mask[row + x]) last = x;
      if (last - x <= radius) across[row + x] = 1;
    }
  }
  const result = new Uint8Array(mask.length);
  for (let x = 0; x < width; x++) {
    let last = Number.NEGATIVE_INFINITY;
    for (let y = 0; y < height; y++) {
      if (across[y * width + x]) last = y;
      if (y - last <= radius) result[y * width + x] = 1;
    }
    last = Number.POSITIVE_INFINITY;
    for (let y = height - 1; y >= 0; y--) {
      if (across[y * width + x]) last = y;
      if (last - y <= radius) result[y * width + x] = 1;
    }
  }
  return result;
}

/** Value below which the share `part` (0…1) of `values` (levels, −256…256) lies, to an eighth of a level; 0 for none. */
export function quantile(values: Float32Array, part: number): number {
  if (values.length === 0) return 0;
  const counts = new Uint32Array(4097);
  for (let i = 0; i < values.length; i++) counts[Math.min(4096, Math.max(0, Math.round((values[i]! + 256) * 8)))]! += 1;
  let left = Math.min(values.length - 1, Math.floor(part * values.length));
  let bin = 0;
  while (left >= counts[bin]!) left -= counts[bin++]!;
  return bin / 8 - 256;
}

/** The plane convolved with 1-2-1 in both directions, zeros outside: a blur of about 0.7 px, quicker than `blurPlane`. */
export function soften({ data, width, height }: Plane): Plane {
  const across = new Float32Array(data.length);
  for (let i = 1; i + 1 < data.length; i++) across[i] = (data[i - 1]! + 2 * data[i]! + data[i + 1]!) * 0.25;
  const result = createPlane(width, height);
  const last = data.length - width;
  for (let i = 0; i < data.length; i++) {
    const above = i >= width ? across[i - width]! : 0;
    const below = i < last ? across[i + width]! : 0;
    result.data[i] = (above + 2 * across[i]! + below) * 0.25;
  }
  return result;
}
