/**
 * A page whose lines slope and the same page turned level about its middle: where what lies on the one is on the other.
 * Coordinates are continuous: the middle of the first pixel is (0.5, 0.5).
 */
import { type Box, boxHeight, boxWidth, clipBox, quadBounds, roundOut, type Size } from "./geometry.ts";

export interface LevelFrame {
  /** Degrees, positive where the page's lines fall to the right; within ±45. */
  readonly skew: number;
  readonly cos: number;
  readonly sin: number;
  /** Of the page whose lines slope. */
  readonly page: Size;
  /** Of the level page: large enough for the whole page. */
  readonly level: Size;
}

type Point = readonly [x: number, y: number];

export function levelFrame({ width, height }: Size, skew: number): LevelFrame {
  const angle = (skew * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const level = {
    width: Math.ceil(width * cos + height * Math.abs(sin)),
    height: Math.ceil(width * Math.abs(sin) + height * cos),
  };
  return { skew, cos, sin, page: { width, height }, level };
}

/** A point of the level page on the page. */
export function toPage({ cos, sin, page, level }: LevelFrame, x: number, y: number): Point {
  const [dx, dy] = [x - level.width / 2, y - level.height / 2];
  return [page.width / 2 + dx * cos - dy * sin, page.height / 2 + dx * sin + dy * cos];
}

/** A point of the page on the level page. */
export function toLevel({ cos, sin, page, level }: LevelFrame, x: number, y: number): Point {
  const [dx, dy] = [x - page.width / 2, y - page.height / 2];
  return [level.width / 2 + dx * cos + dy * sin, level.height / 2 - dx * sin + dy * cos];
}

/** The smallest box with integer edges around what a box of the level page covers of the page; may have no area. */
export function boxOnPage(frame: LevelFrame, [x0, y0, x1, y1]: Box): Box {
  const corners = [toPage(frame, x0, y0), toPage(frame, x1, y0), toPage(frame, x1, y1), toPage(frame, x0, y1)];
  const [a, b, c, d] = corners as [Point, Point, Point, Point];
  return clipBox(roundOut(quadBounds([...a, ...b, ...c, ...d])), frame.page);
}

/** The box of the level page around which `boxOnPage` put a box, but for rounding. */
export function boxOnLevel(frame: LevelFrame, box: Box): Box {
  const [cos, sin] = [frame.cos, Math.abs(frame.sin)];
  const [w, h] = [boxWidth(box), boxHeight(box)];
  const [x, y] = toLevel(frame, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2);
  // w = width · cos + height · sin, h = width · sin + height · cos, solved for width and height.
  const share = Math.max(0.1, cos * cos - sin * sin);
  const width = Math.max(1, (w * cos - h * sin) / share);
  const height = Math.max(1, (h * cos - w * sin) / share);
  return clipBox([x - width / 2, y - height / 2, x + width / 2, y + height / 2], frame.level);
}

/** The pixels of a row of the page whose middles lie in a box of the level page, end exclusive; start = end for none. */
export function rowSpan(frame: LevelFrame, [x0, y0, x1, y1]: Box, row: number): [start: number, end: number] {
  const { cos, sin, page } = frame;
  // Where the row begins on the level page; from there each pixel is (cos, −sin) further.
  const [u, v] = toLevel(frame, 0, row + 0.5);
  let [low, high] = [(x0 - u) / cos, (x1 - u) / cos];
  const [a, b] = [(v - y1) / sin, (v - y0) / sin];
  low = Math.max(low, Math.min(a, b));
  high = Math.min(high, Math.max(a, b));
  const start = Math.min(page.width, Math.max(0, Math.ceil(low - 0.5)));
  return [start, Math.max(start, Math.min(page.width, Math.ceil(high - 0.5)))];
}
