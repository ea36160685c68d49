/**
 * Measures the whole anonymizer against labelled documents: what it finds, what can still be read in its results by
 * engines other than the one that planned and proved them, and how faithful the results are.
 */
import { dirname } from "node:path";
import { Anonymizer } from "../anonymizer/anonymizer.ts";
import { boxUpright, readUpright } from "../anonymizer/orientation.ts";
import type { AnonymizeResult } from "../anonymizer/result.ts";
import type { CustomParts } from "../anonymizer/rooms.ts";
import type { AnonymizerConfigInput } from "../config/anonymizer-config.ts";
import { loadConfig } from "../config/load-config.ts";
import { readManifest } from "../datasets/manifest.ts";
import type { ManifestRecord, Split } from "../datasets/manifest-types.ts";
import type { EntityType } from "../detection/entity.ts";
import type { OcrEngine } from "../detection/ocr.ts";
import { decodeDocument } from "../documents/decode.ts";
import type { DecodedDocument } from "../documents/document.ts";
import type { RasterImage } from "../documents/image.ts";
import { resolveInside } from "../documents/inside-folder.ts";
import { limitsFrom } from "../documents/limits.ts";
import { AnonymizerError, codedError, throwIfAborted } from "../errors.ts";
import { inParallel } from "../in-parallel.ts";
import { searchLeaks } from "../verification/leak-search.ts";
import { checkOutside } from "../verification/outside-check.ts";
import type { PaintedRegion } from "../verification/painted.ts";
import { checkRegion } from "../verification/region-check.ts";
import { type DocumentScore, type EngineCounts, type Evaluation, summarize } from "./document-score.ts";
import { outsideQuality } from "./outside-quality.ts";
import { openReaders } from "./readers.ts";
import { scorePage } from "./score-entities.ts";
import { openScoreJournal } from "./score-journal.ts";

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
  /** Only records after so many. */
  readonly offset?: number;
  /**
   * Keeps the score of each document in this file (JSON lines, no text of a document) and takes from it those that an
   * earlier call with the same settings left there.
   */
  readonly journal?: string;
  /** Documents worked on at the same time, default 1. */
  readonly jobs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number, id: string) => void;
}

/**
 * Anonymizes every document of a manifest (`manifest.jsonl`, as synthesized or imported) in memory and scores it. Nothing
 * is written. Only labels of the configured `types` are looked for. A document that fails is counted and passed over. Pages that don't stand
 * upright are turned for reading, as the anonymizer does it.
 *
 * Rejects with ERR_DATASET_*, ERR_CONFIG_*, ERR_MODEL_*, ERR_OCR_FAILED, ERR_OUTPUT (`journal`), ERR_INVALID_ARGUMENT, ERR_ABORTED.
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
  const types = new Set<EntityType>(config.types);
  const scores = new Map<string, DocumentScore>();
  const names = engines.map(({ name }) => name);
  try {
    const journal = await openScoreJournal(options.journal, config, names);
    for (const { id } of records) if (journal.done.has(id)) scores.set(id, journal.done.get(id)!);
    const anonymizer = await Anonymizer.create(withoutVault, {
      ...(signal && { signal }),
      ...(options.parts && { parts: options.parts }),
    });
    try {
      const queue = records.filter(({ id }) => !scores.has(id));
      let done = scores.size;
      const work = { anonymizer, engines, types, timeoutMs: config.ocr.timeout_ms, signal };
      const one = async (record: ManifestRecord): Promise<void> => {
        const score = await evaluateOne(record, dirname(manifest), work);
        await journal.add(score);
        scores.set(record.id, score);
        options.onProgress?.(++done, records.length, record.id);
      };
      await inParallel(queue, jobs, one, signal);
    } finally {
      await anonymizer.close();
    }
  } finally {
    await Promise.all(own.map((engine) => engine.close()));
  }
  const inOrder = records.map(({ id }) => scores.get(id)!);
  return summarize(inOrder, names, (performance.now() - started) / 1000);
}

async function recordsOf(manifest: string, options: EvaluateOptions): Promise<ManifestRecord[]> {
  const records: ManifestRecord[] = [];
  let skip = options.offset ?? 0;
  for await (const record of readManifest(manifest, options.signal ? { signal: options.signal } : {})) {
    if (options.split !== undefined && record.split !== options.split) continue;
    if (skip-- > 0) continue;
    records.push(record);
    if (records.length === options.limit) break;
  }
  if (records.length === 0) throw codedError("ERR_DATASET_EMPTY", `${manifest} holds no record to evaluate`);
  return records;
}

interface Work {
  readonly anonymizer: Anonymizer;
  readonly engines: readonly OcrEngine[];
  readonly types: ReadonlySet<EntityType>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

type Outcome = Pick<DocumentScore, "outcome" | "because">;

async function evaluateOne(record: ManifestRecord, folder: string, work: Work): Promise<DocumentScore> {
  const { signal } = work;
  let found: ReturnType<typeof scoreFindings> | undefined;
  const finish = (outcome: Outcome, proven?: ProvenScore): DocumentScore => ({
    id: record.id,
    ...outcome,
    ...(found ?? { types: {}, others: 0, untouched: 0, solid: 0 }),
    ...(proven ?? nothingProven),
  });
  try {
    const path = await resolveInside(folder, record.image, { missing: "ERR_DATASET_NOT_FOUND" });
    const result = await work.anonymizer.anonymize(path, signal ? { signal } : {});
    found = scoreFindings(record, result, work);
    const { proven, unproven_because } = result.report;
    if (!proven) return finish({ outcome: "unproven", because: unproven_because });
    const options = { limits: limitsFrom(work.anonymizer.config.limits), ...(signal && { signal }) };
    const input = (await decodeDocument(path, options)).pages[0]!.image;
    const output = await decodeDocument(result.data, options);
    const engines: Record<string, EngineCounts> = {};
    for (const engine of work.engines) engines[engine.name] = await scoreReading(record, result, output, engine, work);
    const outside = await scoreOutside(result, input, output.pages[0]!.image, signal);
    return finish({ outcome: "proven", because: [] }, { engines, ...outside });
  } catch (error) {
    throwIfAborted(signal);
    return finish({ outcome: "failed", because: [error instanceof AnonymizerError ? error.code : "ERR_NATIVE"] });
  }
}

type ProvenScore = Omit<DocumentScore, "id" | "outcome" | "because" | "types" | "others" | "untouched" | "solid">;

const nothingProven: ProvenScore = {
  engines: {},
  pixels: 0,
  changed_pixels: 0,
  encoded_values: 0,
  encoded_changed_values: 0,
  squared_error: 0,
  windows: 0,
  ssim_sum: 0,
};

function scoreFindings(record: ManifestRecord, { report }: AnonymizeResult, { types }: Work) {
  const truth = record.regions.map(({ box, text, entity }) => ({
    box,
    text,
    type: entity !== undefined && types.has(entity) ? entity : undefined,
  }));
  const found = report.entities.map(({ box, type, original }) => ({ box, type, text: original ?? "" }));
  const score = scorePage(truth, found);
  return {
    types: Object.fromEntries(score.types),
    others: score.others,
    untouched: score.untouched,
    solid: report.entities.filter(({ fake }) => fake === null).length,
  };
}

/** What an engine reads in the encoded result: labelled originals, and invented values in their places. */
async function scoreReading(
  record: ManifestRecord,
  result: AnonymizeResult,
  output: DecodedDocument,
  engine: OcrEngine,
  { signal, timeoutMs, types }: Work,
): Promise<EngineCounts> {
  const options = { timeoutMs, ...(signal && { signal }) };
  const { document, readings } = await readUpright(output, engine, { ...options, atOnce: 1 });
  const reading = readings[0]!;
  const upright = document.pages[0]!.image;
  const painted = paintedOf(result).map((region) => ({
    ...region,
    box: boxUpright(document, region.page, region.box),
    textBox: boxUpright(document, region.page, region.textBox),
  }));
  const targets = record.regions.flatMap(({ text, entity }, i) =>
    entity !== undefined && types.has(entity) ? [{ id: String(i), text, type: entity }] : [],
  );
  const leaks = await searchLeaks(targets, [reading], painted, signal ? { signal } : {});
  const byType: Record<string, number> = {};
  for (const id of new Set(leaks.map(({ targetId }) => targetId))) {
    const { type } = targets.find((target) => target.id === id)!;
    byType[type] = (byType[type] ?? 0) + 1;
  }
  const replaced = painted.map(({ id, original }) => ({ id, text: original }));
  const again = await searchLeaks(replaced, [reading], painted, signal ? { signal } : {});
  let [drawn, similarity, exact] = [0, 0, 0];
  for (const region of painted) {
    if (region.fake === null) continue;
    const { similarityToFake } = await checkRegion(upright, region, engine, { ...options, pageReading: reading });
    drawn++;
    similarity += similarityToFake;
    if (similarityToFake >= 1 - 1e-9) exact++;
  }
  return {
    searched: targets.length,
    readable_by_type: byType,
    replaced: replaced.length,
    replaced_readable: new Set(again.map(({ targetId }) => targetId)).size,
    drawn,
    similarity,
    exact,
  };
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
  signal: AbortSignal | undefined,
): Promise<Omit<ProvenScore, "engines">> {
  const boxes = [...paintedOf(result), ...result.report.image_regions].map(({ box }) => box);
  const drawn = await checkOutside(input, result.image, boxes, signal);
  const encoded = await outsideQuality(input, output, boxes, signal);
  return {
    pixels: drawn.compared,
    changed_pixels: drawn.changed,
    encoded_values: encoded.values,
    encoded_changed_values: encoded.changed,
    squared_error: encoded.squaredError,
    windows: encoded.windows,
    ssim_sum: encoded.ssimSum,
  };
}
