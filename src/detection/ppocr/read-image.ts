/** Reads a page with the networks of PP-OCR: where lines are, what they say, where their words stand. */
import sharp from "sharp";
import { type Box, boxArea, clipBox, type Quad, quadBounds, type Size, uniteBoxes } from "../../documents/geometry.ts";
import type { RasterImage } from "../../documents/image.ts";
import { groupWords, makeLine } from "../lines.ts";
import type { OcrLine, OcrWord } from "../ocr.ts";
import { stretchContrast } from "./contrast.ts";
import { type CtcCharacter, decodeCtc } from "./ctc.ts";
import { cutLine, lineHeight, packLines, paddedWidth, stepWidth, widthOf } from "./line-image.ts";
import type { Networks } from "./networks.ts";
import { quadIn, type RotatedBox, scaleRotated, turnReading } from "./rotated-box.ts";
import { findTextBoxes } from "./text-boxes.ts";
import { type PlacedText, placeWords } from "./words.ts";

/** Sides the detection network takes are multiples of this. */
const grid = 32;
/** The detection network sees pages whose shorter side is at least this long, enlarged where they are smaller. */
const minSide = 736;
const maxEnlarging = 2;
/** Memory of the detection grows with the area: about 40 bytes a pixel. */
const maxArea = 3.2e6;
/** Pixels of all lines of one batch together, along their length: the scores of 18,710 classes take 9 kB a pixel. */
const batchLength = 2400;
/** A box this much higher than wide holds a line that runs up or down. */
const uprightRatio = 1.5;
/** Lines read less surely say nothing. */
const minConfidence = 0.5;
/** Radians. Smaller turns don't matter to who works with boxes. */
const minTurn = 0.005;
/** Radians by which a line has to slope otherwise than its page to get a quad of its own: 4°. */
const strayFrom = 0.07;
/** Boxes less wide than this many heights say little about the slope of their line. */
const longEnough = 4;

/** The lines of a whole page. */
export async function readPage(input: RasterImage, networks: Networks): Promise<OcrLine[]> {
  const page = stretchContrast(input);
  const boxes = await findLines(page, networks);
  const readings = await readBoxes(page, boxes, networks);
  return arrange(readings, page);
}

/** The image as one line. */
export async function readLineImage(input: RasterImage, networks: Networks): Promise<OcrLine[]> {
  const image = stretchContrast(input);
  const box = { cx: image.width / 2, cy: image.height / 2, width: image.width, height: image.height, angle: 0 };
  const [reading] = await recognise([box], image, networks);
  const words = reading ? toWords(reading, image) : [];
  return words.length > 0 ? [makeLine(words.map((word) => word.onPage))] : [];
}

interface Reading {
  readonly box: RotatedBox;
  readonly words: readonly PlacedText[];
  /** Pixels of the line's image, whose coordinates the words have. */
  readonly imageWidth: number;
  readonly confidence: number;
}

async function findLines(page: RasterImage, networks: Networks): Promise<RotatedBox[]> {
  const { width, height } = detectionSize(page);
  const raw = { width: page.width, height: page.height, channels: 3 as const };
  const small = await sharp(page.data, { raw, limitInputPixels: false })
    .resize({ width, height, fit: "fill", kernel: width < page.width ? "lanczos3" : "cubic" })
    .raw()
    .toBuffer();
  const plane = width * height;
  const input = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) input[c * plane + i] = small[i * 3 + 2 - c]! / 127.5 - 1;
  }
  const map = await networks.detect(input, width, height);
  return findTextBoxes(map).map(({ box }) => scaleRotated(box, page.width / map.width, page.height / map.height));
}

/** The size in which a page is given to the detection network. */
export function detectionSize({ width, height }: Size): Size {
  const enlarged = Math.min(maxEnlarging, Math.max(1, minSide / Math.min(width, height)));
  const scale = Math.min(enlarged, Math.sqrt(maxArea / (width * height)));
  const side = (length: number): number => Math.max(grid, Math.round((length * scale) / grid) * grid);
  return { width: side(width), height: side(height) };
}

async function readBoxes(page: RasterImage, boxes: readonly RotatedBox[], networks: Networks): Promise<Reading[]> {
  const level = boxes.filter((box) => box.height < uprightRatio * box.width);
  const upright = boxes.filter((box) => box.height >= uprightRatio * box.width);
  const readings = await recognise(level, page, networks);
  // Text may run down or up, and a narrow letter is level: the surest reading counts.
  const ways = await Promise.all(
    ([0, 1, 3] as const).map((quarters) =>
      recognise(
        upright.map((box) => turnReading(box, quarters)),
        page,
        networks,
      ),
    ),
  );
  for (let i = 0; i < upright.length; i++) {
    readings.push(ways.map((way) => way[i]!).reduce((best, way) => (way.confidence > best.confidence ? way : best)));
  }
  return readings.filter((reading) => reading.confidence >= minConfidence);
}

/** The text of each box, in their order; batches are made of boxes of like length. */
async function recognise(boxes: readonly RotatedBox[], page: RasterImage, networks: Networks): Promise<Reading[]> {
  const order = boxes
    .map((box, index) => ({ box, index, width: paddedWidth(widthOf(box)) }))
    .sort((a, b) => a.width - b.width);
  const readings: Reading[] = new Array(boxes.length);
  for (let from = 0; from < order.length; ) {
    const { width } = order[from]!;
    let to = from + 1;
    while (to < order.length && order[to]!.width === width && (to - from + 1) * width <= batchLength) to++;
    const batch = order.slice(from, to);
    from = to;
    const images = batch.map(({ box }) => cutLine(page, box));
    const data = packLines(images, width);
    const scores = await networks.recognise(data, batch.length, width);
    for (const [i, { box, index }] of batch.entries()) {
      const image = images[i]!;
      const steps = Math.min(scores.steps, Math.ceil(image.width / stepWidth));
      const shape = { steps, classes: scores.classes, offset: i * scores.steps * scores.classes };
      const characters = decodeCtc(scores.data, shape, networks.characters);
      readings[index] = {
        box,
        words: placeWords(characters, image),
        imageWidth: image.width,
        confidence: meanConfidence(characters),
      };
    }
  }
  return readings;
}

function meanConfidence(characters: readonly CtcCharacter[]): number {
  const sum = characters.reduce((total, character) => total + character.confidence, 0);
  return characters.length === 0 ? 0 : sum / characters.length;
}

/** A word in upright coordinates (`box`) and on the page. */
interface PlacedWord {
  readonly box: Box;
  readonly quad: Quad;
  readonly reading: Reading;
  readonly onPage: OcrWord;
}

/** `angle`: how the whole page is turned; upright coordinates are the page's, turned back around its corner. */
function toWords(reading: Reading, page: Size, angle = 0): PlacedWord[] {
  const { box, words, imageWidth } = reading;
  const [su, sv] = [box.width / imageWidth, box.height / lineHeight];
  const placed: PlacedWord[] = [];
  for (const { text, confidence, box: at } of words) {
    const quad = quadIn(box, at[0] * su, at[1] * sv, at[2] * su, at[3] * sv);
    const bounds = clipBox(quadBounds(quad), page);
    if (boxArea(bounds) === 0) continue;
    const onPage = { text, confidence: Math.min(1, Math.max(0, confidence)), box: bounds };
    placed.push({ box: quadBounds(turnQuad(quad, -angle)), quad, reading, onPage });
  }
  return placed;
}

const hasLetterOrDigit = /[\p{L}\p{N}]/u;

/** Words of all readings as lines in reading order. */
function arrange(readings: readonly Reading[], page: Size): OcrLine[] {
  const angle = commonAngle(readings);
  const words = readings.flatMap((reading) => toWords(reading, page, angle));
  return groupWords(words)
    .filter((group) => group.some((word) => hasLetterOrDigit.test(word.onPage.text)))
    .map((group) => {
      const line = makeLine(group.map((word) => word.onPage));
      const own = ownAngle(group, angle);
      if (own === 0) return line;
      const [x0, y0, x1, y1] = uniteBoxes(group.map(({ quad }) => quadBounds(turnQuad(quad, -own))));
      return { ...line, quad: turnQuad([x0, y0, x1, y0, x1, y1, x0, y1], own) };
    });
}

/** The angle of a line: the page's, unless the line clearly stands otherwise. */
function ownAngle(words: readonly PlacedWord[], angle: number): number {
  const [longest] = words.map(({ reading }) => reading.box).sort((a, b) => b.width - a.width);
  const { width, height, angle: own } = longest!;
  return width > longEnough * height && Math.abs(own - angle) > strayFrom ? own : angle;
}

/** The angle of most of the text, long lines counting more; 0 when it hardly differs from level. */
function commonAngle(readings: readonly Reading[]): number {
  const sorted = readings
    .map(({ box }) => ({ angle: box.angle, weight: Math.max(0, box.width - box.height) }))
    .sort((a, b) => a.angle - b.angle);
  let left = sorted.reduce((sum, { weight }) => sum + weight, 0) / 2;
  for (const { angle, weight } of sorted) {
    left -= weight;
    if (left < 0) return Math.abs(angle) < minTurn ? 0 : angle;
  }
  return 0;
}

/** Turned by `angle` radians around the page's corner. */
function turnQuad(quad: Quad, angle: number): Quad {
  if (angle === 0) return quad;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const turned = [0, 2, 4, 6].flatMap((i) => {
    const [x, y] = [quad[i]!, quad[i + 1]!];
    return [x * cos - y * sin, x * sin + y * cos];
  });
  return turned as unknown as Quad;
}
