/** Checking and cutting batches. Cut pieces are views; no pixel is copied. */
import type { NativeBatch } from "../addon/native-types.ts";
import type { TrainingBatch } from "../datasets/batch.ts";
import { sliceCached } from "../datasets/cached-inputs.ts";
import { codedError } from "../errors.ts";

/** Throws ERR_INVALID_ARGUMENT unless every array has the length that its shape says. */
export function checkBatch(batch: TrainingBatch, kind: "vae" | "unet"): void {
  const { size, height, width } = batch;
  if (!Number.isInteger(size) || size < 1) throw wrong(`a batch of ${size} samples`);
  expectLength("ids", batch.ids, size, `[${size}]`);
  if (batch.cached !== undefined) {
    if (kind === "vae") throw wrong("cached latents: only the UNet takes them");
    expectLength("cached.mean", batch.cached.mean.data, lengthOf(batch.cached.mean.shape), "of its own");
    if (batch.cached.mean.shape[0] !== size)
      throw wrong(`latents of ${batch.cached.mean.shape[0]} samples in a batch of ${size}`);
    return;
  }
  expectLength("images", batch.images, size * height * width * 3, `[${size}, ${height}, ${width}, 3]`);
  if (kind === "vae") return;
  if (batch.masks === undefined || batch.glyphs === undefined)
    throw wrong("a batch for the UNet without masks or glyphs");
  expectLength("masks", batch.masks, size * height * width, `[${size}, ${height}, ${width}]`);
  if (batch.drafts !== undefined)
    expectLength("drafts", batch.drafts, size * height * width * 3, `[${size}, ${height}, ${width}, 3]`);
  const [gh, gw] = [batch.glyphHeight ?? 0, batch.glyphWidth ?? 0];
  expectLength("glyphs", batch.glyphs, size * gh * gw * 3, `[${size}, ${gh}, ${gw}, 3]`);
}

const wrong = (what: string): Error => codedError("ERR_INVALID_ARGUMENT", `Can't train on ${what}`);

const lengthOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function expectLength(name: string, array: { readonly length: number }, length: number, shape: string): void {
  if (array.length !== length || length === 0) {
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `batch.${name} has ${array.length} values; its shape ${shape} needs ${length}`,
      {
        details: { name, length: array.length, expected: length },
      },
    );
  }
}

/** Samples `start` to `end` (exclusive) of a batch in the shape the native trainer takes. */
export function sliceBatch(batch: TrainingBatch, start: number, end: number): NativeBatch {
  const { height, width } = batch;
  const image = height * width;
  const glyph = (batch.glyphHeight ?? 0) * (batch.glyphWidth ?? 0) * 3;
  return {
    ids: batch.ids.subarray(start, end),
    images: batch.images.subarray(start * image * 3, end * image * 3),
    height,
    width,
    ...(batch.cached === undefined ? {} : { cached: sliceCached(batch.cached, start, end) }),
    ...(batch.variants === undefined ? {} : { variants: batch.variants.subarray(start, end) }),
    ...(batch.masks === undefined ? {} : { masks: batch.masks.subarray(start * image, end * image) }),
    ...(batch.drafts === undefined ? {} : { drafts: batch.drafts.subarray(start * image * 3, end * image * 3) }),
    ...(batch.glyphs === undefined || batch.glyphHeight === undefined || batch.glyphWidth === undefined
      ? {}
      : {
          glyphs: batch.glyphs.subarray(start * glyph, end * glyph),
          glyphHeight: batch.glyphHeight,
          glyphWidth: batch.glyphWidth,
        }),
  };
}

/** All samples of `batches` in pieces of `microBatch`, in order. */
export function toMicroBatches(batches: readonly TrainingBatch[], microBatch: number): NativeBatch[] {
  return batches.flatMap((batch) => {
    const pieces: NativeBatch[] = [];
    for (let start = 0; start < batch.size; start += microBatch) {
      pieces.push(sliceBatch(batch, start, Math.min(batch.size, start + microBatch)));
    }
    return pieces;
  });
}

/**
 * The next smaller micro-batch after memory ran out: the half, or for an odd size its largest proper divisor, so that
 * all pieces stay equal and the mean over them stays the mean over the samples. Undefined at 1.
 */
export function smallerMicroBatch(microBatch: number): number | undefined {
  if (microBatch <= 1) return undefined;
  for (let divisor = 2; divisor * divisor <= microBatch; divisor++) {
    if (microBatch % divisor === 0) return microBatch / divisor;
  }
  return 1;
}
