/**
 * Covers image regions: a code becomes another code of its kind, everything else a blur or one colour. What can still be
 * read of a code afterwards is covered by the next stronger means. Only pixels inside the regions' boxes change.
 */
import sharp from "sharp";
import { checkDigitsOf } from "../detection/image-regions/code-formats.ts";
import type { CodeEngine, CodeModules } from "../detection/image-regions/codes.ts";
import type { CodeContent, ImageRegion, ImageRegionType } from "../detection/image-regions/image-region.ts";
import { type Box, boxArea, boxHeight, boxWidth, intersectBoxes } from "../documents/geometry.ts";
import { cropImage, luma, pasteImage, type RasterImage } from "../documents/image.ts";
import { throwIfAborted } from "../errors.ts";
import { createPacer, type Pacer } from "../pacer.ts";

export const coverMethods = ["replace", "blur", "solid"] as const;
export type CoverMethod = (typeof coverMethods)[number];

export interface CoveredRegion {
  readonly region: ImageRegion;
  /** What was done at last. */
  readonly method: CoverMethod;
}

export interface CoverOptions {
  /** How regions of a type are covered; none is kept. */
  readonly methods: Readonly<Record<ImageRegionType, CoverMethod>>;
  /** Invented contents of codes by the id of their region. */
  readonly contents: ReadonlyMap<string, string>;
  readonly codes: CodeEngine;
  readonly signal?: AbortSignal;
}

/** The page with its regions covered: a copy where there are any, else the page itself. */
export async function coverRegions(
  page: RasterImage,
  regions: readonly ImageRegion[],
  options: CoverOptions,
): Promise<{ readonly page: RasterImage; readonly covered: CoveredRegion[] }> {
  if (regions.length === 0) return { page, covered: [] };
  const pacer = createPacer(options.signal);
  const made: RasterImage = { ...page, data: new Uint8Array(page.data.length) };
  const step = 4 * 2 ** 20;
  for (let from = 0; from < page.data.length; from += step) {
    made.data.set(page.data.subarray(from, from + step), from);
    await pacer.pause();
  }
  const methods = new Map<ImageRegion, CoverMethod>();
  for (const region of regions)
    methods.set(region, await cover(made, page, region, options.methods[region.type], options, pacer));
  // A cover that leaves a code readable, or draws one that nobody can read, gives way to the next.
  for (let again = regions.filter(({ code }) => code !== undefined); again.length > 0; ) {
    const read = await options.codes.read(made, options.signal);
    const failed = again.filter((region) => !isCovered(region, methods.get(region)!, read));
    for (const region of failed) {
      const next = methods.get(region) === "replace" ? "blur" : "solid";
      methods.set(region, await cover(made, page, region, next, options, pacer));
    }
    again = failed.filter((region) => methods.get(region) !== "solid");
  }
  return { page: made, covered: regions.map((region) => ({ region, method: methods.get(region)! })) };
}

/** Whether nothing of the original content is read in a region, and where it was replaced, something is. */
function isCovered({ box, code }: ImageRegion, method: CoverMethod, read: readonly CodeContent[]): boolean {
  const here = read.filter(({ corners }) => boxArea(intersectBoxes(box, around(corners))) > 0);
  return here.every(({ text }) => text !== code!.text) && (method !== "replace" || here.length > 0);
}

function around(corners: CodeContent["corners"]): Box {
  const xs = corners.map(([x]) => x);
  const ys = corners.map(([, y]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1];
}

async function cover(
  made: RasterImage,
  page: RasterImage,
  region: ImageRegion,
  wanted: CoverMethod,
  options: CoverOptions,
  pacer: Pacer,
): Promise<CoverMethod> {
  throwIfAborted(options.signal);
  pasteImage(made, cropImage(page, region.box), region.box[0], region.box[1]);
  await pacer.pause();
  if (wanted === "replace") {
    const modules = await newCode(region, options);
    if (modules !== undefined) {
      await drawCode(made, region.box, region.code!.corners, modules, pacer);
      return "replace";
    }
  }
  if (wanted !== "solid") {
    pasteImage(made, await blurred(cropImage(page, region.box)), region.box[0], region.box[1]);
    return "blur";
  }
  pasteImage(made, black(region.box), region.box[0], region.box[1]);
  return "solid";
}

async function newCode({ id, code }: ImageRegion, options: CoverOptions): Promise<CodeModules | undefined> {
  const content = options.contents.get(id);
  if (code === undefined || content === undefined) return undefined;
  const checks = checkDigitsOf(code.format);
  return options.codes.write(code.format, checks > 0 ? content.slice(0, -checks) : content, options.signal);
}

const black = (box: Box): RasterImage => ({
  data: new Uint8Array(boxWidth(box) * boxHeight(box) * 3),
  width: boxWidth(box),
  height: boxHeight(box),
});

/** Cells of a blur along a region's shorter side: too few for faces or modules. */
const blurCells = 2;
/** A region longer than this many times its shorter side may be one line of writing: its cells are as high as it. */
const strip = 2;
const smallestCell = 6;

/** Columns and rows of the means that are left of a region. */
function cellsOf(width: number, height: number): readonly [columns: number, rows: number] {
  const [shorter, longer] = [Math.min(width, height), Math.max(width, height)];
  const cell = Math.max(smallestCell, longer > strip * shorter ? shorter : shorter / blurCells);
  return [Math.max(1, Math.floor(width / cell)), Math.max(1, Math.floor(height / cell))];
}

/** Means over a few cells, smoothed: what lies within a cell is lost, no sharpening brings it back. */
async function blurred({ data, width, height }: RasterImage): Promise<RasterImage> {
  const [columns, rows] = cellsOf(width, height);
  const small = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(columns, rows, { fit: "fill", kernel: "linear" })
    .raw()
    .toBuffer();
  const large = await sharp(small, { raw: { width: columns, height: rows, channels: 3 } })
    .resize(width, height, { fit: "fill", kernel: "cubic" })
    .raw()
    .toBuffer();
  return { data: new Uint8Array(large.buffer, large.byteOffset, large.length), width, height };
}

/** Pixels around a code that are made paper: its old edge would show beside the new one. */
const edge = 2;
/** Points looked at in each direction of a pixel. */
const samples = 3;

/** Draws modules where the old code stood, in its ink and paper, turned as it was turned. */
async function drawCode(
  page: RasterImage,
  box: Box,
  [topLeft, topRight, , bottomLeft]: CodeContent["corners"],
  { data, width, height }: CodeModules,
  pacer: Pacer,
): Promise<void> {
  const { ink, paper } = coloursOf(page, box);
  const right = [topRight[0] - topLeft[0], topRight[1] - topLeft[1]] as const;
  const down = [bottomLeft[0] - topLeft[0], bottomLeft[1] - topLeft[1]] as const;
  const area = right[0] * down[1] - right[1] * down[0];
  const [marginU, marginV] = [edge / Math.hypot(...right), edge / Math.hypot(...down)];
  for (let y = box[1]; y < box[3]; y++) {
    await pacer.pause();
    for (let x = box[0]; x < box[2]; x++) {
      let [dark, inside] = [0, 0];
      for (let i = 0; i < samples ** 2; i++) {
        const px = x + ((i % samples) + 0.5) / samples - topLeft[0];
        const py = y + (Math.floor(i / samples) + 0.5) / samples - topLeft[1];
        const u = (px * down[1] - py * down[0]) / area;
        const v = (py * right[0] - px * right[1]) / area;
        if (u < -marginU || v < -marginV || u > 1 + marginU || v > 1 + marginV) continue;
        inside++;
        if (u >= 0 && v >= 0 && u < 1 && v < 1 && data[Math.floor(v * height) * width + Math.floor(u * width)] === 0)
          dark++;
      }
      if (inside < samples ** 2) continue;
      const share = dark / samples ** 2;
      const at = (y * page.width + x) * 3;
      for (let c = 0; c < 3; c++) page.data[at + c] = Math.round(share * ink[c]! + (1 - share) * paper[c]!);
    }
  }
}

/** Mean colours of the darkest and the lightest quarter of a box. */
function coloursOf(page: RasterImage, box: Box): { ink: readonly number[]; paper: readonly number[] } {
  const pixels: number[] = [];
  const stride = Math.max(1, Math.floor(Math.sqrt(boxArea(box) / 4096)));
  for (let y = box[1]; y < box[3]; y += stride)
    for (let x = box[0]; x < box[2]; x += stride) pixels.push((y * page.width + x) * 3);
  pixels.sort((a, b) => luma(page.data, a) - luma(page.data, b));
  const quarter = Math.max(1, pixels.length >> 2);
  const mean = (from: readonly number[]): number[] =>
    [0, 1, 2].map((c) => from.reduce((sum, at) => sum + page.data[at + c]!, 0) / from.length);
  return { ink: mean(pixels.slice(0, quarter)), paper: mean(pixels.slice(-quarter)) };
}
