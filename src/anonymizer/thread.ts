/** An anonymize flow in a thread of its own, so that the event loop of the caller stays free whatever a page asks for. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { packageRoot } from "../addon/package-root.ts";
import type { AnonymizeOptions, CreateOptions, DetectionPlan } from "../anonymizer.ts";
import type { AnonymizerConfig, AnonymizerConfigInput } from "../config/anonymizer-config.ts";
import { loadConfig } from "../config/load-config.ts";
import { resolveKey } from "../config/secret-key.ts";
import type { DocumentInput } from "../documents/decode.ts";
import { resolveLimits } from "../documents/limits.ts";
import { readSource } from "../documents/source.ts";
import { abortError, codedError, throwIfAborted } from "../errors.ts";
import { releaseLockOfThread } from "../file-lock.ts";
import { joinInPieces } from "../join-bytes.ts";
import type { Claim } from "../replacement/owners.ts";
import { vaultLock } from "../replacement/vault.ts";
import { unpackError } from "../sent-error.ts";
import { type Logger, silentLogger } from "../telemetry/logger.ts";
import { AnonymizeResult } from "./result.ts";
import type { Rooms } from "./rooms.ts";
import type { FromThread, Job, SentDocument, ThreadData, ToThread } from "./thread-messages.ts";

/** The built program of the thread; undefined where this module runs from its TypeScript source, which threads can't. */
export const threadFile = (): string | undefined =>
  import.meta.url.endsWith(".ts") ? undefined : join(packageRoot(), "dist", "anonymizer", "thread-worker.js");

interface Pending {
  readonly options: AnonymizeOptions;
  resolve(result: AnonymizeResult | DetectionPlan): void;
  reject(error: unknown): void;
}

interface Started {
  readonly worker: Worker;
  readonly engine: Rooms["choice"];
  readonly reading: Rooms["readingChoice"];
  readonly keyId: string | null;
}

export class FlowThread {
  readonly config: AnonymizerConfig;
  readonly #file: string;
  readonly #ownKey: string;
  readonly #logger: Logger;
  /** All so far, for a thread that has to be started again; undefined where none are remembered. */
  readonly #claims: Claim[] | undefined;
  #freshClaims: Claim[] = [];
  readonly #pending = new Map<number, Pending>();
  /** The last one started. */
  #thread: Started;
  #alive = true;
  #starting: Promise<Started> | undefined;
  #closed: Promise<void> | undefined;
  #nextId = 0;

  private constructor(file: string, data: ThreadData, logger: Logger, started: Started) {
    this.#file = file;
    this.config = data.config;
    this.#ownKey = data.ownKey;
    this.#claims = data.claims && [...data.claims];
    this.#logger = logger;
    this.#thread = started;
    this.#listen(started.worker);
  }

  /** As `Anonymizer.create`, without `parts`. */
  static async start(
    file: string,
    config: AnonymizerConfigInput | string,
    { signal, logger = silentLogger, claims }: CreateOptions,
  ): Promise<FlowThread> {
    throwIfAborted(signal);
    const checked = await loadConfig(config, "anonymizer");
    // Read here once: a thread that has to be started again must get the same key.
    const key = await resolveKey(checked);
    const { key_file: _, ...rest } = checked;
    const own = key === undefined ? checked : { ...rest, key };
    const ownKey = randomBytes(32).toString("hex");
    const data: ThreadData = { config: own, ownKey, ...(claims && { claims: [...claims] }) };
    return new FlowThread(file, data, logger, await startWorker(file, data, logger, signal));
  }

  get keyId(): string | null {
    return this.#thread.keyId;
  }

  get engine(): Rooms["choice"] {
    return this.#thread.engine;
  }

  get reading(): Rooms["readingChoice"] {
    return this.#thread.reading;
  }

  anonymize(input: DocumentInput, options: AnonymizeOptions = {}): Promise<AnonymizeResult> {
    return this.#run("anonymize", input, options) as Promise<AnonymizeResult>;
  }

  detect(input: DocumentInput, options: AnonymizeOptions = {}): Promise<DetectionPlan> {
    return this.#run("detect", input, options) as Promise<DetectionPlan>;
  }

  takeClaims(): Claim[] {
    const fresh = this.#freshClaims;
    this.#freshClaims = [];
    return fresh;
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#starting?.catch(() => undefined);
      if (!this.#alive) return;
      const { worker } = this.#thread;
      worker.ref();
      await new Promise<void>((resolve) => {
        worker.on("message", ({ type }: FromThread) => type === "closed" && resolve());
        worker.once("exit", () => resolve());
        post(worker, { type: "close" });
      });
      await worker.terminate();
    })();
    return this.#closed;
  }

  async #run(job: Job, input: DocumentInput, options: AnonymizeOptions): Promise<AnonymizeResult | DetectionPlan> {
    const { signal } = options;
    this.#refuseWhenClosed();
    throwIfAborted(signal);
    const document = await this.#toSend(input, signal);
    const { worker } = this.#alive ? this.#thread : await this.#restart();
    this.#refuseWhenClosed();
    throwIfAborted(signal);
    const id = this.#nextId++;
    const onAbort = (): void => post(worker, { type: "abort", id });
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { options, resolve, reject });
        worker.ref();
        post(worker, { type: "start", id, job, document }, "bytes" in document ? [document.bytes.buffer] : []);
      });
    } catch (error) {
      // The thread does not know why.
      throwIfAborted(signal);
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#pending.delete(id);
      if (this.#pending.size === 0 && this.#closed === undefined) worker.unref();
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closed !== undefined) throw codedError("ERR_CLOSED", "The anonymizer is closed");
  }

  /** Streams can't change threads: they are read here. Bytes change hands: the caller's own are copied, what was read of a stream is nobody else's. */
  async #toSend(input: DocumentInput, signal: AbortSignal | undefined): Promise<SentDocument> {
    if (typeof input === "string") return { path: input };
    if (input instanceof URL && input.protocol === "file:") return { path: fileURLToPath(input) };
    const limits = resolveLimits({ maxBytes: this.config.limits.max_bytes });
    const { bytes } = await readSource(input, limits, signal);
    if (input instanceof Readable) return { bytes: bytes as Uint8Array<ArrayBuffer>, stream: true };
    return { bytes: await joinInPieces([bytes]), stream: false };
  }

  #listen(worker: Worker): void {
    worker.on("message", (message: FromThread) => this.#receive(worker, message));
    const { threadId } = worker;
    worker.once("exit", (code) => {
      this.#lost(codedError("ERR_THREAD", `The anonymizer's thread ended with ${code}`));
      // It may have died while it wrote.
      if (this.config.vault !== undefined) void releaseLockOfThread(vaultLock(this.config.vault), threadId);
    });
    worker.once("error", (cause) =>
      this.#lost(codedError("ERR_THREAD", `The anonymizer's thread failed: ${cause.message}`, { cause })),
    );
    // An idle thread must not keep the process alive.
    worker.unref();
  }

  #receive(worker: Worker, message: FromThread): void {
    if (message.type === "log") this.#logger[message.level](message.fields, message.message);
    if (!("id" in message)) return;
    const job = this.#pending.get(message.id);
    if (job === undefined) return;
    if (message.type === "progress") {
      try {
        job.options.onProgress?.(message.event);
      } catch (error) {
        post(worker, { type: "abort", id: message.id });
        job.reject(error);
      }
    } else if (message.type === "rejected") job.reject(unpackError(message.error));
    else if (message.type === "detected") job.resolve(message.plan);
    else {
      const { pages, data, format, report, settings, claims } = message.result;
      this.#claims?.push(...claims);
      this.#freshClaims.push(...claims);
      const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      job.resolve(new AnonymizeResult(pages, bytes, format, report, settings));
    }
  }

  /** Documents under way fail; the next one gets a new thread. */
  #lost(error: Error): void {
    this.#alive = false;
    const reason = this.#closed === undefined ? error : codedError("ERR_CLOSED", "The anonymizer was closed");
    for (const job of this.#pending.values()) job.reject(reason);
  }

  #restart(): Promise<Started> {
    const claims = this.#claims && { claims: this.#claims };
    this.#starting ??= startWorker(this.#file, { config: this.config, ownKey: this.#ownKey, ...claims }, this.#logger)
      .then((started) => {
        this.#thread = started;
        this.#alive = true;
        this.#listen(started.worker);
        return started;
      })
      .finally(() => {
        this.#starting = undefined;
      });
    return this.#starting;
  }
}

const post = (worker: Worker, message: ToThread, transfer: ArrayBuffer[] = []): void =>
  worker.postMessage(message, transfer);

/** Rejects as `AnonymizeFlow.create` does; the thread is gone then. */
function startWorker(file: string, workerData: ThreadData, logger: Logger, signal?: AbortSignal): Promise<Started> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(file, { workerData, name: "anonymizer" });
    const settle = (): void => {
      signal?.removeEventListener("abort", onAbort);
      // Not all of all kinds: Node's own make the others work.
      for (const event of ["message", "error", "exit"]) worker.removeAllListeners(event);
    };
    const fail = (error: unknown): void => {
      settle();
      // Nobody else listens any more: an unheard "error" would end the process.
      worker.on("error", () => undefined);
      void worker.terminate();
      reject(error);
    };
    const onAbort = (): void => fail(abortError(signal));
    signal?.addEventListener("abort", onAbort, { once: true });
    worker.on("message", (message: FromThread) => {
      if (message.type === "log") logger[message.level](message.fields, message.message);
      else if (message.type === "failed") fail(unpackError(message.error));
      else if (message.type === "ready") {
        settle();
        const { engine, reading, keyId } = message;
        resolve({ worker, engine, reading, keyId });
      }
    });
    worker.once("error", (cause) =>
      fail(codedError("ERR_THREAD", `The anonymizer's thread could not start: ${cause.message}`, { cause })),
    );
    worker.once("exit", (code) => fail(codedError("ERR_THREAD", `The anonymizer's thread ended with ${code}`)));
  });
}
