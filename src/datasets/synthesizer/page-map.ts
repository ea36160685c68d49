/** Where a point of the flat sheet comes to lie on the scanned page: skew, shear, perspective and bending of the paper. */
import type { Random } from "../../random/random.ts";
import type { Point } from "./sheet.ts";

/** The map near one point: X = x0 + a·dx + c·dy, Y = y0 + b·dx + d·dy. */
export interface LocalMap {
  readonly x: number;
  readonly y: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
}

interface MapShape {
  /** Radians clockwise. */
  readonly skew: number;
  readonly shear: number;
  /** How much wider the bottom is than the top, as a share of the width. */
  readonly keystone: number;
  /** Bends of the paper: amplitude in pixels, wave length in pixels, phase. `along` x lifts lines, y shifts them sideways. */
  readonly bends: readonly {
    readonly along: "x" | "y";
    readonly amplitude: number;
    readonly length: number;
    readonly phase: number;
  }[];
}

export const flat: MapShape = { skew: 0, shear: 0, keystone: 0, bends: [] };

/** A random way for a sheet of this size to lie; `strength` 0…1. A stiff one (a card) does not bend. */
export function randomMapShape(
  random: Random,
  width: number,
  height: number,
  strength: number,
  stiff = false,
): MapShape {
  if (strength <= 0) return flat;
  // Most scans are nearly straight, few are off by as much as 3°.
  const skew = Math.max(-3, Math.min(3, random.normal(0, random.chance(0.3) ? 1.6 : 0.5))) * (Math.PI / 180) * strength;
  const bends: MapShape["bends"][number][] = [];
  if (!stiff && random.chance(0.4)) {
    bends.push({
      along: "x",
      amplitude: random.range(0.5, 5) * strength,
      length: width * random.range(0.9, 3),
      phase: random.range(0, 7),
    });
  }
  if (!stiff && random.chance(0.35)) {
    bends.push({
      along: "y",
      amplitude: random.range(0.5, 6) * strength,
      length: height * random.range(0.5, 2),
      phase: random.range(0, 7),
    });
  }
  return {
    skew,
    shear: random.chance(0.2) ? random.normal(0, 0.006) * strength : 0,
    keystone: random.chance(0.2) ? random.normal(0, 0.02) * strength : 0,
    bends,
  };
}

export class PageMap {
  readonly #shape: MapShape;
  readonly #cx: number;
  readonly #cy: number;
  readonly #height: number;
  #shiftX = 0;
  #shiftY = 0;

  /** The map of a sheet of `width` × `height`, turned about its middle. */
  constructor(shape: MapShape, width: number, height: number) {
    this.#shape = shape;
    this.#cx = width / 2;
    this.#cy = height / 2;
    this.#height = height;
  }

  /** Moves the sheet on the page. */
  shift(dx: number, dy: number): void {
    this.#shiftX += dx;
    this.#shiftY += dy;
  }

  point(x: number, y: number): Point {
    const { skew, shear, keystone, bends } = this.#shape;
    let px = x - this.#cx;
    let py = y - this.#cy;
    for (const bend of bends) {
      if (bend.along === "x") py += bend.amplitude * Math.sin((x / bend.length) * 2 * Math.PI + bend.phase);
      else px += bend.amplitude * Math.sin((y / bend.length) * 2 * Math.PI + bend.phase);
    }
    px = px * (1 + keystone * (py / this.#height)) + shear * py;
    const cos = Math.cos(skew);
    const sin = Math.sin(skew);
    return [px * cos - py * sin + this.#cx + this.#shiftX, px * sin + py * cos + this.#cy + this.#shiftY];
  }

  /** The linear map around (x, y); `turn` radians turn the directions first. */
  local(x: number, y: number, turn = 0): LocalMap {
    const [x0, y0] = this.point(x, y);
    const cos = Math.cos(turn);
    const sin = Math.sin(turn);
    const [x1, y1] = this.point(x + cos, y + sin);
    const [x2, y2] = this.point(x - sin, y + cos);
    return { x: x0, y: y0, a: x1 - x0, b: y1 - y0, c: x2 - x0, d: y2 - y0 };
  }
}
