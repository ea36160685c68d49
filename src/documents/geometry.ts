/**
 * Boxes and quads. Coordinates are pixels of the page everywhere: x to the right, y down, the origin at the top left.
 * An importer that gets other units converts once, at the edge.
 */
import { codedError } from "../errors.ts";

/** [x0, y0, x1, y1] in pixels; x1 and y1 are exclusive. */
export type Box = readonly [x0: number, y0: number, x1: number, y1: number];

/** Four corners clockwise from the top left: [x0, y0, x1, y1, x2, y2, x3, y3] in pixels. */
export type Quad = readonly [number, number, number, number, number, number, number, number];

export interface Size {
  readonly width: number;
  readonly height: number;
}

export const boxWidth = (box: Box): number => box[2] - box[0];
export const boxHeight = (box: Box): number => box[3] - box[1];
export const boxArea = (box: Box): number => Math.max(0, boxWidth(box)) * Math.max(0, boxHeight(box));

/** Throws ERR_GEOMETRY unless the box has area and lies inside the page. `name` says which box in the message. */
export function checkBox(box: Box, page: Size, name: string): Box {
  const [x0, y0, x1, y1] = box;
  const fine =
    box.every(Number.isFinite) && x0 >= 0 && y0 >= 0 && x1 <= page.width && y1 <= page.height && x0 < x1 && y0 < y1;
  if (!fine) {
    throw codedError(
      "ERR_GEOMETRY",
      `${name}: [${box.join(", ")}] does not fit the page of ${page.width}×${page.height} px`,
      {
        details: { box: [...box], width: page.width, height: page.height },
      },
    );
  }
  return box;
}

/** The smallest box with integer edges that holds `box`. */
export const roundOut = (box: Box): Box => [
  Math.floor(box[0]),
  Math.floor(box[1]),
  Math.ceil(box[2]),
  Math.ceil(box[3]),
];

/** The part of `box` inside the page; may have no area. */
export const clipBox = (box: Box, page: Size): Box => [
  Math.min(Math.max(box[0], 0), page.width),
  Math.min(Math.max(box[1], 0), page.height),
  Math.min(Math.max(box[2], 0), page.width),
  Math.min(Math.max(box[3], 0), page.height),
];

/** `box` grown by `x` pixels left and right and `y` pixels up and down. */
export const growBox = (box: Box, x: number, y = x): Box => [box[0] - x, box[1] - y, box[2] + x, box[3] + y];

export const intersectBoxes = (a: Box, b: Box): Box => [
  Math.max(a[0], b[0]),
  Math.max(a[1], b[1]),
  Math.min(a[2], b[2]),
  Math.min(a[3], b[3]),
];

/** The smallest box that holds all of `boxes`. */
export function uniteBoxes(boxes: readonly Box[]): Box {
  if (boxes.length === 0) throw codedError("ERR_INVALID_ARGUMENT", "uniteBoxes needs at least one box");
  return [
    Math.min(...boxes.map((b) => b[0])),
    Math.min(...boxes.map((b) => b[1])),
    Math.max(...boxes.map((b) => b[2])),
    Math.max(...boxes.map((b) => b[3])),
  ];
}

/** The axis-aligned box around a quad. */
export const quadBounds = (q: Quad): Box => [
  Math.min(q[0], q[2], q[4], q[6]),
  Math.min(q[1], q[3], q[5], q[7]),
  Math.max(q[0], q[2], q[4], q[6]),
  Math.max(q[1], q[3], q[5], q[7]),
];
