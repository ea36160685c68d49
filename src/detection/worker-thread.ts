/**
 * Work that takes long, in a thread of its own: the caller's event loop stays free. Calls queue in the thread; it is
 * started with the first one, again after it died, and does not keep the process alive while it is idle.
 */
import { join } from "node:path";
import { type MessagePort, Worker } from "node:worker_threads";
import { packageRoot } from "../addon/package-root.ts";
import { type AnonymizerError, abortError, codedError, throwIfAborted, withCode } from "../errors.ts";
import { packError, type SentError, unpackError } from "../sent-error.ts";

type Answer<T> = { readonly id: number; readonly value: T } | { readonly id: number; readonly error: SentError };

interface Pending<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

export interface WorkerThread<Request, T> {
  /** Rejects with what the work throws, ERR_DETECTION_FAILED (it died or took too long), ERR_ABORTED, ERR_CLOSED. */
  call(request: Request, options?: CallOptions): Promise<T>;
  /** Stops it at once. */
  close(): Promise<void>;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** The thread is ended and replaced after that. */
  readonly timeoutMs?: number;
}

/** `file` below `dist`, without ending; `what` names the work in messages. */
export function createWorkerThread<Request, T>(file: string, data: unknown, what: string): WorkerThread<Request, T> {
  let running: RunningThread<Request, T> | undefined;
  let closed = false;
  return {
    async call(request, { signal, timeoutMs } = {}) {
      throwIfAborted(signal);
      if (closed) throw codedError("ERR_CLOSED", `${what} is closed`);
      if (running === undefined || !running.alive) running = startThread(file, data, what);
      const thread = running;
      const answer = thread.call(request);
      // A thread can't be interrupted; who no longer waits for it ends it when it is stuck.
      return new Promise<T>((resolve, reject) => {
        const timer = timeoutMs === undefined ? undefined : setTimeout(stop, timeoutMs);
        function stop(): void {
          void thread.end(codedError("ERR_DETECTION_FAILED", `${what} took longer than ${timeoutMs} ms`));
        }
        const abort = (): void => reject(abortError(signal));
        signal?.addEventListener("abort", abort, { once: true });
        answer.then(resolve, reject).finally(() => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", abort);
        });
      });
    },
    async close() {
      closed = true;
      await running?.end(codedError("ERR_CLOSED", `${what} is closed`));
    },
  };
}

interface RunningThread<Request, T> {
  readonly alive: boolean;
  call(request: Request): Promise<T>;
  end(reason: AnonymizerError): Promise<void>;
}

function startThread<Request, T>(file: string, data: unknown, what: string): RunningThread<Request, T> {
  const worker = new Worker(join(packageRoot(), "dist", `${file}.js`), { workerData: data });
  const pending = new Map<number, Pending<T>>();
  let alive = true;
  let calls = 0;
  const die = (error: AnonymizerError): void => {
    alive = false;
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
    worker.unref();
  };
  worker.on("error", (cause) => die(codedError("ERR_DETECTION_FAILED", `${what} crashed`, { cause })));
  worker.on("messageerror", (cause) => die(codedError("ERR_DETECTION_FAILED", `${what} gave no answer`, { cause })));
  worker.on("exit", (code) => die(codedError("ERR_DETECTION_FAILED", `${what} stopped (exit code ${code})`)));
  worker.on("message", (answer: Answer<T>) => {
    const call = pending.get(answer.id);
    if (call === undefined) return;
    pending.delete(answer.id);
    if (pending.size === 0) worker.unref();
    if ("value" in answer) call.resolve(answer.value);
    else call.reject(unpackError(answer.error));
  });
  return {
    get alive() {
      return alive;
    },
    call: (request) =>
      new Promise((resolve, reject) => {
        const id = calls++;
        pending.set(id, { resolve, reject });
        worker.ref();
        worker.postMessage({ id, request });
      }),
    async end(reason) {
      die(reason);
      await worker.terminate();
    },
  };
}

/** The thread's side: answers every call with what `work` gives or throws. */
export function serveCalls<Request, T>(port: MessagePort, work: (request: Request) => Promise<T>): void {
  port.on("message", async ({ id, request }: { readonly id: number; readonly request: Request }) => {
    try {
      port.postMessage({ id, value: await work(request) } satisfies Answer<T>);
    } catch (error) {
      const coded = withCode(error, "ERR_DETECTION_FAILED", "A part of detection failed");
      port.postMessage({ id, error: packError(coded) } satisfies Answer<T>);
    }
  });
}
