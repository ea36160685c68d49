/** Draws new texts with the inpainting diffusion model. */
import sharp from "sharp";
import { boxHeight } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { resizeImage, scalingKernel } from "../documents/resize.ts";
import { throwIfAborted } from "../errors.ts";
import type { Sampling } from "../models/sampling.ts";
import { createClassicalEngine } from "./classical-engine.ts";
import { InpaintingPipeline, type InpaintingPipelineOptions, type InpaintingRequest } from "./inpainting-pipeline.ts";
import type { GenerateOptions, Patch, PatchEngine, PatchResult } from "./patch.ts";
import { bucketed } from "./patches.ts";

export interface DiffusionEngineOptions extends InpaintingPipelineOptions {
  /** What is not given is as the UNet's metadata recommends. */
  readonly sampling?: Partial<Sampling>;
}

export interface DiffusionEngine extends PatchEngine {
  readonly sampling: Sampling;
}

/** Share of the canvas height that a text line takes; what the training crops have on average. */
const textShare = 0.5;
const defaultHeight = 64;
/** Widest canvas in multiples of its height. */
const maxAspect = 8;
/** Print shows nothing more when it is enlarged further; a canvas larger than that takes is time without use. */
const mostEnlarged = 4;

/** Where a patch lies on the canvas the model sees. */
interface Placement {
  /** Canvas pixels per patch pixel. */
  readonly scale: number;
  /** Canvas position of the patch's top left corner (may be negative: then that part is cut). */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Size of the scaled patch. */
  readonly scaledWidth: number;
  readonly scaledHeight: number;
}

/**
 * Only the patch's own area is computed: it is scaled so that its text has the height the model was trained with (and no
 * more than four times its own), put on a canvas that is as high as that takes and as wide as a multiple of its height,
 * and brought back to page pixels afterwards. Canvases of one size run together. A UNet that takes drafts gets what
 * the classical engine drew.
 *
 * Rejects like InpaintingPipeline.create.
 */
export async function createDiffusionEngine(options: DiffusionEngineOptions): Promise<DiffusionEngine> {
  const pipeline = await InpaintingPipeline.create(options);
  const drafter = pipeline.takesDrafts ? createClassicalEngine() : undefined;
  const sampling = { ...pipeline.sampling, ...options.sampling };
  return {
    name: "diffusion",
    sampling,
    generate: (patches, generateOptions) => generate(pipeline, drafter, sampling, patches, generateOptions),
    async close() {
      await drafter?.close();
      await pipeline.close();
    },
  };
}

async function generate(
  pipeline: InpaintingPipeline,
  drafter: PatchEngine | undefined,
  sampling: Sampling,
  patches: readonly Patch[],
  { signal, onProgress }: GenerateOptions = {},
): Promise<PatchResult[]> {
  const height = pipeline.trainedSize?.height ?? defaultHeight;
  const placements = patches.map((patch) => place(patch, height, pipeline.sizeMultiple));
  const drafts = await drafter?.generate(patches, signal === undefined ? {} : { signal });
  const requests: InpaintingRequest[] = [];
  for (const [index, patch] of patches.entries()) {
    throwIfAborted(signal);
    requests.push({
      image: await toCanvas(patch.image, placements[index]!),
      mask: canvasMask(patch, placements[index]!),
      ...(drafts === undefined ? {} : { draft: await toCanvas(drafts[index]!.image, placements[index]!) }),
      text: patch.text,
      seed: patch.seed,
    });
  }
  const images = await pipeline.generate(requests, {
    ...sampling,
    ...(signal === undefined ? {} : { signal }),
    onProgress: (done, total) => onProgress?.(Math.floor((done / total) * patches.length), patches.length),
  });
  const results: PatchResult[] = [];
  for (const [index, patch] of patches.entries()) {
    const [drawn, at] = [images[index]!, placements[index]!];
    const { draft } = requests[index]!;
    const image =
      draft === undefined
        ? await fromCanvas(drawn, patch.image, at)
        : await withChange(drafts![index]!.image, draft, drawn, at);
    results.push({ id: patch.id, image });
  }
  return results;
}

/** Exported for tests. */
export function place(
  patch: Pick<Patch, "image" | "maskBox" | "textBox">,
  canvasHeight: number,
  multiple: number,
): Placement {
  const mask = patch.maskBox;
  const maskHeight = boxHeight(mask);
  const maskWidth = mask[2] - mask[0];
  const useful = mostEnlarged * Math.max(boxHeight(patch.textBox) / textShare, maskHeight / 0.9);
  const height = Math.ceil(Math.min(canvasHeight, bucketed(useful)) / multiple) * multiple;
  const maxWidth = maxAspect * height;
  // The mask must fit with at least a tenth of the canvas left around it as context.
  const scale = Math.min(
    (textShare * height) / Math.max(1, boxHeight(patch.textBox)),
    (0.9 * height) / maskHeight,
    (0.95 * maxWidth) / maskWidth,
    mostEnlarged,
  );
  const scaledWidth = Math.max(1, Math.round(patch.image.width * scale));
  const scaledHeight = Math.max(1, Math.round(patch.image.height * scale));
  const wanted = Math.min(scaledWidth, maxWidth);
  const needed = Math.max(wanted, maskWidth * scale * 1.05);
  const width = Math.min(maxWidth, Math.max(height, Math.ceil(needed / height) * height));
  const centre = (low: number, high: number, size: number): number => Math.round(size / 2 - ((low + high) / 2) * scale);
  return {
    scale,
    x: centre(mask[0], mask[2], width),
    y: centre(mask[1], mask[3], height),
    width,
    height,
    scaledWidth,
    scaledHeight,
  };
}

/** The scaled patch on the canvas; what it does not reach repeats its nearest pixel. */
async function toCanvas(image: RasterImage, at: Placement): Promise<RasterImage> {
  const scaled = await resizeImage(image, at.scaledWidth, at.scaledHeight);
  const data = new Uint8Array(at.width * at.height * 3);
  for (let y = 0; y < at.height; y++) {
    const fromY = Math.min(scaled.height - 1, Math.max(0, y - at.y));
    for (let x = 0; x < at.width; x++) {
      const from = (fromY * scaled.width + Math.min(scaled.width - 1, Math.max(0, x - at.x))) * 3;
      const to = (y * at.width + x) * 3;
      data[to] = scaled.data[from]!;
      data[to + 1] = scaled.data[from + 1]!;
      data[to + 2] = scaled.data[from + 2]!;
    }
  }
  return { data, width: at.width, height: at.height };
}

function canvasMask(patch: Patch, at: Placement): Uint8Array {
  const mask = new Uint8Array(at.width * at.height);
  const [x0, y0, x1, y1] = patch.maskBox;
  const left = Math.max(0, Math.floor(at.x + x0 * at.scale));
  const right = Math.min(at.width, Math.ceil(at.x + x1 * at.scale));
  const top = Math.max(0, Math.floor(at.y + y0 * at.scale));
  const bottom = Math.min(at.height, Math.ceil(at.y + y1 * at.scale));
  for (let y = top; y < bottom; y++) mask.fill(1, y * at.width + left, y * at.width + right);
  return mask;
}

/** The canvas back in patch pixels; where the canvas did not reach, the patch's own pixels stay. */
async function fromCanvas(canvas: RasterImage, original: RasterImage, at: Placement): Promise<RasterImage> {
  const scaled = await resizeImage(original, at.scaledWidth, at.scaledHeight);
  const data = Uint8Array.from(scaled.data);
  for (const { from, to, length } of sharedRows(at)) data.set(canvas.data.subarray(from, from + length), to);
  return resizeImage({ data, width: scaled.width, height: scaled.height }, original.width, original.height);
}

/** What canvas and scaled patch share, row by row: where it begins on each, and how many bytes it has. */
function* sharedRows(
  at: Placement,
): Generator<{ readonly from: number; readonly to: number; readonly length: number }> {
  const left = Math.max(0, at.x);
  const right = Math.min(at.width, at.x + at.scaledWidth);
  if (right <= left) return;
  const length = (right - left) * 3;
  for (let y = Math.max(0, at.y); y < Math.min(at.height, at.y + at.scaledHeight); y++)
    yield { from: (y * at.width + left) * 3, to: ((y - at.y) * at.scaledWidth + left - at.x) * 3, length };
}

/** No change, and steps of a level, in the 16 bits that changes are scaled with. */
const unchanged = 0x8000;
const levelSteps = 64;

/**
 * The draft with what the model changed in it. Only the change comes back from the canvas: the draft itself need not lose
 * what scaling costs.
 */
async function withChange(
  draft: RasterImage,
  onCanvas: RasterImage,
  drawn: RasterImage,
  at: Placement,
): Promise<RasterImage> {
  const change = new Uint16Array(at.scaledWidth * at.scaledHeight * 3).fill(unchanged);
  for (const { from, to, length } of sharedRows(at)) {
    for (let i = 0; i < length; i++)
      change[to + i] = unchanged + levelSteps * (drawn.data[from + i]! - onCanvas.data[from + i]!);
  }
  const { width, height } = draft;
  const scaled = await sharp(change, { raw: { width: at.scaledWidth, height: at.scaledHeight, channels: 3 } })
    .resize(width, height, { fit: "fill", kernel: scalingKernel(at.scaledWidth, width) })
    .toColourspace("rgb16")
    .raw({ depth: "ushort" })
    .toBuffer();
  const data = new Uint8Array(draft.data.length);
  for (let i = 0; i < data.length; i++) {
    const value = draft.data[i]! + (scaled.readUInt16LE(i * 2) - unchanged) / levelSteps;
    data[i] = Math.min(255, Math.max(0, Math.round(value)));
  }
  return { data, width, height };
}
