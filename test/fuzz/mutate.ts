/** Damages files the way storage, transfer and ill will do. Everything follows from the random stream that is given. */
import { crc32 } from "node:zlib";
import type { DocumentFormat } from "../../src/documents/document.ts";
import { sniffFormat } from "../../src/documents/format.ts";
import type { Random } from "../../src/random/random.ts";

/** Numbers at which counting goes wrong. */
const edges = [
  0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
];

/** A whole number in a file: where, of how many bytes, which end first. */
interface Field {
  readonly at: number;
  readonly bytes: 1 | 2 | 4;
  readonly little: boolean;
}

type Operation = (file: Buffer, random: Random, donor: Buffer) => Buffer;

/** Up to eight changes; `donor` is another file from which pieces come. */
export function mutateFile(file: Buffer, random: Random, donor: Buffer): Buffer {
  const format = sniffFormat(file);
  let mutant: Buffer = Buffer.from(file);
  const changes = random.weighted([
    [1, 5],
    [2, 3],
    [random.int(3, 8), 2],
  ]);
  for (let i = 0; i < changes && mutant.length > 0; i++) {
    const operation = random.weighted<Operation>([
      [flipBits, 3],
      [setBytes, 2],
      [truncate, 1],
      [removePiece, 1],
      [repeatPiece, 1],
      [movePiece, 1],
      [insertPiece, 1],
      [append, 1],
      [format === "pdf" ? changeDecimal : changeField(format), 5],
    ]);
    mutant = operation(mutant, random, donor);
  }
  // With right sums the change gets past the check and into the decoder.
  return format === "png" && random.chance(0.6) ? mendSums(mutant) : mutant;
}

/** More often near the start, where headers are. */
const somewhere = (file: Buffer, random: Random): number =>
  random.chance(0.4) ? random.below(Math.min(file.length, 200)) : random.below(file.length);

function flipBits(file: Buffer, random: Random): Buffer {
  for (let i = random.int(1, 16); i > 0; i--) {
    const at = somewhere(file, random);
    file[at] = file[at]! ^ (1 << random.below(8));
  }
  return file;
}

function setBytes(file: Buffer, random: Random): Buffer {
  const start = somewhere(file, random);
  const end = Math.min(file.length, start + random.int(1, 32));
  const value = random.pick([0, 0xff, 0x20, undefined]);
  for (let at = start; at < end; at++) file[at] = value ?? random.below(256);
  return file;
}

const truncate: Operation = (file, random) => file.subarray(0, random.below(file.length));

function piece(file: Buffer, random: Random): [from: number, to: number] {
  const from = somewhere(file, random);
  return [from, Math.min(file.length, from + random.pick([1, 4, 16, 64, 512, file.length]))];
}

const removePiece: Operation = (file, random) => {
  const [from, to] = piece(file, random);
  return Buffer.concat([file.subarray(0, from), file.subarray(to)]);
};

const repeatPiece: Operation = (file, random) => {
  const [from, to] = piece(file, random);
  const copies = Array.from({ length: random.int(1, 4) }, () => file.subarray(from, to));
  return Buffer.concat([file.subarray(0, to), ...copies, file.subarray(to)]);
};

const movePiece: Operation = (file, random) => {
  const [from, to] = piece(file, random);
  const rest = Buffer.concat([file.subarray(0, from), file.subarray(to)]);
  const at = random.below(rest.length + 1);
  return Buffer.concat([rest.subarray(0, at), file.subarray(from, to), rest.subarray(at)]);
};

const insertPiece: Operation = (file, random, donor) => {
  const [from, to] = piece(donor, random);
  const at = somewhere(file, random);
  return Buffer.concat([file.subarray(0, at), donor.subarray(from, to), file.subarray(at)]);
};

const append: Operation = (file, random, donor) =>
  Buffer.concat([file, random.chance(0.5) ? donor : Buffer.alloc(random.int(1, 5000), random.below(256))]);

const changeField =
  (format: DocumentFormat | undefined): Operation =>
  (file, random) => {
    const fields = (format === undefined ? [] : fieldsOf[format as Exclude<DocumentFormat, "pdf">](file)).filter(
      ({ at, bytes }) => at + bytes <= file.length,
    );
    const anywhere: Field = { at: somewhere(file, random), bytes: random.pick([1, 2, 4]), little: random.chance(0.5) };
    const field = fields.length > 0 && random.chance(0.8) ? random.pick(fields) : anywhere;
    if (field.at + field.bytes > file.length) return file;
    const old = read(file, field);
    const near = random.pick([old - 1, old + 1, old * 2, Math.floor(old / 2), file.length, random.below(file.length)]);
    write(file, field, random.chance(0.5) ? near : random.pick(edges));
    return file;
  };

function read(file: Buffer, { at, bytes, little }: Field): number {
  return little ? file.readUIntLE(at, bytes) : file.readUIntBE(at, bytes);
}

function write(file: Buffer, { at, bytes, little }: Field, value: number): void {
  const fitting = ((value % 256 ** bytes) + 256 ** bytes) % 256 ** bytes;
  if (little) file.writeUIntLE(fitting, at, bytes);
  else file.writeUIntBE(fitting, at, bytes);
}

const changeDecimal: Operation = (file, random) => {
  const numbers = [...file.toString("latin1").matchAll(/\d+/g)];
  if (numbers.length === 0) return file;
  const { index, 0: text } = random.pick(numbers);
  const value = random.chance(0.5) ? random.pick(edges) : random.int(-2, 2) + Number(text);
  const replacement = random.pick([String(value), `-${value}`, `${value}.5`, `${value} 0 R`, "1e99", "9".repeat(30)]);
  return Buffer.concat([
    file.subarray(0, index),
    Buffer.from(random.chance(0.6) ? String(value) : replacement, "latin1"),
    file.subarray(index + text.length),
  ]);
};

/** Lengths, sizes, counts and places that a decoder believes. */
const fieldsOf: Record<Exclude<DocumentFormat, "pdf">, (file: Buffer) => Field[]> = {
  png: (file) => {
    const fields: Field[] = [16, 20].map((at) => ({ at, bytes: 4, little: false }));
    for (let at = 24; at < 29; at++) fields.push({ at, bytes: 1, little: false });
    for (const { at } of pngChunks(file)) fields.push({ at, bytes: 4, little: false });
    return fields;
  },
  jpeg: (file) => {
    const fields: Field[] = [];
    for (let at = 2; at + 4 <= file.length && file[at] === 0xff; ) {
      const marker = file[at + 1]!;
      fields.push({ at: at + 2, bytes: 2, little: false });
      const frame = marker >= 0xc0 && marker <= 0xc2;
      if (frame) fields.push({ at: at + 5, bytes: 2, little: false }, { at: at + 7, bytes: 2, little: false });
      if (frame || marker === 0xda) for (let i = 4; i < 20; i++) fields.push({ at: at + i, bytes: 1, little: false });
      if (marker === 0xda) break;
      at += 2 + file.readUInt16BE(at + 2);
    }
    return fields;
  },
  webp: (file) => {
    const fields: Field[] = [{ at: 4, bytes: 4, little: true }];
    for (let at = 12; at + 8 <= file.length; ) {
      fields.push({ at: at + 4, bytes: 4, little: true });
      for (let i = 8; i < 18; i++) fields.push({ at: at + i, bytes: 1, little: true });
      const length = file.readUInt32LE(at + 4);
      at += 8 + length + (length % 2);
    }
    return fields;
  },
  tiff: (file) => {
    const little = file[0] === 0x49;
    const fields: Field[] = [{ at: 4, bytes: 4, little }];
    const value = (field: Field): number => (field.at + field.bytes <= file.length ? read(file, field) : 0);
    let at = value(fields[0]!);
    for (let page = 0; page < 8 && at >= 8 && at < file.length; page++) {
      const count: Field = { at, bytes: 2, little };
      fields.push(count);
      const entries = Math.min(64, value(count));
      for (let i = 0; i < entries; i++) {
        const entry = at + 2 + i * 12;
        fields.push({ at: entry, bytes: 2, little }, { at: entry + 2, bytes: 2, little });
        fields.push({ at: entry + 4, bytes: 4, little }, { at: entry + 8, bytes: 4, little });
      }
      const next: Field = { at: at + 2 + entries * 12, bytes: 4, little };
      fields.push(next);
      at = value(next);
    }
    return fields;
  },
};

function pngChunks(file: Buffer): { at: number; end: number }[] {
  const chunks: { at: number; end: number }[] = [];
  for (let at = 8; at + 12 <= file.length; ) {
    const end = at + 12 + file.readUInt32BE(at);
    chunks.push({ at, end });
    at = end;
  }
  return chunks;
}

function mendSums(png: Buffer): Buffer {
  for (const { at, end } of pngChunks(png))
    if (end <= png.length) png.writeUInt32BE(crc32(png.subarray(at + 4, end - 4)), end - 4);
  return png;
}

const strangeTexts = [
  "",
  " ",
  "null",
  "~",
  "\0",
  "é\uFFFF",
  "../../etc/passwd",
  "/",
  "x".repeat(5000),
  "NaN",
  "__proto__",
];
const strangeValues: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1e308,
  -0.5,
  2 ** 53,
  [],
  {},
  [[[[]]]],
  { __proto__: null, constructor: 1 },
  ...strangeTexts,
];

/** Replaces, adds, removes or moves values of a JSON-like tree in place; up to six of them. */
export function mutateTree(root: unknown, random: Random): unknown {
  const holder = { root };
  for (let i = random.int(1, 6); i > 0; i--) {
    const places = [...placesIn(holder)];
    const [parent, key] = random.pick(places);
    const [otherParent, otherKey] = random.pick(places);
    random.pick([
      () => {
        parent[key] = structuredClone(random.pick(strangeValues));
      },
      () => {
        parent[key] = structuredClone(otherParent[otherKey]);
      },
      () => {
        if (parent !== (holder as unknown)) delete parent[key];
      },
      () => {
        const value = parent[key];
        if (Array.isArray(value)) value.push(structuredClone(random.pick(strangeValues)));
        else parent[random.pick(strangeTexts.slice(0, 8))] = structuredClone(random.pick(strangeValues));
      },
      () => {
        const value = parent[key];
        if (typeof value === "number") parent[key] = random.pick([-value, value * 1e9, value + 0.5, String(value)]);
        else if (typeof value === "string") parent[key] = value + random.pick(strangeTexts);
      },
    ])();
  }
  return holder.root;
}

type Holder = Record<PropertyKey, unknown>;

function* placesIn(node: unknown, depth = 0): Generator<readonly [Holder, string]> {
  if (node === null || typeof node !== "object" || depth > 20) return;
  for (const key of Object.keys(node)) {
    yield [node as Holder, key];
    yield* placesIn((node as Holder)[key], depth + 1);
  }
}

/** Changes characters and lines of a text; `alphabet` are pieces that mean something in its language. */
export function mutateText(text: string, random: Random, alphabet: readonly string[]): string {
  let mutant = text;
  for (let i = random.int(1, 6); i > 0; i--) {
    const at = random.below(mutant.length + 1);
    const lines = mutant.split("\n");
    const line = random.below(lines.length);
    mutant = random.pick([
      () => mutant.slice(0, at) + random.pick(alphabet) + mutant.slice(at),
      () => mutant.slice(0, at) + mutant.slice(at + random.int(1, 20)),
      () => mutant.slice(0, at) + String.fromCharCode(random.below(0x3000)) + mutant.slice(at + 1),
      () => lines.toSpliced(line, 1).join("\n"),
      () => lines.toSpliced(line, 0, random.pick(lines)).join("\n"),
      () => lines.toSpliced(line, 1, " ".repeat(random.below(6)) + lines[line]!.trim()).join("\n"),
      () => mutant.slice(0, at),
    ])();
  }
  return mutant;
}
