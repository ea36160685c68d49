/** How much two images are alike, inside a box. */
import { type Box, boxHeight, boxWidth } from "../src/documents/geometry.ts";
import type { RasterImage } from "../src/documents/image.ts";

/** Peak signal-to-noise ratio of the RGB values in dB; at most 99, which stands for equal. */
export function psnr(a: RasterImage, b: RasterImage, box: Box): number {
  let squares = 0;
  for (let y = box[1]; y < box[3]; y++) {
    for (let i = (y * a.width + box[0]) * 3; i < (y * a.width + box[2]) * 3; i++)
      squares += (a.data[i]! - b.data[i]!) ** 2;
  }
  const mean = squares / (boxWidth(box) * boxHeight(box) * 3);
  return mean === 0 ? 99 : Math.min(99, 10 * Math.log10(255 ** 2 / mean));
}

const side = 7;
const c1 = (0.01 * 255) ** 2;
const c2 = (0.03 * 255) ** 2;

/**
 * Mean structural similarity of the luminance (Wang, Bovik, Sheikh, Simoncelli 2004, eq. 13), over all uniform windows of
 * 7 × 7 pixels that lie inside the box; along a side shorter than that, the window is as long as the side. Variances are
 * those of a sample, K1 = 0.01, K2 = 0.03. Uniform in place of their Gaussian windows of 11 × 11, because text boxes can
 * be 8 pixels high.
 */
export function ssim(a: RasterImage, b: RasterImage, box: Box): number {
  const [width, height] = [boxWidth(box), boxHeight(box)];
  const across = Math.min(side, width);
  const down = Math.min(side, height);
  const [first, second] = [luminance(a, box), luminance(b, box)];
  const product = (x: Float64Array, y: Float64Array): Float64Array => x.map((value, i) => value * y[i]!);
  const windows = [first, second, product(first, first), product(second, second), product(first, second)].map((plane) =>
    windowSums(plane, width, height, across, down),
  );
  const n = across * down;
  const sample = n > 1 ? n / (n - 1) : 1;
  let total = 0;
  const count = windows[0]!.length;
  for (let i = 0; i < count; i++) {
    const [x, y, xx, yy, xy] = windows.map((plane) => plane[i]! / n) as [number, number, number, number, number];
    const varianceX = Math.max(0, xx - x * x) * sample;
    const varianceY = Math.max(0, yy - y * y) * sample;
    const covariance = (xy - x * y) * sample;
    total += ((2 * x * y + c1) * (2 * covariance + c2)) / ((x * x + y * y + c1) * (varianceX + varianceY + c2));
  }
  return total / count;
}

/** ITU-R BT.601. */
function luminance({ data, width }: RasterImage, box: Box): Float64Array {
  const plane = new Float64Array(boxWidth(box) * boxHeight(box));
  let to = 0;
  for (let y = box[1]; y < box[3]; y++) {
    for (let x = box[0]; x < box[2]; x++) {
      const i = (y * width + x) * 3;
      plane[to++] = 0.299 * data[i]! + 0.587 * data[i + 1]! + 0.114 * data[i + 2]!;
    }
  }
  return plane;
}

/** Sums over every window of `across` × `down` inside the plane. */
function windowSums(plane: Float64Array, width: number, height: number, across: number, down: number): Float64Array {
  const stride = width + 1;
  const table = new Float64Array(stride * (height + 1));
  for (let y = 0; y < height; y++) {
    let row = 0;
    for (let x = 0; x < width; x++) {
      row += plane[y * width + x]!;
      table[(y + 1) * stride + x + 1] = table[y * stride + x + 1]! + row;
    }
  }
  const sums = new Float64Array((width - across + 1) * (height - down + 1));
  let to = 0;
  for (let y = 0; y + down <= height; y++) {
    for (let x = 0; x + across <= width; x++) {
      sums[to++] =
        table[(y + down) * stride + x + across]! -
        table[y * stride + x + across]! -
        table[(y + down) * stride + x]! +
        table[y * stride + x]!;
    }
  }
  return sums;
}
