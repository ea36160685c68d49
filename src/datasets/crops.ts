/**
 * Training crops: a window of the model's shape around words of a region, the mask over these words, and their text.
 *
 * The text is always exactly what the mask covers: a long line is cut between words, never inside one, and a line whose
 * word places are not known is taken whole or not at all. Windows over the page's edge are filled with the colour of
 * the paper there; nothing is stretched.
 */
import {
  type Box,
  boxHeight,
  boxWidth,
  clipBox,
  growBox,
  intersectBoxes,
  type Size,
  uniteBoxes,
} from "../documents/geometry.ts";
import { copyImage, cropImage, pasteImage, type RasterImage } from "../documents/image.ts";
import { resizeImage } from "../documents/resize.ts";
import { codedError } from "../errors.ts";
import { drawTrainingDraft } from "../ink/draft.ts";
import { createPacer } from "../pacer.ts";
import type { Random } from "../random/random.ts";
import type { Region, RegionWord } from "./manifest-types.ts";
import { textHeight } from "./text-geometry.ts";
import { findWords } from "./word-boxes.ts";

export interface CropSize extends Size {
  /** Pixels of the crop; the mask's edges go outwards to multiples of this. Default 1. */
  readonly maskGrid?: number;
}

export interface CropPlan {
  /** Integer pixels of the page; its shape is that of the crop. May reach over the page's edge. */
  readonly window: Box;
  /** The words' box, in pixels of the page. */
  readonly textBox: Box;
  readonly text: string;
}

export interface Crop {
  /** RGB, height × width × 3. */
  readonly image: Uint8Array;
  /** height × width, 1 = repaint. */
  readonly mask: Uint8Array;
  /** As `image`, with the text roughly drawn where the mask is 1; only where drafts were asked for. */
  readonly draft?: Uint8Array;
  readonly text: string;
}

/** Least height of the text as a share of the crop, where a word is too long for a larger one. */
const leastShare = 0.2;
/** Share of the crop's width that text may take. */
const fullWidth = 0.94;

const hasLetter = (word: RegionWord): boolean => /[\p{L}\p{N}]/u.test(word.text);

/**
 * Chooses words and a window. The text is 40–60 % of the crop high (less where one word would not fit), at a random
 * place in the window.
 *
 * @throws ERR_DATASET_INVALID when no word fits: the reason is in the message.
 */
export function planCrop(page: RasterImage, region: Region, size: CropSize, random: Random): CropPlan {
  const share = random.range(0.4, 0.6);
  const words = findWords(page, region);
  const known = words?.filter((word) => boxWidth(word.box) > 0) ?? [{ box: region.box, text: region.text.trim() }];
  const height = Math.max(1, Math.min(textHeight(region), boxHeight(region.box)));
  const chosen =
    chooseWords(known, (size.width * fullWidth * height) / (share * size.height), random) ??
    longestThatFits(known, height, size);
  if (chosen === undefined) {
    throw codedError(
      "ERR_DATASET_INVALID",
      words === undefined
        ? "the line is too long for the crop and its words can't be told apart"
        : "every word is too long for the crop",
    );
  }
  const textBox = uniteBoxes(chosen.map((word) => word.box));
  const scale = Math.min(
    (share * size.height) / height,
    (fullWidth * size.width) / boxWidth(textBox),
    (fullWidth * size.height) / boxHeight(textBox),
  );
  const windowHeight = Math.max(4, Math.round(size.height / scale));
  const windowWidth = Math.max(4, Math.round((windowHeight * size.width) / size.height));
  const x = place(textBox[0], textBox[2], windowWidth, page.width, random);
  const y = place(textBox[1], textBox[3], windowHeight, page.height, random);
  return {
    window: [x, y, x + windowWidth, y + windowHeight],
    textBox,
    text: chosen.map((word) => word.text).join(" "),
  };
}

/** A run of neighbouring words at most `room` wide, from a random one on. Half of the time as long as fits. */
function chooseWords(words: readonly RegionWord[], room: number, random: Random): RegionWord[] | undefined {
  const starts = random.shuffled(
    words.map((_, i) => i).filter((i) => hasLetter(words[i]!) && boxWidth(words[i]!.box) <= room),
  );
  const whole = random.chance(0.5);
  const start = whole && starts.includes(0) ? 0 : starts[0];
  if (start === undefined) return undefined;
  let longest = 1;
  while (
    start + longest < words.length &&
    boxWidth(uniteBoxes(words.slice(start, start + longest + 1).map((word) => word.box))) <= room
  )
    longest++;
  return words.slice(start, start + (whole ? longest : random.int(1, longest)));
}

/** The narrowest word, when it fits at the least text size. */
function longestThatFits(words: readonly RegionWord[], height: number, size: CropSize): RegionWord[] | undefined {
  const room = (size.width * fullWidth * height) / (leastShare * size.height);
  const fitting = words.filter((word) => hasLetter(word) && boxWidth(word.box) <= room);
  fitting.sort((a, b) => boxWidth(a.box) - boxWidth(b.box));
  return fitting[0] === undefined ? undefined : [fitting[0]];
}

/** Where a window of `length` starts so that it holds from…to, on the page if it can be. */
function place(from: number, to: number, length: number, page: number, random: Random): number {
  const margin = Math.min(length * 0.02, (length - (to - from)) / 2);
  let low = Math.ceil(to + margin - length);
  let high = Math.floor(from - margin);
  if (Math.max(low, 0) <= Math.min(high, page - length)) {
    low = Math.max(low, 0);
    high = Math.min(high, page - length);
  }
  return low >= high ? Math.round((low + high) / 2) : random.int(low, high);
}

/** Cuts the planned window out of the page and brings it to the crop's size. `drafts`: what a draft is drawn by. */
export async function renderCrop(page: RasterImage, plan: CropPlan, size: CropSize, drafts?: Random): Promise<Crop> {
  const window = cutWindow(page, plan.window);
  const image = await resizeImage(window, size.width, size.height);
  const crop = { image: image.data, mask: drawMask(plan, size), text: plan.text };
  if (drafts === undefined) return crop;
  // Drawn on the page's own pixels and scaled with them, as at work.
  const masked = maskBox(plan, size);
  const mask = inWindow(masked, plan, size);
  const [left, top] = plan.window;
  const [x0, y0, x1, y1] = plan.textBox;
  const textBox = intersectBoxes([x0 - left, y0 - top, x1 - left, y1 - top], mask);
  const request = { image: window, mask, textBox, text: plan.text };
  const drawn = await drawTrainingDraft(request, drafts, createPacer(undefined));
  const scaled = await resizeImage({ ...window, data: drawn }, size.width, size.height);
  // Scaling carries over the mask's edge.
  const draft = copyImage(image);
  pasteImage(draft, cropImage(scaled, masked), masked[0], masked[1]);
  return { ...crop, draft: draft.data };
}

/** The pixels of the window that lie as a whole under a box of the crop. */
function inWindow([x0, y0, x1, y1]: Box, plan: CropPlan, size: Size): Box {
  const scaleX = boxWidth(plan.window) / size.width;
  const scaleY = boxHeight(plan.window) / size.height;
  return [Math.ceil(x0 * scaleX), Math.ceil(y0 * scaleY), Math.floor(x1 * scaleX), Math.floor(y1 * scaleY)];
}

/** The window's pixels; what lies beyond the page has the paper's colour at that edge. */
export function cutWindow(page: RasterImage, window: Box): RasterImage {
  const width = boxWidth(window);
  const height = boxHeight(window);
  const [x0, y0, x1, y1] = clipBox(window, page);
  if (x1 <= x0 || y1 <= y0)
    throw codedError(
      "ERR_GEOMETRY",
      `Window [${window.join(", ")}] lies beside the page of ${page.width}×${page.height} px`,
    );
  const data = new Uint8Array(width * height * 3);
  if (x1 - x0 < width || y1 - y0 < height) {
    const paper = edgeColour(page, window);
    for (let i = 0; i < data.length; i += 3) data.set(paper, i);
  }
  for (let y = y0; y < y1; y++) {
    const from = (y * page.width + x0) * 3;
    data.set(page.data.subarray(from, from + (x1 - x0) * 3), ((y - window[1]) * width + x0 - window[0]) * 3);
  }
  return { data, width, height };
}

/** Median colour of the page's edge pixels that the window reaches over. */
function edgeColour(page: RasterImage, window: Box): [number, number, number] {
  const [x0, y0, x1, y1] = clipBox(window, page);
  const channels: [number[], number[], number[]] = [[], [], []];
  const add = (x: number, y: number): void => {
    const at = (y * page.width + x) * 3;
    channels.forEach((values, c) => {
      values.push(page.data[at + c]!);
    });
  };
  for (let x = x0; x < x1; x++) {
    if (window[1] < 0) add(x, 0);
    if (window[3] > page.height) add(x, page.height - 1);
  }
  for (let y = y0; y < y1; y++) {
    if (window[0] < 0) add(0, y);
    if (window[2] > page.width) add(page.width - 1, y);
  }
  return channels.map((values) => values.sort((a, b) => a - b)[values.length >> 1]!) as [number, number, number];
}

function textInCrop({ window, textBox }: CropPlan, size: Size): Box {
  const scaleX = size.width / boxWidth(window);
  const scaleY = size.height / boxHeight(window);
  return [
    (textBox[0] - window[0]) * scaleX,
    (textBox[1] - window[1]) * scaleY,
    (textBox[2] - window[0]) * scaleX,
    (textBox[3] - window[1]) * scaleY,
  ];
}

/** The text's box in the crop, grown by 4 % of the crop's height (at least a pixel) and to the mask's grid. */
function maskBox(plan: CropPlan, size: CropSize): Box {
  const grid = size.maskGrid ?? 1;
  const grown = growBox(textInCrop(plan, size), Math.max(1, 0.04 * size.height));
  return clipBox(
    [
      Math.floor(grown[0] / grid) * grid,
      Math.floor(grown[1] / grid) * grid,
      Math.ceil(grown[2] / grid) * grid,
      Math.ceil(grown[3] / grid) * grid,
    ],
    size,
  );
}

/** 1 inside the mask's box. */
export function drawMask(plan: CropPlan, size: CropSize): Uint8Array {
  const [x0, y0, x1, y1] = maskBox(plan, size);
  const mask = new Uint8Array(size.width * size.height);
  for (let y = y0; y < y1; y++) mask.fill(1, y * size.width + x0, y * size.width + x1);
  return mask;
}
