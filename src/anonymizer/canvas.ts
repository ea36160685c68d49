/**
 * A page that is drawn on. One whose lines slope is drawn on as a level page, but what counts is the page itself: only
 * what was repainted is brought back to it, within the turned boxes, and what is read as proof is made of it anew.
 */
import { type Box, growBox } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import type { LevelFrame } from "../documents/level-frame.ts";
import { copyTurned, levelImage, levelPart, putBack } from "../documents/level-image.ts";

/** Boxes are those of the level page. */
export interface Canvas {
  /** How the page lies, where its lines slope. */
  readonly frame?: LevelFrame;
  /** The level page before anything was drawn. */
  readonly original: RasterImage;
  /** What is drawn on, level. */
  readonly drawn: RasterImage;
  /** The page as it is to be given out. */
  readonly finished: RasterImage;
  /** The same, level: what is read. */
  readonly view: RasterImage;
  /**
   * Makes `finished` and `view` of `drawn`. `dirty` are the boxes that were drawn on or cleared since, `painted` all that
   * may differ from the original now. Rejects with ERR_ABORTED.
   */
  settle(dirty: readonly Box[], painted: readonly Box[], signal?: AbortSignal): Promise<void>;
}

export async function levelCanvas(page: RasterImage): Promise<Canvas> {
  const copy = await copyPage(page);
  return { original: page, drawn: copy, finished: copy, view: copy, settle: async () => {} };
}

/** Pixels around a changed box that change with it when the page is made level. */
const reach = 3;

/** `page` as it lies. Rejects with ERR_ABORTED. */
export async function slopingCanvas(page: RasterImage, frame: LevelFrame, signal?: AbortSignal): Promise<Canvas> {
  const original = await levelImage(page, frame, signal);
  const [drawn, finished, view] = [await copyPage(original), await copyPage(page), await copyPage(original)];
  return {
    frame,
    original,
    drawn,
    finished,
    view,
    async settle(dirty, painted, stop) {
      for (const box of dirty) copyTurned(page, finished, frame, box);
      for (const box of painted) await putBack(finished, { before: original, after: drawn }, frame, box, stop);
      for (const box of dirty) await levelPart(view, finished, frame, growBox(box, reach), stop);
    },
  };
}

/** Copies a page in parts, so that a very large one doesn't block the event loop. */
async function copyPage(page: RasterImage): Promise<RasterImage> {
  const data = new Uint8Array(page.data.length);
  const step = 4 * 2 ** 20;
  await new Promise(setImmediate);
  for (let from = 0; from < data.length; from += step) {
    data.set(page.data.subarray(from, from + step), from);
    await new Promise(setImmediate);
  }
  return { data, width: page.width, height: page.height };
}
