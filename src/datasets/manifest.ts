/**
 * Reads, checks and writes `manifest.jsonl`: one page a line (see `ManifestRecord`).
 *
 * The form of a line is checked with zod; boxes are then checked against the page. Faults name file, line and field and
 * never repeat the text of a document.
 */
import { createReadStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { entityTypes } from "../detection/entity.ts";
import { type Box, type Quad, quadBounds } from "../documents/geometry.ts";
import { pathFault } from "../documents/inside-folder.ts";
import { AnonymizerError, codedError, throwIfAborted } from "../errors.ts";
import { type ManifestRecord, type Region, splits } from "./manifest-types.ts";

const pixel = z.number();
const box = z.tuple([pixel, pixel, pixel, pixel]);
const quad = z.tuple([pixel, pixel, pixel, pixel, pixel, pixel, pixel, pixel]);
const region = z.object({
  box,
  quad: quad.optional(),
  text: z.string(),
  words: z.array(z.object({ box, text: z.string() })).optional(),
  label: z.string().optional(),
  entity: z.enum(entityTypes).optional(),
});
const recordSchema = z.object({
  id: z.string().min(1),
  image: z.string().min(1),
  width: z.int().positive(),
  height: z.int().positive(),
  split: z.enum(splits),
  regions: z.array(region),
});

/** One thing that is wrong in a manifest. */
export interface ManifestFault {
  /** 1-based. */
  readonly line: number;
  /** "regions[3].box", or "" when the line is not JSON. */
  readonly field: string;
  /** Without document text. */
  readonly reason: string;
  readonly code: "ERR_DATASET_INVALID" | "ERR_PATH_OUTSIDE_ROOT";
  /** The record's id, where the line has one. */
  readonly id?: string;
  /** The index of the region at fault; the record's other regions may be fine. */
  readonly region?: number;
}

export interface ReadManifestOptions {
  readonly signal?: AbortSignal;
  /**
   * Called for each fault; a faulty record is left out, a faulty region is taken out of its record. Without it the
   * first fault is thrown.
   */
  readonly onFault?: (fault: ManifestFault) => void;
}

/**
 * The records of a manifest, in order.
 *
 * @throws ERR_DATASET_NOT_FOUND; without `onFault` also ERR_DATASET_INVALID (file, line and field in the message) and
 * ERR_PATH_OUTSIDE_ROOT for an image path that leaves the folder by its name; ERR_ABORTED.
 */
export async function* readManifest(
  path: string,
  options: ReadManifestOptions = {},
): AsyncGenerator<ManifestRecord, void, void> {
  const { signal, onFault } = options;
  throwIfAborted(signal);
  const file = await open(path).catch((cause: unknown) => {
    throw codedError("ERR_DATASET_NOT_FOUND", `The manifest ${path} does not exist or can't be read`, { cause });
  });
  const report = (fault: ManifestFault): void => {
    if (onFault === undefined) throw faultError(path, fault);
    onFault(fault);
  };
  const seen = new Set<string>();
  const stream = createReadStream(path, { fd: file });
  try {
    let line = 0;
    for await (const text of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      throwIfAborted(signal);
      line++;
      if (text.trim() === "") continue;
      const record = parseLine(line === 1 ? text.replace(/^\uFEFF/, "") : text, line, report);
      if (record === undefined) continue;
      if (seen.has(record.id)) {
        report({ line, field: "id", reason: "the id is used twice", code: "ERR_DATASET_INVALID", id: record.id });
        continue;
      }
      seen.add(record.id);
      yield record;
    }
  } catch (cause) {
    if (cause instanceof AnonymizerError) throw cause;
    throw codedError("ERR_DATASET_NOT_FOUND", `The manifest ${path} can't be read`, { cause });
  } finally {
    stream.destroy();
  }
}

function faultError(path: string, fault: ManifestFault): AnonymizerError {
  const where = fault.field === "" ? `${path}:${fault.line}` : `${path}:${fault.line}: ${fault.field}`;
  return codedError(fault.code, `${where}: ${fault.reason}`, { details: { file: path, ...fault } });
}

function parseLine(text: string, line: number, report: (fault: ManifestFault) => void): ManifestRecord | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // JSON.parse quotes the text in its message, so it is not kept as the cause.
    report({ line, field: "", reason: "is not valid JSON", code: "ERR_DATASET_INVALID" });
    return undefined;
  }
  const parsed = recordSchema.safeParse(json);
  const id = idOf(json);
  const common = { line, code: "ERR_DATASET_INVALID", ...(id === undefined ? {} : { id }) } as const;
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    report({ ...common, field: fieldName(issue.path), reason: issue.message });
    return undefined;
  }
  const record = parsed.data as ManifestRecord;
  const fault = pathFault(record.image);
  if (fault !== undefined) {
    report({ ...common, field: "image", reason: `the path ${fault}`, code: "ERR_PATH_OUTSIDE_ROOT" });
    return undefined;
  }
  const sound: Region[] = [];
  record.regions.forEach((candidate, index) => {
    const bad = regionFault(candidate, record);
    if (bad === undefined) sound.push(candidate);
    else report({ ...common, field: `regions[${index}].${bad.field}`, reason: bad.reason, region: index });
  });
  return sound.length === record.regions.length ? record : { ...record, regions: sound };
}

const idOf = (json: unknown): string | undefined => {
  const id = typeof json === "object" && json !== null && "id" in json ? json.id : undefined;
  return typeof id === "string" ? id : undefined;
};

const fieldName = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (name, key) => (typeof key === "number" ? `${name}[${key}]` : name === "" ? String(key) : `${name}.${String(key)}`),
    "",
  );

/** What is wrong with a region's geometry on its page, or undefined. */
function regionFault(
  candidate: Region,
  page: { readonly width: number; readonly height: number },
): { field: string; reason: string } | undefined {
  if (!boxFits(candidate.box, page)) return { field: "box", reason: boxFault(candidate.box, page) };
  if (candidate.quad !== undefined && !quadFits(candidate.quad, page)) {
    return {
      field: "quad",
      reason: `[${candidate.quad.join(", ")}] does not fit the page of ${page.width}×${page.height} px`,
    };
  }
  const bad = candidate.words?.findIndex((word) => !boxFits(word.box, page)) ?? -1;
  if (bad >= 0) return { field: `words[${bad}].box`, reason: boxFault(candidate.words![bad]!.box, page) };
  return undefined;
}

const boxFits = (b: Box, page: { width: number; height: number }): boolean =>
  b.every(Number.isFinite) &&
  b[0] >= 0 &&
  b[1] >= 0 &&
  b[2] <= page.width &&
  b[3] <= page.height &&
  b[0] < b[2] &&
  b[1] < b[3];

const quadFits = (q: Quad, page: { width: number; height: number }): boolean =>
  q.every(Number.isFinite) && boxFits(quadBounds(q), page);

const boxFault = (b: Box, page: { width: number; height: number }): string =>
  `[${b.join(", ")}] does not fit the page of ${page.width}×${page.height} px`;

/**
 * One line of a manifest, without the line break. Keys come in a fixed order, so equal records give equal bytes.
 *
 * @throws ERR_DATASET_INVALID naming the record and the field when the record could not be read back.
 */
export function manifestLine(record: ManifestRecord): string {
  const parsed = recordSchema.safeParse(record);
  const name = `Record ${JSON.stringify(record.id)}`;
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw codedError("ERR_DATASET_INVALID", `${name}: ${fieldName(issue.path)}: ${issue.message}`);
  }
  const fault = pathFault(record.image);
  if (fault !== undefined) throw codedError("ERR_PATH_OUTSIDE_ROOT", `${name}: the image path ${fault}`);
  record.regions.forEach((candidate, index) => {
    const bad = regionFault(candidate, record);
    if (bad !== undefined)
      throw codedError("ERR_DATASET_INVALID", `${name}: regions[${index}].${bad.field}: ${bad.reason}`);
  });
  return JSON.stringify(parsed.data);
}

let writes = 0;

/**
 * Writes a manifest beside its place and renames it when it is complete.
 *
 * @returns the number of records.
 * @throws ERR_DATASET_INVALID for a record that could not be read back; ERR_OUTPUT when the file can't be written;
 * ERR_ABORTED. The old manifest stays in these cases.
 */
export async function writeManifest(
  path: string,
  records: Iterable<ManifestRecord> | AsyncIterable<ManifestRecord>,
  signal?: AbortSignal,
): Promise<number> {
  const temporary = join(dirname(path), `${basename(path)}.tmp-${process.pid}-${++writes}`);
  const seen = new Set<string>();
  let file: Awaited<ReturnType<typeof open>> | undefined;
  try {
    file = await open(temporary, "w");
    for await (const record of records) {
      throwIfAborted(signal);
      if (seen.has(record.id))
        throw codedError("ERR_DATASET_INVALID", `The record id ${JSON.stringify(record.id)} is used twice`);
      seen.add(record.id);
      await file.write(`${manifestLine(record)}\n`);
    }
    await file.sync();
    await file.close();
    file = undefined;
    await rename(temporary, path);
  } catch (cause) {
    if (cause instanceof AnonymizerError) throw cause;
    throw codedError("ERR_OUTPUT", `The manifest ${path} could not be written`, { cause });
  } finally {
    await file?.close().catch(() => undefined);
    await rm(temporary, { force: true }).catch(() => undefined);
  }
  return seen.size;
}
