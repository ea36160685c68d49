/** What the loader hands to a trainer. */
import type { NativeCachedInputs } from "../addon/native-types.ts";
import type { SkippedSample } from "./dataset.ts";

export interface TrainingBatch {
  /** Number of samples B. */
  readonly size: number;
  /** One stable 64-bit id per sample (hash of record id and region index): seeds its crop, augmentation and noise. */
  readonly ids: BigUint64Array;
  /** uint8 [B, height, width, 3], RGB 0…255. Empty where `cached` stands in its place. */
  readonly images: Uint8Array;
  readonly height: number;
  readonly width: number;
  /** uint8 [B, height, width], 1 = repaint; for the UNet only. */
  readonly masks?: Uint8Array;
  /** As images, with the text under the mask roughly drawn; only where the UNet takes drafts. */
  readonly drafts?: Uint8Array;
  /** uint8 [B, glyphHeight, glyphWidth, 3], the text under the mask as black on white; for the UNet only. */
  readonly glyphs?: Uint8Array;
  readonly glyphHeight?: number;
  readonly glyphWidth?: number;
  /** The text under each mask (or the region's text). */
  readonly texts: readonly string[];
  /** Latents in place of images and masks, and hidden states in place of glyphs unless glyphs are given. */
  readonly cached?: NativeCachedInputs;
  /** Which of its fixed variants each sample is, where samples have such; seeds the augmentation in place of the step. */
  readonly variants?: BigUint64Array;
  /** Samples that should be in this batch and could not be used; others stand in for them. */
  readonly skipped?: readonly SkippedSample[];
}
