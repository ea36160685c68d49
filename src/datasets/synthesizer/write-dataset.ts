/** Writes a dataset of synthetic documents: images, `manifest.jsonl`, and the settings that made them. */
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { AnonymizerError, codedError, throwIfAborted } from "../../errors.ts";
import { manifestLine, readManifest, writeManifest } from "../manifest.ts";
import type { ManifestRecord, Split } from "../manifest-types.ts";
import { checkSplitChoice, defaultShares, type SplitShares, splitOf } from "../split.ts";
import { DocumentSynthesizer, type SynthesizerOptions, type SyntheticDocument } from "./document-synthesizer.ts";

export interface SyntheticDatasetOptions extends SynthesizerOptions {
  readonly seed: number | string;
  /** Number of documents. */
  readonly count: number;
  /** Folder to write; made when it does not exist. */
  readonly out: string;
  /** Default "jpeg" at quality 92: a tenth of the bytes of "png", which keeps every pixel. */
  readonly format?: "jpeg" | "png";
  /** Default: 80 % train, 10 % validation, 10 % test, by hash of the document's id. */
  readonly split?: Split | SplitShares;
  /** Documents worked on at the same time; default 2. Does not change the result. */
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number; readonly kept: number }) => void;
}

export interface SyntheticDatasetResult {
  readonly manifest: string;
  readonly records: number;
  /** Documents that were there already, from an earlier run with the same settings. */
  readonly kept: number;
  readonly bySplit: Readonly<Record<Split, number>>;
}

/** Changes when the same settings give other pixels than before. */
const drawingVersion = 2;
const settingsFile = "synthetic.json";
const journalFile = "manifest.partial.jsonl";

/**
 * Draws `count` documents into `out`. A run that was stopped goes on where it ended when it is started again with the
 * same settings; a larger `count` adds documents to those there are.
 *
 * @throws ERR_OUTPUT when the folder can't be written or holds data of other settings; ERR_INVALID_ARGUMENT; ERR_ABORTED
 * (what was finished stays).
 */
export async function writeSyntheticDataset(options: SyntheticDatasetOptions): Promise<SyntheticDatasetResult> {
  const { seed, count, out, format = "jpeg", split = defaultShares, concurrency = 2, signal, onProgress } = options;
  if (!Number.isSafeInteger(count) || count < 1)
    throw codedError("ERR_INVALID_ARGUMENT", `count is ${count}; it must be 1 or more`);
  if (!Number.isSafeInteger(concurrency) || concurrency < 1)
    throw codedError("ERR_INVALID_ARGUMENT", `concurrency is ${concurrency}; it must be 1 or more`);
  checkSplitChoice(split);
  throwIfAborted(signal);
  const synthesizer = new DocumentSynthesizer(seed, options);
  const settings = {
    drawingVersion,
    seed,
    format,
    split,
    kinds: options.kinds,
    languages: options.languages,
    wear: options.wear,
    skew: options.skew,
    decorations: options.decorations,
  };
  await prepare(out, settings);
  const done = await finished(out);
  const records: (ManifestRecord | undefined)[] = [];
  let kept = 0;
  let complete = 0;
  const journal = await open(join(out, journalFile), "a").catch(outputError(out));
  try {
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < count) {
        throwIfAborted(signal);
        const index = next++;
        const before = done.get(index);
        if (before !== undefined) kept++;
        const record = before ?? (await draw(synthesizer, index, out, format, split));
        records[index] = record;
        if (before === undefined) await journal.write(`${index}\t${manifestLine(record)}\n`);
        complete++;
        onProgress?.({ done: complete, total: count, kept });
      }
    };
    const failures = (await Promise.allSettled(Array.from({ length: Math.min(concurrency, count) }, work))).filter(
      (result) => result.status === "rejected",
    );
    if (failures[0] !== undefined) throw failures[0].reason;
  } catch (cause) {
    if (cause instanceof AnonymizerError) throw cause;
    outputError(out)(cause);
  } finally {
    await journal.close();
  }
  const manifest = join(out, "manifest.jsonl");
  await writeManifest(manifest, records as ManifestRecord[], signal);
  await rm(join(out, journalFile), { force: true });
  const bySplit = { train: 0, validation: 0, test: 0 };
  for (const record of records) bySplit[record!.split]++;
  return { manifest, records: count, kept, bySplit };
}

const outputError =
  (out: string) =>
  (cause: unknown): never => {
    throw codedError("ERR_OUTPUT", `The dataset folder ${out} can't be written`, { cause });
  };

/** Makes the folder, or checks that it holds data of the same settings; removes what a killed run left half written. */
async function prepare(out: string, settings: object): Promise<void> {
  const text = `${JSON.stringify(settings, null, 2)}\n`;
  const path = join(out, settingsFile);
  try {
    await mkdir(join(out, "images"), { recursive: true });
    for (const folder of [out, join(out, "images")]) {
      for (const name of await readdir(folder))
        if (name.includes(".tmp-")) await rm(join(folder, name), { force: true });
    }
    const before = await readFile(path, "utf8").catch(() => undefined);
    if (before === text) return;
    if (before !== undefined || (await readdir(out)).includes("manifest.jsonl")) {
      throw codedError(
        "ERR_OUTPUT",
        `${out} holds a dataset made with other settings; choose another folder or remove it`,
      );
    }
    await writeAtomically(path, text);
  } catch (cause) {
    if (cause instanceof AnonymizerError) throw cause;
    outputError(out)(cause);
  }
}

/** Records of an earlier run whose images are there, by index. */
async function finished(out: string): Promise<Map<number, ManifestRecord>> {
  const done = new Map<number, ManifestRecord>();
  const keep = async (index: number, record: ManifestRecord): Promise<void> => {
    const size = await sharp(join(out, record.image))
      .metadata()
      .catch(() => undefined);
    if (size?.width === record.width && size.height === record.height) done.set(index, record);
  };
  const journal = await readFile(join(out, journalFile), "utf8").catch(() => "");
  for (const line of journal.split("\n")) {
    const tab = line.indexOf("\t");
    if (tab < 0) continue;
    try {
      await keep(Number(line.slice(0, tab)), JSON.parse(line.slice(tab + 1)) as ManifestRecord);
    } catch {
      // The last line of a run that was killed: its document is drawn again.
    }
  }
  let index = 0;
  try {
    for await (const record of readManifest(join(out, "manifest.jsonl"))) await keep(index++, record);
  } catch (error) {
    if (
      !(error instanceof AnonymizerError) ||
      (error.code !== "ERR_DATASET_NOT_FOUND" && error.code !== "ERR_DATASET_INVALID")
    )
      throw error;
  }
  return done;
}

async function draw(
  synthesizer: DocumentSynthesizer,
  index: number,
  out: string,
  format: "jpeg" | "png",
  split: Split | SplitShares,
): Promise<ManifestRecord> {
  const document = await synthesizer.document(index);
  const name = `${document.id}.${format === "jpeg" ? "jpg" : "png"}`;
  await writeAtomically(join(out, "images", name), await encode(document, format));
  return {
    id: document.id,
    image: `images/${name}`,
    width: document.image.width,
    height: document.image.height,
    split: splitOf(document.id, split),
    regions: document.regions,
  };
}

async function encode({ image }: SyntheticDocument, format: "jpeg" | "png"): Promise<Buffer> {
  const raw = sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } });
  return format === "jpeg"
    ? raw.jpeg({ quality: 92, chromaSubsampling: "4:4:4" }).toBuffer()
    : raw.png({ compressionLevel: 6 }).toBuffer();
}

let writes = 0;

async function writeAtomically(path: string, data: string | Uint8Array): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}-${++writes}`;
  try {
    const file = await open(temporary, "w");
    try {
      await file.writeFile(data);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
