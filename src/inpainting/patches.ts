/**
 * Cuts the piece of a page that an engine works on. The piece is small whatever the page's size, and what may be
 * repainted holds every pixel of the old text.
 */
import {
  type Box,
  boxArea,
  boxHeight,
  boxWidth,
  checkBox,
  clipBox,
  growBox,
  intersectBoxes,
  roundOut,
  type Size,
} from "../documents/geometry.ts";
import { cropImage, type RasterImage } from "../documents/image.ts";
import { codedError } from "../errors.ts";
import { findComponents, ownComponents } from "../ink/components.ts";
import { analyseInk } from "../ink/ink.ts";
import { measuringFactor, shrinkImage } from "../ink/planes.ts";
import { defaultFace } from "../rendering/fonts.ts";
import { measureText } from "../rendering/text.ts";
import type { Replacement } from "../replacement/replacement.ts";
import type { Patch } from "./patch.ts";
import { regionSeed } from "./region-seed.ts";

export interface PatchOptions {
  /** Seed of the region, 32 bits. Default: from the entity's id. */
  readonly seed?: number;
  /** Text boxes (page pixels) of the other regions drawn on the same page; the mask keeps to its own side of them. */
  readonly others?: readonly Box[];
  /** Surroundings are taken in up to this size in pixels; a longer text still fits. Default 1024. */
  readonly maxSide?: number;
}

/** Smallest side of a patch in pixels, where the page is that large. */
const minSide = 32;
/** A text of more pixels than this (a line of 16,000 × 1,000) is no line of text. */
const maxTextPixels = 16 * 2 ** 20;
/** Above this size the search for ink across the edge would take too long; a wider margin stands in for it. */
const maxSearchedPixels = 2 ** 20;
/** Lines higher than this are searched at a lower resolution. */
const searchedLineHeight = 56;

/**
 * Cuts the patch around a replacement's box.
 *
 * Sides are multiples of 8, coarser for larger patches (so that many patches share a size), at least 32 and at most
 * `maxSide`, unless the text itself is larger or the page is smaller. `maskBox` is the text box with a margin of at
 * least 2 px, grown to all of the old ink and, over empty paper, to what a longer new text or its descenders need.
 *
 * Throws ERR_GEOMETRY for a box outside the page, ERR_DOCUMENT_LIMIT for a text box of more than 16 megapixels.
 */
export function extractPatch(page: RasterImage, replacement: Replacement, options: PatchOptions = {}): Patch {
  const { entity, fake } = replacement;
  const text = clipBox(roundOut(checkBox(entity.box, page, `Box of ${entity.id}`)), page);
  if (boxArea(text) > maxTextPixels) {
    throw codedError(
      "ERR_DOCUMENT_LIMIT",
      `The text box of ${entity.id} has ${boxArea(text)} pixels; ${maxTextPixels} are allowed`,
      {
        details: { box: [...text] },
      },
    );
  }
  const sides = (options.others ?? []).map((other) => sideOf(text, roundOut(other)));
  const whole: Box = [0, 0, page.width, page.height];
  const between = sides.reduce<Box>(intersectBoxes, whole);
  const narrowed = intersectBoxes(text, between);
  // Where texts lie across each other from several sides, nothing may be left between the borders.
  const divided = boxWidth(narrowed) > 0 && boxHeight(narrowed) > 0;
  const [allowed, textBox] = divided ? [between, narrowed] : [whole, text];
  const mask = findMask(page, textBox, allowed, entity.text, fake);
  const pageBox = contextBox(mask, textBox, page, options.maxSide ?? 1024);
  const local = (box: Box): Box => [box[0] - pageBox[0], box[1] - pageBox[1], box[2] - pageBox[0], box[3] - pageBox[1]];
  return {
    id: entity.id,
    image: cropImage(page, pageBox),
    pageBox,
    maskBox: local(mask),
    textBox: local(textBox),
    text: fake,
    original: entity.text,
    seed: (options.seed ?? regionSeed(0, entity.id)) >>> 0,
  };
}

/**
 * The half of the page on this side of another text: the border runs half-way between the two boxes, along the axis
 * on which they lie farther apart. A box mostly inside the other one can't be divided and sets no border.
 */
function sideOf(text: Box, other: Box): Box {
  const everywhere: Box = [
    Number.NEGATIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  ];
  const common = intersectBoxes(text, other);
  const overlap = Math.max(0, boxWidth(common)) * Math.max(0, boxHeight(common));
  if (overlap > 0.4 * Math.min(boxArea(text), boxArea(other))) return everywhere;
  const side = [...everywhere] as [number, number, number, number];
  const gapX = Math.max(text[0], other[0]) - Math.min(text[2], other[2]);
  const gapY = Math.max(text[1], other[1]) - Math.min(text[3], other[3]);
  const axis = gapX >= gapY ? 0 : 1;
  const before = text[axis] + text[axis + 2]! < other[axis] + other[axis + 2]!;
  const border = Math.round(before ? (text[axis + 2]! + other[axis]) / 2 : (other[axis + 2]! + text[axis]) / 2);
  side[before ? axis + 2 : axis] = border;
  return side;
}

function findMask(page: RasterImage, textBox: Box, allowed: Box, original: string, fake: string): Box {
  const height = boxHeight(textBox);
  const margin = Math.max(2, Math.round(height * 0.1));
  const padded = intersectBoxes(growBox(textBox, margin), allowed);
  const reach = Math.round(Math.min(height * 0.6, 200)) + margin;
  const room = spareRoom(textBox, original, fake);
  const around = clipBox(growBox(textBox, reach + room.right), page);
  if (boxArea(around) > maxSearchedPixels) return intersectBoxes(growBox(textBox, Math.round(height * 0.2)), allowed);
  const factor = measuringFactor(boxArea(around), height, searchedLineHeight);
  const local = (box: Box): Box =>
    roundOut([
      (box[0] - around[0]) / factor,
      (box[1] - around[1]) / factor,
      (box[2] - around[0]) / factor,
      (box[3] - around[1]) / factor,
    ]);
  const small = shrinkImage(cropImage(page, around), factor);
  const { ink } = analyseInk(small, intersectBoxes(local(textBox), [0, 0, small.width, small.height]));
  const { list, labels } = findComponents(ink, small.width, small.height);
  const own = ownComponents(
    labels,
    list.map((c) => c.area),
    local(padded),
    small.width,
  );
  const limit = local(intersectBoxes(growBox(textBox, reach), allowed));
  const halo = Math.max(2, Math.round((height / factor) * 0.06));
  const wanted = list.reduce(
    (box, { box: part }, i) => (own.has(i + 1) ? unite(box, growBox(part, halo)) : box),
    local(padded),
  );
  let mask = growTowards(local(padded), intersectBoxes(limit, wanted), { labels, own, width: small.width });
  const end = local(allowed);
  mask = growOverPaper(mask, { ink, width: small.width, height: small.height }, end, {
    right: Math.ceil(room.right / factor),
    below: Math.ceil(room.below / factor),
  });
  const found: Box = [
    mask[0] * factor + around[0],
    mask[1] * factor + around[1],
    mask[2] * factor + around[0],
    mask[3] * factor + around[1],
  ];
  return intersectBoxes(unite(found, padded), allowed);
}

const unite = (a: Box, b: Box): Box => [
  Math.min(a[0], b[0]),
  Math.min(a[1], b[1]),
  Math.max(a[2], b[2]),
  Math.max(a[3], b[3]),
];

/**
 * Grows `mask` to `wanted`, side by side, except where that would take in more of what others have printed than of the
 * text itself (a stamp that runs through several lines).
 */
function growTowards(
  mask: Box,
  wanted: Box,
  ink: { labels: Int32Array; own: ReadonlySet<number>; width: number },
): Box {
  const grown = [...mask] as [number, number, number, number];
  for (const side of [0, 1, 2, 3] as const) {
    if (side < 2 ? wanted[side] >= grown[side] : wanted[side] <= grown[side]) continue;
    const strip = [...grown] as [number, number, number, number];
    strip[side] = wanted[side];
    strip[((side + 2) % 4) as 0 | 1 | 2 | 3] = grown[side];
    let mine = 0;
    let foreign = 0;
    for (let y = Math.max(0, strip[1]); y < Math.min(strip[3], ink.labels.length / ink.width); y++) {
      for (let x = Math.max(0, strip[0]); x < Math.min(strip[2], ink.width); x++) {
        const label = ink.labels[y * ink.width + x]!;
        if (label === 0) continue;
        if (ink.own.has(label)) mine++;
        else foreign++;
      }
    }
    if (foreign <= mine) grown[side] = wanted[side];
  }
  return grown;
}

/** How much wider than the old text the new one will be, pixels, at least 0; estimated with a common typeface. */
function extraWidth(textBox: Box, original: string, fake: string): number {
  const width = (text: string): number => measureText(text, { face: defaultFace, sizePx: 100 }).advance;
  const ratio = width(fake) / Math.max(1, width(original));
  const size = boxWidth(textBox);
  return Math.min(Math.max(0, ratio - 1) * size, 0.3 * size, 400);
}

/** Room the new text would like beyond the old one: to the right, and below where only it has descenders. */
function spareRoom(textBox: Box, original: string, fake: string): { right: number; below: number } {
  const descends = (text: string): boolean => /[gjpqyQ,;çşţ]/u.test(text);
  return {
    right: Math.ceil(extraWidth(textBox, original, fake)),
    below: descends(fake) && !descends(original) ? Math.ceil(boxHeight(textBox) * 0.3) : 0,
  };
}

/** Widens the mask to the right and down as long as nothing is printed there. */
function growOverPaper(
  mask: Box,
  paper: { ink: Uint8Array; width: number; height: number },
  allowed: Box,
  room: { right: number; below: number },
): Box {
  const { ink, width, height } = paper;
  let [x0, y0, x1, y1] = mask;
  const columnIsFree = (x: number): boolean => {
    for (let y = y0; y < y1; y++) if (ink[y * width + x]) return false;
    return true;
  };
  const rowIsFree = (y: number): boolean => {
    for (let x = x0; x < x1; x++) if (ink[y * width + x]) return false;
    return true;
  };
  // One pixel of paper is left between the mask and the next print.
  for (let i = 0; i < room.right && x1 < Math.min(width, allowed[2]) && columnIsFree(Math.min(width - 1, x1 + 1)); i++)
    x1++;
  for (let i = 0; i < room.below && y1 < Math.min(height, allowed[3]) && rowIsFree(Math.min(height - 1, y1 + 1)); i++)
    y1++;
  return [x0, y0, x1, y1];
}

/** Multiples of 8, coarser for larger sides: about a quarter too much at most. */
export function bucketed(side: number): number {
  const step = side <= 64 ? 8 : side <= 256 ? 32 : side <= 1024 ? 64 : 128;
  return Math.max(minSide, Math.ceil(side / step) * step);
}

function contextBox(mask: Box, textBox: Box, page: Size, maxSide: number): Box {
  const margin = Math.max(8, Math.min(Math.round(boxHeight(textBox) * 0.75), 256));
  const [x0, x1] = contextRange(mask[0], mask[2], margin, page.width, maxSide);
  const [y0, y1] = contextRange(mask[1], mask[3], margin, page.height, maxSide);
  return [x0, y0, x1, y1];
}

/** The range around [low, high) of a bucketed length, moved to lie within the page. */
function contextRange(low: number, high: number, margin: number, pageSide: number, maxSide: number): [number, number] {
  const wanted = bucketed(high - low + 2 * margin);
  const limit = Math.max(maxSide, bucketed(high - low));
  let length = Math.min(wanted, limit);
  if (length > pageSide) {
    // The largest multiple of 8 on the page, unless the mask needs the odd pixels too.
    const even = pageSide - (pageSide % 8);
    length = even >= Math.max(high - low, 8) ? even : pageSide;
  }
  const start = Math.round((low + high - length) / 2);
  const first = Math.max(Math.min(start, pageSide - length), 0);
  return [first, first + length];
}
