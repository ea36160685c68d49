/** What became of the documents of a run. */
import { type ErrorCode, errorCodes } from "../../errors.ts";
import { type Anonymizer, type AnonymizerConfig, formatDuration } from "../../index.ts";
import type { Job } from "./jobs.ts";

export interface ErrorFacts {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cure: string;
}

type Status = "proven" | "unproven" | "failed" | "planned";

/** What became of one document. */
export interface Outcome {
  /** Absolute path; with hashed names that of the result. */
  readonly input: string;
  /** Relative to the output folder; null when nothing was written. */
  readonly output: string | null;
  readonly status: Status;
  /** Done by an earlier run. */
  readonly skipped: boolean;
  readonly entities: Readonly<Record<string, number>>;
  readonly confidence: number | null;
  readonly unproven_because: readonly string[];
  readonly seconds: number;
  /** Why it failed. */
  readonly error?: ErrorFacts;
  /** Why its review page could not be written; the document itself was done. */
  readonly warning?: ErrorFacts;
}

/** The outcome without the input's name, where names are hashed; messages may hold it, and give way to the code's meaning. */
export function withoutName(outcome: Outcome, job: Job): Outcome {
  if (!job.hidden) return outcome;
  const { error, warning } = outcome;
  const general = ({ code }: ErrorFacts): ErrorFacts => {
    const { meaning: message, cure } = errorCodes[code];
    return { code, message, cure };
  };
  return {
    ...outcome,
    input: job.output,
    ...(error && { error: general(error) }),
    ...(warning && { warning: general(warning) }),
  };
}

/** What the terminal is told of a document besides the progress. */
export function problemLine(outcome: Outcome): string | undefined {
  const name = outcome.input;
  const told = ({ code, message, cure }: ErrorFacts): string => `${code}: ${message}\n  ${cure}`;
  if (outcome.error) return `FAILED ${name}\n  ${told(outcome.error)}`;
  if (outcome.status === "unproven")
    return `NOT PROVEN, not written: ${name}\n  ${outcome.unproven_because.join(", ")}`;
  if (outcome.warning) return `NO REVIEW PAGE ${name}\n  ${told(outcome.warning)}`;
  return undefined;
}

/** Content of summary.json. */
export interface Summary {
  readonly schema_version: 1;
  readonly documents: Readonly<
    Record<"total" | "proven" | "unproven" | "failed" | "planned" | "skipped" | "left", number>
  >;
  readonly entities: Readonly<Record<string, number>>;
  readonly engine: AnonymizerConfig["engine"] | string;
  readonly engine_reason: string;
  readonly key_id: string | null;
  readonly interrupted: boolean;
  readonly seconds: number;
  readonly results: readonly Outcome[];
}

export function summarise(
  total: number,
  outcomes: readonly Outcome[],
  anonymizer: Anonymizer,
  interrupted: boolean,
  seconds: number,
): Summary {
  const count = (status: Status): number => outcomes.filter((outcome) => outcome.status === status).length;
  const entities: Record<string, number> = {};
  for (const outcome of outcomes) {
    for (const [type, n] of Object.entries(outcome.entities)) entities[type] = (entities[type] ?? 0) + n;
  }
  return {
    schema_version: 1,
    documents: {
      total,
      proven: count("proven"),
      unproven: count("unproven"),
      failed: count("failed"),
      planned: count("planned"),
      skipped: outcomes.filter((outcome) => outcome.skipped).length,
      left: total - outcomes.length,
    },
    entities,
    engine: anonymizer.engine.chosen,
    engine_reason: anonymizer.engine.reason,
    key_id: anonymizer.keyId,
    interrupted,
    seconds: Math.round(seconds * 10) / 10,
    results: outcomes,
  };
}

export function summaryText(summary: Summary): string {
  const { total, proven, unproven, failed, planned, skipped, left } = summary.documents;
  const parts = [`${total} ${total === 1 ? "document" : "documents"}`];
  if (planned > 0) parts.push(`${planned} looked at`);
  else parts.push(`${proven} proven`);
  if (unproven > 0) parts.push(`${unproven} not proven`);
  if (failed > 0) parts.push(`${failed} failed`);
  if (skipped > 0) parts.push(`${skipped} done before`);
  if (left > 0) parts.push(`${left} left`);
  const types = Object.entries(summary.entities).map(([type, n]) => `${n} ${type}`);
  return `${parts.join(", ")}; ${types.length > 0 ? types.join(", ") : "nothing to replace"}; ${formatDuration(summary.seconds)}`;
}
