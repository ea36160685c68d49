/** What the server measures, for Prometheus. No label holds anything of a document. */
import type { Registry } from "prom-client";
import { stages } from "../anonymizer/progress.ts";
import { AnonymizerError } from "../errors.ts";
import type { Report } from "../report.ts";
import type { Job, JobCounts } from "./jobs.ts";

const requestBuckets = [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 150];
const workBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 300];

export interface ServiceMetrics {
  readonly contentType: string;
  request(route: string, method: string, status: number, seconds: number): void;
  started(waitedSeconds: number): void;
  finished(job: Job, report: Report | undefined, seconds: number): void;
  text(): Promise<string>;
}

/** Memory, CPU, event loop: of the process, whatever the number of servers in it. */
let processRegistry: Registry | undefined;

/** `counts` and `ready` are read when somebody asks. */
export async function createMetrics(counts: () => JobCounts, ready: () => boolean): Promise<ServiceMetrics> {
  const prom = await import("prom-client");
  const registry: Registry = new prom.Registry();
  const registers = [registry];
  if (processRegistry === undefined) {
    processRegistry = new prom.Registry();
    prom.collectDefaultMetrics({ register: processRegistry });
  }
  const ofProcess = processRegistry;

  const requests = new prom.Counter({
    name: "anonymizer_http_requests_total",
    help: "Requests answered.",
    labelNames: ["route", "method", "status"] as const,
    registers,
  });
  const requestSeconds = new prom.Histogram({
    name: "anonymizer_http_request_duration_seconds",
    help: "From the first byte of a request to the last of its answer, waiting for results included.",
    labelNames: ["route", "method"] as const,
    buckets: requestBuckets,
    registers,
  });
  const documents = new prom.Counter({
    name: "anonymizer_documents_total",
    help: "Documents finished: proven, unproven (not handed out) or failed.",
    labelNames: ["outcome"] as const,
    registers,
  });
  const failures = new prom.Counter({
    name: "anonymizer_document_failures_total",
    help: "Failed documents by error code.",
    labelNames: ["code"] as const,
    registers,
  });
  const stageSeconds = new prom.Histogram({
    name: "anonymizer_stage_duration_seconds",
    help: "Time a document spent in a stage.",
    labelNames: ["stage"] as const,
    buckets: workBuckets,
    registers,
  });
  const documentSeconds = new prom.Histogram({
    name: "anonymizer_document_duration_seconds",
    help: "From a document's arrival to its end, waiting included.",
    buckets: workBuckets,
    registers,
  });
  const waitSeconds = new prom.Histogram({
    name: "anonymizer_queue_wait_seconds",
    help: "Time a document waited for its turn.",
    buckets: workBuckets,
    registers,
  });
  const pages = new prom.Counter({ name: "anonymizer_pages_total", help: "Pages finished.", registers });
  const regions = new prom.Counter({
    name: "anonymizer_regions_total",
    help: "Regions replaced, by the engine that drew them last.",
    labelNames: ["engine"] as const,
    registers,
  });
  const gauge = (name: string, help: string, read: () => number): void => {
    new prom.Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  gauge("anonymizer_ready", "1 when documents are taken.", () => (ready() ? 1 : 0));
  gauge("anonymizer_documents_arriving", "Documents whose bytes arrive.", () => counts().arriving);
  gauge("anonymizer_queue_length", "Documents that wait for their turn.", () => counts().queued);
  gauge("anonymizer_documents_running", "Documents worked on.", () => counts().running);
  gauge("anonymizer_pending_bytes", "Room taken by documents that are not finished.", () => counts().pendingBytes);
  gauge("anonymizer_results_kept", "Finished jobs that can be asked for.", () => counts().kept);
  gauge("anonymizer_results_bytes", "What they weigh.", () => counts().keptBytes);

  // Outcomes are there from the start: a rate of nothing is 0, not absent.
  for (const outcome of ["proven", "unproven", "failed"]) documents.inc({ outcome }, 0);

  return {
    contentType: registry.contentType,
    request(route, method, status, seconds) {
      requests.inc({ route, method, status: String(status) });
      requestSeconds.observe({ route, method }, seconds);
    },
    started: (seconds) => waitSeconds.observe(seconds),
    finished(job, report, seconds) {
      documents.inc({ outcome: job.status });
      documentSeconds.observe(seconds);
      if (job.status === "failed")
        failures.inc({ code: job.error instanceof AnonymizerError ? job.error.code : "unknown" });
      if (report === undefined) return;
      for (const stage of stages) stageSeconds.observe({ stage }, (report.timings_ms[stage] ?? 0) / 1000);
      pages.inc(report.document.pages.length);
      for (const { engine } of report.entities) regions.inc({ engine });
    },
    text: async () => `${await registry.metrics()}${await ofProcess.metrics()}`,
  };
}
