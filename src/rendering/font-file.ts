/**
 * Reads what is needed from a TrueType file: which characters it has, their advances and ink boxes. Exact and without
 * a canvas, so that measuring costs next to nothing and gives the same numbers on every machine.
 * Table layouts: the OpenType specification (head, hhea, hmtx, maxp, loca, glyf, cmap formats 4 and 12).
 */
import { codedError } from "../errors.ts";

/** In font units, y upwards. `ink` is absent for blank glyphs such as the space. */
export interface GlyphMetrics {
  readonly advance: number;
  readonly ink?: { readonly xMin: number; readonly yMin: number; readonly xMax: number; readonly yMax: number };
}

export interface FontFile {
  readonly unitsPerEm: number;
  /** Font units above and below the baseline that lines of this font are made for; both positive. */
  readonly ascent: number;
  readonly descent: number;
  /** undefined when the font has no glyph for the character. */
  glyph(codePoint: number): GlyphMetrics | undefined;
}

/** Throws ERR_RENDER when `bytes` is not a TrueType font with outlines. `name` says which in the message. */
export function parseFontFile(bytes: Uint8Array, name: string): FontFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const tables = readTables(view);
    const table = (tag: string): number => {
      const offset = tables.get(tag);
      if (offset === undefined) throw new Error(`no table ${tag}`);
      return offset;
    };
    const head = table("head");
    const unitsPerEm = view.getUint16(head + 18);
    const longOffsets = view.getInt16(head + 50) === 1;
    const hhea = table("hhea");
    const advances = view.getUint16(hhea + 34);
    const hmtx = table("hmtx");
    const loca = table("loca");
    const glyf = table("glyf");
    const glyphs = view.getUint16(table("maxp") + 4);
    const lookUp = readCharacterMap(view, table("cmap"));
    const offsetOf = (id: number): number =>
      longOffsets ? view.getUint32(loca + id * 4) : view.getUint16(loca + id * 2) * 2;
    const cache = new Map<number, GlyphMetrics | undefined>();

    const read = (codePoint: number): GlyphMetrics | undefined => {
      const id = lookUp(codePoint);
      if (id === 0 || id >= glyphs) return undefined;
      const advance = view.getUint16(hmtx + Math.min(id, advances - 1) * 4);
      const start = offsetOf(id);
      if (offsetOf(id + 1) === start) return { advance };
      const at = glyf + start;
      return {
        advance,
        ink: {
          xMin: view.getInt16(at + 2),
          yMin: view.getInt16(at + 4),
          xMax: view.getInt16(at + 6),
          yMax: view.getInt16(at + 8),
        },
      };
    };
    return {
      unitsPerEm,
      ascent: view.getInt16(hhea + 4),
      descent: -view.getInt16(hhea + 6),
      glyph(codePoint) {
        if (!cache.has(codePoint)) cache.set(codePoint, read(codePoint));
        return cache.get(codePoint);
      },
    };
  } catch (cause) {
    throw codedError("ERR_RENDER", `The font file of ${name} can't be read`, { cause });
  }
}

function readTables(view: DataView): Map<string, number> {
  const tables = new Map<string, number>();
  const count = view.getUint16(4);
  for (let i = 0; i < count; i++) {
    const at = 12 + i * 16;
    const tag = String.fromCharCode(
      view.getUint8(at),
      view.getUint8(at + 1),
      view.getUint8(at + 2),
      view.getUint8(at + 3),
    );
    tables.set(tag, view.getUint32(at + 8));
  }
  return tables;
}

/** A function from code point to glyph number; 0 when there is none. */
function readCharacterMap(view: DataView, cmap: number): (codePoint: number) => number {
  const subtables: { format: number; at: number }[] = [];
  const count = view.getUint16(cmap + 2);
  for (let i = 0; i < count; i++) {
    const platform = view.getUint16(cmap + 4 + i * 8);
    const at = cmap + view.getUint32(cmap + 8 + i * 8);
    // 0 is Unicode, 3 is Windows; others map old encodings.
    if (platform === 0 || platform === 3) subtables.push({ format: view.getUint16(at), at });
  }
  const full = subtables.find((s) => s.format === 12);
  if (full) return (codePoint) => lookUpGroups(view, full.at, codePoint);
  const basic = subtables.find((s) => s.format === 4);
  if (basic) return (codePoint) => lookUpSegments(view, basic.at, codePoint);
  throw new Error("no Unicode character map of format 4 or 12");
}

function lookUpGroups(view: DataView, at: number, codePoint: number): number {
  let low = 0;
  let high = view.getUint32(at + 12) - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const group = at + 16 + middle * 12;
    const first = view.getUint32(group);
    if (codePoint < first) high = middle - 1;
    else if (codePoint > view.getUint32(group + 4)) low = middle + 1;
    else return view.getUint32(group + 8) + codePoint - first;
  }
  return 0;
}

function lookUpSegments(view: DataView, at: number, codePoint: number): number {
  if (codePoint > 0xffff) return 0;
  const bytes = view.getUint16(at + 6);
  const ends = at + 14;
  const starts = ends + bytes + 2;
  const deltas = starts + bytes;
  const ranges = deltas + bytes;
  for (let i = 0; i < bytes; i += 2) {
    if (view.getUint16(ends + i) < codePoint) continue;
    const first = view.getUint16(starts + i);
    if (first > codePoint) return 0;
    const range = view.getUint16(ranges + i);
    const delta = view.getUint16(deltas + i);
    if (range === 0) return (codePoint + delta) & 0xffff;
    const id = view.getUint16(ranges + i + range + (codePoint - first) * 2);
    return id === 0 ? 0 : (id + delta) & 0xffff;
  }
  return 0;
}
