/** The review pages of a run: `preview/index.html` in the output folder, and a page for each document. */
import { readFile, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import {
  limitsFrom,
  type PreviewDocument,
  type Report,
  reportSchema,
  writePreviewIndex,
  writePreviewPage,
} from "../../index.ts";
import type { Job } from "./jobs.ts";
import type { Places } from "./journal.ts";
import type { Outcome, Run, RunOptions } from "./run.ts";

export const wantsReview = (options: RunOptions): boolean =>
  options.preview === true || options.previewOriginals === true;

/** Parts of a page's path below the folder of the list. */
const pageOf = (job: Job): string[] => ["pages", ...`${job.output}.html`.split(sep)];

const folderOf = (out: string): string => join(out, "preview");

/** Writes the page of one document; `result` only of a proven one. */
export async function review(job: Job, work: Run, report: Report, result: Uint8Array | undefined): Promise<void> {
  const page = pageOf(job);
  await writePreviewPage(join(folderOf(work.out!), ...page), {
    title: job.output,
    report,
    indexHref: `${"../".repeat(page.length - 1)}index.html`,
    ...(result === undefined ? {} : { result }),
    ...(work.options.previewOriginals ? { original: job.input } : {}),
    limits: limitsFrom(work.anonymizer.config.limits),
    signal: work.signal,
  });
}

/** The page of a document done by an earlier run, where it is missing and there is a report to make it from. */
export async function reviewFinished(job: Job, places: Places, work: Run): Promise<void> {
  if (places.report === undefined) return;
  const there = await stat(join(folderOf(work.out!), ...pageOf(job))).catch(() => undefined);
  if (there !== undefined && !work.options.previewOriginals) return;
  const report = reportSchema.safeParse(parsed(await readFile(places.report, "utf8")));
  if (!report.success) return;
  await review(job, work, report.data, report.data.proven ? await readFile(places.output) : undefined);
}

/** Undefined where it is no JSON: a report that somebody has changed. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export async function writeReviewIndex(out: string, outcomes: readonly Outcome[], jobs: readonly Job[]): Promise<void> {
  const byInput = new Map(jobs.map((job) => [job.input, job]));
  const documents: PreviewDocument[] = [];
  for (const { input, status, confidence, entities, unproven_because, error } of outcomes) {
    const job = byInput.get(input)!;
    const page = await stat(join(folderOf(out), ...pageOf(job))).catch(() => undefined);
    documents.push({
      name: job.output,
      status,
      confidence,
      entities,
      problems: error === undefined ? unproven_because : [`${error.code}: ${error.message}`],
      ...(page === undefined ? {} : { href: pageOf(job).map(encodeURIComponent).join("/") }),
    });
  }
  await writePreviewIndex(join(folderOf(out), "index.html"), documents);
}
