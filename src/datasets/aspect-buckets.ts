/**
 * Crop shapes for lines of different lengths: a long line in a wide crop, a short one in a narrow crop, so that letters
 * are about equally large in both and no line must be cut to fit. All shapes have nearly the same number of pixels, so a
 * batch costs the same whichever shape it has; a batch holds samples of one shape.
 */
import { boxWidth, type Size } from "../documents/geometry.ts";
import { codedError } from "../errors.ts";
import type { Region } from "./manifest-types.ts";
import { textHeight } from "./text-geometry.ts";

/** Least share of the base crop's pixels that a shape may have. */
const leastArea = 0.85;
/** How tall the text stands in a crop and how much of the width it may take: the middle of what crops are planned for. */
const textShare = 0.5;
const textWidth = 0.94;

/**
 * One shape for each aspect (width ÷ height), narrow to wide. Sides are multiples of `multiple`; none has more pixels
 * than `base` (memory is reckoned for that), none less than 85 % of them.
 *
 * @throws ERR_CONFIG_INVALID naming the aspect for which there is no such shape, or two that give the same one.
 */
export function bucketSizes(base: Size, aspects: readonly number[], multiple: number): Size[] {
  const area = base.width * base.height;
  const sizes = [...aspects]
    .sort((a, b) => a - b)
    .map((aspect) => {
      let best: Size | undefined;
      const distance = (size: Size): number => Math.abs(Math.log(size.width / size.height / aspect));
      for (let height = multiple; height * multiple <= area; height += multiple) {
        const widest = Math.floor(area / height / multiple) * multiple;
        for (let width = widest; width >= multiple && width * height >= leastArea * area; width -= multiple) {
          const size = { width, height };
          if (best === undefined || distance(size) < distance(best)) best = size;
        }
      }
      if (best === undefined || distance(best) > Math.log(1.25)) {
        throw codedError(
          "ERR_CONFIG_INVALID",
          `data.buckets.aspects: there is no crop about ${aspect} times as wide as high with ${area} pixels whose sides are multiples of ${multiple}; there are ${possibleAspects(area, multiple).join(", ")}`,
          { details: { aspect, area, multiple } },
        );
      }
      return best;
    });
  for (const [i, size] of sizes.entries()) {
    const earlier = sizes[i - 1];
    if (earlier?.width === size.width && earlier.height === size.height) {
      throw codedError(
        "ERR_CONFIG_INVALID",
        `data.buckets.aspects: two of them give the same crop of ${size.height}×${size.width} px; leave one out`,
        { details: { height: size.height, width: size.width } },
      );
    }
  }
  return sizes;
}

/** Width ÷ height of every shape with as many pixels; two digits. */
function possibleAspects(area: number, multiple: number): number[] {
  const aspects = new Set<number>();
  for (let height = multiple; height * multiple <= area; height += multiple) {
    const width = Math.floor(area / height / multiple) * multiple;
    if (width * height >= leastArea * area) aspects.add(Number((width / height).toPrecision(2)));
  }
  return [...aspects].sort((a, b) => a - b);
}

/** Index of the narrowest of `sizes` (narrow to wide) that takes the whole line; the widest one where none does. */
export function bucketOf(region: Region, sizes: readonly Size[]): number {
  const aspect = boxWidth(region.box) / Math.max(1, textHeight(region));
  const fitting = sizes.findIndex((size) => (size.width * textWidth) / (size.height * textShare) >= aspect);
  return fitting < 0 ? sizes.length - 1 : fitting;
}
