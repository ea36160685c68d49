/** Runs the anonymize flow in a thread of its own; the other end is src/anonymizer/thread.ts. */
import { Readable } from "node:stream";
import { parentPort, workerData } from "node:worker_threads";
import { AnonymizeFlow } from "../anonymizer.ts";
import type { DocumentInput } from "../documents/decode.ts";
import type { Claim } from "../replacement/owners.ts";
import { packError } from "../sent-error.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { ProgressEvent } from "./progress.ts";
import type { AnonymizeResult } from "./result.ts";
import type { FromThread, SentDocument, ThreadData, ToThread } from "./thread-messages.ts";

const port = parentPort!;
const { config, ownKey, claims } = workerData as ThreadData;
const running = new Map<number, AbortController>();

const post = (message: FromThread, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

const log =
  (level: keyof Logger) =>
  (fields: object, message: string): void =>
    post({ type: "log", level, fields, message });
const logger: Logger = { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };

const flow = await AnonymizeFlow.create(config, { logger, ownKey, ...(claims && { claims }) }).catch(
  (error: unknown) => {
    post({ type: "failed", error: packError(error) });
    port.close();
  },
);
if (flow) {
  port.on("message", (message: ToThread) => void receive(flow, message));
  post({ type: "ready", engine: flow.engine, reading: flow.reading, keyId: flow.keyId });
}

async function receive(flow: AnonymizeFlow, message: ToThread): Promise<void> {
  if (message.type === "abort") {
    running.get(message.id)?.abort();
    return;
  }
  if (message.type === "close") {
    await flow.close();
    post({ type: "closed" });
    return;
  }
  const { id, job } = message;
  const controller = new AbortController();
  running.set(id, controller);
  const options = {
    signal: controller.signal,
    onProgress: (event: ProgressEvent) => post({ type: "progress", id, event }),
  };
  try {
    const input = documentOf(message.document);
    if (job === "detect") post({ type: "detected", id, plan: await flow.detect(input, options) });
    else sendResult(id, await flow.anonymize(input, options), flow.takeClaims());
  } catch (error) {
    post({ type: "rejected", id, error: packError(error) });
  } finally {
    running.delete(id);
  }
}

function documentOf(document: SentDocument): DocumentInput {
  if ("path" in document) return document.path;
  return document.stream ? Readable.from([document.bytes]) : document.bytes;
}

/** Pages are large: they change hands instead of being copied. */
function sendResult(
  id: number,
  { pages, data, format, report, settings }: AnonymizeResult,
  claims: readonly Claim[],
): void {
  const transfer = new Set<ArrayBuffer>();
  for (const bytes of [data, ...pages.map((page) => page.image.data)]) {
    const { buffer } = bytes;
    if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength) transfer.add(buffer);
  }
  post({ type: "anonymized", id, result: { pages, data, format, report, settings, claims } }, [...transfer]);
}
