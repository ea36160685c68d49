/** Pale print: a page whose print hardly differs from its paper is stretched to the full range of levels. */
import { luma, type RasterImage } from "../../documents/image.ts";

/** Shares of the pixels that are darker than print and lighter than paper at the least. */
const printShare = 0.001;
const paperShare = 0.9;
/** Print with more than this many levels between it and the paper is read well as it is. */
const enough = 120;
/** Fewer levels are the noise of empty paper. */
const noise = 12;

/** The image itself where its contrast is good, or where there is nothing on it. */
export function stretchContrast(image: RasterImage): RasterImage {
  const { data, width, height } = image;
  const counts = new Uint32Array(256);
  for (let i = 0; i < data.length; i += 3) counts[Math.round(luma(data, i))]!++;
  const level = (share: number): number => {
    let left = share * width * height;
    for (let value = 0; value < 256; value++) {
      left -= counts[value]!;
      if (left < 0) return value;
    }
    return 255;
  };
  const [print, paper] = [level(printShare), level(paperShare)];
  if (paper - print < noise || paper - print > enough) return image;
  const table = Uint8Array.from({ length: 256 }, (_, value) =>
    Math.min(255, Math.max(0, ((value - print) * 255) / (paper - print))),
  );
  return { data: data.map((value) => table[value]!), width, height };
}
