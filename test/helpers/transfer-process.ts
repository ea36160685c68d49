/** Uploads or downloads a file and kills itself in the middle. Argument: JSON. */
import { openObjectStore } from "../../src/index.ts";

const { address, way, path, partBytes, killAt } = JSON.parse(process.argv[2]!) as {
  address: string;
  way: "upload" | "download";
  path: string;
  partBytes: number;
  killAt: number;
};
const store = await openObjectStore(address, { partBytes, concurrency: 1 });
const onProgress = ({ bytes }: { bytes: number }): void => {
  if (bytes >= killAt) process.kill(process.pid, "SIGKILL");
};
await (way === "upload"
  ? store.uploadFile("big", path, { onProgress })
  : store.downloadFile("big", path, { onProgress }));
