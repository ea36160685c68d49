/** Turns a drawn sheet into the pixels of a scan: paper, light, worn print, sensor, levels, compression. */
import sharp, { type Kernel, type Sharp } from "sharp";
import type { Size } from "../../documents/geometry.ts";
import type { RasterImage } from "../../documents/image.ts";
import { Random } from "../../random/random.ts";
import { pause } from "../pause.ts";
import { drawBands } from "./draw.ts";
import type { PageMap } from "./page-map.ts";
import type { Crease, ScanLook } from "./scan-look.ts";
import type { Sheet } from "./sheet.ts";

interface Scanned {
  readonly image: RasterImage;
  /** Brightness of each pixel as drawn on white, before paper, light, wear and sensor. */
  readonly drawn: Uint8Array;
}

/** Draws the sheet and scans it. The same arguments (and a fresh `random`) give the same bytes. */
export async function scanSheet(
  sheet: Sheet,
  map: PageMap,
  page: Size,
  look: ScanLook,
  random: Random,
): Promise<Scanned> {
  const pixels = new Uint8Array(page.width * page.height * 3);
  const drawn = new Uint8Array(page.width * page.height);
  const expose = exposure(page, look, random.fork("exposure"));
  await pause();
  // Some 60,000 pixels at a time: a few milliseconds.
  const bandRows = Math.max(16, Math.min(256, Math.round(60_000 / page.width)));
  await drawBands(sheet, map, page, bandRows, (rgba, top, rows) => expose(rgba, top, rows, pixels, drawn));
  const data = await sense(pixels, page, look);
  return { image: { data, width: page.width, height: page.height }, drawn };
}

const tileSide = 256;
const tileMask = tileSide - 1;
let tiles: { noise: Float32Array; grain: Float32Array; speckle: Float32Array } | undefined;

/** Constant fields of noise that repeat every 256 pixels: white noise, paper fibres, flecks of 2–3 pixels. */
function noiseTiles(): NonNullable<typeof tiles> {
  if (tiles !== undefined) return tiles;
  const random = new Random("noise tiles");
  const noise = new Float32Array(tileSide * tileSide).map(() => random.normal());
  const fine = unitVariance(smooth(noise, 1));
  const slow = unitVariance(smooth(smooth(noise, 3), 1));
  tiles = { noise, grain: unitVariance(fine.map((value, i) => value + 0.6 * slow[i]!)), speckle: fine };
  return tiles;
}

/** Box blur with wrap-around, `radius` pixels. */
function smooth(tile: Float32Array, radius: number): Float32Array {
  const pass = (from: Float32Array, stepX: number, stepY: number): Float32Array =>
    from.map((_, i) => {
      const x = i & tileMask;
      const y = i >> 8;
      let sum = 0;
      for (let r = -radius; r <= radius; r++)
        sum += from[(((y + r * stepY) & tileMask) << 8) | ((x + r * stepX) & tileMask)]!;
      return sum / (2 * radius + 1);
    });
  return pass(pass(tile, 1, 0), 0, 1);
}

function unitVariance(tile: Float32Array): Float32Array {
  let squares = 0;
  for (const value of tile) squares += value * value;
  const scale = 1 / Math.sqrt(squares / tile.length);
  return tile.map((value) => value * scale);
}

/** Values on a coarse grid, read out row by row with smooth transitions. */
class CoarseField {
  readonly #values: Float32Array;
  readonly #columns: number;
  readonly #cell: number;
  readonly #row: Float32Array;

  constructor(width: number, height: number, cell: number, value: (u: number, v: number) => number) {
    this.#cell = cell;
    this.#columns = Math.ceil(width / cell) + 2;
    const rows = Math.ceil(height / cell) + 2;
    this.#values = new Float32Array(this.#columns * rows);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < this.#columns; c++)
        this.#values[r * this.#columns + c] = value((c * cell) / width, (r * cell) / height);
    }
    this.#row = new Float32Array(width);
  }

  /** The field along row `y`; the same array every time. */
  row(y: number): Float32Array {
    const at = y / this.#cell;
    const r = Math.floor(at);
    const ty = soft(at - r);
    const upper = r * this.#columns;
    const row = this.#row;
    const cell = this.#cell;
    for (let c = 0, x = 0; x < row.length; c++) {
      const left = this.#values[upper + c]! * (1 - ty) + this.#values[upper + this.#columns + c]! * ty;
      const right = this.#values[upper + c + 1]! * (1 - ty) + this.#values[upper + this.#columns + c + 1]! * ty;
      const end = Math.min(row.length, Math.ceil((c + 1) * cell));
      for (; x < end; x++) row[x] = left + (right - left) * soft(x / cell - c);
    }
    return row;
  }
}

const soft = (t: number): number => t * t * (3 - 2 * t);

type Exposure = (rgba: Uint8ClampedArray, top: number, rows: number, out: Uint8Array, drawn: Uint8Array) => void;

function exposure(page: Size, look: ScanLook, random: Random): Exposure {
  const { width, height } = page;
  const { noise, grain, speckle } = noiseTiles();
  const [tl, tr, bl, br] = look.corners;
  const cloudy = random.fork("cloud");
  const light = new CoarseField(width, height, look.creases.length > 0 ? 10 : 64, (u, v) => {
    const corner = (tl * (1 - u) + tr * u) * (1 - v) + (bl * (1 - u) + br * u) * v;
    if (look.creases.length === 0) return corner * (1 + look.cloud * (cloudy.next() - 0.5));
    let shade = 0;
    for (const crease of look.creases) shade += creaseShade(crease, u * width, v * height, width, height);
    return corner * (1 - Math.max(-0.3, Math.min(0.5, shade)));
  });
  const worn = random.fork("worn");
  const print = new CoarseField(width, height, 90, () => look.ink.strength * (1 - look.ink.patchy * worn.next()));
  const rowLight = new Float32Array(height).fill(1);
  const columnLight = new Float32Array(width).fill(1);
  for (const fold of look.folds) foldLine(fold.axis === "y" ? rowLight : columnLight, fold);
  for (const edge of look.edges)
    edgeShadow(edge.side === "left" || edge.side === "right" ? columnLight : rowLight, edge);
  const rowPrint = streaks(random.fork("streaks"), height, look.ink.streaks);
  const columnPrint = new Float32Array(width).fill(1);
  for (const { at, width: wide } of look.deadColumns) {
    for (let x = Math.round(at * width); x < Math.min(width, at * width + wide); x++) columnPrint[x] = 0.1;
  }
  const levels = levelTable(look);
  const shifts = random.fork("shifts");
  const grainX = shifts.int(0, 255);
  const grainY = shifts.int(0, 255);
  const rowShift = Uint16Array.from({ length: height }, () => shifts.uint32() & 0xffff);
  const [paperR, paperG, paperB] = look.paper.map((value) => value / 255) as [number, number, number];
  const [bedR, bedG, bedB] = look.bed;
  const grey = look.tone !== "colour";
  const { noise: noiseLevel, grain: grainLevel } = look;
  const speckleLevel = look.ink.speckle * 0.5;

  return (rgba, top, rows, out, drawn) => {
    for (let r = 0; r < rows; r++) {
      const y = top + r;
      const lightRow = light.row(y);
      const printRow = print.row(y);
      const noiseAt = rowShift[y]!;
      const grainAt = ((y + grainY) & tileMask) << 8;
      const lightY = rowLight[y]!;
      const printY = rowPrint[y]!;
      let from = r * width * 4;
      let to = y * width * 3;
      for (let x = 0; x < width; x++, from += 4, to += 3) {
        const alpha = rgba[from + 3]!;
        const shine = lightRow[x]! * lightY * columnLight[x]!;
        let red = rgba[from]!;
        let green = rgba[from + 1]!;
        let blue = rgba[from + 2]!;
        drawn[y * width + x] = (red * 77 + green * 150 + blue * 29) >> 8;
        const tileAt = grainAt | ((x + grainX) & tileMask);
        if (red + green + blue < 750) {
          const flecks = 1 - speckleLevel * Math.max(0, speckle[tileAt]!);
          const ink = Math.max(0, printRow[x]! * printY * columnPrint[x]! * flecks);
          red = 255 - (255 - red) * ink;
          green = 255 - (255 - green) * ink;
          blue = 255 - (255 - blue) * ink;
        }
        red *= paperR;
        green *= paperG;
        blue *= paperB;
        if (alpha < 255) {
          const share = alpha / 255;
          red = bedR + (red - bedR) * share;
          green = bedG + (green - bedG) * share;
          blue = bedB + (blue - bedB) * share;
        }
        const added = grain[tileAt]! * grainLevel + noise[(noiseAt + x * 5) & 0xffff]! * noiseLevel;
        if (grey) {
          const level = levels[clampLevel((0.299 * red + 0.587 * green + 0.114 * blue) * shine + added)]!;
          out[to] = level;
          out[to + 1] = level;
          out[to + 2] = level;
        } else {
          out[to] = levels[clampLevel(red * shine + added)]!;
          out[to + 1] = levels[clampLevel(green * shine + added)]!;
          out[to + 2] = levels[clampLevel(blue * shine + added)]!;
        }
      }
    }
  };
}

/** Index into the level table, which has 64 entries below 0 and above 255. */
const clampLevel = (value: number): number => (value < -64 ? 0 : value > 319 ? 383 : (value + 64.5) | 0);

function levelTable({ black, white, gamma }: ScanLook): Uint8Array {
  return Uint8Array.from({ length: 384 }, (_, i) => {
    const t = Math.min(1, Math.max(0, (i - 64 - black) / (white - black)));
    return Math.round(255 * t ** gamma);
  });
}

/** Dark on one side of the crease and bright on the other, fading with the distance and towards its ends. */
function creaseShade(crease: Crease, x: number, y: number, width: number, height: number): number {
  const dx = x - crease.u * width;
  const dy = y - crease.v * height;
  const along = (dx * Math.cos(crease.angle) + dy * Math.sin(crease.angle)) / crease.length;
  if (Math.abs(along) > 1) return 0;
  const distance = dy * Math.cos(crease.angle) - dx * Math.sin(crease.angle);
  const across = Math.abs(distance) / crease.width;
  if (across > 4) return 0;
  // From dark to bright over some pixels: a harder step would show the grid it is computed on.
  const side = 0.3 - 0.7 * Math.tanh(distance / 9);
  return crease.depth * (1 - along * along) * Math.exp(-across) * side;
}

/** A dark valley with a bright edge beside it. */
function foldLine(light: Float32Array, fold: { at: number; depth: number; width: number }): void {
  const middle = fold.at * light.length;
  for (
    let i = Math.max(0, Math.floor(middle - 5 * fold.width));
    i < Math.min(light.length, middle + 5 * fold.width);
    i++
  ) {
    const t = (i - middle) / fold.width;
    light[i]! *= 1 - fold.depth * Math.exp(-t * t) + fold.depth * 0.25 * Math.exp(-((t - 1.8) ** 2));
  }
}

/** Dark at one end, fading inwards. */
function edgeShadow(light: Float32Array, { side, depth, width }: ScanLook["edges"][number]): void {
  const far = side === "right" || side === "bottom";
  for (let i = 0; i < light.length; i++) light[i]! *= 1 - depth * Math.exp(-(far ? light.length - 1 - i : i) / width);
}

/** Print strength by row: stretches of some rows that came out too light. */
function streaks(random: Random, length: number, depth: number): Float32Array {
  const rows = new Float32Array(length).fill(1);
  if (depth <= 0) return rows;
  for (let y = 0; y < length; ) {
    const run = random.int(1, 14);
    const strength = 1 - depth * random.next() * (random.chance(0.3) ? 1.6 : 0.6);
    rows.fill(Math.max(0, strength), y, Math.min(length, y + run));
    y += run;
  }
  return rows;
}

/** What the scanner's optics, copiers and file formats do. */
async function sense(pixels: Uint8Array, page: Size, look: ScanLook): Promise<Uint8Array> {
  const { width, height } = page;
  // Grey pages go through as one channel: a third of the work.
  const grey = look.tone !== "colour";
  const raw = { width, height, channels: grey ? 1 : 3 } as const;
  const bytes = (image: Sharp): Promise<Buffer> =>
    image
      .toColourspace(grey ? "b-w" : "srgb")
      .raw()
      .toBuffer();
  let data: Uint8Array = grey
    ? await sharp(pixels, { raw: { ...raw, channels: 3 } })
        .extractChannel(0)
        .raw()
        .toBuffer()
    : pixels;
  if (look.resolution < 1) {
    const small = {
      ...raw,
      width: Math.max(1, Math.round(width * look.resolution)),
      height: Math.max(1, Math.round(height * look.resolution)),
    };
    const seen = await bytes(sharp(data, { raw }).resize(small.width, small.height, { fit: "fill", kernel: "cubic" }));
    data = await bytes(sharp(seen, { raw: small }).resize(width, height, { fit: "fill", kernel: look.kernel }));
  }
  if (look.blur >= 0.3) data = await bytes(sharp(data, { raw }).blur(look.blur));
  let { paper, ink } = look.levels;
  for (const { blur, gain, cutoff } of look.copies) {
    const steep = (gain * 255) / Math.max(40, paper - ink);
    const middle = ink + cutoff * (paper - ink);
    data = await bytes(
      sharp(data, { raw })
        .blur(Math.max(0.3, blur))
        .linear(steep, 128 - steep * middle),
    );
    // What comes out is black on white.
    [paper, ink] = [255, 0];
  }
  if (look.sharpen > 0) data = await bytes(sharp(data, { raw }).convolve(sharpening(look.sharpen)));
  if (look.tone === "bilevel")
    data = await bytes(sharp(data, { raw }).threshold(Math.round(paper - 0.45 * (paper - ink))));
  for (const quality of look.jpeg) {
    const file = await sharp(data, { raw })
      .jpeg({ quality, chromaSubsampling: quality > 80 ? "4:4:4" : "4:2:0" })
      .toBuffer();
    data = await bytes(sharp(file));
  }
  if (grey) data = await sharp(data, { raw }).toColourspace("srgb").raw().toBuffer();
  // A copy of its own: sharp hands out slices of shared buffers.
  return new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer);
}

/** The image less `k` times its second derivative. */
function sharpening(k: number): Kernel {
  const [side, corner] = [-k, -k / 2];
  const kernel = [corner, side, corner, side, 1 + 6 * k, side, corner, side, corner];
  return { width: 3, height: 3, kernel, scale: 1 };
}
