import { describe, expect, it } from "vitest";
import { stretchContrast } from "../../src/detection/ppocr/contrast.ts";
import { type CtcCharacter, decodeCtc } from "../../src/detection/ppocr/ctc.ts";
import { cutLine, type LineImage, lineHeight, packLines, paddedWidth } from "../../src/detection/ppocr/line-image.ts";
import type { Networks } from "../../src/detection/ppocr/networks.ts";
import { detectionSize, readLineImage, readPage } from "../../src/detection/ppocr/read-image.ts";
import { placeWords } from "../../src/detection/ppocr/words.ts";
import { createImage } from "../../src/documents/image.ts";

const characters = ["a", "b", "c", "１", "　", " "];

/** Scores in which each step has one sure class, given as characters; "-" is the blank. */
function scoresOf(steps: string, sure = 0.9): Float32Array {
  const classes = characters.length + 1;
  const scores = new Float32Array(steps.length * classes).fill((1 - sure) / (classes - 1));
  for (const [i, step] of [...steps].entries())
    scores[i * classes + (step === "-" ? 0 : characters.indexOf(step) + 1)] = sure;
  return scores;
}
const decode = (steps: string) =>
  decodeCtc(scoresOf(steps), { steps: steps.length, classes: characters.length + 1 }, characters);

describe("decoding time steps", () => {
  it("joins repetitions, and a blank parts what stands twice", () => {
    expect(decode("--aa-ab--").map(({ text, start, end }) => [text, start, end])).toEqual([
      ["a", 2, 4],
      ["a", 5, 6],
      ["b", 6, 7],
    ]);
  });

  it("gives full-width signs and spaces in their usual form, with confidences", () => {
    const read = decode("１-　-b");
    expect(read.map(({ text }) => text)).toEqual(["1", " ", "b"]);
    for (const { confidence } of read) expect(confidence).toBeCloseTo(0.9);
  });

  it("reads nothing from blanks, and only its own part of a batch", () => {
    expect(decode("----")).toEqual([]);
    const classes = characters.length + 1;
    const both = new Float32Array([...scoresOf("aaa"), ...scoresOf("b-c")]);
    const second = decodeCtc(both, { steps: 3, classes, offset: 3 * classes }, characters);
    expect(second.map(({ text }) => text).join("")).toBe("bc");
  });
});

/** A white line with black bars from x0 to x1 and y0 to y1. */
function bars(width: number, boxes: readonly (readonly [number, number, number, number])[]): LineImage {
  const planes = new Float32Array(3 * width * lineHeight).fill(240);
  for (let c = 0; c < 3; c++) {
    for (const [x0, y0, x1, y1] of boxes) {
      for (let y = y0; y < y1; y++)
        planes.fill(20, (c * lineHeight + y) * width + x0, (c * lineHeight + y) * width + x1);
    }
  }
  return { planes, width };
}

const at = (text: string, start: number, end = start + 1): CtcCharacter => ({ text, start, end, confidence: 0.8 });

describe("words of a line", () => {
  it("stand where their ink is, not where their share of the characters would be", () => {
    // "iiii W": four narrow letters, a space, one wide letter.
    const image = bars(200, [
      [4, 10, 8, 38],
      [14, 10, 18, 38],
      [24, 10, 28, 38],
      [34, 10, 38, 38],
      [70, 12, 190, 40],
    ]);
    const words = placeWords([at("i", 0), at("i", 2), at("i", 3), at("i", 4), at(" ", 6), at("W", 15, 17)], image);
    expect(words.map(({ text }) => text)).toEqual(["iiii", "W"]);
    expect(words[0]!.box).toEqual([4, 10, 38, 38]);
    expect(words[1]!.box).toEqual([70, 12, 190, 40]);
    expect(words[0]!.confidence).toBeCloseTo(0.8);
  });

  it("are parted by wide white even without a read space", () => {
    const image = bars(200, [
      [10, 10, 30, 38],
      [150, 10, 170, 38],
    ]);
    expect(placeWords([at("a", 2), at("b", 20)], image).map(({ text }) => text)).toEqual(["a", "b"]);
  });

  it("leave the neighbouring line's descenders out, and keep a dot above a letter", () => {
    const image = bars(100, [
      [10, 0, 20, 1],
      [30, 5, 34, 8],
      [30, 11, 34, 38],
      [10, 11, 26, 38],
    ]);
    expect(placeWords([at("n", 2), at("i", 4)], image)[0]!.box).toEqual([10, 5, 34, 38]);
  });

  it("are found in light print on dark, and without any contrast by their time steps", () => {
    const dark = bars(120, [[40, 12, 80, 36]]);
    const light: LineImage = { width: 120, planes: dark.planes.map((value) => 255 - value) };
    expect(placeWords([at("a", 7)], light)[0]!.box).toEqual([40, 12, 80, 36]);
    const [flat] = placeWords([at("a", 2), at("b", 8)], {
      width: 120,
      planes: new Float32Array(3 * 120 * 48).fill(200),
    });
    expect(flat!.box[0]).toBeLessThan(flat!.box[2]);
    expect(flat!.box[1]).toBeLessThan(flat!.box[3]);
  });
});

describe("the image of a line", () => {
  it("is cut along a turned box", () => {
    const page = createImage(200, 200);
    const angle = Math.PI / 6;
    // A black stroke along the box's first half.
    for (let u = -50; u < 0; u += 0.25) {
      for (let v = -5; v <= 5; v += 0.25) {
        const [x, y] = [
          100 + u * Math.cos(angle) - v * Math.sin(angle),
          100 + u * Math.sin(angle) + v * Math.cos(angle),
        ];
        page.data.fill(0, (Math.floor(y) * 200 + Math.floor(x)) * 3, (Math.floor(y) * 200 + Math.floor(x)) * 3 + 3);
      }
    }
    const { planes, width } = cutLine(page, { cx: 100, cy: 100, width: 100, height: 20, angle });
    expect(width).toBe(240);
    const middle = (x: number): number => planes[24 * width + x]!;
    expect(middle(60)).toBeLessThan(20);
    expect(middle(180)).toBe(255);
    expect(planes[3 * width + 60]).toBe(255);
  });

  it("is averaged where it is reduced, and goes on at the page's edge", () => {
    const page = createImage(384, 384);
    for (let y = 0; y < 384; y += 2) page.data.fill(0, y * 384 * 3, (y + 1) * 384 * 3);
    const { planes } = cutLine(page, { cx: 192, cy: 192, width: 384, height: 384, angle: 0 });
    expect(planes[20 * 48 + 20]).toBeGreaterThan(110);
    expect(planes[20 * 48 + 20]).toBeLessThan(145);
    const beyond = cutLine(createImage(30, 30, [9, 9, 9]), { cx: 0, cy: 15, width: 60, height: 30, angle: 0 });
    expect(Math.max(...beyond.planes)).toBe(9);
  });

  it("is packed blue first, with grey behind short lines", () => {
    const line: LineImage = { width: 2, planes: new Float32Array(3 * 2 * lineHeight) };
    line.planes.fill(255, 0, 2 * lineHeight);
    const data = packLines([line], 4);
    const plane = 4 * lineHeight;
    expect([data[0], data[2 * plane], data[2 * plane + 2]]).toEqual([-1, 1, 0]);
    expect(paddedWidth(50)).toBe(320);
    expect(paddedWidth(321)).toBe(352);
  });
});

describe("pale print", () => {
  /** Paper with noise, and a bar of print in it. */
  const pale = (paper: number, print: number, noise = 2) => {
    const image = createImage(100, 60, [paper, paper, paper]);
    for (let i = 0; i < image.data.length; i++) image.data[i]! += (i * 7) % (noise + 1);
    for (let y = 20; y < 30; y++) image.data.fill(print, (y * 100 + 10) * 3, (y * 100 + 60) * 3);
    return image;
  };

  it("becomes black on white", () => {
    const { data } = stretchContrast(pale(200, 170));
    expect(data[(25 * 100 + 20) * 3]).toBe(0);
    expect(data[(50 * 100 + 20) * 3]).toBeGreaterThan(230);
  });

  it("is left as it is where it is dark enough, and so is empty paper", () => {
    const [clear, empty] = [pale(240, 60), pale(240, 240)];
    expect(stretchContrast(clear)).toBe(clear);
    expect(stretchContrast(empty)).toBe(empty);
  });
});

describe("a page for the detection network", () => {
  it.each([
    [443, 911],
    [932, 2160],
    [10_000, 10_000],
    [30_000, 20],
    [1, 1],
  ])("of %d×%d px gets sides in steps of 32 within the bounds", (width, height) => {
    const size = detectionSize({ width, height });
    expect(size.width % 32).toBe(0);
    expect(size.height % 32).toBe(0);
    expect(Math.min(size.width, size.height)).toBeGreaterThanOrEqual(32);
    expect(size.width * size.height).toBeLessThan(3.6e6);
  });
});

/** Networks that see one core, and read the same in every line. */
const fake = (steps: string): Networks => ({
  characters,
  async detect(_input, width, height) {
    const data = new Float32Array(width * height);
    for (let y = Math.round(height * 0.45); y < height * 0.55; y++)
      data.fill(0.9, y * width + Math.round(width * 0.2), y * width + Math.round(width * 0.8));
    return { data, width, height };
  },
  async recognise(_input, count) {
    const one = scoresOf(steps);
    const data = new Float32Array(count * one.length);
    for (let i = 0; i < count; i++) data.set(one, i * one.length);
    return { data, steps: steps.length, classes: characters.length + 1 };
  },
  async close() {},
});

describe("reading an image", () => {
  it("gives lines with words inside the page", async () => {
    const lines = await readPage(createImage(800, 400), fake("--ab--c--"));
    expect(lines).toHaveLength(1);
    expect(lines[0]!.text.replaceAll(" ", "")).toBe("abc");
    for (const { box } of lines[0]!.words) {
      expect(box[0]).toBeGreaterThanOrEqual(0);
      expect(box[2]).toBeLessThanOrEqual(800);
      expect(box[0]).toBeLessThan(box[2]);
    }
  });

  it("gives no lines where nothing is read", async () => {
    expect(await readPage(createImage(800, 400), fake("-----"))).toEqual([]);
    expect(await readLineImage(createImage(100, 30), fake("---"))).toEqual([]);
  });
});
