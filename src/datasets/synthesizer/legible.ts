/** Whether print is still there in a scan: what can't be read must not be taught. */
import { type Box, boxHeight, boxWidth, clipBox, growBox } from "../../documents/geometry.ts";
import type { RasterImage } from "../../documents/image.ts";

/** Correlation of a word's pixels as drawn and as scanned below which strokes are lost or noise is as strong. */
const leastLikeness = 0.47;
/** Levels between ink and paper below which print can't be told from paper. */
const leastContrast = 26;

/**
 * Compares a word's box in the scan with the same box as it was drawn (`drawn`: one byte of brightness a pixel).
 * A blank drawing is not legible.
 */
export function isLegible(drawn: Uint8Array, scan: RasterImage, word: Box): boolean {
  // With the paper around it: a short word fills its own box.
  const box = clipBox(growBox(word, 2), scan);
  const count = boxWidth(box) * boxHeight(box);
  if (count === 0) return false;
  let [sumA, sumB, sumAA, sumBB, sumAB, dark, bright] = [0, 0, 0, 0, 0, 255, 0];
  for (let y = box[1]; y < box[3]; y++) {
    for (let x = box[0], i = y * scan.width + x; x < box[2]; x++, i++) {
      const a = drawn[i]!;
      const b = scan.data[i * 3 + 1]!;
      sumA += a;
      sumB += b;
      sumAA += a * a;
      sumBB += b * b;
      sumAB += a * b;
      dark = Math.min(dark, a);
      bright = Math.max(bright, a);
    }
  }
  const varianceA = sumAA - (sumA * sumA) / count;
  const varianceB = sumBB - (sumB * sumB) / count;
  const together = sumAB - (sumA * sumB) / count;
  if (varianceA <= 0 || varianceB <= 0) return false;
  // The slope of the line through (drawn, scanned), times the drawn contrast, is what is left of the contrast.
  return (
    together / Math.sqrt(varianceA * varianceB) >= leastLikeness &&
    (together / varianceA) * (bright - dark) >= leastContrast
  );
}
