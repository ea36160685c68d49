/**
 * Which ink looks like writing: strokes on paper of one tone. Photographs, contours of drawings, filled shapes and
 * specks do not, so a page is not held to be unread for being a picture.
 */
import { findComponents, type GreyImage, strokesIn } from "../detection/components.ts";
import { type Box, boxArea, boxHeight, boxWidth, clipBox, growBox } from "../documents/geometry.ts";
import type { Pacer } from "../pacer.ts";

/** Longest side below which a patch of ink is a speck, pixels of the looked-at page. */
const speck = 3;
/** From this longest side on a filled patch is a shape and no blurred letter. */
const shape = 12;
/** Share of its longest side that a stroke is thick at most. */
const thickest = 0.5;
/** A patch wider and higher than this is a drawing or letters grown together, … */
const largest = 48;
/** … and then letters fill this share of it, contours less. */
const filled = 0.15;
/** Share of the pixels in and around writing that have the paper's tone, and by how many levels these differ. */
const paperShare = 0.5;
const oneTone = 20;

/** Clears all ink that is no writing. `ink` holds 1 for ink, and has the size of `grey`. */
export async function keepWriting(ink: Uint8Array, grey: GreyImage, pacer: Pacer): Promise<void> {
  const { width, height } = grey;
  const writing: Box[] = [];
  for (const box of await findComponents(ink, width, height)) {
    await pacer.pause();
    if (isStroke(box, ink, width) && isOnPaper(clipBox(growBox(box, 4), grey), grey)) writing.push(box);
  }
  const kept = new Uint8Array(ink.length);
  for (const [x0, y0, x1, y1] of writing)
    for (let y = y0; y < y1; y++) kept.set(ink.subarray(y * width + x0, y * width + x1), y * width + x0);
  ink.set(kept);
}

function isStroke(box: Box, ink: Uint8Array, width: number): boolean {
  const longest = Math.max(boxWidth(box), boxHeight(box));
  if (longest < speck) return false;
  const { count, thickness } = strokesIn(box, ink, width);
  if (longest > shape && thickness > thickest * longest) return false;
  return Math.min(boxWidth(box), boxHeight(box)) <= largest || count >= filled * boxArea(box);
}

/** Whether one tone prevails in a box. */
function isOnPaper([x0, y0, x1, y1]: Box, { data, width }: GreyImage): boolean {
  const counts = new Uint32Array(256);
  for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) counts[data[y * width + x]!]!++;
  const needed = paperShare * (x1 - x0) * (y1 - y0);
  let sum = 0;
  for (let level = 0; level < 256; level++) {
    sum += counts[level]! - (counts[level - oneTone] ?? 0);
    if (sum >= needed) return true;
  }
  return false;
}
