/** All image regions of a page. */
import type { AnonymizerConfig } from "../../config/anonymizer-config.ts";
import { boxArea, intersectBoxes } from "../../documents/geometry.ts";
import type { RasterImage } from "../../documents/image.ts";
import { throwIfAborted } from "../../errors.ts";
import type { OcrPage } from "../ocr.ts";
import { type CodeEngine, findCodes } from "./codes.ts";
import type { ImageRegion, RegionFinding } from "./image-region.ts";
import { findPortraits } from "./portraits.ts";
import { findSignatures } from "./signatures.ts";

/** What the configuration doesn't keep. `pageIndex` goes into the ids. */
export async function findImageRegions(
  page: RasterImage,
  reading: OcrPage,
  pageIndex: number,
  options: { readonly images: AnonymizerConfig["images"]; readonly codes: CodeEngine; readonly signal?: AbortSignal },
): Promise<ImageRegion[]> {
  const { images, codes, signal } = options;
  const found: RegionFinding[] = [];
  if (images.codes !== "keep") found.push(...(await findCodes(page, codes, signal)));
  throwIfAborted(signal);
  if (images.signatures !== "keep") found.push(...free(await findSignatures(page, reading), found));
  throwIfAborted(signal);
  if (images.portraits !== "keep") found.push(...free(await findPortraits(page, reading), found));
  return found
    .filter(({ box }) => boxArea(box) > 0)
    .map((finding, i) => ({ ...finding, id: `p${pageIndex}-i${i}`, page: pageIndex }));
}

/** Findings that don't lie on what is known already: a code looks like a picture, too. */
const free = (findings: readonly RegionFinding[], taken: readonly RegionFinding[]): RegionFinding[] =>
  findings.filter(({ box }) =>
    taken.every((other) => boxArea(intersectBoxes(box, other.box)) <= 0.3 * Math.min(boxArea(box), boxArea(other.box))),
  );
