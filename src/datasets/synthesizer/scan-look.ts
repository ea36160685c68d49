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
  /** Dot printing: distance of the dots in pixels; 0 = none. */
  readonly dots: number;
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
  /** JPEG quality 1…100; 0 = not compressed. */
  readonly jpeg: number;
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
  dots: 0,
  noise: 0,
  resolution: 1,
  blur: 0,
  black: 0,
  white: 255,
  gamma: 1,
  tone: "colour",
  jpeg: 0,
};

export type PaperKind = "thermal" | "office" | "card";

const papers: Readonly<Record<PaperKind, readonly (readonly [Rgb, number])[]>> = {
  thermal: [
    [[252, 252, 252], 6],
    [[246, 245, 240], 3],
    [[250, 246, 232], 2],
    [[232, 236, 244], 1.5],
    [[238, 232, 222], 1],
    [[246, 232, 236], 0.5],
    [[226, 224, 220], 1],
  ],
  office: [
    [[253, 253, 253], 6],
    [[248, 247, 243], 3],
    [[249, 244, 228], 1.5],
    [[240, 238, 230], 1],
    [[236, 242, 248], 0.6],
    [[232, 228, 214], 0.6],
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
          ["flatbed", 5],
          ["photo", 2.5],
          ["copier", 2],
          ["fax", 0.2],
        ]
      : kind === "office"
        ? [
            ["flatbed", 5],
            ["photo", 2],
            ["copier", 2],
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
    taken === "fax" ? "bilevel" : random.chance(kind === "card" ? 0.1 : photo ? 0.12 : 0.5) ? "grey" : "colour";
  const lightLoss = (photo ? random.range(0.05, 0.4) : random.chance(0.35) ? random.range(0, 0.14) : 0.02) * s;
  const corner = (): number => 1 - random.next() * lightLoss;
  const thermal = kind === "thermal";
  const faint = random.chance(thermal ? 0.38 : 0.15);
  const harsh = taken === "copier" || (taken === "flatbed" && random.chance(0.45));
  const hard = taken !== "fax";
  return {
    paper: random.weighted(papers[kind]),
    bed: random.weighted(beds),
    grain: random.range(0.5, thermal ? 3.5 : 3) * s,
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
    dots: thermal && random.chance(0.1 * s) ? random.range(2.4, 3.6) : 0,
    noise: (photo ? random.range(2, 8) : random.range(0.5, 4)) * s,
    resolution: taken === "fax" ? 1 : random.chance(0.45 * s) ? random.range(0.56, 0.95) : 1,
    blur: taken === "fax" ? 0 : Math.max(0, random.range(photo ? 0.3 : -0.2, photo ? 1.1 : 0.8)) * s,
    black: (harsh ? random.range(10, 70) : random.range(0, 10)) * s,
    white: 255 - (harsh ? random.range(10, 45) : random.range(-12, 8)) * s,
    gamma: 1 + random.normal(0, 0.12) * s,
    tone,
    jpeg: random.chance(0.12) ? 0 : Math.round(100 - random.range(6, random.chance(0.3) ? 68 : 40) * s),
  };
}

/**
 * `look` with as much of the fading and contrast taken back as ink of brightness `ink` (0…255) needs to stay legible to a
 * person: `least` levels darker than the paper around it in the result.
 */
export function keepReadable(look: ScanLook, ink: number, least: number): ScanLook {
  let mended = look;
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
  return mended;
}

/** Levels between paper and worn ink where the light is worst. */
function contrast(look: ScanLook, ink: number): number {
  const { strength, patchy, streaks, speckle } = look.ink;
  const left = strength * (1 - 0.75 * patchy) * (1 - 0.5 * streaks) * (1 - 0.3 * speckle);
  const light = Math.min(...look.corners);
  const paper = light * (0.299 * look.paper[0] + 0.587 * look.paper[1] + 0.114 * look.paper[2]);
  const level = (value: number): number =>
    255 * Math.min(1, Math.max(0, (value - look.black) / (look.white - look.black))) ** look.gamma;
  return level(paper) - level((paper * (255 - (255 - ink) * left)) / 255);
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
