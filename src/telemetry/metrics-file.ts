/** `events.jsonl` of a run folder: one JSON object a line, for charts and for following a run from outside. */
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { codedError } from "../errors.ts";

export interface MetricsFile {
  /** Appends one line. Numbers that are not finite become null. */
  write(event: object): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a file for appending. With `keepUntilStep`, lines of later steps are dropped first (a resumed run writes them
 * again), as is a last line cut short by a kill. Throws ERR_OUTPUT.
 */
export async function openMetricsFile(
  path: string,
  options: { readonly keepUntilStep?: number } = {},
): Promise<MetricsFile> {
  let handle: FileHandle;
  try {
    await mkdir(dirname(path), { recursive: true });
    await trim(path, options.keepUntilStep ?? Number.POSITIVE_INFINITY);
    handle = await open(path, "a");
  } catch (error) {
    throw outputError(path, error);
  }
  return {
    async write(event) {
      try {
        await handle.appendFile(`${JSON.stringify(event)}\n`);
      } catch (error) {
        throw outputError(path, error);
      }
    },
    close: () => handle.close(),
  };
}

const outputError = (path: string, cause: unknown): Error =>
  codedError("ERR_OUTPUT", `${path} can't be written: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
  });

async function trim(path: string, lastStep: number): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}`;
  const source = await open(path, "r").catch(() => undefined);
  if (source === undefined) return;
  const target = await open(temporary, "w");
  try {
    const stream = createReadStream(path, { fd: source });
    let kept: string[] = [];
    for await (const line of createInterface({ input: stream })) {
      if (keeps(line, lastStep)) kept.push(`${line}\n`);
      if (kept.length < 1000) continue;
      await target.appendFile(kept.join(""));
      kept = [];
    }
    await target.appendFile(kept.join(""));
    await target.sync();
    await target.close();
    await rename(temporary, path);
  } finally {
    await target.close().catch(() => undefined);
    await source.close().catch(() => undefined);
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

function keeps(line: string, lastStep: number): boolean {
  try {
    const event = JSON.parse(line) as { step?: unknown };
    return typeof event.step !== "number" || event.step <= lastStep;
  } catch {
    return false;
  }
}
