/** One document of a run: anonymized, or passed over because an earlier run has done it. */
import { rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { AnonymizerError, codedError, throwIfAborted } from "../../index.ts";
import { toCoded } from "../terminal.ts";
import { makeFolder } from "./folders.ts";
import type { Job } from "./jobs.ts";
import { countTypes, type Facts, type Journal, type Places } from "./journal.ts";
import { writeReport } from "./report-file.ts";
import { removePage, review, reviewFinished, wantsReview } from "./review.ts";
import type { Run, RunOptions } from "./run.ts";
import type { ErrorFacts, Outcome } from "./summary.ts";

/** A run that writes. */
type WritingRun = Run & { readonly out: string; readonly journal: Journal };

const writes = (work: Run): work is WritingRun => work.out !== undefined && work.journal !== undefined;

/** What became of the document; undefined when it was aborted. */
export async function runDocument(job: Job, work: Run, tell: (stage: string) => void): Promise<Outcome | undefined> {
  const started = performance.now();
  const base = { input: job.input, output: null, skipped: false, entities: {}, confidence: null, unproven_because: [] };
  const finish = (outcome: Omit<Outcome, "input" | "seconds">): Outcome => ({
    ...outcome,
    input: job.input,
    seconds: Math.round(performance.now() - started) / 1000,
  });
  try {
    if (!writes(work)) return finish({ ...base, entities: await plan(job, work, tell), status: "planned" });
    const places = placesOf(job, work.options, work.out);
    const before = work.options.force ? undefined : await work.journal.finished(job.output, places, work.anonymizer);
    if (before === undefined) return finish(fromFacts(job, ...(await renew(job, places, work, tell))));
    const warning = await warningOf(() => reviewFinished(job, places, work), work);
    return finish({ ...fromFacts(job, before, warning), skipped: true });
  } catch (error) {
    if (isAbort(error, work)) return undefined;
    return finish({ ...base, status: "failed", error: factsOf(error) });
  }
}

/** How many entities of each type would be replaced. */
async function plan(job: Job, { anonymizer, signal }: Run, tell: (stage: string) => void) {
  const { replacements } = await anonymizer.detect(job.input, { signal, onProgress: ({ stage }) => tell(stage) });
  return countTypes(replacements.map(({ entity }) => entity));
}

/** Anonymizes the document and puts the result in the place of an earlier one, which a failure takes away. */
async function renew(
  job: Job,
  places: Places,
  work: WritingRun,
  tell: (stage: string) => void,
): Promise<[Facts, ErrorFacts | undefined]> {
  const { anonymizer, journal, out, signal, options } = work;
  let begun = false;
  try {
    const result = await anonymizer.anonymize(job.input, { signal, onProgress: ({ stage }) => tell(stage) });
    throwIfAborted(signal);
    tell("write");
    const { document } = result.report;
    const report = job.hidden ? { ...result.report, document: { ...document, name: job.output } } : result.report;
    begun = true;
    await removePage(out, job);
    if (!report.proven) await journal.removeStale(job.output, places.output);
    // In this order a kill leaves no result without its report and no result that the next run does not know.
    if (places.report !== undefined) await writeReport(places.report, report);
    const facts = await journal.note(job.output, report, anonymizer);
    if (report.proven) {
      await makeFolder(dirname(places.output));
      await result.save(places.output, { format: result.format, signal });
    }
    const page = () => review(job, work, report, report.proven ? result.data : undefined);
    return [facts, wantsReview(options) ? await warningOf(page, work) : undefined];
  } catch (error) {
    if (begun) await remove(places.report);
    // What no longer answers what is asked for must not pass for a result of this run.
    const stays = isAbort(error, work) || (!begun && (await journal.answers(job.output, places, anonymizer)));
    if (!stays) await discard(job, places, work);
    throw error;
  }
}

/** Takes away what an earlier run made of the document. */
async function discard(job: Job, places: Places, { journal, out }: WritingRun): Promise<void> {
  await journal.removeStale(job.output, places.output);
  await remove(places.report);
  await removePage(out, job);
}

async function remove(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  await rm(path, { force: true }).catch((cause: unknown) => {
    throw codedError("ERR_OUTPUT", `${path} is of an earlier run and can't be removed`, { cause });
  });
}

/** Why `work` failed; the document is done all the same. Undefined also when it was aborted: the next run does it. */
async function warningOf(work: () => Promise<void>, run: Run): Promise<ErrorFacts | undefined> {
  try {
    await work();
  } catch (error) {
    return isAbort(error, run) ? undefined : factsOf(error);
  }
  return undefined;
}

const isAbort = (error: unknown, { signal }: Run): boolean =>
  signal.aborted || (error instanceof AnonymizerError && error.code === "ERR_ABORTED");

function factsOf(error: unknown): ErrorFacts {
  const { code, message, cure } = toCoded(error);
  return { code, message, cure };
}

function placesOf(job: Job, options: RunOptions, out: string): Places {
  const reportFolder = options.report === undefined ? out : resolve(options.report);
  return {
    input: job.input,
    output: join(out, job.output),
    report: options.report === "none" ? undefined : join(reportFolder, job.report),
  };
}

function fromFacts(job: Job, facts: Facts, warning: ErrorFacts | undefined): Omit<Outcome, "input" | "seconds"> {
  const { proven, confidence, entities, unproven_because } = facts;
  return {
    output: proven ? job.output : null,
    status: proven ? "proven" : "unproven",
    skipped: false,
    entities,
    confidence,
    unproven_because,
    ...(warning && { warning }),
  };
}
