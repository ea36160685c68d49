/**
 * FUNSD (noisy scanned forms): entities (header, question, answer, other) with words.
 *
 * Two layouts: the public one (`images/*.png`, `annotations/*.json`; also below `training_data/` and `testing_data/`,
 * the latter becoming the test split), and a `manifest.json` with `items[]` of `{id, file, width, height, entities[]}`.
 * An entity over several lines becomes one region a line, so that a region is always one line of text.
 */
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { z } from "zod";
import { type Box, boxHeight, uniteBoxes } from "../../documents/geometry.ts";
import { codedError } from "../../errors.ts";
import type { RegionWord, Split } from "../manifest-types.ts";
import { decodeText, type ImportedPage, type ImportedRegion, parseJson } from "./imported-page.ts";

const box = z.tuple([z.number(), z.number(), z.number(), z.number()]);
const entitySchema = z.object({
  label: z.string(),
  box,
  text: z.string(),
  words: z.array(z.object({ box, text: z.string() })),
});
type FunsdEntity = z.infer<typeof entitySchema>;
const itemSchema = z.object({
  id: z.string().min(1),
  file: z.string().min(1),
  width: z.number(),
  height: z.number(),
  entities: z.array(entitySchema),
});

/** Pages of a FUNSD folder, by id. @throws ERR_DATASET_NOT_FOUND, ERR_DATASET_INVALID (file and field). */
export async function* readFunsd(source: string): AsyncGenerator<ImportedPage, void, void> {
  const names = await readdir(source).catch(() => [] as string[]);
  if (names.includes("manifest.json")) yield* readItems(source);
  else if (names.includes("images")) yield* readPublic(source, "");
  else if (names.includes("training_data") || names.includes("testing_data")) {
    if (names.includes("training_data")) yield* readPublic(source, "training_data/");
    if (names.includes("testing_data")) yield* readPublic(source, "testing_data/", "test");
  } else {
    throw codedError(
      "ERR_DATASET_NOT_FOUND",
      `${source} is not a FUNSD folder: it has neither manifest.json nor images/ and annotations/`,
    );
  }
}

async function* readItems(source: string): AsyncGenerator<ImportedPage, void, void> {
  const path = join(source, "manifest.json");
  const { items } = check(
    z.object({ items: z.array(itemSchema) }),
    parseJson(decodeText(await readFile(path)), path),
    path,
  );
  for (const item of items) {
    yield {
      id: item.id,
      image: item.file,
      width: item.width,
      height: item.height,
      regions: item.entities.flatMap(entityLines),
    };
  }
}

async function* readPublic(source: string, prefix: string, split?: Split): AsyncGenerator<ImportedPage, void, void> {
  const images = (await readdir(join(source, prefix, "images"))).filter((name) => /\.(png|jpe?g)$/i.test(name)).sort();
  for (const image of images) {
    const id = image.slice(0, -extname(image).length);
    const path = join(source, prefix, "annotations", `${id}.json`);
    const bytes = await readFile(path).catch((cause: unknown) => {
      throw codedError("ERR_DATASET_NOT_FOUND", `${path} does not exist or can't be read`, { cause });
    });
    const { form } = check(z.object({ form: z.array(entitySchema) }), parseJson(decodeText(bytes), path), path);
    yield {
      id,
      image: `${prefix}images/${image}`,
      ...(split === undefined ? {} : { split }),
      regions: form.flatMap(entityLines),
    };
  }
}

function check<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw codedError("ERR_DATASET_INVALID", `${path}: ${issue.path.join(".")}: ${issue.message}`);
}

/** One region for each line of an entity. Words without text are left out. */
export function entityLines(entity: FunsdEntity): ImportedRegion[] {
  const words = entity.words.filter((word) => word.text.trim() !== "");
  if (words.length === 0)
    return entity.text.trim() === "" ? [] : [{ box: entity.box, text: entity.text.trim(), label: entity.label }];
  const lines: RegionWord[][] = [];
  for (const word of words) {
    const line = lines.at(-1);
    if (line !== undefined && continuesLine(line, word)) line.push({ box: word.box, text: word.text.trim() });
    else lines.push([{ box: word.box, text: word.text.trim() }]);
  }
  return lines.map((line) => ({
    box: uniteBoxes(line.map((word) => word.box)),
    text: line.map((word) => word.text).join(" "),
    words: line,
    label: entity.label,
  }));
}

/** Whether `word` stands to the right of the line's last word and shares half of the smaller height with the line. */
function continuesLine(line: readonly RegionWord[], word: { box: Box }): boolean {
  const whole = uniteBoxes(line.map((w) => w.box));
  const shared = Math.min(whole[3], word.box[3]) - Math.max(whole[1], word.box[1]);
  return word.box[0] >= line.at(-1)!.box[0] && shared >= 0.5 * Math.min(boxHeight(whole), boxHeight(word.box));
}
