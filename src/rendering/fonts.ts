/**
 * The typefaces documents are drawn and matched with. They come as files from npm packages, so the same text gives the
 * same pixels on every machine; installed fonts of the system are never asked for by name.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { GlobalFonts } from "@napi-rs/canvas";
import { codedError } from "../errors.ts";
import { type FontFile, parseFontFile } from "./font-file.ts";

export type FontCategory = "sans" | "serif" | "mono" | "condensed" | "typewriter" | "dot-matrix" | "handwriting";

export interface FontFace {
  /** "arimo-700-italic". */
  readonly id: string;
  /** The name the canvas knows this one file by: unique per face, so weight and slant never select another one. */
  readonly family: string;
  readonly weight: 400 | 700;
  readonly italic: boolean;
  readonly category: FontCategory;
  /** Whether its zero has a slash or a dot; the capital O of these faces looks like a plain zero. */
  readonly markedZero: boolean;
  /** The npm package and the file in it. */
  readonly source: { readonly package: string; readonly file: string };
}

function face(
  name: string,
  fileName: string,
  category: FontCategory,
  weight: 400 | 700 = 400,
  italic = false,
): FontFace {
  const style = `${weight === 700 ? "700Bold" : "400Regular"}${italic ? "_Italic" : ""}`;
  const id = `${name}-${weight}${italic ? "-italic" : ""}`;
  return {
    id,
    family: `anonymizer-${id}`,
    weight,
    italic,
    category,
    markedZero: ["b612-mono", "cousine", "inconsolata", "share-tech-mono", "vt323"].includes(name),
    source: { package: `@expo-google-fonts/${name}`, file: `${style}/${fileName}_${style}.ttf` },
  };
}

/** The faces that print is matched with, the plain ones first: where several fit equally well, the first is taken. */
export const fontFaces: readonly FontFace[] = Object.freeze([
  face("arimo", "Arimo", "sans"),
  face("arimo", "Arimo", "sans", 700),
  face("arimo", "Arimo", "sans", 400, true),
  face("arimo", "Arimo", "sans", 700, true),
  face("tinos", "Tinos", "serif"),
  face("tinos", "Tinos", "serif", 700),
  face("tinos", "Tinos", "serif", 400, true),
  face("tinos", "Tinos", "serif", 700, true),
  face("cousine", "Cousine", "mono"),
  face("cousine", "Cousine", "mono", 700),
  face("inconsolata", "Inconsolata", "mono"),
  face("inconsolata", "Inconsolata", "mono", 700),
  face("share-tech-mono", "ShareTechMono", "mono"),
  face("roboto-condensed", "RobotoCondensed", "condensed"),
  face("roboto-condensed", "RobotoCondensed", "condensed", 700),
  face("roboto-condensed", "RobotoCondensed", "condensed", 400, true),
  face("courier-prime", "CourierPrime", "typewriter"),
  face("courier-prime", "CourierPrime", "typewriter", 700),
  face("special-elite", "SpecialElite", "typewriter"),
  face("vt323", "VT323", "dot-matrix"),
  face("caveat", "Caveat", "handwriting"),
  face("caveat", "Caveat", "handwriting", 700),
]);

/** All faces invented documents are set in: those above, and some that matching would only be slower with. */
export const documentFaces: readonly FontFace[] = Object.freeze([
  ...fontFaces,
  face("pt-sans", "PTSans", "sans"),
  face("pt-sans", "PTSans", "sans", 700),
  face("pt-sans", "PTSans", "sans", 400, true),
  face("caladea", "Caladea", "serif"),
  face("caladea", "Caladea", "serif", 700),
  face("caladea", "Caladea", "serif", 400, true),
  face("b612-mono", "B612Mono", "mono"),
  face("b612-mono", "B612Mono", "mono", 700),
  face("pt-mono", "PTMono", "mono"),
  face("cutive-mono", "CutiveMono", "typewriter"),
  face("doto", "Doto", "dot-matrix"),
  face("patrick-hand", "PatrickHand", "handwriting"),
  face("reenie-beanie", "ReenieBeanie", "handwriting"),
  face("cedarville-cursive", "CedarvilleCursive", "handwriting"),
]);

/** The face used where nothing is known about the text. */
export const defaultFace: FontFace = fontFaces[0]!;

/** Finds a face by its id; ERR_INVALID_ARGUMENT when there is none. */
export function fontFace(id: string): FontFace {
  const found = documentFaces.find((f) => f.id === id);
  if (!found)
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `There is no font face "${id}"; there are ${documentFaces.map((f) => f.id).join(", ")}`,
    );
  return found;
}

const require = createRequire(import.meta.url);
const files = new Map<string, FontFile>();
const registered = new Set<string>();

/** The absolute path of the face's file. ERR_RENDER when its package is not installed. */
function fontPath(wanted: FontFace): string {
  try {
    return join(dirname(require.resolve(`${wanted.source.package}/package.json`)), wanted.source.file);
  } catch (cause) {
    throw codedError("ERR_RENDER", `The font package ${wanted.source.package} is not installed`, { cause });
  }
}

/** Metrics of the face's file, read on first use and kept. ERR_RENDER when the file is missing or damaged. */
export function fontFile(wanted: FontFace): FontFile {
  let file = files.get(wanted.id);
  if (!file) {
    const path = fontPath(wanted);
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(path);
    } catch (cause) {
      throw codedError("ERR_RENDER", `The font file ${wanted.source.file} of ${wanted.source.package} can't be read`, {
        cause,
      });
    }
    file = parseFontFile(bytes, wanted.id);
    files.set(wanted.id, file);
  }
  return file;
}

/**
 * Makes the face known to the canvas. The canvas keeps one list for the whole process, shared by all worker threads;
 * a face is added only once.
 */
export function registerFace(wanted: FontFace): void {
  if (registered.has(wanted.id)) return;
  if (!GlobalFonts.has(wanted.family) && !GlobalFonts.registerFromPath(fontPath(wanted), wanted.family)) {
    throw codedError("ERR_RENDER", `The font file of ${wanted.id} was refused by the canvas`);
  }
  registered.add(wanted.id);
}

/** Whether the face has a glyph for every character of `text` (spaces and line ends aside). */
export function coversText(wanted: FontFace, text: string): boolean {
  const file = fontFile(wanted);
  for (const character of text) {
    if (/\s/u.test(character)) continue;
    if (!file.glyph(character.codePointAt(0)!)) return false;
  }
  return true;
}

/** The first face that covers `text`, `preferred` before all others; `preferred` when none does. */
export function coveringFace(text: string, preferred: FontFace = defaultFace): FontFace {
  return [preferred, ...fontFaces].find((f) => coversText(f, text)) ?? preferred;
}
