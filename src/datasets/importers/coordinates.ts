/** Units of foreign annotations. Everything inside this project is pixels; this is the one place that converts. */
import { type Box, checkBox, type Quad, quadBounds, type Size } from "../../documents/geometry.ts";
import { codedError } from "../../errors.ts";

/** `pixels`; `permille`: 0…1000 of width and height; `unit`: 0…1 of width and height. */
export type CoordinateUnit = "pixels" | "permille" | "unit";

const fullScale = { permille: 1000, unit: 1 } as const;

/**
 * A box in pixels of the page.
 *
 * @throws ERR_GEOMETRY naming the box when a coordinate is outside its unit's range, or the box has no area.
 */
export function boxToPixels(box: Box, unit: CoordinateUnit, page: Size, name: string): Box {
  if (unit === "pixels") return checkBox(box, page, name);
  const full = fullScale[unit];
  checkScale(box, full, name);
  const x = page.width / full;
  const y = page.height / full;
  return checkBox([round(box[0] * x), round(box[1] * y), round(box[2] * x), round(box[3] * y)], page, name);
}

/** As `boxToPixels`, for four corners; the corners must span an area inside the page. */
export function quadToPixels(quad: Quad, unit: CoordinateUnit, page: Size, name: string): Quad {
  let pixels = quad;
  if (unit !== "pixels") {
    const full = fullScale[unit];
    checkScale(quad, full, name);
    pixels = quad.map((value, i) =>
      round((value * (i % 2 === 0 ? page.width : page.height)) / full),
    ) as unknown as Quad;
  }
  checkBox(quadBounds(pixels), page, name);
  return pixels;
}

function checkScale(values: readonly number[], full: number, name: string): void {
  if (values.every((value) => value >= 0 && value <= full)) return;
  throw codedError("ERR_GEOMETRY", `${name}: [${values.join(", ")}] has a coordinate outside 0…${full}`, {
    details: { box: [...values], full },
  });
}

// A hundredth of a pixel: finer than any annotation, and 1000 ‰ of a page is its edge exactly.
const round = (value: number): number => Math.round(value * 100) / 100;
