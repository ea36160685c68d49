/** The typefaces a document is set in. */

import type { Random } from "../../random/random.ts";
import { documentFaces, type FontCategory, type FontFace, fontFace } from "../../rendering/fonts.ts";

export interface Typeface {
  readonly regular: FontFace;
  /** The regular face where there is no bold or italic one. */
  readonly bold: FontFace;
  readonly italic: FontFace;
  readonly category: FontCategory;
}

const nameOf = (face: FontFace): string => face.id.replace(/-(400|700)(-italic)?$/, "");

/** The letters of nine needles: drawn of dots, five by seven. To be set in dots only, ten to the em. */
export const needleFace: FontFace = fontFace("doto-400");

const printed = documentFaces.filter((face) => face !== needleFace);
const typefaces: readonly Typeface[] = [...new Set(printed.map(nameOf))].map((name) => {
  const faces = printed.filter((face) => nameOf(face) === name);
  const regular = faces.find((face) => face.weight === 400 && !face.italic) ?? faces[0]!;
  return {
    regular,
    bold: faces.find((face) => face.weight === 700 && !face.italic) ?? regular,
    italic: faces.find((face) => face.weight === 400 && face.italic) ?? regular,
    category: regular.category,
  };
});

/** A typeface of one of the categories, each with its weight. */
export function pickTypeface(random: Random, weights: readonly (readonly [FontCategory, number])[]): Typeface {
  const category = random.weighted(weights.filter(([wanted]) => typefaces.some((face) => face.category === wanted)));
  return random.pick(typefaces.filter((face) => face.category === category));
}
