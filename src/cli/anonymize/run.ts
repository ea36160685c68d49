/** `anonymizer run`: documents in, anonymized documents and reports out. */
import { mkdir, mkdtemp, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import {
  Anonymizer,
  type AnonymizerConfig,
  type AnonymizerError,
  codedError,
  createProgress,
  formatDuration,
  type Report,
  removeStaleTemporaries,
  reportText,
  throwIfAborted,
  writeFileAtomic,
} from "../../index.ts";
import { type Terminal, toCoded } from "../terminal.ts";
import { exitCodes } from "./exit-codes.ts";
import { finishedReport, type Places, removeStale } from "./finished.ts";
import { collectJobs, type Job } from "./jobs.ts";
import { loadSettings, type SettingsOptions } from "./settings.ts";

export interface RunOptions extends SettingsOptions {
  readonly out: string;
  /** Folder of the reports, or "none". Default: beside the results. */
  readonly report?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly force?: boolean;
}

type Status = "proven" | "unproven" | "failed" | "planned";

/** What became of one document. */
interface Outcome {
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
  readonly error?: { readonly code: string; readonly message: string; readonly cure: string };
}

/** Runs the command and resolves to the exit code. Rejects with coded errors that stop the whole run. */
export async function run(
  inputs: readonly string[],
  options: RunOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const started = performance.now();
  const config = await loadSettings(options);
  const jobs = await collectJobs(inputs, options.out, config.output.format);
  const out = resolve(options.out);
  if (!options.dryRun) await writableFolder(out);

  const anonymizer = await Anonymizer.create(config, { signal });
  const outcomes: Outcome[] = [];
  const progress = createProgress({
    label: options.dryRun ? "detect" : "anonymize",
    total: jobs.length,
    stream: terminal.stderr,
  });
  try {
    progress.note(engineLine(anonymizer));
    const queue = [...jobs];
    const worker = async (): Promise<void> => {
      for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
        if (signal.aborted) return;
        const current = job;
        const tell = (stage: string): void =>
          progress.update(outcomes.length, `${current.output}: ${stage}`, eta(started, outcomes, jobs.length));
        tell("start");
        const outcome = await runOne(current, out, options, anonymizer, signal, tell);
        if (outcome === undefined) return;
        outcomes.push(outcome);
        const problem = problemLine(outcome);
        if (problem) progress.note(problem);
        progress.update(outcomes.length, current.output, eta(started, outcomes, jobs.length));
      }
    };
    await Promise.all(Array.from({ length: Math.min(options.concurrency ?? 1, jobs.length) }, worker));
  } finally {
    progress.end();
    await anonymizer.close();
  }

  const summary = summarise(outcomes, jobs, anonymizer, signal.aborted, (performance.now() - started) / 1000);
  if (!options.dryRun) await writeFileAtomic(join(out, "summary.json"), `${JSON.stringify(summary, null, 2)}\n`);
  if (options.json) terminal.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
  else terminal.stdout.write(`${summaryText(summary)}\n`);
  if (signal.aborted) return exitCodes.interrupted;
  if (summary.documents.failed > 0) return exitCodes.documentsFailed;
  return summary.documents.unproven > 0 ? exitCodes.unproven : exitCodes.fine;
}

/** Undefined when it was aborted. */
async function runOne(
  job: Job,
  out: string,
  options: RunOptions,
  anonymizer: Anonymizer,
  signal: AbortSignal,
  tell: (stage: string) => void,
): Promise<Outcome | undefined> {
  const started = performance.now();
  const seconds = (): number => Math.round(performance.now() - started) / 1000;
  const reportFolder = options.report === undefined ? out : resolve(options.report);
  const places: Places = { input: job.input, output: join(out, job.output), report: join(reportFolder, job.report) };
  const base = { input: job.input, output: null, skipped: false, entities: {}, confidence: null, unproven_because: [] };
  try {
    if (options.dryRun) {
      const plan = await anonymizer.detect(job.input, { signal, onProgress: ({ stage }) => tell(stage) });
      const entities = countTypes(plan.replacements.map(({ entity }) => entity));
      return { ...base, entities, status: "planned", seconds: seconds() };
    }
    const withReport = options.report !== "none";
    const before = options.force || !withReport ? undefined : await finishedReport(places, anonymizer);
    if (before) return fromReport(before, job, true, seconds());
    const result = await anonymizer.anonymize(job.input, { signal, onProgress: ({ stage }) => tell(stage) });
    throwIfAborted(signal);
    tell("write");
    if (result.report.proven) {
      await makeFolder(dirname(places.output));
      await result.save(places.output, { format: result.format, signal });
    } else await removeStale(places);
    if (withReport) {
      await makeFolder(dirname(places.report));
      await writeFileAtomic(places.report, reportText(result.report));
    }
    return fromReport(result.report, job, false, seconds());
  } catch (error) {
    const coded = toCoded(error);
    if (signal.aborted || coded.code === "ERR_ABORTED") return undefined;
    return { ...base, status: "failed", error: errorFacts(coded), seconds: seconds() };
  }
}

const errorFacts = ({ code, message, cure }: AnonymizerError) => ({ code, message, cure });

function fromReport(report: Report, job: Job, skipped: boolean, seconds: number): Outcome {
  return {
    input: job.input,
    output: report.proven ? job.output : null,
    status: report.proven ? "proven" : "unproven",
    skipped,
    entities: countTypes(report.entities),
    confidence: report.confidence,
    unproven_because: report.unproven_because,
    seconds,
  };
}

function countTypes(entities: readonly { readonly type: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of entities) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

/** Finds out, before the first document is read, whether files can be written to the folder. */
async function writableFolder(folder: string): Promise<void> {
  await makeFolder(folder);
  try {
    await rmdir(await mkdtemp(join(folder, ".write-test-")));
  } catch (error) {
    throw cantWrite(folder, error);
  }
}

/** Makes the folder; clears away what a killed run left there. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw cantWrite(folder, error);
  }
  await removeStaleTemporaries(folder);
}

function cantWrite(folder: string, cause: unknown): AnonymizerError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return codedError("ERR_OUTPUT", `${folder} can't be written to: ${message}`, { cause, details: { folder } });
}

function engineLine(anonymizer: Anonymizer): string {
  const { chosen, reason } = anonymizer.engine;
  const key = anonymizer.keyId === null ? "; no key set: invented values differ from run to run" : "";
  return `engine ${chosen} (${reason})${key}`;
}

function problemLine(outcome: Outcome): string | undefined {
  const name = outcome.input;
  if (outcome.error)
    return `FAILED ${name}\n  ${outcome.error.code}: ${outcome.error.message}\n  ${outcome.error.cure}`;
  if (outcome.status === "unproven")
    return `NOT PROVEN, not written: ${name}\n  ${outcome.unproven_because.join(", ")}`;
  return undefined;
}

function eta(started: number, outcomes: readonly Outcome[], total: number): number | undefined {
  const worked = outcomes.filter((outcome) => !outcome.skipped).length;
  if (worked === 0) return undefined;
  return ((performance.now() - started) / 1000 / worked) * (total - outcomes.length);
}

/** Content of summary.json. */
interface Summary {
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

function summarise(
  outcomes: readonly Outcome[],
  jobs: readonly Job[],
  anonymizer: Anonymizer,
  interrupted: boolean,
  seconds: number,
): Summary {
  const count = (status: Status): number => outcomes.filter((outcome) => outcome.status === status).length;
  const entities: Record<string, number> = {};
  for (const outcome of outcomes) {
    for (const [type, n] of Object.entries(outcome.entities)) entities[type] = (entities[type] ?? 0) + n;
  }
  const order = new Map(jobs.map((job, i) => [job.input, i]));
  return {
    schema_version: 1,
    documents: {
      total: jobs.length,
      proven: count("proven"),
      unproven: count("unproven"),
      failed: count("failed"),
      planned: count("planned"),
      skipped: outcomes.filter((outcome) => outcome.skipped).length,
      left: jobs.length - outcomes.length,
    },
    entities,
    engine: anonymizer.engine.chosen,
    engine_reason: anonymizer.engine.reason,
    key_id: anonymizer.keyId,
    interrupted,
    seconds: Math.round(seconds * 10) / 10,
    results: [...outcomes].sort((a, b) => order.get(a.input)! - order.get(b.input)!),
  };
}

function summaryText(summary: Summary): string {
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
