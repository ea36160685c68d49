/** `POST /anonymize-document` and the jobs behind it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { ServiceConfig } from "../config/service-config.ts";
import type { DocumentFormat } from "../documents/document.ts";
import { codedError } from "../errors.ts";
import { httpError, wrongRequest } from "./http-errors.ts";
import { isFinished, type Job, type JobQueue, type KeptResult, type Place } from "./jobs.ts";
import { readUpload } from "./upload.ts";

export interface JobRouteParts {
  readonly jobs: JobQueue;
  readonly config: ServiceConfig;
  readonly maxBytes: number;
  isReady(): boolean;
}

const contentTypes: Record<DocumentFormat, string> = {
  png: "image/png",
  jpeg: "image/jpeg",
  webp: "image/webp",
  tiff: "image/tiff",
  pdf: "application/pdf",
};

type JobRequest = FastifyRequest<{ Params: { id: string } }>;

export function addJobRoutes(http: FastifyInstance, { jobs, config, maxBytes, isReady }: JobRouteParts): void {
  const places = new WeakMap<FastifyRequest, Place>();

  http.post(
    "/anonymize-document",
    {
      // Room is taken before the body is read: what has none never gets into memory.
      onRequest: async (request, reply) => {
        if (!isReady()) throw codedError("ERR_SERVICE_NOT_READY", "Not ready");
        const length = Number(request.headers["content-length"]);
        const place = jobs.take(Number.isFinite(length) ? length : maxBytes);
        if (place === undefined) throw codedError("ERR_SERVICE_BUSY", "No room");
        places.set(request, place);
        reply.raw.once("close", () => jobs.release(place));
      },
    },
    async (request, reply) => {
      const wait = waitOf(request, config.max_wait_seconds);
      const wantsJob = /\bapplication\/json\b/.test(request.headers.accept ?? "");
      const document = await readUpload(request, maxBytes);
      // Who left while the body was read can't be told anything.
      if (reply.raw.destroyed) return reply;
      const job = jobs.submit(places.get(request)!, document);
      reply.headers({ Location: `/jobs/${job.id}`, "Anonymizer-Job": job.id });
      // Whoever leaves before the answer wants no result.
      const onClose = (): void => {
        if (!reply.raw.writableFinished) jobs.delete(job.id);
      };
      reply.raw.once("close", onClose);
      await within(wait, job);
      if (!isFinished(job)) {
        reply.raw.off("close", onClose);
        jobs.promise(job);
        return reply.code(202).header("Retry-After", jobs.retryAfter).send(jobFacts(job, jobs));
      }
      if (job.status === "proven" && wantsJob) return jobFacts(job, jobs);
      if (job.status === "proven") {
        // Handed over: only the report is kept.
        reply.raw.once("finish", () => jobs.dropData(job));
      }
      return sendDocument(reply, job, jobs);
    },
  );

  const find = ({ params }: JobRequest): Job => {
    const job = jobs.get(params.id);
    if (job === undefined) throw codedError("ERR_SERVICE_JOB", "No such job");
    return job;
  };

  http.get("/jobs/:id", async (request: JobRequest, reply) => {
    const wait = waitOf(request, config.max_wait_seconds, 0);
    const job = find(request);
    const left = new AbortController();
    reply.raw.once("close", () => left.abort());
    await within(wait, job, left.signal);
    if (!isFinished(job)) reply.header("Retry-After", jobs.retryAfter);
    if (job.status === "failed") jobs.fetched(job);
    return jobFacts(job, jobs);
  });

  http.get("/jobs/:id/document", async (request: JobRequest, reply) => sendDocument(reply, find(request), jobs));

  http.get("/jobs/:id/report", async (request: JobRequest, reply) => {
    const job = find(request);
    const { report } = resultOf(job);
    if (job.status === "unproven") jobs.fetched(job);
    return reply.type("application/json").send(report);
  });

  http.delete("/jobs/:id", async (request: JobRequest, reply) => {
    if (!jobs.delete(request.params.id)) throw codedError("ERR_SERVICE_JOB", "No such job");
    return reply.code(204).send();
  });
}

/** Seconds, 0…`most`. Throws ERR_SERVICE_REQUEST; so does any other key of the query. */
function waitOf({ query }: FastifyRequest, most: number, standard = most): number {
  const { wait, ...others } = query as Record<string, unknown>;
  if (Object.keys(others).length > 0) throw wrongRequest("The query has keys other than wait.");
  if (wait === undefined) return standard;
  if (typeof wait !== "string" || !/^\d{1,6}(\.\d{1,3})?$/.test(wait))
    throw wrongRequest("wait must be a number of seconds.");
  return Math.min(Number(wait), most);
}

async function within(seconds: number, job: Job, left?: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const signal = left === undefined ? stop.signal : AbortSignal.any([stop.signal, left]);
  const late = sleep(seconds * 1000, undefined, { signal }).catch(() => undefined);
  await Promise.race([job.finished, late]);
  stop.abort();
}

/** Throws what the job failed with, or ERR_SERVICE_UNFINISHED. */
function resultOf(job: Job): KeptResult {
  if (job.status === "failed") throw job.error;
  if (job.result === undefined) throw codedError("ERR_SERVICE_UNFINISHED", "Not finished");
  return job.result;
}

/** Throws as `resultOf`, and ERR_SERVICE_JOB where it was handed over before. */
function sendDocument(reply: FastifyReply, job: Job, jobs: JobQueue): FastifyReply {
  if (isFinished(job)) jobs.fetched(job);
  const { data, format, reasons } = resultOf(job);
  if (job.status === "unproven") {
    const { status, body } = httpError(codedError("ERR_NOT_PROVEN", "Not proven", { details: { reasons } }));
    return reply.code(status).send({ ...body, job: jobFacts(job, jobs) });
  }
  if (data === undefined) throw codedError("ERR_SERVICE_JOB", "Handed over before");
  return reply
    .headers({
      "Anonymizer-Proven": "true",
      "Content-Disposition": `attachment; filename="anonymized.${format === "jpeg" ? "jpg" : format}"`,
    })
    .type(contentTypes[format])
    .send(data);
}

/** What a client may know of a job. */
function jobFacts(job: Job, jobs: JobQueue): object {
  const { id, status, result, progress } = job;
  const at = (ms: number | undefined): string | undefined =>
    ms === undefined ? undefined : new Date(ms).toISOString();
  const link = `/jobs/${id}`;
  return {
    id,
    status,
    created_at: at(job.createdAt),
    ...(status === "queued" && { ahead: jobs.ahead(job) }),
    ...(status === "running" && progress && { progress }),
    ...(job.finishedAt !== undefined && { finished_at: at(job.finishedAt), expires_at: at(job.expiresAt) }),
    ...(result && { proven: status === "proven", pages: result.pages, regions: result.regions }),
    ...(status === "unproven" && { unproven_because: result!.reasons }),
    ...(status === "failed" && httpError(job.error).body),
    links: {
      self: link,
      ...(result && { report: `${link}/report` }),
      ...(result?.data && { document: `${link}/document` }),
    },
  };
}
