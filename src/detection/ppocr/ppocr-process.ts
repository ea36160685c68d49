/** A process that reads with PP-OCR, seen from the caller's side. */
import { type ChildProcess, fork } from "node:child_process";
import type { Socket } from "node:net";
import { join } from "node:path";
import { packageRoot } from "../../addon/package-root.ts";
import type { RasterImage } from "../../documents/image.ts";
import { codedError } from "../../errors.ts";
import { type SentError, unpackError } from "../../sent-error.ts";
import type { OcrLine, OcrOptions } from "../ocr.ts";
import type { ReadingWorker } from "../reading-queue.ts";
import type { NetworkFiles } from "./networks.ts";

type Layout = NonNullable<OcrOptions["layout"]>;

/** The first order names the networks; each further one is followed by the image's RGB bytes on standard input. */
export type ReaderOrder =
  | NetworkFiles
  | {
      readonly id: number;
      readonly bytes: number;
      readonly width: number;
      readonly height: number;
      readonly layout: Layout;
    };

/** Answer 0 says that the process is ready, or why not. */
export type ReaderAnswer =
  | { readonly id: number; readonly lines: readonly OcrLine[] }
  | { readonly id: number; readonly error: SentError };

export interface PpOcrProcess extends ReadingWorker {
  /** One image at a time. Rejects with ERR_OCR_FAILED. */
  read(image: RasterImage, layout: Layout): Promise<readonly OcrLine[]>;
}

interface Pending {
  resolve(lines: readonly OcrLine[]): void;
  reject(error: Error): void;
}

/** Bytes written between two turns of the event loop. */
const chunk = 1 << 20;

/** Processes that are not to outlive this one, not even to finish a page. */
const living = new Set<ChildProcess>();
const killAll = (): void => {
  for (const child of living) child.kill("SIGKILL");
};

/** Starts a process and loads the networks. Rejects with ERR_OCR_RUNTIME, ERR_MODEL_GRAPH, ERR_MODEL_SHAPE, ERR_OCR_FAILED. */
export async function startPpOcrProcess(files: NetworkFiles): Promise<PpOcrProcess> {
  const child = fork(join(packageRoot(), "dist", "detection", "ppocr", "reader-process.js"), [], {
    execArgv: [],
    stdio: ["pipe", "ignore", "pipe", "ipc"],
  });
  if (living.size === 0) process.on("exit", killAll);
  living.add(child);
  const input = child.stdin as Socket;
  const output = child.stderr as Socket;
  let alive = true;
  let calls = 0;
  let lastWords = "";
  const pending = new Map<number, Pending>();
  const settled = (): void => {
    if (pending.size === 0) child.unref();
  };
  const die = (why: string, cause?: unknown): void => {
    alive = false;
    if (living.delete(child) && living.size === 0) process.off("exit", killAll);
    const told = cause ?? (lastWords.trim() === "" ? undefined : new Error(lastWords.trim()));
    for (const { reject } of pending.values()) reject(codedError("ERR_OCR_FAILED", why, { cause: told }));
    pending.clear();
    settled();
  };
  const exited = new Promise<void>((resolve) => {
    child.on("exit", (code, signal) => {
      die(`The OCR engine stopped (${signal ?? `exit code ${code}`})`);
      resolve();
    });
    child.on("error", (cause) => {
      die("The OCR engine could not be started", cause);
      if (child.pid === undefined) resolve();
    });
  });
  // A process that ends while it is written to; `exit` tells what there is to tell.
  input.on("error", () => {});
  output.on("data", (text) => {
    lastWords = `${lastWords}${text}`.slice(-2000);
  });
  child.on("message", (message: ReaderAnswer) => {
    const call = pending.get(message.id);
    if (call === undefined) return;
    pending.delete(message.id);
    settled();
    if ("lines" in message) call.resolve(message.lines);
    else call.reject(unpackError(message.error));
  });
  // An idle process must not keep this one alive, a working one must; that is what `child.ref` is for below.
  child.channel?.unref();
  input.unref();
  output.unref();

  const order = (id: number, message: ReaderOrder): Promise<readonly OcrLine[]> =>
    new Promise((resolve, reject) => {
      if (!alive || !child.connected) return reject(codedError("ERR_OCR_FAILED", "The OCR engine has stopped"));
      pending.set(id, { resolve, reject });
      child.ref();
      child.send(message, (error) => {
        // Its end rejects what is pending.
        if (error) child.kill("SIGKILL");
      });
    });
  const worker: PpOcrProcess = {
    get alive() {
      return alive;
    },
    async read({ data, width, height }, layout) {
      const id = ++calls;
      const lines = order(id, { id, bytes: data.length, width, height, layout });
      lines.catch(() => {});
      for (let from = 0; from < data.length && alive; from += chunk) {
        await new Promise<void>((resolve) => input.write(data.subarray(from, from + chunk), () => resolve()));
      }
      return lines;
    },
    async terminate() {
      alive = false;
      // Waited for, also where nothing else keeps the caller's process alive.
      child.ref();
      child.kill("SIGKILL");
      await exited;
    },
  };
  try {
    await order(0, files);
    return worker;
  } catch (error) {
    await worker.terminate();
    throw error;
  }
}
