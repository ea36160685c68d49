/** Counts what changed where nothing may change. */
import type { Box } from "../documents/geometry.ts";
import { clipBox, roundOut, type Size } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { boxOnPage, type LevelFrame, rowSpan } from "../documents/level-frame.ts";
import { codedError, throwIfAborted } from "../errors.ts";

export interface OutsideCheck {
  /** Pixels outside all boxes. */
  readonly compared: number;
  /** Of these, pixels of which any of the three values differs. */
  readonly changed: number;
}

const rowsAtOnce = 256;

/**
 * Compares two pages of equal size outside `boxes` (what may have changed; page pixels, or with a `frame` pixels of its
 * level page). Yields to the event loop.
 * Throws ERR_INVALID_ARGUMENT when the sizes differ.
 */
export async function checkOutside(
  before: RasterImage,
  after: RasterImage,
  boxes: readonly Box[],
  signal?: AbortSignal,
  frame?: LevelFrame,
): Promise<OutsideCheck> {
  if (before.width !== after.width || before.height !== after.height) {
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `The page changed its size from ${before.width}×${before.height} to ${after.width}×${after.height} px`,
    );
  }
  const allowed = boxes.map((box) => (frame === undefined ? levelArea(box, before) : slopingArea(box, frame)));
  let compared = 0;
  let changed = 0;
  for (let y = 0; y < before.height; y++) {
    if (y % rowsAtOnce === 0) {
      throwIfAborted(signal);
      await new Promise(setImmediate);
    }
    for (const [x0, x1] of gaps(y, allowed, before.width)) {
      compared += x1 - x0;
      changed += countDifferences(before.data, after.data, (y * before.width + x0) * 3, (y * before.width + x1) * 3);
    }
  }
  return { compared, changed };
}

type Span = readonly [start: number, end: number];

/** Rows of a page, and the stretch of each. */
interface Area {
  readonly top: number;
  readonly bottom: number;
  span(row: number): Span;
}

function levelArea(box: Box, page: Size): Area {
  const [x0, top, x1, bottom] = roundOut(clipBox(box, page));
  return { top, bottom, span: () => [x0, x1] };
}

function slopingArea(box: Box, frame: LevelFrame): Area {
  const [, top, , bottom] = boxOnPage(frame, box);
  return { top, bottom, span: (row) => rowSpan(frame, box, row) };
}

/** The stretches of row `y` that no area covers. */
function gaps(y: number, areas: readonly Area[], width: number): [number, number][] {
  const here = areas.filter(({ top, bottom }) => top <= y && y < bottom);
  const covering = here.map((area) => area.span(y)).sort((a, b) => a[0] - b[0]);
  const free: [number, number][] = [];
  let x = 0;
  for (const [start, end] of covering) {
    if (start > x) free.push([x, start]);
    x = Math.max(x, end);
  }
  if (x < width) free.push([x, width]);
  return free;
}

function countDifferences(a: Uint8Array, b: Uint8Array, from: number, to: number): number {
  // Nearly every stretch is equal; comparing whole stretches natively is far quicker than by value.
  if (Buffer.compare(a.subarray(from, to), b.subarray(from, to)) === 0) return 0;
  let count = 0;
  for (let i = from; i < to; i += 3) {
    if (a[i] !== b[i] || a[i + 1] !== b[i + 1] || a[i + 2] !== b[i + 2]) count++;
  }
  return count;
}
