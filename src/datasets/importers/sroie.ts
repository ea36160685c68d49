/**
 * SROIE (scanned receipts, ICDAR 2019): text lines with quads and four key fields a receipt.
 *
 * Two layouts: the public one (`img/*.jpg`, `box/*.csv` with `x1,y1,…,x4,y4,text` lines, `key/*.json`; also below
 * `data/`), and a `manifest.json` with `items[]` of `{id, file, width, height, lines[]}`.
 */
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { z } from "zod";
import type { EntityType } from "../../detection/entity.ts";
import type { Box, Quad } from "../../documents/geometry.ts";
import { codedError } from "../../errors.ts";
import { decodeText, type ImportedPage, type ImportedRegion, parseJson } from "./imported-page.ts";

const entityOfField: Readonly<Record<string, EntityType>> = { company: "company", address: "address", date: "date" };

const numbers4 = z.tuple([z.number(), z.number(), z.number(), z.number()]);
const numbers8 = z.tuple([
  z.number(),
  z.number(),
  z.number(),
  z.number(),
  z.number(),
  z.number(),
  z.number(),
  z.number(),
]);
const itemSchema = z.object({
  id: z.string().min(1),
  file: z.string().min(1),
  width: z.number(),
  height: z.number(),
  lines: z.array(z.object({ quad: numbers8, box: numbers4, text: z.string(), field: z.string().optional() })),
});
const keySchema = z.object({
  company: z.string().optional(),
  address: z.string().optional(),
  date: z.string().optional(),
  total: z.string().optional(),
});
type SroieKey = z.infer<typeof keySchema>;

/** Pages of a SROIE folder, by id. @throws ERR_DATASET_NOT_FOUND, ERR_DATASET_INVALID (file and line). */
export async function* readSroie(source: string): AsyncGenerator<ImportedPage, void, void> {
  const names = await readdir(source).catch(() => [] as string[]);
  if (names.includes("manifest.json")) yield* readItems(source);
  else if (names.includes("img")) yield* readPublic(source, "");
  else if (names.includes("data")) yield* readPublic(source, "data/");
  else {
    throw codedError(
      "ERR_DATASET_NOT_FOUND",
      `${source} is not a SROIE folder: it has neither manifest.json nor img/ and box/`,
    );
  }
}

async function* readItems(source: string): AsyncGenerator<ImportedPage, void, void> {
  const path = join(source, "manifest.json");
  const parsed = z.object({ items: z.array(itemSchema) }).safeParse(parseJson(decodeText(await readFile(path)), path));
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw codedError("ERR_DATASET_INVALID", `${path}: ${issue.path.join(".")}: ${issue.message}`);
  }
  for (const item of parsed.data.items) {
    yield {
      id: item.id,
      image: item.file,
      width: item.width,
      height: item.height,
      regions: item.lines.map((line) => sroieRegion(line.text, line.quad, line.field, line.box)),
    };
  }
}

async function* readPublic(source: string, prefix: string): AsyncGenerator<ImportedPage, void, void> {
  const images = (await readdir(join(source, prefix, "img"))).filter((name) => /\.(jpe?g|png)$/i.test(name)).sort();
  const boxes = new Set(await readdir(join(source, prefix, "box")).catch(() => [] as string[]));
  for (const image of images) {
    const id = image.slice(0, -extname(image).length);
    const boxFile = [`${id}.csv`, `${id}.txt`].find((name) => boxes.has(name));
    if (boxFile === undefined)
      throw codedError("ERR_DATASET_NOT_FOUND", `${join(source, prefix, "box", `${id}.csv`)} does not exist`);
    const boxPath = join(source, prefix, "box", boxFile);
    const lines = parseBoxFile(decodeText(await readFile(boxPath)), boxPath);
    const key = await readKey(join(source, prefix, "key", `${id}.json`));
    yield {
      id,
      image: `${prefix}img/${image}`,
      regions: lines.map((line) => sroieRegion(line.text, line.quad, sroieField(line.text, key))),
    };
  }
}

async function readKey(path: string): Promise<SroieKey> {
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined) return {};
  const parsed = keySchema.safeParse(parseJson(decodeText(bytes), path));
  if (!parsed.success)
    throw codedError("ERR_DATASET_INVALID", `${path}: ${parsed.error.issues[0]!.path.join(".")}: is not text`);
  return parsed.data;
}

function parseBoxFile(text: string, path: string): { quad: Quad; text: string }[] {
  const lines: { quad: Quad; text: string }[] = [];
  text.split(/\r?\n/).forEach((line, index) => {
    if (line.trim() === "") return;
    // The text may hold commas; the coordinates come first.
    const match = /^((?:\s*-?\d+(?:\.\d+)?\s*,){8})(.*)$/.exec(line);
    if (match === null)
      throw codedError("ERR_DATASET_INVALID", `${path}:${index + 1}: does not start with eight numbers`);
    const quad = match[1]!.split(",").slice(0, 8).map(Number) as unknown as Quad;
    lines.push({ quad, text: match[2]!.trim() });
  });
  return lines;
}

function sroieRegion(text: string, quad: Quad, field: string | undefined, box?: Box): ImportedRegion {
  const entity = field === undefined ? undefined : entityOfField[field];
  return {
    ...(box === undefined ? {} : { box }),
    quad,
    text,
    ...(field === undefined ? {} : { label: field }),
    ...(entity === undefined ? {} : { entity }),
  };
}

const letters = (text: string): string => text.toUpperCase().replace(/[^\p{L}\p{N}]/gu, "");

/**
 * Which key field a line shows: the source has the values only, not their places. Company and address may run over
 * several lines, so a line that is part of the value counts; date and total must be in the line whole.
 */
export function sroieField(text: string, key: SroieKey): "company" | "address" | "date" | "total" | undefined {
  const line = letters(text);
  if (line === "") return undefined;
  const company = letters(key.company ?? "");
  if (company !== "" && (line.includes(company) || (line.length >= 5 && company.includes(line)))) return "company";
  const address = letters(key.address ?? "");
  if (line.length >= 4 && /\p{L}/u.test(line) && address.includes(line)) return "address";
  if (key.date && text.toUpperCase().includes(key.date.toUpperCase())) return "date";
  const amount = /\d+(?:,\d{3})*\.\d{2}/;
  const total = amount.exec(key.total ?? "")?.[0];
  if (total !== undefined && text.replace(/^\s*(?:RM|MYR|\$)\s*/i, "").trim() === total) return "total";
  return undefined;
}
