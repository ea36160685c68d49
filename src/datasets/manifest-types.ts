/** One page a line in `manifest.jsonl`. */
import type { EntityType } from "../detection/entity.ts";
import type { Box, Quad } from "../documents/geometry.ts";

/** One word of a region; the words' texts joined by one space are the region's text. */
export interface RegionWord {
  /** Pixels; around the word's ink. */
  readonly box: Box;
  readonly text: string;
}

export interface Region {
  /** Pixels; around the text line. */
  readonly box: Box;
  readonly quad?: Quad;
  readonly text: string;
  /** Where the source knows them, left to right: a crop can then end between two words exactly. */
  readonly words?: readonly RegionWord[];
  /** The source's own label ("company", "question"). */
  readonly label?: string;
  /** What personal data it is, where it is. */
  readonly entity?: EntityType;
}

export const splits = ["train", "validation", "test"] as const;
export type Split = (typeof splits)[number];

export interface ManifestRecord {
  /** Unique in the manifest. */
  readonly id: string;
  /** Path of the image, relative to the manifest's folder, never leaving it. */
  readonly image: string;
  readonly width: number;
  readonly height: number;
  readonly split: Split;
  readonly regions: readonly Region[];
}
