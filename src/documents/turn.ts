/** Quarter turns of pages. They are exact: turned there and back again, every pixel is what it was. */
import sharp from "sharp";
import type { Box, Size } from "./geometry.ts";
import type { RasterImage } from "./image.ts";

/** Degrees clockwise. */
export type QuarterTurn = 0 | 90 | 180 | 270;

export const quarterTurns: readonly QuarterTurn[] = [0, 90, 180, 270];

/** The turn that undoes `turn`. */
export const turnBack = (turn: QuarterTurn): QuarterTurn => ((360 - turn) % 360) as QuarterTurn;

/** The image, turned clockwise; for 0 the image itself. */
export async function turnImage(image: RasterImage, turn: QuarterTurn): Promise<RasterImage> {
  if (turn === 0) return image;
  const { width, height } = image;
  const { data, info } = await sharp(image.data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
    .rotate(turn)
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/** Where a box of a page of size `page` lies once that page has been turned clockwise. */
export function turnBox([x0, y0, x1, y1]: Box, page: Size, turn: QuarterTurn): Box {
  const { width, height } = page;
  if (turn === 90) return [height - y1, x0, height - y0, x1];
  if (turn === 180) return [width - x1, height - y1, width - x0, height - y0];
  if (turn === 270) return [y0, width - x1, y1, width - x0];
  return [x0, y0, x1, y1];
}

/** The size of a page once it has been turned. */
export const turnSize = ({ width, height }: Size, turn: QuarterTurn): Size =>
  turn % 180 === 0 ? { width, height } : { width: height, height: width };
