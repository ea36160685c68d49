/** `anonymizer run`: documents in, anonymized documents and reports out. */
import { join, resolve } from "node:path";
import { resolveKey } from "../../config/secret-key.ts";
import { Anonymizer, type AnonymizerConfig, codedError, createProgress, writeFileAtomic } from "../../index.ts";
import type { Terminal } from "../terminal.ts";
import { exitCodes } from "./exit-codes.ts";
import { writableFolder } from "./folders.ts";
import { collectJobs, type Job } from "./jobs.ts";
import { Journal } from "./journal.ts";
import { clearReview, wantsReview, writeReviewIndex } from "./review.ts";
import { runDocument } from "./run-document.ts";
import { loadSettings, type SettingsOptions, withoutNewVault } from "./settings.ts";
import { runStream } from "./stream.ts";
import { type Outcome, problemLine, summarise, summaryText, withoutName } from "./summary.ts";

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
  /** What the results are named by: their inputs (default), or keyed hashes of the inputs' paths. */
  readonly names?: "keep" | "hash";
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
  const jobs = await collectJobs(inputs, {
    out: options.out,
    format: config.output.format,
    nameKey: options.names === "hash" ? await keyOfNames(config) : undefined,
  });
  const out = options.out === undefined ? undefined : resolve(options.out);
  if (!options.dryRun) await writableFolder(out!);
  const journal = options.dryRun ? undefined : await Journal.open(out!);
  try {
    if (journal !== undefined) await clearReview(out!);
    const anonymizer = await Anonymizer.create(config, { signal, claims: journal?.claims ?? [] });
    const outcomes = await runJobs(jobs, { options, anonymizer, out, journal, signal }, terminal, started);
    const summary = summarise(
      jobs.length,
      [...outcomes.values()],
      anonymizer,
      signal.aborted,
      (performance.now() - started) / 1000,
    );
    const text = `${JSON.stringify(summary, null, 2)}\n`;
    if (journal !== undefined) await writeFileAtomic(join(out!, "summary.json"), text);
    terminal.stdout.write(options.json ? text : `${summaryText(summary)}\n`);
    if (journal !== undefined && wantsReview(options)) await writeReviewIndex(out!, outcomes);
    if (signal.aborted) return exitCodes.interrupted;
    if (summary.documents.failed > 0) return exitCodes.documentsFailed;
    return summary.documents.unproven > 0 ? exitCodes.unproven : exitCodes.fine;
  } finally {
    await journal?.close();
  }
}

async function keyOfNames(config: AnonymizerConfig): Promise<string> {
  const key = await resolveKey(config);
  if (key !== undefined) return key;
  // Names without a key could be guessed, and with a new one each time no run could go on from another.
  throw codedError("ERR_USAGE", "--names hash needs a key: give --key-file or ANONYMIZER_KEY");
}

/** Works the jobs off, several at the same time, and closes the anonymizer. */
async function runJobs(
  jobs: readonly Job[],
  work: Run,
  terminal: Terminal,
  started: number,
): Promise<Map<Job, Outcome>> {
  const { options, anonymizer, signal } = work;
  const outcomes = new Map<Job, Outcome>();
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
          progress.update(outcomes.size, `${current.output}: ${stage}`, eta(started, outcomes, jobs.length));
        tell("start");
        const outcome = await runDocument(current, work, tell);
        if (outcome === undefined) return;
        outcomes.set(current, withoutName(outcome, current));
        const problem = problemLine(outcome);
        if (problem) progress.note(problem);
        progress.update(outcomes.size, current.output, eta(started, outcomes, jobs.length));
      }
    };
    await Promise.all(Array.from({ length: Math.min(options.jobs ?? 1, jobs.length) }, worker));
  } finally {
    progress.end();
    await anonymizer.close();
  }
  // They ended in any order.
  return new Map(jobs.flatMap((job) => (outcomes.has(job) ? [[job, outcomes.get(job)!]] : [])));
}

function engineLine(anonymizer: Anonymizer): string {
  const { chosen, reason } = anonymizer.engine;
  const key = anonymizer.keyId === null ? "; no key set: invented values differ from run to run" : "";
  return `engine ${chosen} (${reason})${key}`;
}

function eta(started: number, outcomes: ReadonlyMap<Job, Outcome>, total: number): number | undefined {
  const worked = [...outcomes.values()].filter((outcome) => !outcome.skipped).length;
  if (worked === 0) return undefined;
  return ((performance.now() - started) / 1000 / worked) * (total - outcomes.size);
}
