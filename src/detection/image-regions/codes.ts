/** Reads bar codes and matrix codes, and makes new ones. */
import sharp from "sharp";
import { type Box, clipBox, growBox, roundOut } from "../../documents/geometry.ts";
import { luma, type RasterImage } from "../../documents/image.ts";
import { throwIfAborted } from "../../errors.ts";
import { type CallOptions, createWorkerThread } from "../worker-thread.ts";
import { isLinear } from "./code-formats.ts";
import type { CodeContent, Point, RegionFinding } from "./image-region.ts";

export type CodeRequest =
  | {
      readonly kind: "read";
      readonly pixels: ArrayBuffer | SharedArrayBuffer;
      readonly width: number;
      readonly height: number;
    }
  | { readonly kind: "write"; readonly format: string; readonly text: string };

export type CodeAnswer =
  | { readonly kind: "read"; readonly codes: readonly CodeContent[] }
  | { readonly kind: "written"; readonly modules: CodeModules | undefined };

/** The pattern of a code without its quiet zone, one byte a module: 0 dark, 255 light. Linear codes have many rows. */
export interface CodeModules {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export interface CodeEngine {
  /** Codes of a page, as they stand on it. Rejects with ERR_DETECTION_FAILED, ERR_ABORTED, ERR_CLOSED. */
  read(page: RasterImage, signal?: AbortSignal): Promise<CodeContent[]>;
  /** Undefined where no code of this format holds the text. */
  write(format: string, text: string, signal?: AbortSignal): Promise<CodeModules | undefined>;
  close(): Promise<void>;
}

/** Larger pages are looked at in this size: a module of a code is more than one pixel then, too. */
const longestSide = 4000;
const timeoutMs = 60_000;

/** The thread starts with the first page. */
export function createCodeEngine(): CodeEngine {
  const thread = createWorkerThread<CodeRequest, CodeAnswer>(
    "detection/image-regions/code-thread",
    {},
    "The code reader",
  );
  const options = (signal: AbortSignal | undefined): CallOptions => ({ timeoutMs, ...(signal && { signal }) });
  return {
    async read(page, signal) {
      throwIfAborted(signal);
      const scale = Math.min(1, longestSide / Math.max(page.width, page.height));
      const width = Math.max(1, Math.round(page.width * scale));
      const height = Math.max(1, Math.round(page.height * scale));
      const raw = sharp(page.data, { raw: { width: page.width, height: page.height, channels: 3 } });
      const { buffer, byteOffset, byteLength } = await (scale < 1 ? raw.resize(width, height, { fit: "fill" }) : raw)
        .ensureAlpha()
        .raw()
        .toBuffer();
      const pixels =
        byteOffset === 0 && byteLength === buffer.byteLength
          ? buffer
          : buffer.slice(byteOffset, byteOffset + byteLength);
      const answer = await thread.call({ kind: "read", pixels, width, height }, options(signal));
      const codes = answer.kind === "read" ? answer.codes : [];
      const onPage = ([x, y]: Point): Point => [(x * page.width) / width, (y * page.height) / height];
      return codes.map((code) => ({
        ...code,
        corners: code.corners.map(onPage) as unknown as CodeContent["corners"],
      }));
    },
    async write(format, text, signal) {
      const answer = await thread.call({ kind: "write", format, text }, options(signal));
      return answer.kind === "written" ? answer.modules : undefined;
    },
    close: () => thread.close(),
  };
}

/** Shorter contents of loose formats are stripes read as a code. */
const looseFormats = /^(?:ITF|Codabar|Code39|Code93)/;

/** The codes of a page as regions; linear ones as high as their bars go. */
export async function findCodes(page: RasterImage, engine: CodeEngine, signal?: AbortSignal): Promise<RegionFinding[]> {
  const codes = await engine.read(page, signal);
  return codes
    .filter(({ format, text }) => !looseFormats.test(format) || text.length >= 6)
    .map((code) => {
      const full = isLinear(code.format) ? { ...code, corners: alongBars(page, code.corners) } : code;
      return {
        type: "code" as const,
        box: boxAround(page, full.corners),
        score: 0.99,
        recognizer: "codes",
        reason: "read as a code",
        evidence: { check: code.format.toLowerCase() },
        code: full,
      };
    });
}

/** The corners with one module's room. */
function boxAround(page: RasterImage, corners: CodeContent["corners"]): Box {
  const xs = corners.map(([x]) => x);
  const ys = corners.map(([, y]) => y);
  const around: Box = [Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1];
  return clipBox(roundOut(growBox(around, 3)), page);
}

/** How alike a row of bars must be to the one that was read. */
const sameBars = 0.6;

/**
 * A linear code is read along a line; its bars go on above and below, as far as rows look alike. All four corners are
 * moved along the bars.
 */
function alongBars(page: RasterImage, corners: CodeContent["corners"]): CodeContent["corners"] {
  const [a, b, c, d] = corners;
  const from: Point = [(a[0] + d[0]) / 2, (a[1] + d[1]) / 2];
  const last: Point = [(b[0] + c[0]) / 2, (b[1] + c[1]) / 2];
  const length = Math.hypot(last[0] - from[0], last[1] - from[1]);
  if (length < 8) return corners;
  // The reader names the last dark pixel; the bar ends behind it.
  const to: Point = [last[0] + (last[0] - from[0]) / length, last[1] + (last[1] - from[1]) / length];
  const across: Point = [-(last[1] - from[1]) / length, (last[0] - from[0]) / length];
  const model = profile(page, from, last, across, 0);
  const reach = (step: 1 | -1): number => {
    let furthest = 0;
    let misses = 0;
    for (let k = 1; k < 2 * length && misses < 3; k++) {
      const row = profile(page, from, last, across, k * step);
      if (row !== undefined && model !== undefined && likeness(model, row) >= sameBars) {
        furthest = k;
        misses = 0;
      } else misses++;
    }
    return furthest * step;
  };
  const up = reach(-1);
  const down = reach(1);
  const moved = (p: Point, by: number): Point => [p[0] + across[0] * by, p[1] + across[1] * by];
  const half = Math.hypot(d[0] - a[0], d[1] - a[1]) / 2;
  const above = Math.min(up, -half);
  const below = Math.max(down, half) + 1;
  return [moved(from, above), moved(to, above), moved(to, below), moved(from, below)];
}

/** Brightness along the line moved by `by` pixels; undefined beyond the page. */
function profile(page: RasterImage, from: Point, to: Point, across: Point, by: number): number[] | undefined {
  const steps = Math.max(8, Math.round(Math.hypot(to[0] - from[0], to[1] - from[1])));
  const values: number[] = [];
  for (let i = 0; i <= steps; i++) {
    const x = Math.round(from[0] + ((to[0] - from[0]) * i) / steps + across[0] * by);
    const y = Math.round(from[1] + ((to[1] - from[1]) * i) / steps + across[1] * by);
    if (x < 0 || y < 0 || x >= page.width || y >= page.height) return undefined;
    values.push(luma(page.data, (y * page.width + x) * 3));
  }
  return values;
}

/** Correlation, −1…1. */
function likeness(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += (a[i]! - ma) * (b[i]! - mb);
    aa += (a[i]! - ma) ** 2;
    bb += (b[i]! - mb) ** 2;
  }
  return ab / Math.sqrt(Math.max(1e-9, aa * bb));
}
