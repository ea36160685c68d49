/** One PP-OCR thread, seen from the caller's side. */
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { packageRoot } from "../../addon/package-root.ts";
import type { RasterImage } from "../../documents/image.ts";
import { type AnonymizerError, codedError, type ErrorCode } from "../../errors.ts";
import type { OcrLine, OcrOptions } from "../ocr.ts";
import type { ReadingThread } from "../reading-queue.ts";
import type { NetworkFiles } from "./networks.ts";

export interface ThreadRequest {
  readonly id: number;
  /** RGB bytes. */
  readonly pixels: SharedArrayBuffer;
  readonly width: number;
  readonly height: number;
  readonly layout: NonNullable<OcrOptions["layout"]>;
}

/** Answer 0 says that the thread is ready, or why not. */
export type ThreadAnswer =
  | { readonly id: number; readonly lines: readonly OcrLine[] }
  | {
      readonly id: number;
      readonly error: {
        readonly code: ErrorCode;
        readonly message: string;
        readonly cure?: string;
        readonly cause?: string;
      };
    };

export interface PpOcrThread extends ReadingThread {
  /** Rejects with ERR_OCR_FAILED. */
  read(image: RasterImage, layout: ThreadRequest["layout"]): Promise<readonly OcrLine[]>;
}

interface Pending {
  resolve(lines: readonly OcrLine[]): void;
  reject(error: AnonymizerError): void;
}

/** Starts a thread and loads the networks. Rejects with ERR_OCR_RUNTIME, ERR_MODEL_GRAPH, ERR_MODEL_SHAPE, ERR_OCR_FAILED. */
export async function startPpOcrThread(files: NetworkFiles): Promise<PpOcrThread> {
  const worker = new Worker(join(packageRoot(), "dist", "detection", "ppocr", "thread.js"), { workerData: files });
  let alive = true;
  let calls = 0;
  const pending = new Map<number, Pending>();
  const die = (error: AnonymizerError): void => {
    alive = false;
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
    worker.unref();
  };
  worker.on("error", (cause) => die(codedError("ERR_OCR_FAILED", "The OCR engine crashed", { cause })));
  worker.on("messageerror", (cause) =>
    die(codedError("ERR_OCR_FAILED", "The OCR engine's answer could not be read", { cause })),
  );
  worker.on("exit", (code) => die(codedError("ERR_OCR_FAILED", `The OCR engine stopped (exit code ${code})`)));
  worker.on("message", (message: ThreadAnswer) => {
    const call = pending.get(message.id);
    if (call === undefined) return;
    pending.delete(message.id);
    if (pending.size === 0) worker.unref();
    if ("lines" in message) call.resolve(message.lines);
    else {
      const { code, message: text, cure, cause } = message.error;
      call.reject(
        codedError(code, text, {
          ...(cure === undefined ? {} : { cure }),
          ...(cause === undefined ? {} : { cause: new Error(cause) }),
        }),
      );
    }
  });
  const expectAnswer = (id: number): Promise<readonly OcrLine[]> =>
    new Promise((resolve, reject) => {
      if (!alive) return reject(codedError("ERR_OCR_FAILED", "The OCR engine has stopped"));
      pending.set(id, { resolve, reject });
      // An idle thread must not keep the process alive, a working one must.
      worker.ref();
    });
  const thread: PpOcrThread = {
    get alive() {
      return alive;
    },
    async read(image, layout) {
      const pixels = await share(image.data);
      const id = ++calls;
      const lines = expectAnswer(id);
      const request: ThreadRequest = { id, pixels, width: image.width, height: image.height, layout };
      worker.postMessage(request);
      return lines;
    },
    async terminate() {
      alive = false;
      await worker.terminate().catch(() => {});
    },
  };
  try {
    await expectAnswer(0);
    return thread;
  } catch (error) {
    await thread.terminate();
    throw error;
  }
}

/** Bytes copied between two turns of the event loop. */
const chunk = 1 << 22;

/** Copies the pixels to where the thread sees them. */
async function share(data: Uint8Array): Promise<SharedArrayBuffer> {
  const shared = new SharedArrayBuffer(data.length);
  const target = new Uint8Array(shared);
  for (let from = 0; from < data.length; from += chunk) {
    if (from > 0) await setImmediate();
    target.set(data.subarray(from, from + chunk), from);
  }
  return shared;
}
