/** Schema of the HTTP server's part of the anonymizer's configuration. */
import { z } from "zod";

const positiveInt = z.int().min(1);
const seconds = positiveInt.max(86_400);
const MiB = 2 ** 20;

export const serviceSchema = z.strictObject({
  host: z.string().min(1).default("127.0.0.1").describe("Address to listen at; 0.0.0.0 = all of this machine."),
  port: z.int().min(0).max(65_535).default(8000).describe("0 = any free port."),
  token_file: z
    .string()
    .min(1)
    .optional()
    .describe("File with the token that clients send as bearer token (mode 600), also ANONYMIZER_TOKEN."),
  allow_no_token: z
    .boolean()
    .default(false)
    .describe("Serve other machines without a token: where something in front of the server checks who calls."),
  concurrency: positiveInt.max(64).default(2).describe("Documents worked on at the same time."),
  queue: z
    .int()
    .min(0)
    .max(10_000)
    .default(16)
    .describe("Documents that may wait or arrive beside them; more get 429."),
  max_bytes: positiveInt
    .default(32 * MiB)
    .describe("Size of one document; limits.max_bytes counts too where it is smaller."),
  max_pending_bytes: positiveInt
    .default(256 * MiB)
    .describe("Bytes of all documents that arrive, wait or are worked on; more get 429."),
  upload_seconds: seconds.default(60).describe("Seconds a request may take to arrive."),
  job_seconds: seconds.default(600).describe("Seconds the work on one document may take."),
  max_wait_seconds: seconds.default(140).describe("Seconds a request waits for its result before it gets a job."),
  keep_seconds: seconds.default(900).describe("Seconds a result is kept after its document is finished."),
  keep_bytes: positiveInt.default(256 * MiB).describe("Bytes of all results kept; the oldest go first."),
  drain_seconds: seconds.default(25).describe("Seconds that documents under way get to finish when the server stops."),
  max_connections: positiveInt.max(100_000).default(256).describe("Open connections."),
});

export type ServiceConfig = z.output<typeof serviceSchema>;
