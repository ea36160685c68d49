/**
 * One tesseract.js worker thread. Its message protocol is spoken here directly, because the package's own client leaves
 * promises pending when a thread dies and turns some of its failures into uncaught exceptions.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Worker } from "node:worker_threads";
import { type AnonymizerError, codedError } from "../errors.ts";

/** Page segmentation modes: 6 = one block of lines, 7 = one line, 11 = as much text as possible, in no order. */
export type SegmentationMode = 6 | 7 | 11;

export interface TesseractWord {
  readonly text: string;
  /** 0…100. */
  readonly confidence: number;
  readonly bbox: { readonly x0: number; readonly y0: number; readonly x1: number; readonly y1: number };
}

export interface TesseractWorker {
  /** False once the thread has died or failed; it must be replaced then. */
  readonly alive: boolean;
  /** Words of an encoded image in the engine's order. Rejects with ERR_OCR_FAILED. */
  recognize(image: Uint8Array, mode: SegmentationMode): Promise<TesseractWord[]>;
  /** Stops the thread at once; a running call rejects with ERR_OCR_FAILED. Never rejects. */
  terminate(): Promise<void>;
}

interface Reply {
  readonly jobId: string;
  readonly status: "resolve" | "reject" | "progress";
  readonly data: unknown;
}

interface Pending {
  resolve(data: unknown): void;
  reject(error: AnonymizerError): void;
}

interface Recognition {
  readonly blocks:
    | readonly { paragraphs: readonly { lines: readonly { words: readonly TesseractWord[] }[] }[] }[]
    | null;
}

/** LSTM only: the data set has no other model. */
const lstmOnly = 1;

/** Starts a thread and loads the language data from the installed package; no network. Rejects with ERR_OCR_FAILED. */
export async function startTesseractWorker(language: string): Promise<TesseractWorker> {
  const require = createRequire(import.meta.url);
  const failed = (cause: unknown): AnonymizerError =>
    codedError("ERR_OCR_FAILED", "The OCR engine could not be started", { cause });
  let thread: Worker;
  let langPath: string;
  try {
    langPath = join(dirname(require.resolve(`@tesseract.js-data/${language}/package.json`)), "4.0.0_best_int");
    thread = new Worker(require.resolve("tesseract.js/src/worker-script/node/index.js"));
  } catch (error) {
    throw failed(error);
  }

  let alive = true;
  let calls = 0;
  const pending = new Map<string, Pending>();
  const die = (error: AnonymizerError): void => {
    alive = false;
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
    thread.unref();
  };
  thread.on("error", (cause) => die(codedError("ERR_OCR_FAILED", "The OCR engine crashed", { cause })));
  thread.on("messageerror", (cause) =>
    die(codedError("ERR_OCR_FAILED", "The OCR engine's answer could not be read", { cause })),
  );
  thread.on("exit", (code) => die(codedError("ERR_OCR_FAILED", `The OCR engine stopped (exit code ${code})`)));
  thread.on("message", ({ jobId, status, data }: Reply) => {
    const call = pending.get(jobId);
    if (call === undefined || status === "progress") return;
    pending.delete(jobId);
    if (pending.size === 0) thread.unref();
    if (status === "resolve") call.resolve(data);
    else call.reject(codedError("ERR_OCR_FAILED", "The OCR engine failed", { cause: new Error(String(data)) }));
  });

  const call = (action: string, payload: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (!alive) return reject(codedError("ERR_OCR_FAILED", "The OCR engine has stopped"));
      const jobId = `${action}-${calls++}`;
      pending.set(jobId, { resolve, reject });
      // An idle thread must not keep the process alive, a working one must.
      thread.ref();
      thread.postMessage({ workerId: "ocr", jobId, action, payload });
    });

  const worker: TesseractWorker = {
    get alive() {
      return alive;
    },
    async recognize(image, mode) {
      try {
        const payload = {
          image,
          options: { tessedit_pageseg_mode: String(mode) },
          output: { text: false, blocks: true },
        };
        const { blocks } = (await call("recognize", payload)) as Recognition;
        return (blocks ?? []).flatMap((b) => b.paragraphs.flatMap((p) => p.lines.flatMap((l) => l.words)));
      } catch (error) {
        // After a failure inside the WebAssembly module its memory can't be trusted.
        alive = false;
        throw error;
      }
    },
    async terminate() {
      alive = false;
      await thread.terminate().catch(() => {});
    },
  };

  try {
    await call("load", { options: { lstmOnly: true, logging: false } });
    await call("loadLanguage", {
      langs: [language],
      options: { langPath, cacheMethod: "none", gzip: true, lstmOnly: true },
    });
    await call("initialize", { langs: [language], oem: lstmOnly, config: {} });
    // Its notes about resolutions are nobody's interest. (Catching the thread's output instead keeps the process alive.)
    await call("setParameters", { params: { debug_file: "/dev/null" } });
    return worker;
  } catch (error) {
    await worker.terminate();
    throw failed(error);
  }
}
