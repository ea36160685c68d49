/** What reading a page gives, and what an OCR engine is. */
import type { Box, Quad } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";

export interface OcrWord {
  readonly text: string;
  readonly box: Box;
  /** 0…1. */
  readonly confidence: number;
}

export interface OcrLine {
  /** The words joined by one space. */
  readonly text: string;
  readonly box: Box;
  readonly quad?: Quad;
  /** Left to right; their texts joined by one space are `text`. */
  readonly words: readonly OcrWord[];
  /** 0…1. */
  readonly confidence: number;
}

export interface OcrPage {
  /** Top to bottom in reading order. */
  readonly lines: readonly OcrLine[];
  readonly width: number;
  readonly height: number;
  /** Name of the engine that read it. */
  readonly engine: string;
}

export interface OcrOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds; ERR_OCR_TIMEOUT after that. */
  readonly timeoutMs?: number;
  /** `page` (default): find the lines; `line`: the image is one text line. */
  readonly layout?: "page" | "line";
}

/** Reads text from images. Engines are safe to call several times at once; calls queue inside. */
export interface OcrEngine {
  readonly name: string;
  read(image: RasterImage, options?: OcrOptions): Promise<OcrPage>;
  close(): Promise<void>;
}
