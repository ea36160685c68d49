/** Rectangles that may be turned: the smallest one around points, and what is done with it. */
import type { Quad } from "../../documents/geometry.ts";

/** A rectangle in pixels. `u` and `v` are unit vectors along its width and its height; v is u turned clockwise. */
export interface RotatedBox {
  readonly cx: number;
  readonly cy: number;
  readonly width: number;
  readonly height: number;
  /** Direction of `u` in radians, positive = falling to the right, within (−π, π]. */
  readonly angle: number;
}

/** Points as x, y, x, y, … */
export type Points = ArrayLike<number>;

/** Convex hull by Andrew's monotone chain (1979), in turning order, without points on its edges. */
export function convexHull(points: Points): number[] {
  const order = Array.from({ length: points.length / 2 }, (_, i) => i);
  order.sort((a, b) => points[2 * a]! - points[2 * b]! || points[2 * a + 1]! - points[2 * b + 1]!);
  const half = (indices: readonly number[]): number[] => {
    const chain: number[] = [];
    for (const i of indices) {
      const [x, y] = [points[2 * i]!, points[2 * i + 1]!];
      while (chain.length >= 4) {
        const n = chain.length;
        const [ax, ay, bx, by] = [chain[n - 4]!, chain[n - 3]!, chain[n - 2]!, chain[n - 1]!];
        if ((bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0) break;
        chain.length -= 2;
      }
      chain.push(x, y);
    }
    return chain.slice(0, -2);
  };
  const hull = [...half(order), ...half(order.reverse())];
  return hull.length === 0 ? [points[0]!, points[1]!] : hull;
}

/**
 * The rectangle of least area around the points: one of its sides lies on a side of their convex hull (Freeman and
 * Shapira 1975). Its width is the side nearer to horizontal, so the angle lies within ±π/4.
 */
export function smallestBox(points: Points): RotatedBox {
  const hull = convexHull(points);
  const n = hull.length / 2;
  let best: RotatedBox | undefined;
  for (let i = 0; i < n; i++) {
    const [ax, ay] = [hull[2 * i]!, hull[2 * i + 1]!];
    const [bx, by] = [hull[(2 * i + 2) % hull.length]!, hull[(2 * i + 3) % hull.length]!];
    const angle = quarterTurn(Math.atan2(by - ay, bx - ax));
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    let [u0, u1, v0, v1] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let k = 0; k < n; k++) {
      const u = hull[2 * k]! * cos + hull[2 * k + 1]! * sin;
      const v = hull[2 * k + 1]! * cos - hull[2 * k]! * sin;
      u0 = Math.min(u0, u);
      u1 = Math.max(u1, u);
      v0 = Math.min(v0, v);
      v1 = Math.max(v1, v);
    }
    const [width, height] = [u1 - u0, v1 - v0];
    if (best && best.width * best.height <= width * height) continue;
    const [u, v] = [(u0 + u1) / 2, (v0 + v1) / 2];
    best = { cx: u * cos - v * sin, cy: u * sin + v * cos, width, height, angle };
  }
  return best!;
}

/** The angle turned by quarter turns into (−π/4, π/4]. */
function quarterTurn(angle: number): number {
  const quarter = Math.PI / 2;
  return angle - quarter * Math.ceil(angle / quarter - 0.5);
}

/** Grown by `by` pixels on all four sides. */
export const growRotated = (box: RotatedBox, by: number): RotatedBox => ({
  ...box,
  width: box.width + 2 * by,
  height: box.height + 2 * by,
});

/** From one image's pixels to those of the same image in another size. Assumes nearly the same factor in x and y. */
export function scaleRotated(box: RotatedBox, sx: number, sy: number): RotatedBox {
  const [cos, sin] = [Math.cos(box.angle), Math.sin(box.angle)];
  return {
    cx: box.cx * sx,
    cy: box.cy * sy,
    width: box.width * Math.hypot(cos * sx, sin * sy),
    height: box.height * Math.hypot(sin * sx, cos * sy),
    angle: Math.atan2(sin * sy, cos * sx),
  };
}

/** The same rectangle read in another direction: `quarters` clockwise quarter turns on. */
export function turnReading(box: RotatedBox, quarters: 0 | 1 | 2 | 3): RotatedBox {
  const odd = quarters % 2 === 1;
  return {
    ...box,
    width: odd ? box.height : box.width,
    height: odd ? box.width : box.height,
    angle: box.angle + (quarters * Math.PI) / 2,
  };
}

/** A point given along the width and the height, from the top left corner (where reading starts). */
export function pointIn(box: RotatedBox, u: number, v: number): readonly [x: number, y: number] {
  const [cos, sin] = [Math.cos(box.angle), Math.sin(box.angle)];
  const [du, dv] = [u - box.width / 2, v - box.height / 2];
  return [box.cx + du * cos - dv * sin, box.cy + du * sin + dv * cos];
}

/** Corners of a part of the rectangle, clockwise from where reading starts. */
export function quadIn(box: RotatedBox, u0: number, v0: number, u1: number, v1: number): Quad {
  const [a, b] = [pointIn(box, u0, v0), pointIn(box, u1, v0)];
  const [c, d] = [pointIn(box, u1, v1), pointIn(box, u0, v1)];
  return [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]];
}
