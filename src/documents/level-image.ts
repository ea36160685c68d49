/** Makes level pages of pages whose lines slope. */
import { createPacer } from "../pacer.ts";
import { type Box, clipBox } from "./geometry.ts";
import { createImage, type RasterImage } from "./image.ts";
import { boxOnPage, type LevelFrame, rowSpan, toLevel, toPage } from "./level-frame.ts";

type Colour = readonly [number, number, number];

/** The page with its lines level; what the page does not reach has the colour of most of its edge. Rejects with ERR_ABORTED. */
export async function levelImage(page: RasterImage, frame: LevelFrame, signal?: AbortSignal): Promise<RasterImage> {
  const { width, height } = frame.level;
  const level = createImage(width, height);
  await levelPart(level, page, frame, [0, 0, width, height], signal);
  return level;
}

/** Takes the pixels of an integer `box` of the level page from the page anew. Rejects with ERR_ABORTED. */
export async function levelPart(
  level: RasterImage,
  page: RasterImage,
  frame: LevelFrame,
  box: Box,
  signal?: AbortSignal,
): Promise<void> {
  const pacer = createPacer(signal);
  const beyond = edgeColour(page);
  const [x0, y0, x1, y1] = clipBox(box, level);
  for (let y = y0; y < y1; y++) {
    await pacer.pause();
    for (let x = x0; x < x1; x++) {
      const at = toPage(frame, x + 0.5, y + 0.5);
      const to = (y * level.width + x) * 3;
      const outside = at[0] < 0 || at[1] < 0 || at[0] >= page.width || at[1] >= page.height;
      if (outside) level.data.set(beyond, to);
      else samplePixel(page, at[0], at[1], level.data, to);
    }
  }
}

/**
 * Brings to the page (in place) what was changed within a `box` of the level page: of the pixels whose middles lie in the
 * box, those around which `after` differs from `before`. All others keep their exact values. Rejects with ERR_ABORTED.
 */
export async function putBack(
  page: RasterImage,
  { before, after }: { readonly before: RasterImage; readonly after: RasterImage },
  frame: LevelFrame,
  box: Box,
  signal?: AbortSignal,
): Promise<void> {
  const pacer = createPacer(signal);
  const [, top, , bottom] = boxOnPage(frame, box);
  for (let y = top; y < bottom; y++) {
    await pacer.pause();
    const [start, end] = rowSpan(frame, box, y);
    for (let x = start; x < end; x++) {
      const [u, v] = toLevel(frame, x + 0.5, y + 0.5);
      if (differAt(before, after, Math.floor(u - 0.5), Math.floor(v - 0.5)))
        samplePixel(after, u, v, page.data, (y * page.width + x) * 3);
    }
  }
}

/** Whether two images of one size differ in one of the four pixels from (x, y) on. */
function differAt({ data: a, width, height }: RasterImage, { data: b }: RasterImage, x: number, y: number): boolean {
  for (let row = Math.max(0, y); row <= Math.min(height - 1, y + 1); row++) {
    const to = (row * width + Math.min(width - 1, x + 1)) * 3 + 3;
    for (let i = (row * width + Math.max(0, x)) * 3; i < to; i++) if (a[i] !== b[i]) return true;
  }
  return false;
}

/** Copies the pixels whose middles lie in a `box` of the level page from one page to another of the same size. */
export function copyTurned(from: RasterImage, to: RasterImage, frame: LevelFrame, box: Box): void {
  const [, top, , bottom] = boxOnPage(frame, box);
  for (let y = top; y < bottom; y++) {
    const [start, end] = rowSpan(frame, box, y).map((x) => (y * to.width + x) * 3) as [number, number];
    to.data.set(from.data.subarray(start, end), start);
  }
}

/** Weights of four neighbours by Catmull-Rom's cubic (Keys 1981), for a point `t` of the way from the second to the third. */
function weigh(weights: Float64Array, t: number): void {
  weights[0] = ((-0.5 * t + 1) * t - 0.5) * t;
  weights[1] = (1.5 * t - 2.5) * t * t + 1;
  weights[2] = ((-1.5 * t + 2) * t + 0.5) * t;
  weights[3] = (0.5 * t - 0.5) * t * t;
}

const across = new Float64Array(4);
const down = new Float64Array(4);

/** Writes the colour of an image at a point into `out`, interpolated; at its edges the last pixels count on. */
function samplePixel(image: RasterImage, x: number, y: number, out: Uint8Array, to: number): void {
  const { data, width, height } = image;
  const left = Math.floor(x - 0.5);
  const top = Math.floor(y - 0.5);
  weigh(across, x - 0.5 - left);
  weigh(down, y - 0.5 - top);
  let [red, green, blue] = [0, 0, 0];
  for (let j = 0; j < 4; j++) {
    const row = Math.min(height - 1, Math.max(0, top + j - 1)) * width;
    for (let i = 0; i < 4; i++) {
      const from = (row + Math.min(width - 1, Math.max(0, left + i - 1))) * 3;
      const weight = across[i]! * down[j]!;
      red += weight * data[from]!;
      green += weight * data[from + 1]!;
      blue += weight * data[from + 2]!;
    }
  }
  out[to] = level8(red);
  out[to + 1] = level8(green);
  out[to + 2] = level8(blue);
}

const level8 = (value: number): number => Math.min(255, Math.max(0, Math.round(value)));

/** The median of each channel along the page's edge. */
function edgeColour({ data, width, height }: RasterImage): Colour {
  const pixels: number[] = [];
  for (let x = 0; x < width; x++) pixels.push(x, (height - 1) * width + x);
  for (let y = 0; y < height; y++) pixels.push(y * width, (y + 1) * width - 1);
  const median = (channel: number): number => {
    const values = Uint8Array.from(pixels, (at) => data[at * 3 + channel]!).sort();
    return values[values.length >> 1]!;
  };
  return [median(0), median(1), median(2)];
}
