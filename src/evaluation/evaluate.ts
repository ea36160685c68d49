/**
 * Measures the whole anonymizer against labelled documents: what it finds, what can still be read in its results by
 * engines other than the one that planned and proved them, and how faithful the results are.
 */
import { dirname } from "node:path";
import { Anonymizer } from "../anonymizer/anonymizer.ts";
import type { AnonymizeResult } from "../anonymizer/result.ts";
import type { CustomParts } from "../anonymizer/rooms.ts";
import type { AnonymizerConfigInput } from "../config/anonymizer-config.ts";
import { loadConfig } from "../config/load-config.ts";
import { readManifest } from "../datasets/manifest.ts";
import type { ManifestRecord, Split } from "../datasets/manifest-types.ts";
import type { EntityType } from "../detection/entity.ts";
import type { OcrEngine } from "../detection/ocr.ts";
import { decodeDocument } from "../documents/decode.ts";
import type { RasterImage } from "../documents/image.ts";
import { resolveInside } from "../documents/inside-folder.ts";
import { limitsFrom } from "../documents/limits.ts";
import { AnonymizerError, codedError, throwIfAborted } from "../errors.ts";
import { inParallel } from "../in-parallel.ts";
import { searchLeaks } from "../verification/leak-search.ts";
import { checkOutside } from "../verification/outside-check.ts";
import type { PaintedRegion } from "../verification/painted.ts";
import { checkRegion } from "../verification/region-check.ts";
import { type OutsideQuality, outsideQuality } from "./outside-quality.ts";
import { openReaders } from "./readers.ts";
import { addCounts, type Counts, overallScore, round, scorePage, type TypeScore, typeScore } from "./score-entities.ts";

export interface EvaluateOptions {
  /** Configuration of the anonymizer: an object or the path of a YAML file. */
  readonly config?: AnonymizerConfigInput | string;
  /** Read the results. Not closed. Default: every engine that is there. */
  readonly engines?: readonly OcrEngine[];
  /** The caller's own parts of the anonymizer. */
  readonly parts?: CustomParts;
  /** Only records of this split. */
  readonly split?: Split;
  /** Only the first so many records. */
  readonly limit?: number;
  /** Documents worked on at the same time, default 1. */
  readonly jobs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number, id: string) => void;
}

/** What one engine reads in the results. */
export interface EngineScore {
  /** Labelled values of the results that were looked for, and those that can still be read (80 % similar). */
  readonly searched: number;
  readonly readable: number;
  readonly readable_by_type: Readonly<Record<string, number>>;
  /** Replaced values, labelled or not, and those of them that can still be read. */
  readonly replaced: number;
  readonly replaced_readable: number;
  /** Records with a readable value of either kind. */
  readonly documents: readonly string[];
  /** Invented values that were drawn, the mean similarity (0…1) of their readings, and the share read without a fault. */
  readonly drawn: number;
  readonly reread_similarity: number | null;
  readonly reread_exact: number | null;
}

export interface Evaluation {
  readonly schema_version: 1;
  readonly documents: {
    readonly total: number;
    readonly proven: number;
    /** Not written, so they can leak nothing; not counted in `engines` and `outside`. */
    readonly unproven: number;
    readonly failed: number;
  };
  /** Ids of what was not proven and what failed, with the reasons and codes. */
  readonly problems: readonly { readonly id: string; readonly because: readonly string[] }[];
  /** Over the types that are labelled anywhere in the manifest. */
  readonly overall: TypeScore;
  readonly types: Readonly<Record<string, TypeScore>>;
  /** Lines that are not labelled as personal data of the configured types, and the share of them that nothing touched. */
  readonly others: { readonly lines: number; readonly untouched: number | null };
  readonly engines: Readonly<Record<string, EngineScore>>;
  readonly outside: {
    /** Pixels outside the replaced places before encoding, and how many changed. */
    readonly pixels: number;
    readonly changed_pixels: number;
    /** Values outside in the encoded result: lossy formats change some. */
    readonly encoded_values: number;
    readonly encoded_changed_values: number;
    /** Decibel; null where nothing differs. */
    readonly psnr: number | null;
    readonly ssim: number | null;
  };
  /** Values covered by a solid box, because no drawing was good enough. */
  readonly solid: number;
  readonly seconds: number;
}

interface EngineSums {
  searched: number;
  replaced: number;
  replacedReadable: number;
  readonly byType: Map<string, number>;
  readonly documents: Set<string>;
  drawn: number;
  similarity: number;
  exact: number;
}

interface Sums {
  readonly types: Map<EntityType, Counts>;
  readonly engines: Map<string, EngineSums>;
  readonly problems: { id: string; because: readonly string[] }[];
  quality: OutsideQuality;
  proven: number;
  unproven: number;
  failed: number;
  others: number;
  untouched: number;
  pixels: number;
  changedPixels: number;
  solid: number;
}

/**
 * Anonymizes every document of a manifest (`manifest.jsonl`, as synthesized or imported) in memory and scores it. Nothing
 * is written. Only labels of the configured `types` are looked for. A document that fails is counted and passed over.
 *
 * Rejects with ERR_DATASET_*, ERR_CONFIG_*, ERR_MODEL_*, ERR_OCR_FAILED, ERR_INVALID_ARGUMENT, ERR_ABORTED.
 */
export async function evaluate(manifest: string, options: EvaluateOptions = {}): Promise<Evaluation> {
  const { signal, jobs = 1 } = options;
  const started = performance.now();
  if (!Number.isInteger(jobs) || jobs < 1)
    throw codedError("ERR_INVALID_ARGUMENT", "jobs is a whole number of at least 1");
  const records = await recordsOf(manifest, options);
  const config = await loadConfig(options.config ?? {}, "anonymizer", {
    // Kept in memory, to be compared with the labels; nothing that goes out holds them.
    overrides: { "report.include_originals": true },
  });
  const { vault: _vault, ...withoutVault } = config;
  const own = options.engines === undefined ? await openReaders(config) : [];
  const engines = options.engines ?? own;
  if (engines.length === 0)
    throw codedError("ERR_INVALID_ARGUMENT", "engines is empty; at least one has to read the results");
  const sums = emptySums(engines);
  const types = new Set<EntityType>(config.types);
  try {
    const anonymizer = await Anonymizer.create(withoutVault, {
      ...(signal && { signal }),
      ...(options.parts && { parts: options.parts }),
    });
    try {
      let done = 0;
      const work = { anonymizer, engines, types, sums, timeoutMs: config.ocr.timeout_ms, signal };
      const one = async (record: ManifestRecord): Promise<void> => {
        await evaluateOne(record, dirname(manifest), work);
        options.onProgress?.(++done, records.length, record.id);
      };
      await inParallel(records, jobs, one, signal);
    } finally {
      await anonymizer.close();
    }
  } finally {
    await Promise.all(own.map((engine) => engine.close()));
  }
  return evaluationOf(records.length, sums, (performance.now() - started) / 1000);
}

async function recordsOf(manifest: string, options: EvaluateOptions): Promise<ManifestRecord[]> {
  const records: ManifestRecord[] = [];
  for await (const record of readManifest(manifest, options.signal ? { signal: options.signal } : {})) {
    if (options.split !== undefined && record.split !== options.split) continue;
    records.push(record);
    if (records.length === options.limit) break;
  }
  if (records.length === 0) throw codedError("ERR_DATASET_EMPTY", `${manifest} holds no record to evaluate`);
  return records;
}

function emptySums(engines: readonly OcrEngine[]): Sums {
  return {
    types: new Map(),
    engines: new Map(
      engines.map(({ name }) => [
        name,
        {
          searched: 0,
          replaced: 0,
          replacedReadable: 0,
          byType: new Map(),
          documents: new Set(),
          drawn: 0,
          similarity: 0,
          exact: 0,
        },
      ]),
    ),
    problems: [],
    quality: { values: 0, changed: 0, squaredError: 0, windows: 0, ssimSum: 0 },
    proven: 0,
    unproven: 0,
    failed: 0,
    others: 0,
    untouched: 0,
    pixels: 0,
    changedPixels: 0,
    solid: 0,
  };
}

interface Work {
  readonly anonymizer: Anonymizer;
  readonly engines: readonly OcrEngine[];
  readonly types: ReadonlySet<EntityType>;
  readonly sums: Sums;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

async function evaluateOne(record: ManifestRecord, folder: string, work: Work): Promise<void> {
  const { sums, signal } = work;
  try {
    const path = await resolveInside(folder, record.image, { missing: "ERR_DATASET_NOT_FOUND" });
    const result = await work.anonymizer.anonymize(path, signal ? { signal } : {});
    scoreFindings(record, result, work);
    const { proven, unproven_because, entities } = result.report;
    sums.solid += entities.filter(({ fake }) => fake === null).length;
    if (!proven) {
      sums.unproven++;
      sums.problems.push({ id: record.id, because: unproven_because });
      return;
    }
    const options = { limits: limitsFrom(work.anonymizer.config.limits), ...(signal && { signal }) };
    const input = (await decodeDocument(path, options)).pages[0]!.image;
    const output = (await decodeDocument(result.data, options)).pages[0]!.image;
    for (const engine of work.engines) await scoreReading(record, result, output, engine, work);
    await scoreOutside(result, input, output, work);
    sums.proven++;
  } catch (error) {
    throwIfAborted(signal);
    const code = error instanceof AnonymizerError ? error.code : "ERR_NATIVE";
    sums.failed++;
    sums.problems.push({ id: record.id, because: [code] });
  }
}

function scoreFindings(record: ManifestRecord, result: AnonymizeResult, { types, sums }: Work): void {
  const truth = record.regions.map(({ box, text, entity }) => ({
    box,
    text,
    type: entity !== undefined && types.has(entity) ? entity : undefined,
  }));
  const found = result.report.entities.map(({ box, type, original }) => ({ box, type, text: original ?? "" }));
  const score = scorePage(truth, found);
  addCounts(sums.types, score.types);
  sums.others += score.others;
  sums.untouched += score.untouched;
}

/** What an engine reads in the encoded result: labelled originals, and invented values in their places. */
async function scoreReading(
  record: ManifestRecord,
  result: AnonymizeResult,
  output: RasterImage,
  engine: OcrEngine,
  work: Work,
): Promise<void> {
  const { signal, timeoutMs, types } = work;
  const sums = work.sums.engines.get(engine.name)!;
  const options = { timeoutMs, ...(signal && { signal }) };
  const reading = await engine.read(output, options);
  const painted = paintedOf(result);
  const targets = record.regions.flatMap(({ text, entity }, i) =>
    entity !== undefined && types.has(entity) ? [{ id: String(i), text, type: entity }] : [],
  );
  sums.searched += targets.length;
  const leaks = await searchLeaks(targets, [reading], painted, signal ? { signal } : {});
  for (const id of new Set(leaks.map(({ targetId }) => targetId))) {
    const { type } = targets.find((target) => target.id === id)!;
    sums.byType.set(type, (sums.byType.get(type) ?? 0) + 1);
    sums.documents.add(record.id);
  }
  const replaced = painted.map(({ id, original }) => ({ id, text: original }));
  const again = await searchLeaks(replaced, [reading], painted, signal ? { signal } : {});
  sums.replaced += replaced.length;
  sums.replacedReadable += new Set(again.map(({ targetId }) => targetId)).size;
  if (again.length > 0) sums.documents.add(record.id);
  for (const region of painted) {
    if (region.fake === null) continue;
    const { similarityToFake } = await checkRegion(output, region, engine, { ...options, pageReading: reading });
    sums.drawn++;
    sums.similarity += similarityToFake;
    if (similarityToFake >= 1 - 1e-9) sums.exact++;
  }
}

const paintedOf = ({ report }: AnonymizeResult): PaintedRegion[] =>
  report.entities.map(({ id, page, box, painted, original, fake }) => ({
    id,
    page,
    box: painted ?? box,
    textBox: box,
    original: original ?? "",
    fake,
  }));

async function scoreOutside(
  result: AnonymizeResult,
  input: RasterImage,
  output: RasterImage,
  { sums, signal }: Work,
): Promise<void> {
  const boxes = paintedOf(result).map(({ box }) => box);
  const drawn = await checkOutside(input, result.image, boxes, signal);
  sums.pixels += drawn.compared;
  sums.changedPixels += drawn.changed;
  const encoded = await outsideQuality(input, output, boxes, signal);
  const { quality } = sums;
  sums.quality = {
    values: quality.values + encoded.values,
    changed: quality.changed + encoded.changed,
    squaredError: quality.squaredError + encoded.squaredError,
    windows: quality.windows + encoded.windows,
    ssimSum: quality.ssimSum + encoded.ssimSum,
  };
}

function evaluationOf(total: number, sums: Sums, seconds: number): Evaluation {
  const share = (part: number, whole: number): number | null => (whole === 0 ? null : round(part / whole));
  const { quality } = sums;
  const engines = [...sums.engines].map(([name, engine]): [string, EngineScore] => [
    name,
    {
      searched: engine.searched,
      readable: [...engine.byType.values()].reduce((sum, n) => sum + n, 0),
      readable_by_type: Object.fromEntries([...engine.byType].sort()),
      replaced: engine.replaced,
      replaced_readable: engine.replacedReadable,
      documents: [...engine.documents].sort(),
      drawn: engine.drawn,
      reread_similarity: share(engine.similarity, engine.drawn),
      reread_exact: share(engine.exact, engine.drawn),
    },
  ]);
  return {
    schema_version: 1,
    documents: { total, proven: sums.proven, unproven: sums.unproven, failed: sums.failed },
    problems: sums.problems.sort((a, b) => (a.id < b.id ? -1 : 1)),
    overall: overallScore(sums.types),
    types: Object.fromEntries([...sums.types].sort().map(([type, counts]) => [type, typeScore(counts)])),
    others: { lines: sums.others, untouched: share(sums.untouched, sums.others) },
    engines: Object.fromEntries(engines),
    outside: {
      pixels: sums.pixels,
      changed_pixels: sums.changedPixels,
      encoded_values: quality.values,
      encoded_changed_values: quality.changed,
      psnr:
        quality.squaredError === 0
          ? null
          : Math.round(10 * Math.log10((255 ** 2 * quality.values) / quality.squaredError) * 100) / 100,
      ssim: share(quality.ssimSum, quality.windows),
    },
    solid: sums.solid,
    seconds: Math.round(seconds * 10) / 10,
  };
}
