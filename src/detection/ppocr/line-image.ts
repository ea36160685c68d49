/** Cuts a line out of a page, turned upright and in the height that the recognition network reads. */
import type { RasterImage } from "../../documents/image.ts";
import type { RotatedBox } from "./rotated-box.ts";

/** Height of the network's input. */
export const lineHeight = 48;
/** Pixels of one time step of the network. */
export const stepWidth = 8;
const minWidth = 2 * stepWidth;
/** Longer lines are squeezed: about 90 times as long as high. */
const maxWidth = 4320;
/** Samples of a pixel along one side, where the line is reduced. */
const maxSamples = 8;

/** The network was trained on lines with mid-grey behind them up to this width, and reads short ones better so. */
const trainedWidth = 320;
/** Widths of batches are multiples of this. */
const widthGrid = 32;

/** The width a line has as network input. It depends on the line alone, and so does what is read of it. */
export const paddedWidth = (width: number): number => Math.max(trainedWidth, Math.ceil(width / widthGrid) * widthGrid);

/** Levels 0…255 of an upright line, `lineHeight` rows of `width`; three such planes for red, green, blue. */
export interface LineImage {
  readonly planes: Float32Array;
  readonly width: number;
}

/** The width in which a line is read. */
export const widthOf = (box: RotatedBox): number =>
  Math.min(maxWidth, Math.max(minWidth, Math.ceil((lineHeight * box.width) / box.height)));

/** Samples the page bilinearly, several times a pixel where it is reduced. Outside the page its edge goes on. */
export function cutLine(page: RasterImage, box: RotatedBox): LineImage {
  const width = widthOf(box);
  const plane = width * lineHeight;
  const planes = new Float32Array(3 * plane);
  const [cos, sin] = [Math.cos(box.angle), Math.sin(box.angle)];
  const across = Math.min(maxSamples, Math.max(1, Math.ceil(box.width / width)));
  const down = Math.min(maxSamples, Math.max(1, Math.ceil(box.height / lineHeight)));
  const [du, dv] = [box.width / (width * across), box.height / (lineHeight * down)];
  const share = 1 / (across * down);
  const { data } = page;
  const [lastX, lastY] = [page.width - 1, page.height - 1];
  for (let row = 0; row < lineHeight; row++) {
    for (let column = 0; column < width; column++) {
      let [r, g, b] = [0, 0, 0];
      for (let j = 0; j < down; j++) {
        const v = (row * down + j + 0.5) * dv - box.height / 2;
        for (let i = 0; i < across; i++) {
          const u = (column * across + i + 0.5) * du - box.width / 2;
          const x = Math.min(lastX, Math.max(0, box.cx + u * cos - v * sin - 0.5));
          const y = Math.min(lastY, Math.max(0, box.cy + u * sin + v * cos - 0.5));
          const [x0, y0] = [Math.floor(x), Math.floor(y)];
          const [fx, fy] = [x - x0, y - y0];
          const a = (y0 * page.width + x0) * 3;
          const right = x0 < lastX ? 3 : 0;
          const below = y0 < lastY ? page.width * 3 : 0;
          const [w00, w10, w01, w11] = [(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy];
          const at = (c: number): number =>
            data[a + c]! * w00 +
            data[a + right + c]! * w10 +
            data[a + below + c]! * w01 +
            data[a + below + right + c]! * w11;
          r += at(0);
          g += at(1);
          b += at(2);
        }
      }
      const at = row * width + column;
      planes[at] = r * share;
      planes[plane + at] = g * share;
      planes[2 * plane + at] = b * share;
    }
  }
  return { planes, width };
}

/**
 * Lines of the same padded width as one network input [count, 3, 48, width]: blue first, levels mapped to −1…1, and 0
 * (mid-grey) behind the shorter ones.
 */
export function packLines(lines: readonly LineImage[], width: number): Float32Array {
  const plane = width * lineHeight;
  const data = new Float32Array(lines.length * 3 * plane);
  for (const [n, line] of lines.entries()) {
    for (let c = 0; c < 3; c++) {
      const from = (2 - c) * line.width * lineHeight;
      const to = (n * 3 + c) * plane;
      for (let row = 0; row < lineHeight; row++) {
        for (let x = 0; x < line.width; x++) {
          data[to + row * width + x] = line.planes[from + row * line.width + x]! / 127.5 - 1;
        }
      }
    }
  }
  return data;
}
