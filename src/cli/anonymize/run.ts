/** `anonymizer run`: documents in, anonymized documents and reports out. */
import { rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import {
  Anonymizer,
  type AnonymizerConfig,
  type AnonymizerError,
  codedError,
  createProgress,
  formatDuration,
  reportText,
  throwIfAborted,
  writeFileAtomic,
} from "../../index.ts";
import { type Terminal, toCoded } from "../terminal.ts";
import { exitCodes } from "./exit-codes.ts";
import { makeFolder, writableFolder } from "./folders.ts";
import { collectJobs, type Job } from "./jobs.ts";
import { countTypes, type Facts, Journal, type Places } from "./journal.ts";
import { review, reviewFinished, wantsReview, writeReviewIndex } from "./review.ts";
import { loadSettings, type SettingsOptions, withoutNewVault } from "./settings.ts";
import { runStream } from "./stream.ts";

export interface RunOptions extends SettingsOptions {
  readonly out?: string;
  /** Folder of the reports, or "none". Default: beside the results. */
  readonly report?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly force?: boolean;
  readonly preview?: boolean;
  /** Show the originals in the review pages. */
  readonly previewOriginals?: boolean;
}

type Status = "proven" | "unproven" | "failed" | "planned";

/** What became of one document. */
export interface Outcome {
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

/** A run at work. */
export interface Run {
  readonly options: RunOptions;
  readonly anonymizer: Anonymizer;
  /** Absolute; undefined on a dry run without one. */
  readonly out: string | undefined;
  /** Undefined on a dry run. */
  readonly journal: Journal | undefined;
  readonly signal: AbortSignal;
}

/** Runs the command and resolves to the exit code. Rejects with coded errors that stop the whole run. */
export async function run(
  inputs: readonly string[],
  options: RunOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  if (inputs.includes("-")) return runStream(inputs, options, terminal, signal);
  const started = performance.now();
  if (options.out === undefined && !options.dryRun) {
    throw codedError(
      "ERR_USAGE",
      "--out is missing: the folder for the results (only `-`, standard input, needs none)",
    );
  }
  const loaded = await loadSettings(options);
  const config = options.dryRun ? await withoutNewVault(loaded) : loaded;
  const jobs = await collectJobs(inputs, options.out, config.output.format);
  const out = options.out === undefined ? undefined : resolve(options.out);
  if (!options.dryRun) await writableFolder(out!);
  const journal = options.dryRun ? undefined : await Journal.open(out!);
  try {
    const anonymizer = await Anonymizer.create(config, { signal, claims: journal?.claims ?? [] });
    const outcomes = await runJobs(jobs, { options, anonymizer, out, journal, signal }, terminal, started);
    const summary = summarise(outcomes, jobs, anonymizer, signal.aborted, (performance.now() - started) / 1000);
    if (journal !== undefined) {
      await writeFileAtomic(join(out!, "summary.json"), `${JSON.stringify(summary, null, 2)}\n`);
      if (wantsReview(options)) await writeReviewIndex(out!, summary.results, jobs);
    }
    if (options.json) terminal.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
    else terminal.stdout.write(`${summaryText(summary)}\n`);
    if (signal.aborted) return exitCodes.interrupted;
    if (summary.documents.failed > 0) return exitCodes.documentsFailed;
    return summary.documents.unproven > 0 ? exitCodes.unproven : exitCodes.fine;
  } finally {
    await journal?.close();
  }
}

/** Works the jobs off, several at the same time, and closes the anonymizer. */
async function runJobs(jobs: readonly Job[], work: Run, terminal: Terminal, started: number): Promise<Outcome[]> {
  const { options, anonymizer, signal } = work;
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
        const outcome = await runOne(current, work, tell);
        if (outcome === undefined) return;
        outcomes.push(outcome);
        const problem = problemLine(outcome);
        if (problem) progress.note(problem);
        progress.update(outcomes.length, current.output, eta(started, outcomes, jobs.length));
      }
    };
    await Promise.all(Array.from({ length: Math.min(options.jobs ?? 1, jobs.length) }, worker));
  } finally {
    progress.end();
    await anonymizer.close();
  }
  return outcomes;
}

/** Undefined when it was aborted. */
async function runOne(job: Job, work: Run, tell: (stage: string) => void): Promise<Outcome | undefined> {
  const { options, anonymizer, signal, journal, out } = work;
  const started = performance.now();
  const seconds = (): number => Math.round(performance.now() - started) / 1000;
  const base = { input: job.input, output: null, skipped: false, entities: {}, confidence: null, unproven_because: [] };
  const onProgress = ({ stage }: { stage: string }): void => tell(stage);
  try {
    if (journal === undefined || out === undefined) {
      const plan = await anonymizer.detect(job.input, { signal, onProgress });
      const entities = countTypes(plan.replacements.map(({ entity }) => entity));
      return { ...base, entities, status: "planned", seconds: seconds() };
    }
    const places = placesOf(job, options, out);
    const before = options.force ? undefined : await journal.finished(job.output, places, anonymizer);
    if (before) {
      if (wantsReview(options)) await reviewFinished(job, places, work);
      return fromFacts(before, job, true, seconds());
    }
    const result = await anonymizer.anonymize(job.input, { signal, onProgress });
    throwIfAborted(signal);
    tell("write");
    const { report } = result;
    if (!report.proven) await journal.removeStale(job.output, places.output);
    // In this order a kill leaves no result without its report and no result that the next run does not know.
    if (places.report !== undefined) await writeInto(places.report, reportText(report));
    const facts = await journal.note(job.output, report, anonymizer);
    if (report.proven) {
      try {
        await makeFolder(dirname(places.output));
        await result.save(places.output, { format: result.format, signal });
      } catch (error) {
        if (places.report !== undefined) await rm(places.report, { force: true });
        throw error;
      }
    }
    if (wantsReview(options)) await review(job, work, report, report.proven ? result.data : undefined);
    return fromFacts(facts, job, false, seconds());
  } catch (error) {
    const coded = toCoded(error);
    if (signal.aborted || coded.code === "ERR_ABORTED") return undefined;
    return { ...base, status: "failed", error: errorFacts(coded), seconds: seconds() };
  }
}

function placesOf(job: Job, options: RunOptions, out: string): Places {
  const reportFolder = options.report === undefined ? out : resolve(options.report);
  return {
    input: job.input,
    output: join(out, job.output),
    report: options.report === "none" ? undefined : join(reportFolder, job.report),
  };
}

async function writeInto(path: string, text: string): Promise<void> {
  await makeFolder(dirname(path));
  await writeFileAtomic(path, text);
}

const errorFacts = ({ code, message, cure }: AnonymizerError) => ({ code, message, cure });

function fromFacts(facts: Facts, job: Job, skipped: boolean, seconds: number): Outcome {
  const { proven, confidence, entities, unproven_because } = facts;
  return {
    input: job.input,
    output: proven ? job.output : null,
    status: proven ? "proven" : "unproven",
    skipped,
    entities,
    confidence,
    unproven_because,
    seconds,
  };
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
