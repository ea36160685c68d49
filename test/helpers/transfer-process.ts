/**
 * Uploads or downloads a file, and where `killAt` is given kills itself in the middle. Argument: JSON. Its last words are
 * a line of JSON: bytes that have arrived, and the most memory it had in RAM.
 */
import { writeSync } from "node:fs";
import { openObjectStore } from "../../src/index.ts";

const { address, way, path, partBytes, concurrency, killAt } = JSON.parse(process.argv[2]!) as {
  address: string;
  way: "upload" | "download";
  path: string;
  partBytes: number;
  concurrency?: number;
  killAt?: number;
};
const store = await openObjectStore(address, { partBytes, concurrency: concurrency ?? 1 });
let first: number | undefined;
let last = 0;
const tell = (): number =>
  writeSync(1, `${JSON.stringify({ first, last, maxRssMiB: Math.round(process.resourceUsage().maxRSS / 1024) })}\n`);
const onProgress = ({ bytes }: { bytes: number }): void => {
  first ??= bytes;
  last = bytes;
  if (killAt === undefined || bytes < killAt) return;
  tell();
  process.kill(process.pid, "SIGKILL");
};
await (way === "upload"
  ? store.uploadFile("big", path, { onProgress })
  : store.downloadFile("big", path, { onProgress }));
tell();
