/** Files that survive a kill: written beside their place, flushed, renamed. */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { AnonymizerError, codedError, throwIfAborted } from "../errors.ts";
import { processLives } from "../process-lives.ts";

export interface FileDigest {
  /** Hex. */
  readonly sha256: string;
  readonly bytes: number;
}

/** SHA-256 and size of a file, read in pieces of 1 MiB. */
export async function digestFile(path: string, signal?: AbortSignal): Promise<FileDigest> {
  const hash = createHash("sha256");
  const file = await open(path, "r");
  try {
    // One for all: what a stream would leave behind is collected late.
    const piece = Buffer.allocUnsafe(1 << 20);
    for (let bytes = 0; ; ) {
      throwIfAborted(signal);
      const { bytesRead } = await file.read(piece, 0, piece.length, null);
      if (bytesRead === 0) return { sha256: hash.digest("hex"), bytes };
      hash.update(piece.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await file.close();
  }
}

export async function flush(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Name of a file or folder beside `path` for writing; `removeLeftovers` finds it after a kill. */
const temporaryName = (path: string): string =>
  join(dirname(path), `${basename(path)}.tmp-${process.pid}-${randomBytes(4).toString("hex")}`);

/**
 * Makes the folder `path` from what `write` puts into a temporary folder beside it: every file is flushed, then the
 * folder is renamed. A folder that stood there before is replaced; readers see the old one or the new one, apart from
 * a moment in which there is none. Throws ERR_OUTPUT when the disk refuses, and leaves nothing behind.
 */
export async function writeFolder<T>(path: string, write: (folder: string) => Promise<T>): Promise<T> {
  const temporary = temporaryName(path);
  const replaced = temporaryName(path);
  try {
    await mkdir(temporary, { recursive: true });
    const result = await write(temporary);
    await flushFolder(temporary);
    if (await exists(path)) await rename(path, replaced);
    await rename(temporary, path);
    await flush(dirname(path));
    return result;
  } catch (error) {
    if (error instanceof AnonymizerError) throw error;
    throw cannotWrite(path, error);
  } finally {
    await cleanUp(temporary);
    await cleanUp(replaced);
  }
}

function cannotWrite(path: string, cause: unknown): AnonymizerError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return codedError("ERR_OUTPUT", `${path} can't be written: ${reason}`, { cause, details: { path } });
}

async function flushFolder(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await flushFolder(path);
    else await flush(path);
  }
  await flush(folder);
}

/** Removes a folder so that a kill in between never leaves half of it under its name. */
export async function removeFolder(path: string): Promise<void> {
  const doomed = temporaryName(path);
  await rename(path, doomed);
  await rm(doomed, { recursive: true, force: true });
}

/** Writes a small file through a temporary one. */
export const writeTextFile = (path: string, text: string): Promise<void> => writeBinaryFile(path, text);

/** Writes bytes through a temporary file. Throws ERR_OUTPUT. */
export async function writeBinaryFile(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, content, { flush: true });
    await rename(temporary, path);
  } catch (error) {
    throw cannotWrite(path, error);
  } finally {
    await cleanUp(temporary);
  }
}

/** Removes what may be there. What can't be removed now, `removeLeftovers` finds later. */
async function cleanUp(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => undefined);
}

/**
 * Removes what killed runs left in `folder` (`*.tmp-PID-…`). Call it before the first write: files of this process's own
 * id count as left over too, because in a container every run has the same one. Returns the names.
 */
export async function removeLeftovers(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const removed: string[] = [];
  for (const name of names) {
    const pid = Number(/\.tmp-(\d+)(-[0-9a-f]+)?$/.exec(name)?.[1] ?? Number.NaN);
    if (!Number.isInteger(pid) || (pid !== process.pid && processLives(pid))) continue;
    await rm(join(folder, name), { recursive: true, force: true });
    removed.push(name);
  }
  return removed;
}
