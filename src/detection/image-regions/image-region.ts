/** Personal data that is no text: parts of the page's image. */
import type { Box } from "../../documents/geometry.ts";
import type { Evidence } from "../entity.ts";

export const imageRegionTypes = ["code", "signature", "portrait"] as const;
export type ImageRegionType = (typeof imageRegionTypes)[number];

/** A bar code or matrix code that could be read. */
export interface CodeContent {
  /** "QRCode", "Code128", "EAN13". */
  readonly format: string;
  /** Never written to logs, reports or errors. */
  readonly text: string;
  /** Corners in the code's own direction, from its top left clockwise, page pixels. */
  readonly corners: readonly [Point, Point, Point, Point];
}

export type Point = readonly [x: number, y: number];

export interface ImageRegion {
  /** Unique in the document: "p0-i2". */
  readonly id: string;
  readonly type: ImageRegionType;
  /** 0-based. */
  readonly page: number;
  /** Integer edges, page pixels. */
  readonly box: Box;
  /** 0…1. */
  readonly score: number;
  readonly recognizer: string;
  /** Why, without text of the document. */
  readonly reason: string;
  readonly evidence?: Evidence;
  /** Of codes that could be read. */
  readonly code?: CodeContent;
}

/** What a detector of image regions reports. */
export type RegionFinding = Omit<ImageRegion, "id" | "page">;
