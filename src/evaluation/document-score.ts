/** What is counted on one document of a manifest, and the figures of many. Holds no text of a document. */
import { z } from "zod";
import { type EntityType, entityTypes } from "../detection/entity.ts";
import { addCounts, type Counts, overallScore, round, type TypeScore, typeScore } from "./score-entities.ts";

const count = z.number().int().nonnegative();
const typeCounts = z.object({ labelled: count, hit: count, covered: count, found: count, right: count });

const engineCounts = z.object({
  searched: count,
  readable_by_type: z.record(z.string(), count),
  replaced: count,
  replaced_readable: count,
  drawn: count,
  /** Sum over what was drawn. */
  similarity: z.number(),
  exact: count,
});

/** One document. */
export const documentScoreSchema = z.object({
  id: z.string(),
  outcome: z.enum(["proven", "unproven", "failed"]),
  /** Reasons against the proof, or the code of the error. */
  because: z.array(z.string()),
  types: z.partialRecord(z.enum(entityTypes), typeCounts),
  /** Lines without a label, and those of them that nothing touched. */
  others: count,
  untouched: count,
  solid: count,
  /** By engine; empty unless proven. */
  engines: z.record(z.string(), engineCounts),
  /** Outside the replaced places. */
  pixels: count,
  changed_pixels: count,
  encoded_values: count,
  encoded_changed_values: count,
  squared_error: z.number(),
  windows: count,
  ssim_sum: z.number(),
});

export type DocumentScore = z.infer<typeof documentScoreSchema>;
export type EngineCounts = z.infer<typeof engineCounts>;

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
  /** Of this call, without documents that an earlier one scored. */
  readonly seconds: number;
  /** The counts behind these figures, by document. */
  readonly per_document: readonly DocumentScore[];
}

const share = (part: number, whole: number): number | null => (whole === 0 ? null : round(part / whole));

/** The figures of many documents; `engines` names those that read. Pure. */
export function summarize(scores: readonly DocumentScore[], engines: readonly string[], seconds: number): Evaluation {
  const sum = (of: (score: DocumentScore) => number): number => scores.reduce((total, score) => total + of(score), 0);
  const types = new Map<EntityType, Counts>();
  for (const score of scores) addCounts(types, new Map(Object.entries(score.types) as [EntityType, Counts][]));
  const values = sum((score) => score.encoded_values);
  const squaredError = sum((score) => score.squared_error);
  return {
    schema_version: 1,
    documents: {
      total: scores.length,
      proven: scores.filter(({ outcome }) => outcome === "proven").length,
      unproven: scores.filter(({ outcome }) => outcome === "unproven").length,
      failed: scores.filter(({ outcome }) => outcome === "failed").length,
    },
    problems: scores.filter(({ outcome }) => outcome !== "proven").map(({ id, because }) => ({ id, because })),
    overall: overallScore(types),
    types: Object.fromEntries([...types].sort().map(([type, counts]) => [type, typeScore(counts)])),
    others: {
      lines: sum((score) => score.others),
      untouched: share(
        sum((score) => score.untouched),
        sum((score) => score.others),
      ),
    },
    engines: Object.fromEntries(engines.map((name) => [name, engineScore(scores, name)])),
    outside: {
      pixels: sum((score) => score.pixels),
      changed_pixels: sum((score) => score.changed_pixels),
      encoded_values: values,
      encoded_changed_values: sum((score) => score.encoded_changed_values),
      psnr: squaredError === 0 ? null : Math.round(10 * Math.log10((255 ** 2 * values) / squaredError) * 100) / 100,
      ssim: share(
        sum((score) => score.ssim_sum),
        sum((score) => score.windows),
      ),
    },
    solid: sum((score) => score.solid),
    seconds: Math.round(seconds * 10) / 10,
    per_document: scores,
  };
}

function engineScore(scores: readonly DocumentScore[], name: string): EngineScore {
  const read = scores.flatMap(({ id, engines }) => (engines[name] ? [{ id, ...engines[name] }] : []));
  const sum = (of: (counts: EngineCounts) => number): number => read.reduce((total, counts) => total + of(counts), 0);
  const byType = new Map<string, number>();
  for (const { readable_by_type } of read)
    for (const [type, n] of Object.entries(readable_by_type)) byType.set(type, (byType.get(type) ?? 0) + n);
  const drawn = sum((counts) => counts.drawn);
  return {
    searched: sum((counts) => counts.searched),
    readable: [...byType.values()].reduce((total, n) => total + n, 0),
    readable_by_type: Object.fromEntries([...byType].sort()),
    replaced: sum((counts) => counts.replaced),
    replaced_readable: sum((counts) => counts.replaced_readable),
    documents: read
      .filter(
        ({ readable_by_type, replaced_readable }) =>
          replaced_readable > 0 || Object.values(readable_by_type).some((n) => n > 0),
      )
      .map(({ id }) => id)
      .sort(),
    drawn,
    reread_similarity: share(
      sum((counts) => counts.similarity),
      drawn,
    ),
    reread_exact: share(
      sum((counts) => counts.exact),
      drawn,
    ),
  };
}
