/** A dataset that was checked: which records and regions can be used, and why the others can't. */
import { createHash } from "node:crypto";
import { codedError } from "../errors.ts";
import { inParallel } from "../in-parallel.ts";
import { type ManifestFault, readManifest } from "./manifest.ts";
import type { ManifestRecord, Region, Split } from "./manifest-types.ts";
import { FolderPages, imageFaults, type PageSource } from "./page-source.ts";
import type { PageGroups } from "./page-windows.ts";
import { pause } from "./pause.ts";
import { unusableReason } from "./text-geometry.ts";

export interface DatasetOptions {
  /** Only records of this split; default all. */
  readonly split?: Split;
  /** Regions with lower text are left out, in pixels; default 8. */
  readonly minTextHeight?: number;
  /** Where the images are; default: the files that the manifest names, below its folder. */
  readonly pages?: PageSource;
  readonly signal?: AbortSignal;
}

/** One usable region. */
export interface DatasetSample {
  /** Index into `records`. */
  readonly record: number;
  /** Index into the record's regions. */
  readonly region: number;
  /** First 8 bytes of SHA-256 of record id, NUL, region index; big-endian. The same in every run and on every machine. */
  readonly id: bigint;
}

export interface SkippedSample {
  /** The record's id, or "line 12" where the line has none. */
  readonly id: string;
  /** The region's index in the manifest, where only a region is skipped. */
  readonly region?: number;
  readonly reason: string;
}

/** `skipped` lists at most this many; `skippedCounts` counts all. */
const listedSkips = 10_000;

export class DocumentDataset {
  /** Absolute path of the manifest. */
  readonly manifest: string;
  readonly records: readonly ManifestRecord[];
  readonly samples: readonly DatasetSample[];
  /** Indices into `samples` where each record's samples start, and the total at the end. */
  readonly sampleStarts: Uint32Array;
  /** What was left out and why; the first 10,000. */
  readonly skipped: readonly SkippedSample[];
  /** How many were left out, by reason. */
  readonly skippedCounts: Readonly<Record<string, number>>;
  readonly pages: PageSource;
  /** The shards that the records lie in, where they do. */
  readonly groups: PageGroups | undefined;

  private constructor(
    manifest: string,
    records: readonly ManifestRecord[],
    samples: readonly DatasetSample[],
    skips: Skips,
    pages: PageSource,
  ) {
    this.manifest = manifest;
    this.pages = pages;
    this.groups = groupsOf(records, pages);
    this.records = records;
    this.samples = samples;
    this.skipped = skips.list;
    this.skippedCounts = skips.counts;
    this.sampleStarts = new Uint32Array(records.length + 1);
    for (const sample of samples) this.sampleStarts[sample.record + 1]!++;
    for (let i = 0; i < records.length; i++) this.sampleStarts[i + 1]! += this.sampleStarts[i]!;
  }

  /**
   * Reads a manifest and the headers of its images. Broken lines, regions and images are skipped, counted and named.
   *
   * @throws ERR_DATASET_NOT_FOUND when there is no manifest; ERR_DATASET_EMPTY, with the counted reasons, when nothing
   * is left; ERR_ABORTED; ERR_INVALID_ARGUMENT.
   */
  static async open(manifestPath: string, options: DatasetOptions = {}): Promise<DocumentDataset> {
    const { split, minTextHeight = 8, pages = new FolderPages(manifestPath), signal } = options;
    if (!(minTextHeight >= 0))
      throw codedError("ERR_INVALID_ARGUMENT", `minTextHeight is ${minTextHeight}; it must be 0 or more`);
    const skips = new Skips();
    const read: ManifestRecord[] = [];
    let otherSplits = 0;
    for await (const record of readManifest(manifestPath, {
      ...(signal === undefined ? {} : { signal }),
      onFault: (fault) => skips.addFault(fault),
    })) {
      if (split === undefined || record.split === split) read.push(record);
      else otherSplits++;
    }
    const faults = await inParallel(read, 8, (record) => pages.fault(record), signal);
    const records: ManifestRecord[] = [];
    const samples: DatasetSample[] = [];
    for (const [i, record] of read.entries()) {
      // Hashing and matching a large manifest takes a while: let others run in between.
      if (i % 50 === 49) await pause();
      const fault = faults[i];
      if (fault !== undefined) {
        skips.add(record.id, fault);
        continue;
      }
      record.regions.forEach((region: Region, index) => {
        const reason = unusableReason(region, minTextHeight);
        if (reason === undefined)
          samples.push({ record: records.length, region: index, id: sampleId(record.id, index) });
        else skips.add(record.id, reason, index);
      });
      records.push(record);
    }
    if (samples.length === 0) {
      const reasons = Object.entries(skips.counts).map(([reason, count]) => `${count} × ${reason}`);
      if (otherSplits > 0)
        reasons.push(`${otherSplits} × the record belongs to another split than ${JSON.stringify(split)}`);
      throw codedError(
        "ERR_DATASET_EMPTY",
        `${manifestPath} has no usable sample: ${reasons.join("; ") || "it has no records with regions"}`,
        {
          details: { manifest: manifestPath, reasons: { ...skips.counts } },
        },
      );
    }
    return new DocumentDataset(manifestPath, records, samples, skips, pages);
  }
}

/** Shards that hold no page of these records don't count. */
function groupsOf(records: readonly ManifestRecord[], { shards }: PageSource): PageGroups | undefined {
  if (shards === undefined) return undefined;
  const shardOf = records.map((record) => shards.of(record));
  const names = [...new Set(shardOf)].sort((a, b) => a - b);
  const place = new Map(names.map((shard, i) => [shard, i]));
  return { of: Uint32Array.from(shardOf, (shard) => place.get(shard)!), names, window: shards.window };
}

/** The stable id of a sample; see `DatasetSample.id`. */
export function sampleId(recordId: string, region: number): bigint {
  return createHash("sha256").update(`${recordId}\0${region}`).digest().readBigUInt64BE(0);
}

class Skips {
  readonly list: SkippedSample[] = [];
  readonly counts: Record<string, number> = {};

  add(id: string, reason: string, region?: number): void {
    this.counts[reason] = (this.counts[reason] ?? 0) + 1;
    if (this.list.length < listedSkips) this.list.push({ id, reason, ...(region === undefined ? {} : { region }) });
  }

  addFault(fault: ManifestFault): void {
    const id = fault.id ?? `line ${fault.line}`;
    if (fault.region !== undefined) {
      this.counts["a box does not fit the page"] = (this.counts["a box does not fit the page"] ?? 0) + 1;
      if (this.list.length < listedSkips)
        this.list.push({ id, region: fault.region, reason: `${fault.field}: ${fault.reason}` });
      return;
    }
    const reason = fault.code === "ERR_PATH_OUTSIDE_ROOT" ? imageFaults.outside : "the manifest line is not valid";
    this.counts[reason] = (this.counts[reason] ?? 0) + 1;
    if (this.list.length < listedSkips)
      this.list.push({
        id,
        reason: `line ${fault.line}: ${fault.field === "" ? "" : `${fault.field}: `}${fault.reason}`,
      });
  }
}
