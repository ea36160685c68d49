/** Documents on their way through the server: a bounded queue, and a bounded store of what came out. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ProgressEvent } from "../anonymizer/progress.ts";
import type { AnonymizeResult } from "../anonymizer/result.ts";
import type { AnonymizeOptions } from "../anonymizer.ts";
import type { ServiceConfig } from "../config/service-config.ts";
import type { DocumentFormat } from "../documents/document.ts";
import { codedError } from "../errors.ts";
import { type Report, reportText } from "../report.ts";
import { freshId } from "./fresh-id.ts";

export type JobStatus = "queued" | "running" | "proven" | "unproven" | "failed";

/** What is kept of a result: pages are large, and nobody asks for them again. */
export interface KeptResult {
  /** Of a proven document only. */
  readonly data: Buffer | undefined;
  readonly format: DocumentFormat;
  /** JSON. */
  readonly report: Buffer;
  readonly pages: number;
  readonly regions: number;
  readonly reasons: readonly string[];
}

export interface Job {
  readonly id: string;
  readonly status: JobStatus;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly finishedAt: number | undefined;
  readonly expiresAt: number | undefined;
  readonly progress: ProgressEvent | undefined;
  readonly result: KeptResult | undefined;
  /** Of a failed one. */
  readonly error: unknown;
  /** Settles, and never rejects, as soon as the status is a last one. */
  readonly finished: Promise<void>;
}

interface RunningJob extends Job {
  status: JobStatus;
  finishedAt: number | undefined;
  expiresAt: number | undefined;
  progress: ProgressEvent | undefined;
  result: KeptResult | undefined;
  error: unknown;
  document: Uint8Array | undefined;
  readonly place: Place;
  readonly stop: AbortController;
  /** Its client comes back for it, and has not yet. */
  awaited: boolean;
  finish(): void;
}

/** Room for one document, taken before its bytes arrive. */
export interface Place {
  readonly bytes: number;
}

/** Told of what happens, for metrics and logs. */
export interface JobObserver {
  started(job: Job, waitedSeconds: number): void;
  /** Once a job; `report` where there is one. */
  finished(job: Job, report: Report | undefined, seconds: number): void;
}

export interface JobCounts {
  /** Documents whose bytes arrive. */
  readonly arriving: number;
  readonly queued: number;
  readonly running: number;
  readonly pendingBytes: number;
  readonly kept: number;
  readonly keptBytes: number;
}

type Settings = Pick<
  ServiceConfig,
  "concurrency" | "queue" | "max_pending_bytes" | "job_seconds" | "keep_seconds" | "keep_bytes"
>;
type Work = (document: Uint8Array, options: AnonymizeOptions) => Promise<AnonymizeResult>;

/** What a job without a result weighs. */
const jobBytes = 1024;

export class JobQueue {
  readonly #settings: Settings;
  readonly #work: Work;
  readonly #observer: JobObserver;
  readonly #jobs = new Map<string, RunningJob>();
  readonly #queue: RunningJob[] = [];
  /** Finished ones, oldest first, with what they weigh. */
  readonly #kept = new Map<RunningJob, number>();
  readonly #places = new Set<Place>();
  /** Those of the places whose document is not here yet. */
  readonly #arriving = new Set<Place>();
  readonly #working = new Set<Promise<void>>();
  readonly #sweep: NodeJS.Timeout;
  #keptBytes = 0;
  #pendingBytes = 0;
  /** Seconds a document takes, of late. */
  #pace = 2;

  constructor(settings: Settings, work: Work, observer: JobObserver) {
    this.#settings = settings;
    this.#work = work;
    this.#observer = observer;
    this.#sweep = setInterval(() => this.#removeExpired(), Math.min(10, settings.keep_seconds) * 1000);
    this.#sweep.unref();
  }

  get counts(): JobCounts {
    return {
      arriving: this.#arriving.size,
      queued: this.#queue.length,
      running: this.#working.size,
      pendingBytes: this.#pendingBytes,
      kept: this.#kept.size,
      keptBytes: this.#keptBytes,
    };
  }

  /** Whole seconds after which there may be room again, 1…60. */
  get retryAfter(): number {
    const rounds = Math.ceil((this.#queue.length + 1) / this.#settings.concurrency);
    return Math.min(60, Math.max(1, Math.round(rounds * this.#pace)));
  }

  /** Room for a document of at most `bytes`; undefined where there is none. */
  take(bytes: number): Place | undefined {
    const { concurrency, queue, max_pending_bytes } = this.#settings;
    // A single document fits always, or it could never be sent at all.
    const full = this.#places.size >= concurrency + queue;
    if (full || (this.#places.size > 0 && this.#pendingBytes + bytes > max_pending_bytes)) return undefined;
    const place = { bytes };
    this.#places.add(place);
    this.#arriving.add(place);
    this.#pendingBytes += bytes;
    return place;
  }

  /** Gives the room back where no job came of it; else nothing happens. */
  release(place: Place): void {
    if (this.#arriving.has(place)) this.#free(place);
  }

  #free(place: Place): void {
    this.#arriving.delete(place);
    if (this.#places.delete(place)) this.#pendingBytes -= place.bytes;
  }

  /** Queues a document in the room taken for it. */
  submit(place: Place, document: Uint8Array): Job {
    this.#arriving.delete(place);
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const job: RunningJob = {
      id: freshId(),
      status: "queued",
      createdAt: Date.now(),
      finishedAt: undefined,
      expiresAt: undefined,
      progress: undefined,
      result: undefined,
      error: undefined,
      finished,
      finish,
      document,
      place,
      stop: new AbortController(),
      awaited: false,
    };
    this.#jobs.set(job.id, job);
    this.#queue.push(job);
    this.#next();
    return job;
  }

  get(id: string): Job | undefined {
    this.#removeExpired();
    return this.#jobs.get(id);
  }

  /** Documents before it; 0 for one that does not wait. */
  ahead(job: Job): number {
    return Math.max(0, this.#queue.indexOf(job as RunningJob));
  }

  /** Stops it where it is not finished, and forgets it. False where there is no such job. */
  delete(id: string): boolean {
    const job = this.#jobs.get(id);
    if (job === undefined) return false;
    this.#stop(job, codedError("ERR_SERVICE_JOB", "The job was deleted"));
    this.#forget(job);
    return true;
  }

  /** Lets go of the document of a finished job, keeps the report. */
  dropData(job: Job): void {
    const own = job as RunningJob;
    if (own.result?.data === undefined || !this.#kept.has(own)) return;
    own.result = { ...own.result, data: undefined };
    this.#weigh(own);
  }

  /** The client was told to come back for the result. */
  promise(job: Job): void {
    (job as RunningJob).awaited = true;
  }

  /** The client has what there is. */
  fetched(job: Job): void {
    (job as RunningJob).awaited = false;
  }

  /**
   * Settles when no document arrives, waits or is worked on, and clients have come for the results of those that still
   * were when this was called; or when `signal` fires.
   */
  async idle(signal: AbortSignal): Promise<void> {
    const unfinished = [...this.#jobs.values()].filter((job) => !isFinished(job));
    const busy = (): boolean =>
      this.#places.size > 0 || unfinished.some((job) => job.awaited && this.#jobs.has(job.id));
    while (!signal.aborted && busy()) await sleep(20);
  }

  /** Stops everything with `reason`; settles when no work runs any more. */
  async close(reason: Error): Promise<void> {
    clearInterval(this.#sweep);
    for (const job of [...this.#jobs.values()]) this.#stop(job, reason);
    await Promise.all([...this.#working]);
  }

  #next(): void {
    while (this.#working.size < this.#settings.concurrency) {
      const job = this.#queue.shift();
      if (job === undefined) return;
      const working = this.#run(job).finally(() => {
        this.#working.delete(working);
        this.#free(job.place);
        this.#next();
      });
      this.#working.add(working);
    }
  }

  async #run(job: RunningJob): Promise<void> {
    job.status = "running";
    this.#observer.started(job, (Date.now() - job.createdAt) / 1000);
    const started = performance.now();
    const seconds = this.#settings.job_seconds;
    const late = setTimeout(() => {
      this.#stop(job, codedError("ERR_SERVICE_TIMEOUT", `The document took more than ${seconds} seconds`));
    }, seconds * 1000);
    try {
      const result = await this.#work(job.document!, {
        signal: job.stop.signal,
        onProgress: (event) => {
          job.progress = event;
        },
      });
      this.#pace = 0.8 * this.#pace + 0.2 * ((performance.now() - started) / 1000);
      if (!isFinished(job)) {
        job.result = keep(result);
        this.#finish(job, result.report.proven ? "proven" : "unproven", result.report);
      }
    } catch (error) {
      if (!isFinished(job)) {
        job.error = error;
        this.#finish(job, "failed");
      }
    } finally {
      clearTimeout(late);
      job.document = undefined;
    }
  }

  #stop(job: RunningJob, reason: Error): void {
    if (isFinished(job)) return;
    const waits = this.#queue.indexOf(job);
    if (waits >= 0) {
      this.#queue.splice(waits, 1);
      job.document = undefined;
      this.#free(job.place);
    }
    job.error = reason;
    // Told at once; its place is free only when the work has really stopped.
    this.#finish(job, "failed");
    job.stop.abort(reason);
  }

  #finish(job: RunningJob, status: JobStatus, report?: Report): void {
    job.status = status;
    job.finishedAt = Date.now();
    job.expiresAt = job.finishedAt + this.#settings.keep_seconds * 1000;
    this.#weigh(job);
    this.#makeRoom();
    this.#observer.finished(job, report, (job.finishedAt - job.createdAt) / 1000);
    job.finish();
  }

  #weigh(job: RunningJob): void {
    const bytes = jobBytes + (job.result?.data?.length ?? 0) + (job.result?.report.length ?? 0);
    this.#keptBytes += bytes - (this.#kept.get(job) ?? 0);
    this.#kept.set(job, bytes);
  }

  /** The newest one stays whatever it weighs: somebody waits for it. */
  #makeRoom(): void {
    for (const job of this.#kept.keys()) {
      if (this.#keptBytes <= this.#settings.keep_bytes || this.#kept.size === 1) return;
      this.#forget(job);
    }
  }

  #removeExpired(): void {
    const now = Date.now();
    for (const job of this.#kept.keys()) {
      if (job.expiresAt! > now) return;
      this.#forget(job);
    }
  }

  #forget(job: RunningJob): void {
    this.#jobs.delete(job.id);
    this.#keptBytes -= this.#kept.get(job) ?? 0;
    this.#kept.delete(job);
  }
}

export const isFinished = ({ status }: Job): boolean => status !== "queued" && status !== "running";

function keep({ data, format, report }: AnonymizeResult): KeptResult {
  return {
    // What could not be proven is given to nobody.
    data: report.proven ? data : undefined,
    format,
    report: Buffer.from(reportText(report)),
    pages: report.document.pages.length,
    regions: report.entities.length + report.image_regions.length,
    reasons: report.unproven_because,
  };
}
