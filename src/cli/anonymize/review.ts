/** The review pages of a run: `preview/index.html` in the output folder, and a page for each document. */
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import {
  codedError,
  limitsFrom,
  type PreviewDocument,
  type Report,
  removeStaleTemporaries,
  reportSchema,
  writePreviewIndex,
  writePreviewPage,
} from "../../index.ts";
import type { Job } from "./jobs.ts";
import type { Places } from "./journal.ts";
import type { Run, RunOptions } from "./run.ts";
import type { Outcome } from "./summary.ts";

export const wantsReview = (options: RunOptions): boolean =>
  options.preview === true || options.previewOriginals === true;

/** Parts of a page's path below the folder of the list. */
const pageOf = (job: Job): string[] => ["pages", ...`${job.output}.html`.split(sep)];

const folderOf = (out: string): string => join(out, "preview");

/** Clears away what a killed run left among the pages: it may hold originals. */
export async function clearReview(out: string): Promise<void> {
  const entries = await readdir(folderOf(out), { recursive: true, withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ parentPath, name }) => join(parentPath, name));
  for (const folder of [folderOf(out), ...folders]) await removeStaleTemporaries(folder);
}

/** Removes the page of an earlier result. Rejects with ERR_OUTPUT. */
export async function removePage(out: string, job: Job): Promise<void> {
  const page = join(folderOf(out), ...pageOf(job));
  if ((await stat(page).catch(() => undefined)) === undefined) return;
  await rm(page, { force: true }).catch((cause: unknown) => {
    throw codedError("ERR_OUTPUT", `${page} is of an earlier run and can't be removed`, { cause });
  });
}

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

/** The documents of this run, in the order of `outcomes`. */
export async function writeReviewIndex(out: string, outcomes: ReadonlyMap<Job, Outcome>): Promise<void> {
  const documents: PreviewDocument[] = [];
  for (const [job, { status, confidence, entities, unproven_because, error, warning }] of outcomes) {
    const page = await stat(join(folderOf(out), ...pageOf(job))).catch(() => undefined);
    documents.push({
      name: job.output,
      status,
      confidence,
      entities,
      problems: [...unproven_because, ...[error, warning].flatMap((e) => (e ? [`${e.code}: ${e.message}`] : []))],
      ...(page === undefined ? {} : { href: pageOf(job).map(encodeURIComponent).join("/") }),
    });
  }
  await writePreviewIndex(join(folderOf(out), "index.html"), documents);
}
