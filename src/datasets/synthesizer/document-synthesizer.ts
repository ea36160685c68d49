/** Draws invented documents that look like scans, with exact boxes and labels. */
import { type Box, type Size, uniteBoxes } from "../../documents/geometry.ts";
import type { RasterImage } from "../../documents/image.ts";
import { codedError, throwIfAborted } from "../../errors.ts";
import { hashParts } from "../../random/hash.ts";
import { Random } from "../../random/random.ts";
import type { Region } from "../manifest-types.ts";
import { pause } from "../pause.ts";
import type { DotPrint } from "./dot-print.ts";
import { type DocumentKind, type Draft, type Drafter, documentKinds } from "./draft.ts";
import { atomBox, lineRegions } from "./ink-boxes.ts";
import { draftForm } from "./kinds/form.ts";
import { draftIdCard } from "./kinds/id-card.ts";
import { draftInvoice } from "./kinds/invoice.ts";
import { draftLetter } from "./kinds/letter.ts";
import { draftReceipt } from "./kinds/receipt.ts";
import { type Language, languages } from "./languages.ts";
import { isLegible } from "./legible.ts";
import { PageMap, randomMapShape } from "./page-map.ts";
import { scanSheet } from "./scan.ts";
import { keepReadable, legibleSize, randomLook } from "./scan-look.ts";
import { type Point, type Shape, Sheet, type SheetLine } from "./sheet.ts";

export interface SynthesizerOptions {
  /** Which kinds `document(index)` draws without being told, and how often. Default: receipts 40 %, others 10–20 %. */
  readonly kinds?: Readonly<Partial<Record<DocumentKind, number>>>;
  /** Languages, evenly; default all six, English twice as often. */
  readonly languages?: readonly Language[];
  /** 0 (clean print on white) … 1 (as scans are): fading, noise, blur, compression, shadows, folds. Default 1. */
  readonly wear?: number;
  /** 0 (straight and flat) … 1: skew up to 3°, bending, perspective. Default 1. */
  readonly skew?: number;
  /** Logos, rules, frames of stamps, codes, pen strokes, dust; default true. False leaves nothing but text. */
  readonly decorations?: boolean;
}

export interface SyntheticDocument {
  /** "receipt-1f3a5c7e-000012": kind, hash of the seed, index. */
  readonly id: string;
  readonly kind: DocumentKind;
  readonly language: Language;
  readonly image: RasterImage;
  /**
   * Text lines (label "line") and the pieces of personal data in them (label "value", with `entity`; a line that is one
   * piece as a whole is a "line" with `entity`). Boxes hold all ink, in pixels of `image`.
   */
  readonly regions: readonly Region[];
  /** What the document says by name ("company", "total"), as printed. */
  readonly fields: Readonly<Record<string, string>>;
}

const defaultKinds: Readonly<Record<DocumentKind, number>> = {
  receipt: 4,
  invoice: 2,
  letter: 1.5,
  form: 1.5,
  id_card: 1,
};

const drafters: Readonly<Record<DocumentKind, Drafter>> = {
  receipt: draftReceipt,
  invoice: draftInvoice,
  letter: draftLetter,
  form: draftForm,
  id_card: draftIdCard,
};

/** Makes documents from a seed: the same seed and index give the same pixels, boxes and texts. */
export class DocumentSynthesizer {
  readonly #seed: number | string;
  readonly #seedTag: string;
  readonly #kinds: readonly (readonly [DocumentKind, number])[];
  readonly #languages: readonly (readonly [Language, number])[];
  readonly #wear: number;
  readonly #skew: number;
  readonly #decorations: boolean;

  /** @throws ERR_INVALID_ARGUMENT for an unknown kind or language, or a strength outside 0…1. */
  constructor(seed: number | string, options: SynthesizerOptions = {}) {
    const { kinds = defaultKinds, languages: wanted, wear = 1, skew = 1, decorations = true } = options;
    this.#seed = seed;
    this.#seedTag = hashParts("seed", seed).toString("hex", 0, 4);
    this.#kinds = Object.entries(kinds) as [DocumentKind, number][];
    this.#languages =
      wanted?.map((language) => [language, 1]) ?? languages.map((language) => [language, language === "en" ? 2 : 1]);
    this.#wear = wear;
    this.#skew = skew;
    this.#decorations = decorations;
    check(
      this.#kinds.every(([kind, share]) => documentKinds.includes(kind) && share >= 0),
      `kinds must be some of ${documentKinds.join(", ")} with shares of 0 or more`,
    );
    check(
      this.#kinds.some(([, share]) => share > 0),
      "kinds must name at least one kind",
    );
    check(
      this.#languages.length > 0 && this.#languages.every(([language]) => languages.includes(language)),
      `languages must be some of ${languages.join(", ")}`,
    );
    check(wear >= 0 && wear <= 1 && skew >= 0 && skew <= 1, "wear and skew must be 0…1");
  }

  /** The document number `index` (0, 1, …), of the given kind or of one by chance. */
  async document(index: number, kind?: DocumentKind): Promise<SyntheticDocument> {
    check(Number.isSafeInteger(index) && index >= 0, `A document's index must be 0 or more, not ${index}`);
    check(kind === undefined || documentKinds.includes(kind), `kind must be one of ${documentKinds.join(", ")}`);
    const random = new Random("document", this.#seed, index);
    const chosen = kind ?? random.fork("kind").weighted(this.#kinds);
    const language = random.fork("language").weighted(this.#languages);
    // Loaded on first use: the names of six languages take a third of a second to load.
    const { Inventor } = await import("./inventor.ts");
    const inventor = new Inventor(random.fork("inventor", chosen), language);
    const drafted = drafters[chosen]({
      random: random.fork("layout", chosen),
      inventor,
      decorations: this.#decorations,
    });
    const draft = this.#decorations ? drafted : textOnly(drafted);
    await pause();
    const { map, page } = layDown(draft, random.fork("position", chosen), this.#skew, this.#wear);
    await pause();
    const sheet = new Sheet();
    paper(sheet, draft, random.fork("paper", chosen), this.#wear);
    sheet.items.push(...draft.sheet.items);
    const lines = draft.sheet.items.filter((item): item is SheetLine => item.kind === "line");
    const look = keepReadable(
      randomLook(random.fork("look", chosen), draft.paper, this.#wear),
      meanInk(lines),
      draft.paper === "office" ? 105 : 90,
      usualSize(lines),
    );
    const { image, drawn } = await scanSheet(sheet, map, page, look, random.fork("scan", chosen));
    // What nobody could read any more is no text.
    const least = this.#wear > 0 ? legibleSize(look) : 0;
    const regions: Region[] = [];
    for (const line of lines) {
      if (typeSize(line) < least) continue;
      const found = lineRegions(line, map, page);
      if (this.#wear === 0 || found[0]?.words?.every(({ box }) => isLegible(drawn, image, box))) regions.push(...found);
      if (regions.length % 16 === 0) await pause();
    }
    return {
      id: `${chosen}-${this.#seedTag}-${String(index).padStart(6, "0")}`,
      kind: chosen,
      language,
      image,
      regions,
      fields: draft.fields,
    };
  }

  /** The first `count` documents. */
  async *documents(count: number, signal?: AbortSignal): AsyncGenerator<SyntheticDocument, void, void> {
    for (let index = 0; index < count; index++) {
      throwIfAborted(signal);
      yield await this.document(index);
    }
  }
}

function check(fine: boolean, message: string): void {
  if (!fine) throw codedError("ERR_INVALID_ARGUMENT", message);
}

/** The draft without any shape; text that stood on a dark ground becomes black. */
function textOnly(draft: Draft): Draft {
  const sheet = new Sheet();
  for (const item of draft.sheet.items) {
    if (item.kind === "shape") continue;
    const atoms = item.atoms.map((atom) =>
      Math.min(...atom.style.colour) > 150 ? { ...atom, style: { ...atom.style, colour: [0, 0, 0] as const } } : atom,
    );
    sheet.items.push({ ...item, atoms });
  }
  return { ...draft, sheet };
}

/** Of a line's smallest letters, in pixels. Handwriting has small letters and thin strokes for its em. */
const typeSize = (line: SheetLine): number =>
  Math.min(
    ...line.atoms.map(
      ({ style: { face, size, stretch = 1 } }) =>
        size * Math.min(1, stretch) * (face.category === "handwriting" ? 0.6 : 1),
    ),
  );

/** The size that three quarters of the lines have at least. */
function usualSize(lines: readonly SheetLine[]): number {
  const sizes = lines.map(typeSize).sort((a, b) => a - b);
  return sizes[sizes.length >> 2] ?? 20;
}

/** Mean brightness 0…255 of the dark inks. */
function meanInk(lines: readonly SheetLine[]): number {
  const levels = lines
    .map((line) => line.atoms[0]!.style)
    .map(
      ({ colour, alpha = 1, dots }) =>
        255 - alpha * dotInk(dots) * (255 - (0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2])),
    )
    .filter((level) => level < 200);
  return levels.length === 0 ? 0 : levels.reduce((a, b) => a + b, 0) / levels.length;
}

/** Share of a stroke's area that is ink. */
function dotInk(dots: DotPrint | undefined): number {
  if (dots === undefined) return 1;
  const { head, dot, cold = 1, needles = [1] } = dots;
  if (head === "thermal") return Math.min(1, dot) * (0.5 + 0.5 * cold);
  return Math.min(1, (Math.PI / 4) * dot ** 2) * (needles.reduce((a, b) => a + b) / needles.length);
}

/** The white sheet itself; what is not paper stays transparent and becomes the scanner's bed. */
function paper(sheet: Sheet, draft: Draft, random: Random, wear: number): void {
  const { width, height } = draft;
  const points: Point[] = [];
  if (draft.paper === "card") {
    const radius = width * 0.036;
    for (let i = 0; i < 24; i++) {
      const angle = ((i + 0.5) / 24) * 2 * Math.PI - Math.PI;
      const [cx, cy] = [Math.cos(angle) < 0 ? radius : width - radius, Math.sin(angle) < 0 ? radius : height - radius];
      points.push([cx + radius * Math.cos(angle), cy + radius * Math.sin(angle)]);
    }
    sheet.shape(points, true, { fill: [255, 255, 255] });
    return;
  }
  // Torn or cut edges of till rolls.
  const teeth = draft.paper === "thermal" && wear > 0 && random.chance(0.4) ? random.range(2, 6) * wear : 0;
  const edge = (y: number, from: number, to: number): void => {
    const steps = teeth > 0 ? Math.round(width / 9) : 8;
    for (let i = 0; i <= steps; i++) points.push([from + ((to - from) * i) / steps, y + (i % 2) * teeth]);
  };
  const side = (x: number, from: number, to: number): void => {
    for (let i = 1; i < 16; i++) points.push([x, from + ((to - from) * i) / 16]);
  };
  edge(0, 0, width);
  side(width, 0, height);
  edge(height - teeth, width, 0);
  side(0, height, 0);
  sheet.shape(points, true, { fill: [255, 255, 255] });
}

/** Puts the sheet on the scanner: how it lies, and the part of the bed that becomes the page. All text is on the page. */
function layDown(draft: Draft, random: Random, skew: number, wear: number): { map: PageMap; page: Size } {
  const map = new PageMap(
    randomMapShape(random, draft.width, draft.height, skew, draft.paper === "card"),
    draft.width,
    draft.height,
  );
  const around = [0, 0.25, 0.5, 0.75, 1].flatMap((t): Point[] => [
    map.point(t * draft.width, 0),
    map.point(t * draft.width, draft.height),
    map.point(0, t * draft.height),
    map.point(draft.width, t * draft.height),
  ]);
  const sheetBox: Box = [
    Math.min(...around.map((p) => p[0])),
    Math.min(...around.map((p) => p[1])),
    Math.max(...around.map((p) => p[0])),
    Math.max(...around.map((p) => p[1])),
  ];
  const content = uniteBoxes(
    draft.sheet.items.map((item) => contentBox(item, draft, map)).filter((box) => box !== undefined),
  );
  // 0: cut just outside the content; 1: the whole sheet; above 1: bed around it.
  const roomy = wear > 0 && random.chance(draft.paper === "card" ? 0.8 : 0.35);
  const cut = (inner: number, outer: number): number => {
    const margin = Math.max(6, Math.abs(outer - inner));
    return roomy ? margin + random.range(4, 0.06 * draft.width) : margin * (wear > 0 ? random.range(0.55, 1) : 1);
  };
  const left = Math.floor(content[0] - cut(content[0], sheetBox[0]));
  const top = Math.floor(content[1] - cut(content[1], sheetBox[1]));
  const right = Math.ceil(content[2] + cut(content[2], sheetBox[2]));
  const bottom = Math.ceil(content[3] + cut(content[3], sheetBox[3]));
  map.shift(-left, -top);
  return { map, page: { width: right - left, height: bottom - top } };
}

/** What an item of the sheet covers; undefined for what a cut may go through (specks, and shapes over the whole sheet). */
function contentBox(item: SheetLine | Shape, draft: Draft, map: PageMap): Box | undefined {
  if (item.kind === "line") {
    const boxes = item.atoms.map((atom) => atomBox(item, atom, map)).filter((box) => box !== undefined);
    return boxes.length === 0 ? undefined : uniteBoxes(boxes);
  }
  const xs = item.points.map(([x]) => x);
  const ys = item.points.map(([, y]) => y);
  const flat: Box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  const [width, height] = [flat[2] - flat[0], flat[3] - flat[1]];
  if (Math.max(width, height) < 10 || flat[0] < 0 || flat[1] < 0 || flat[2] > draft.width || flat[3] > draft.height)
    return undefined;
  const points = item.points.map(([x, y]) => map.point(x, y));
  return [
    Math.min(...points.map((p) => p[0])),
    Math.min(...points.map((p) => p[1])),
    Math.max(...points.map((p) => p[0])),
    Math.max(...points.map((p) => p[1])),
  ];
}
