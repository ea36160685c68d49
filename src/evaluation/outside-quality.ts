/** How like the input a result is outside the replaced places, as pictures. */
import { type Box, clipBox, roundOut } from "../documents/geometry.ts";
import { luma, type RasterImage } from "../documents/image.ts";
import { codedError } from "../errors.ts";
import { createPacer } from "../pacer.ts";

export interface OutsideQuality {
  /** Values (three a pixel) that were compared, and how many differ. */
  readonly values: number;
  readonly changed: number;
  /** Sum of the squared differences of the values. */
  readonly squaredError: number;
  /** Number of windows, and the sum of their SSIM. */
  readonly windows: number;
  readonly ssimSum: number;
}

const edge = 8;
/** (0.01 · 255)² and (0.03 · 255)². */
const [c1, c2] = [6.5025, 58.5225];

/**
 * Compares two pages of equal size outside `boxes` (page pixels). SSIM (Wang et al. 2004) is that of the luma in windows
 * of 8 × 8 pixels side by side that touch no box, all pixels weighing the same. Throws ERR_INVALID_ARGUMENT when the
 * sizes differ, ERR_ABORTED.
 */
export async function outsideQuality(
  before: RasterImage,
  after: RasterImage,
  boxes: readonly Box[],
  signal?: AbortSignal,
): Promise<OutsideQuality> {
  const { width, height } = before;
  if (width !== after.width || height !== after.height) {
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `The pages differ in size: ${width}×${height} and ${after.width}×${after.height}`,
    );
  }
  const pacer = createPacer(signal);
  const inside = new Uint8Array(width * height);
  for (const box of boxes) {
    const [x0, y0, x1, y1] = roundOut(clipBox(box, before));
    for (let y = y0; y < y1; y++) inside.fill(1, y * width + x0, y * width + x1);
  }
  let [values, changed, squaredError, windows, ssimSum] = [0, 0, 0, 0, 0];
  for (let y = 0; y < height; y++) {
    if (y % 4 === 0) await pacer.pause();
    for (let x = 0; x < width; x++) {
      const pixel = y * width + x;
      if (inside[pixel]) continue;
      values += 3;
      for (let i = pixel * 3; i < pixel * 3 + 3; i++) {
        const difference = before.data[i]! - after.data[i]!;
        if (difference === 0) continue;
        changed++;
        squaredError += difference * difference;
      }
    }
  }
  for (let y = 0; y + edge <= height; y += edge) {
    await pacer.pause();
    for (let x = 0; x + edge <= width; x += edge) {
      const similarity = windowSsim(before, after, inside, x, y);
      if (similarity === undefined) continue;
      windows++;
      ssimSum += similarity;
    }
  }
  return { values, changed, squaredError, windows, ssimSum };
}

/** Undefined for a window that touches a box. */
function windowSsim(a: RasterImage, b: RasterImage, inside: Uint8Array, x0: number, y0: number): number | undefined {
  let [sumA, sumB, sumAA, sumBB, sumAB] = [0, 0, 0, 0, 0];
  for (let y = y0; y < y0 + edge; y++) {
    for (let x = x0; x < x0 + edge; x++) {
      const pixel = y * a.width + x;
      if (inside[pixel]) return undefined;
      const va = luma(a.data, pixel * 3);
      const vb = luma(b.data, pixel * 3);
      sumA += va;
      sumB += vb;
      sumAA += va * va;
      sumBB += vb * vb;
      sumAB += va * vb;
    }
  }
  const n = edge * edge;
  const [meanA, meanB] = [sumA / n, sumB / n];
  const [varA, varB, covariance] = [sumAA / n - meanA ** 2, sumBB / n - meanB ** 2, sumAB / n - meanA * meanB];
  return ((2 * meanA * meanB + c1) * (2 * covariance + c2)) / ((meanA ** 2 + meanB ** 2 + c1) * (varA + varB + c2));
}
