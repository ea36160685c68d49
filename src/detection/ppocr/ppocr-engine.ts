/** Reads pages with PP-OCR (detection and recognition networks in ONNX) through the optional package onnxruntime-node. */

import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { codedError } from "../../errors.ts";
import type { OcrEngine } from "../ocr.ts";
import { ReadingQueue } from "../reading-queue.ts";
import { defaultPpOcrFolder, openPpOcrModels } from "./model-files.ts";
import { type PpOcrProcess, startPpOcrProcess } from "./ppocr-process.ts";

export interface PpOcrOptions {
  /** Folder that `installPpOcrModels` wrote; default: where it writes by itself. */
  readonly models?: string;
  /** Images read at the same time, each in a process of its own (about 300 MB). Default 1. */
  readonly workers?: number;
  /** Threads of one computation; default: the machine's processors shared among the workers. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

/** Whether the package that runs the networks is installed; it is loaded only when it is needed. */
export function hasPpOcrRuntime(): boolean {
  try {
    createRequire(import.meta.url).resolve("onnxruntime-node");
    return true;
  } catch {
    return false;
  }
}

/**
 * Starts the engine. Rejects with ERR_OCR_RUNTIME (onnxruntime-node is not installed), ERR_MODEL_NOT_FOUND,
 * ERR_MODEL_HASH, ERR_MODEL_GRAPH, ERR_MODEL_SHAPE, ERR_INVALID_ARGUMENT, ERR_ABORTED.
 *
 * `read` rejects with ERR_OCR_TIMEOUT (counted from when a process takes the image), ERR_ABORTED, ERR_OCR_FAILED,
 * ERR_CLOSED; the process is replaced then and the next image is read as if nothing had happened. Idle ones don't
 * keep the caller's process alive.
 */
export async function createPpOcrEngine(options: PpOcrOptions = {}): Promise<OcrEngine> {
  const { models: folder = defaultPpOcrFolder(), workers = 1, signal } = options;
  const threads = options.threads ?? Math.max(1, Math.floor(availableParallelism() / workers));
  if (!Number.isInteger(threads) || threads < 1)
    throw codedError("ERR_INVALID_ARGUMENT", "`threads` must be a whole number from 1");
  if (!hasPpOcrRuntime()) throw codedError("ERR_OCR_RUNTIME", "The package onnxruntime-node is not installed");
  const { detection, recognition, characters } = await openPpOcrModels(folder, signal);
  const queue = new ReadingQueue<PpOcrProcess>({
    workers,
    start: () => startPpOcrProcess({ detection, recognition, characters, threads }),
    async read(process, image, { layout = "page" }) {
      const lines = await process.read(image, layout);
      return { lines, width: image.width, height: image.height, engine: "ppocr" };
    },
  });
  await queue.start();
  return {
    name: "ppocr",
    read: (image, readOptions) => queue.read(image, readOptions),
    close: () => queue.close(),
  };
}
