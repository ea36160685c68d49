/**
 * Transfers a file or a model, and where `killAt` is given kills itself in the middle. Argument: JSON. It tells, as lines
 * of JSON, with the first progress and at its end: bytes that had and have arrived, and the most memory it had in RAM.
 */
import { writeSync } from "node:fs";
// @ts-expect-error -- a script without types
import { peakMiB } from "../../scripts/process-memory.mjs";
import { ModelRegistry, openObjectStore } from "../../src/index.ts";

export type TransferWay = "upload" | "download" | "push" | "pull";

export interface TransferTask {
  readonly address: string;
  readonly way: TransferWay;
  /** The file; for "push" the model's folder, for "pull" that of the cache. */
  readonly path: string;
  readonly partBytes: number;
  readonly concurrency?: number;
  /** Bytes. */
  readonly killAt?: number;
}

const { address, way, path, partBytes, concurrency = 1, killAt } = JSON.parse(process.argv[2]!) as TransferTask;
let first: number | undefined;
let last = 0;
const tell = (): number => writeSync(1, `${JSON.stringify({ first, last, peakMiB: peakMiB() })}\n`);
const onProgress = ({ bytes }: { bytes: number }): void => {
  const begun = first === undefined;
  first ??= bytes;
  last = bytes;
  if (begun) tell();
  if (killAt === undefined || bytes < killAt) return;
  tell();
  process.kill(process.pid, "SIGKILL");
};
if (way === "push" || way === "pull") {
  const cache = way === "pull" ? { cache: { folder: path } } : {};
  const registry = new ModelRegistry(address, { partBytes, concurrency, ...cache });
  if (way === "push") await registry.push(path, { name: "m", version: "v1", onProgress });
  else await (await registry.pull("m", "v1", { onProgress })).release();
} else {
  const store = await openObjectStore(address, { partBytes, concurrency });
  if (way === "upload") await store.uploadFile("big", path, { onProgress });
  else await store.downloadFile("big", path, { onProgress });
}
tell();
