/** Turns a foreign dataset into a folder with `manifest.jsonl` and `images/`. */
import { copyFile, link, mkdir, realpath, rm } from "node:fs/promises";
import { extname, join } from "node:path";
import sharp from "sharp";
import type { OcrEngine } from "../../detection/ocr.ts";
import { type Box, quadBounds, type Size } from "../../documents/geometry.ts";
import { resolveInside } from "../../documents/inside-folder.ts";
import { AnonymizerError, codedError, throwIfAborted } from "../../errors.ts";
import { hashParts } from "../../random/hash.ts";
import { writeManifest } from "../manifest.ts";
import type { ManifestRecord, Region, Split } from "../manifest-types.ts";
import { checkSplitChoice, defaultShares, type SplitShares, splitOf } from "../split.ts";
import { boxToPixels, type CoordinateUnit, quadToPixels } from "./coordinates.ts";
import { readFolder } from "./folder.ts";
import { readFunsd } from "./funsd.ts";
import type { ImportedPage, ImportedRegion } from "./imported-page.ts";
import { readSroie } from "./sroie.ts";

export const importFormats = ["sroie", "funsd", "folder"] as const;
export type ImportFormat = (typeof importFormats)[number];

export interface ImportOptions {
  readonly format: ImportFormat;
  /** Folder of the foreign dataset. Files it names stay inside it. */
  readonly source: string;
  /** Folder to write; made when it does not exist. */
  readonly out: string;
  /** One split for all pages, or shares by hash of the id (default .8/.1/.1). A source's own test split stays one. */
  readonly split?: Split | SplitShares;
  /** Unit of the source's coordinates; default pixels. */
  readonly coordinates?: CoordinateUnit;
  /** What to do with a box that does not fit its page: stop with its name (default), or leave it out and count it. */
  readonly onBadBox?: "error" | "drop";
  /** Needed by format "folder". */
  readonly ocr?: OcrEngine;
  readonly signal?: AbortSignal;
  readonly onProgress?: (pages: number) => void;
}

export interface ImportResult {
  readonly manifest: string;
  readonly records: number;
  readonly regions: number;
  /** Regions left out, counted by reason. */
  readonly dropped: Readonly<Record<string, number>>;
}

/**
 * Imports a dataset. Images are hard-linked where possible and copied otherwise, byte for byte.
 *
 * @throws ERR_DATASET_NOT_FOUND, ERR_DATASET_INVALID, ERR_GEOMETRY (naming page and box), ERR_PATH_OUTSIDE_ROOT,
 * ERR_DATASET_EMPTY when the source holds no page, ERR_OUTPUT, ERR_ABORTED, ERR_INVALID_ARGUMENT.
 */
export async function importDataset(options: ImportOptions): Promise<ImportResult> {
  const {
    source,
    out,
    split = defaultShares,
    coordinates = "pixels",
    onBadBox = "error",
    signal,
    onProgress,
  } = options;
  checkSplitChoice(split);
  throwIfAborted(signal);
  const dropped: Record<string, number> = {};
  const drop = (reason: string): void => {
    dropped[reason] = (dropped[reason] ?? 0) + 1;
  };
  let regions = 0;
  let pages = 0;
  await mkdir(join(out, "images"), { recursive: true }).catch((cause: unknown) => {
    throw codedError("ERR_OUTPUT", `The folder ${out} can't be made`, { cause });
  });

  async function* records(): AsyncGenerator<ManifestRecord, void, void> {
    const names = new Set<string>();
    for await (const page of readPages(options)) {
      throwIfAborted(signal);
      const path = await resolveInside(source, page.image, { missing: "ERR_DATASET_NOT_FOUND" });
      const size = await imageSize(path);
      if ((page.width ?? size.width) !== size.width || (page.height ?? size.height) !== size.height) {
        throw codedError(
          "ERR_DATASET_INVALID",
          `${path} is ${size.width}×${size.height} px, its annotation says ${page.width}×${page.height}`,
        );
      }
      const name = fileName(page, names);
      const sound = convertRegions(page, size, coordinates, onBadBox, drop);
      regions += sound.length;
      await place(path, join(out, "images", name));
      yield {
        id: page.id,
        image: `images/${name}`,
        width: size.width,
        height: size.height,
        split: page.split ?? splitOf(page.id, split),
        regions: sound,
      };
      pages++;
      onProgress?.(pages);
    }
    if (pages === 0) throw codedError("ERR_DATASET_EMPTY", `${source} holds no page`);
  }

  const manifest = join(out, "manifest.jsonl");
  return { manifest, records: await writeManifest(manifest, records(), signal), regions, dropped };
}

function readPages(options: ImportOptions): AsyncGenerator<ImportedPage, void, void> {
  if (options.format === "sroie") return readSroie(options.source);
  if (options.format === "funsd") return readFunsd(options.source);
  if (options.format !== "folder") {
    throw codedError(
      "ERR_INVALID_ARGUMENT",
      `format is ${JSON.stringify(options.format)}; it must be one of ${importFormats.join(", ")}`,
    );
  }
  if (options.ocr === undefined)
    throw codedError("ERR_INVALID_ARGUMENT", 'Format "folder" needs an OCR engine in `ocr`');
  return readFolder(options.source, options.ocr, options.signal);
}

function convertRegions(
  page: ImportedPage,
  size: Size,
  unit: CoordinateUnit,
  onBadBox: "error" | "drop",
  drop: (reason: string) => void,
): Region[] {
  const sound: Region[] = [];
  for (const [index, region] of page.regions.entries()) {
    if (region.text.trim() === "") {
      drop("empty text");
      continue;
    }
    try {
      sound.push(convertRegion(region, size, unit, `Page ${JSON.stringify(page.id)}, region ${index}`));
    } catch (error) {
      if (onBadBox === "error" || !(error instanceof AnonymizerError) || error.code !== "ERR_GEOMETRY") throw error;
      drop("box does not fit the page");
    }
  }
  return sound;
}

function convertRegion(region: ImportedRegion, size: Size, unit: CoordinateUnit, name: string): Region {
  const quad = region.quad === undefined ? undefined : quadToPixels(region.quad, unit, size, `${name}, quad`);
  const box: Box | undefined =
    region.box === undefined ? quad && quadBounds(quad) : boxToPixels(region.box, unit, size, `${name}, box`);
  if (box === undefined) throw codedError("ERR_DATASET_INVALID", `${name} has neither box nor quad`);
  const words = region.words?.map((word, i) => ({
    box: boxToPixels(word.box, unit, size, `${name}, word ${i}`),
    text: word.text,
  }));
  return {
    box,
    ...(quad === undefined ? {} : { quad }),
    text: region.text,
    ...(words === undefined ? {} : { words }),
    ...(region.label === undefined ? {} : { label: region.label }),
    ...(region.entity === undefined ? {} : { entity: region.entity }),
  };
}

async function imageSize(path: string): Promise<Size> {
  try {
    const { width, height } = await sharp(path).metadata();
    return { width, height };
  } catch (cause) {
    throw codedError("ERR_DOCUMENT_DAMAGED", `${path} is not a readable image`, { cause });
  }
}

/** A plain file name for the page; ids with other characters, or names already taken, get a piece of their hash. */
function fileName(page: ImportedPage, taken: Set<string>): string {
  const extension = extname(page.image).toLowerCase();
  const stem = page.id.endsWith(extname(page.image))
    ? page.id.slice(0, -extname(page.image).length || undefined)
    : page.id;
  let name = `${stem
    .replace(/[^A-Za-z0-9._-]/g, "_")
    .replace(/^\.+/, "_")
    .slice(0, 100)}${extension}`;
  if (!name.startsWith(stem) || taken.has(name)) name = `${hashParts(page.id).toString("hex", 0, 6)}-${name}`;
  taken.add(name);
  return name;
}

async function place(from: string, to: string): Promise<void> {
  if ((await realpath(to).catch(() => undefined)) === from) return; // imported in place
  try {
    await rm(to, { force: true });
    await link(from, to).catch(() => copyFile(from, to));
  } catch (cause) {
    throw codedError("ERR_OUTPUT", `${to} can't be written`, { cause });
  }
}
