/** Exact boxes of what a sheet's lines leave on the page, from the outlines of the glyphs and the map of the paper. */
import { type Box, clipBox, type Quad, roundOut, type Size, uniteBoxes } from "../../documents/geometry.ts";
import type { Region, RegionWord } from "../manifest-types.ts";
import type { LocalMap, PageMap } from "./page-map.ts";
import { type Atom, type Point, type SheetLine, setGlyph } from "./sheet.ts";

/** Where an atom starts on the sheet, after its line's turn. */
export function atomStart(line: SheetLine, atom: Atom): Point {
  const dx = atom.x - line.origin[0];
  return [line.origin[0] + dx * Math.cos(line.turn), line.origin[1] + dx * Math.sin(line.turn)];
}

/** Boxes of an atom's glyphs relative to its start, in the line's own directions: x along the line, y down. */
function glyphBoxes(atom: Atom): Box[] {
  const { stretch = 1, tall = 1, spacing = 0 } = atom.style;
  const boxes: Box[] = [];
  let x = 0;
  for (const character of atom.text) {
    const { advance, ink } = setGlyph(character, atom.style);
    if (ink !== undefined) boxes.push([x + ink[0] * stretch, ink[1] * tall, x + ink[2] * stretch, ink[3] * tall]);
    x += advance * stretch + spacing;
  }
  return boxes;
}

/** The box on the page around everything an atom's glyphs can cover; undefined for blank text. */
export function atomBox(line: SheetLine, atom: Atom, map: PageMap): Box | undefined {
  const [sx, sy] = atomStart(line, atom);
  const local = map.local(sx, sy, line.turn);
  const boxes = glyphBoxes(atom).map((box) => mappedBounds(box, local));
  return boxes.length === 0 ? undefined : uniteBoxes(boxes);
}

function mappedBounds(box: Box, { x, y, a, b, c, d }: LocalMap): Box {
  const xs = [a * box[0] + c * box[1], a * box[2] + c * box[1], a * box[2] + c * box[3], a * box[0] + c * box[3]];
  const ys = [b * box[0] + d * box[1], b * box[2] + d * box[1], b * box[2] + d * box[3], b * box[0] + d * box[3]];
  return [x + Math.min(...xs), y + Math.min(...ys), x + Math.max(...xs), y + Math.max(...ys)];
}

/** The turned box around a line: exact for straight paper, within the bend's height otherwise. Clipped to the page. */
function lineQuad(line: SheetLine, atoms: readonly Atom[], map: PageMap, page: Size): Quad {
  const boxes = atoms.flatMap((atom) => glyphBoxes(atom).map((b): Box => [atom.x + b[0], b[1], atom.x + b[2], b[3]]));
  const [x0, top, x1, bottom] = uniteBoxes(boxes);
  const corner = (x: number, dy: number): Point => {
    const dx = x - line.origin[0];
    const cos = Math.cos(line.turn);
    const sin = Math.sin(line.turn);
    const [px, py] = map.point(line.origin[0] + dx * cos - dy * sin, line.origin[1] + dx * sin + dy * cos);
    const tenth = (value: number, limit: number): number => Math.round(Math.min(limit, Math.max(0, value)) * 10) / 10;
    return [tenth(px, page.width), tenth(py, page.height)];
  };
  return [...corner(x0, top), ...corner(x1, top), ...corner(x1, bottom), ...corner(x0, bottom)] as unknown as Quad;
}

/**
 * The regions of a line: the line itself (label "line"; with its entity where one value is the whole line) and each
 * value inside it (label "value"). Boxes have whole pixels and hold all ink.
 */
export function lineRegions(line: SheetLine, map: PageMap, page: Size): Region[] {
  const boxed = line.atoms
    .map((atom) => ({ atom, box: atomBox(line, atom, map) }))
    .filter((entry) => entry.box !== undefined) as {
    atom: Atom;
    box: Box;
  }[];
  if (boxed.length === 0) return [];
  const region = (entries: typeof boxed, label: string): Region => {
    const words: RegionWord[] = [];
    for (const index of new Set(entries.map(({ atom }) => atom.word))) {
      const parts = entries.filter(({ atom }) => atom.word === index);
      words.push({
        box: onPage(uniteBoxes(parts.map(({ box }) => box)), page),
        text: parts.map(({ atom }) => atom.text).join(""),
      });
    }
    return {
      box: onPage(uniteBoxes(entries.map(({ box }) => box)), page),
      quad: lineQuad(
        line,
        entries.map(({ atom }) => atom),
        map,
        page,
      ),
      text: words.map((word) => word.text).join(" "),
      words,
      label,
    };
  };
  const whole = region(boxed, "line");
  const values = line.pieces.flatMap((piece, index) => {
    const entries = boxed.filter(({ atom }) => atom.piece === index);
    return piece.entity === undefined || entries.length === 0
      ? []
      : [{ ...region(entries, "value"), entity: piece.entity }];
  });
  const only = values[0];
  if (values.length === 1 && only !== undefined && only.text === whole.text) return [{ ...whole, entity: only.entity }];
  return [whole, ...values];
}

const onPage = (box: Box, page: Size): Box => clipBox(roundOut(box), page);
