/** Draws what a model makes of some samples: a PNG with a row for each. */
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import sharp from "sharp";
import { codedError } from "../errors.ts";

export interface PreviewInput {
  readonly size: number;
  readonly height: number;
  readonly width: number;
  /** uint8 [B, H, W, 3] */
  readonly images: Uint8Array;
  /** uint8 [B, H, W], 1 = repainted. */
  readonly masks?: Uint8Array;
  /** uint8 [B, H, W, 3]; shown in the place of masks. */
  readonly drafts?: Uint8Array;
  /** uint8 [B, H, W, 3] */
  readonly results: Uint8Array;
}

const gap = 4;
const background = 255;
const maskGrey = 128;

export const previewColumns = ({ masks, drafts }: Pick<PreviewInput, "masks" | "drafts">): string[] => {
  if (masks === undefined) return ["original", "result"];
  return ["original", drafts === undefined ? "mask" : "draft", "result"];
};

/** The grid's pixels, RGB: original | mask (what is repainted in grey) or draft | result, a row for each sample. */
export async function composeGrid(input: PreviewInput): Promise<{ data: Uint8Array; width: number; height: number }> {
  const { size, height: h, width: w, images, masks, drafts, results } = input;
  if (results.length !== size * h * w * 3) {
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `A preview of ${results.length} bytes does not fit [${size}, ${h}, ${w}, 3]`,
    );
  }
  const columns = previewColumns(input).length;
  const width = columns * (w + gap) - gap;
  const height = size * (h + gap) - gap;
  const data = new Uint8Array(width * height * 3).fill(background);
  for (let row = 0; row < size; row++) {
    for (let y = 0; y < h; y++) {
      const source = (row * h + y) * w;
      const target = (row * (h + gap) + y) * width;
      const put = (pixels: Uint8Array, column: number): void => {
        data.set(pixels.subarray(source * 3, (source + w) * 3), (target + column * (w + gap)) * 3);
      };
      put(images, 0);
      put(results, columns - 1);
      if (masks === undefined) continue;
      put(drafts ?? images, 1);
      if (drafts !== undefined) continue;
      const start = (target + w + gap) * 3;
      for (let x = 0; x < w; x++) if (masks[source + x]! >= 1) data.fill(maskGrey, start + x * 3, start + x * 3 + 3);
    }
    await nextTurn();
  }
  return { data, width, height };
}

/** Writes the grid to `path` (through a temporary file). Throws ERR_OUTPUT. */
export async function writePreviewGrid(path: string, input: PreviewInput): Promise<void> {
  const { data, width, height } = await composeGrid(input);
  const temporary = `${path}.tmp-${process.pid}`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await sharp(data, { raw: { width, height, channels: 3 } })
      .png({ compressionLevel: 6 })
      .toFile(temporary);
    await rename(temporary, path);
  } catch (cause) {
    throw codedError("ERR_OUTPUT", `${path} can't be written`, { cause, details: { path } });
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}
