/** How a scan came out: paper, light, print and scanner. All of it drawn from the document's own random stream. */
import type { Random } from "../../random/random.ts";
import type { Rgb } from "./sheet.ts";

export interface ScanLook {
  /** Colour of the paper and of the scanner's bed around it. */
  readonly paper: Rgb;
  readonly bed: Rgb;
  /** Fibres: levels (0…255) of slow grey variation. */
  readonly grain: number;
  /** Brightness at the four corners (top left, top right, bottom left, bottom right), 1 = full. */
  readonly corners: readonly [number, number, number, number];
  /** Slow unevenness of the light: depth. */
  readonly cloud: number;
  /** Creases of crumpled paper: a point (0…1 of the page), direction in radians, length and width in pixels, depth. */
  readonly creases: readonly Crease[];
  /** Folds across or along the page: place 0…1, depth, width in pixels. */
  readonly folds: readonly {
    readonly axis: "x" | "y";
    readonly at: number;
    readonly depth: number;
    readonly width: number;
  }[];
  /** Print: ink left on the whole page 0…1, its patchy variation, lines that print too light, speckled strokes. */
  readonly ink: {
    readonly strength: number;
    readonly patchy: number;
    readonly streaks: number;
    readonly speckle: number;
  };
  /** Columns of the print head that print nothing: places 0…1 and width in pixels. */
  readonly deadColumns: readonly { readonly at: number; readonly width: number }[];
  /** Sensor noise: standard deviation in levels. */
  readonly noise: number;
  /** Resolution of the sensor relative to the result, 0.5…1. */
  readonly resolution: number;
  /** Gaussian blur in pixels. */
  readonly blur: number;
  /** Levels that become 0 and 255, and the gamma between. */
  readonly black: number;
  readonly white: number;
  readonly gamma: number;
  readonly tone: "colour" | "grey" | "bilevel";
  /** How the pixels are brought back from the sensor's resolution; "nearest" leaves steps, "lanczos3" halos. */
  readonly kernel: "nearest" | "linear" | "cubic" | "lanczos3";
  /** Sharpening after the optics: halos around the strokes; share of the second derivative added. */
  readonly sharpen: number;
  /** Copies of the copy: toner is there or not. */
  readonly copies: readonly Copy[];
  /** Brightness of paper and of thin strokes before the copies, 0…255. */
  readonly levels: { readonly paper: number; readonly ink: number };
  /** A dark edge of the copier's glass or the shadow of a fold: depth, width in pixels. */
  readonly edges: readonly { readonly side: "left" | "right" | "top" | "bottom"; depth: number; width: number }[];
  /** JPEG qualities 1…100, saved one after the other. */
  readonly jpeg: readonly number[];
}

/** Ink spreads (blur), then what is darker than the cutoff becomes toner, as sharply as the gain. */
interface Copy {
  /** Pixels. */
  readonly blur: number;
  readonly gain: number;
  /** Between the ink's brightness (0) and the paper's (1): the higher, the fatter the strokes. */
  readonly cutoff: number;
}

export interface Crease {
  readonly u: number;
  readonly v: number;
  readonly angle: number;
  readonly length: number;
  readonly width: number;
  readonly depth: number;
}

/** White paper, no wear: what was laid out is what is seen. */
const cleanLook: ScanLook = {
  paper: [255, 255, 255],
  bed: [255, 255, 255],
  grain: 0,
  corners: [1, 1, 1, 1],
  cloud: 0,
  creases: [],
  folds: [],
  ink: { strength: 1, patchy: 0, streaks: 0, speckle: 0 },
  deadColumns: [],
  noise: 0,
  resolution: 1,
  blur: 0,
  black: 0,
  white: 255,
  gamma: 1,
  tone: "colour",
  kernel: "cubic",
  sharpen: 0,
  copies: [],
  levels: { paper: 255, ink: 0 },
  edges: [],
  jpeg: [],
};

export type PaperKind = "thermal" | "office" | "card";

const papers: Readonly<Record<PaperKind, readonly (readonly [Rgb, number])[]>> = {
  thermal: [
    [[252, 252, 252], 9],
    [[246, 245, 240], 3],
    [[250, 246, 232], 2],
    [[232, 236, 244], 1],
    [[238, 232, 222], 0.8],
    [[246, 232, 236], 0.4],
    [[226, 224, 220], 0.8],
    [[204, 204, 206], 1.5],
    [[184, 185, 188], 0.7],
    [[255, 240, 150], 0.3],
    [[206, 226, 246], 0.3],
    [[250, 212, 220], 0.3],
  ],
  office: [
    [[253, 253, 253], 6],
    [[248, 247, 243], 3],
    [[249, 244, 228], 1.5],
    [[240, 238, 230], 1],
    [[236, 242, 248], 0.6],
    [[232, 228, 214], 0.6],
    [[255, 238, 140], 0.35],
    [[255, 206, 190], 0.35],
    [[200, 232, 206], 0.35],
    [[196, 220, 244], 0.35],
    [[206, 206, 206], 0.5],
  ],
  card: [[[255, 255, 255], 1]],
};

const beds: readonly (readonly [Rgb, number])[] = [
  [[255, 255, 255], 4],
  [[245, 246, 247], 3],
  [[20, 20, 22], 2],
  [[70, 72, 74], 1],
  [[150, 152, 156], 1.2],
  [[120, 98, 74], 0.8],
  [[196, 186, 168], 0.8],
];

/** A random look. `strength` 0…1 scales everything that makes a page hard to read. */
export function randomLook(random: Random, kind: PaperKind, strength: number): ScanLook {
  if (strength <= 0) return cleanLook;
  const s = strength;
  // How the page was taken decides what goes together: a photo has light and blur, a copier has contrast and specks.
  const taken = random.weighted<"flatbed" | "photo" | "copier" | "fax">(
    kind === "thermal"
      ? [
          ["flatbed", 6],
          ["photo", 1.5],
          ["copier", 2],
          ["fax", 0.2],
        ]
      : kind === "office"
        ? [
            ["flatbed", 4],
            ["photo", 1],
            ["copier", 6],
            ["fax", 1.2],
          ]
        : [
            ["flatbed", 4],
            ["photo", 4],
            ["copier", 1],
          ],
  );
  const photo = taken === "photo";
  const tone =
    taken === "fax"
      ? "bilevel"
      : taken === "copier" || random.chance(kind === "card" ? 0.1 : photo ? 0.12 : 0.4)
        ? "grey"
        : "colour";
  const lightLoss = (photo ? random.range(0.05, 0.4) : random.chance(0.35) ? random.range(0, 0.14) : 0.02) * s;
  const corner = (): number => 1 - random.next() * lightLoss;
  const thermal = kind === "thermal";
  const copies = taken === "copier" && random.chance(kind === "card" ? 0.3 : 0.85) ? randomCopies(random, s) : [];
  const faint = random.chance(thermal ? 0.38 : 0.15);
  const harsh = taken === "copier" || (taken === "flatbed" && random.chance(0.65));
  const hard = taken !== "fax" && copies.length === 0;
  return {
    paper: random.weighted(papers[kind]),
    bed: random.weighted(beds),
    grain: (random.chance(0.25) ? random.range(1, 3.5) : random.range(0.2, 1.4)) * s,
    corners: [corner(), corner(), corner(), corner()],
    cloud: random.range(0.005, photo ? 0.05 : 0.025) * s,
    creases: kind !== "card" && random.chance(thermal ? 0.4 : 0.18) ? randomCreases(random, s) : [],
    folds: kind === "card" ? [] : randomFolds(random, thermal, s),
    ink: {
      strength: 1 - (faint ? random.range(0.15, 0.5) : random.range(0, 0.12)) * s * (hard ? 1 : 0.3),
      patchy:
        (random.chance(0.45) ? random.range(0.05, 0.45) : 0.02) * s * (hard ? 1 : 0.4) * (kind === "card" ? 0.2 : 1),
      streaks: (thermal && random.chance(0.45) ? random.range(0.05, 0.45) : 0) * s,
      speckle:
        (random.chance(thermal ? 0.45 : 0.25) && kind !== "card" ? random.range(0.1, thermal ? 0.65 : 0.5) : 0.03) * s,
    },
    deadColumns:
      thermal && random.chance(0.12 * s)
        ? Array.from({ length: random.int(1, 3) }, () => ({ at: random.next(), width: random.range(1, 2.2) }))
        : [],
    noise: (copies.length > 0 ? random.range(3, 14) : photo ? random.range(2, 8) : random.range(0.5, 5)) * s,
    resolution: taken === "fax" || copies.length > 0 ? 1 : random.chance(0.45 * s) ? random.range(0.5, 0.95) : 1,
    blur:
      taken === "fax" || copies.length > 0 ? 0 : Math.max(0, random.range(photo ? 0.3 : -0.8, photo ? 1.1 : 0.7)) * s,
    black: (harsh ? random.range(10, 70) : random.range(0, 10)) * s,
    white: 255 - (harsh ? random.range(10, 45) : random.range(-12, 8)) * s,
    gamma: 1 + random.normal(0, 0.12) * s,
    tone,
    kernel: random.weighted([
      ["cubic", 5],
      ["linear", 2],
      ["lanczos3", 2],
      ["nearest", 1],
    ]),
    sharpen: taken !== "fax" && random.chance(photo ? 0.5 : 0.4) ? random.range(0.06, 0.3) * s : 0,
    copies,
    levels: { paper: 255, ink: 0 },
    edges: kind !== "card" && random.chance(taken === "copier" ? 0.3 : 0.15) ? randomEdges(random, s) : [],
    jpeg: randomJpeg(random, s),
  };
}

/** One to three generations. */
function randomCopies(random: Random, strength: number): Copy[] {
  const generations = random.weighted([
    [1, 6],
    [2, 3],
    [3, 1],
  ]);
  return Array.from({ length: generations }, (_, i) => ({
    blur: random.range(0.45, 0.85) * strength,
    gain: 1 + random.range(1, 5) * strength,
    cutoff: i === 0 ? random.range(0.4, 0.68) : random.range(0.4, 0.58),
  }));
}

function randomEdges(random: Random, strength: number): ScanLook["edges"] {
  return Array.from({ length: random.int(1, 2) }, () => ({
    side: random.pick(["left", "right", "top", "bottom"] as const),
    depth: random.range(0.1, 0.5) * strength,
    width: random.range(6, 40),
  }));
}

/** Saved once mostly, sometimes again by the next program. */
function randomJpeg(random: Random, strength: number): number[] {
  if (random.chance(0.12)) return [];
  const quality = (): number => Math.round(100 - random.range(6, random.chance(0.3) ? 74 : 40) * strength);
  return random.chance(0.25) ? [quality(), quality()] : [quality()];
}

/**
 * `look` with as much of the fading and contrast taken back as ink of brightness `ink` (0…255) needs to stay legible to a
 * person: `least` levels darker than the paper around it in the result, and with as much of the sensor's resolution as
 * letters of `size` pixels need.
 */
export function keepReadable(look: ScanLook, ink: number, least: number, size: number): ScanLook {
  let mended: ScanLook = {
    ...look,
    resolution: Math.max(look.resolution, Math.min(1, 11 / size)),
    blur: Math.min(look.blur, Math.max(0.3, (size - 9) / 10)),
    copies: look.copies
      .slice(0, size < 13 ? 1 : size < 16 ? 2 : 3)
      .map((copy) => ({ ...copy, blur: Math.min(copy.blur, size / 22) })),
  };
  for (let attempt = 0; attempt < 12 && contrast(mended, ink) < least; attempt++) {
    const print = mended.ink;
    mended = {
      ...mended,
      ink: {
        ...print,
        strength: print.strength + (1 - print.strength) * 0.3,
        patchy: print.patchy * 0.75,
        streaks: print.streaks * 0.8,
        speckle: print.speckle * 0.85,
      },
      white: mended.white + (255 - mended.white) * 0.25,
      corners: mended.corners.map((value) => value + (1 - value) * 0.2) as unknown as ScanLook["corners"],
      noise: mended.noise * 0.9,
    };
  }
  if (mended.copies.length === 0 && mended.tone !== "bilevel") return mended;
  // Thin strokes never get as dark as the ink is: a blurred line of 0.1 em.
  const levels = printLevels(mended, ink);
  const reach = Math.min(1, (0.1 * size) / (1 + 2 * Math.max(0.4, ...mended.copies.map((copy) => copy.blur))));
  return { ...mended, levels: { paper: levels.paper, ink: levels.paper - reach * (levels.paper - levels.ink) } };
}

/** Type size in pixels below which a person can't tell the letters any more. */
export function legibleSize(look: ScanLook): number {
  const spread = look.blur + look.copies.reduce((sum, copy) => sum + 0.5 * copy.blur, 0);
  const coarse = look.tone === "bilevel" ? 2.5 : look.copies.length;
  return 5.5 / look.resolution + 2 * spread + coarse + (Math.min(100, ...look.jpeg) < 40 ? 1 : 0);
}

/** Levels between paper and worn ink where the light is worst. */
function contrast(look: ScanLook, ink: number): number {
  const levels = printLevels(look, ink);
  return levels.paper - levels.ink;
}

/** Brightness of the paper and of worn ink where the light is worst. */
function printLevels(look: ScanLook, ink: number): ScanLook["levels"] {
  const { strength, patchy, streaks, speckle } = look.ink;
  const left = strength * (1 - 0.75 * patchy) * (1 - 0.5 * streaks) * (1 - 0.3 * speckle);
  const light = Math.min(...look.corners);
  const paper = light * (0.299 * look.paper[0] + 0.587 * look.paper[1] + 0.114 * look.paper[2]);
  const level = (value: number): number =>
    255 * Math.min(1, Math.max(0, (value - look.black) / (look.white - look.black))) ** look.gamma;
  return { paper: level(paper), ink: level((paper * (255 - (255 - ink) * left)) / 255) };
}

function randomCreases(random: Random, strength: number): Crease[] {
  const depth = random.range(0.04, 0.16) * strength;
  return Array.from({ length: random.int(3, 14) }, () => ({
    u: random.next(),
    v: random.next(),
    angle: random.range(0, Math.PI),
    length: random.range(60, 500),
    width: random.range(12, 70),
    depth: depth * random.range(0.3, 1) * (random.chance(0.5) ? 1 : -1),
  }));
}

function randomFolds(random: Random, thermal: boolean, strength: number): ScanLook["folds"] {
  const folds: ScanLook["folds"][number][] = [];
  const fold = (axis: "x" | "y", at: number): void => {
    folds.push({
      axis,
      at,
      depth: random.range(0.02, random.chance(0.3) ? 0.18 : 0.08) * strength * (random.chance(0.25) ? -1 : 1),
      width: random.range(1.2, 9),
    });
  };
  if (random.chance(thermal ? 0.3 : 0.25)) {
    // A letter is folded in thirds, a receipt anywhere.
    if (!thermal && random.chance(0.6)) for (const at of [1 / 3, 2 / 3]) fold("y", at + random.normal(0, 0.01));
    else for (let i = random.int(1, 3); i > 0; i--) fold("y", random.range(0.1, 0.9));
  }
  if (random.chance(0.15)) fold("x", random.range(0.3, 0.7));
  return folds;
}
