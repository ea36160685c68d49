/** Files of documents on disk: finding them, writing them whole or not at all. */
import { randomBytes } from "node:crypto";
import { open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { refuseAddress } from "../addresses.ts";
import { type AnonymizerError, codedError, systemCode, throwIfAborted } from "../errors.ts";
import { flush } from "../models/files.ts";
import { processLives } from "../process-lives.ts";
import type { DocumentFormat } from "./document.ts";
import { magicLength, sniffFormat } from "./format.ts";

const temporaryName = /^\.anonymizer-(\d+)-[0-9a-f]{12}\.tmp$/;

/**
 * Writes a file so that `path` holds either what it held before or all of `data`, even when the machine stops: a
 * temporary file beside it, synced, then renamed. Both have `mode` (default 0o666) less the umask. The folder must exist.
 * Throws ERR_OUTPUT, ERR_ABORTED; no temporary file stays.
 */
export async function writeFileAtomic(
  path: string,
  data: Uint8Array | string,
  options: { readonly signal?: AbortSignal; readonly mode?: number } = {},
): Promise<void> {
  throwIfAborted(options.signal);
  refuseAddress(path, "An output file", "ERR_OUTPUT");
  const folder = dirname(path);
  const temporary = join(folder, `.anonymizer-${process.pid}-${randomBytes(6).toString("hex")}.tmp`);
  try {
    await writeFile(temporary, data, { flag: "wx", flush: true, mode: options.mode ?? 0o666 });
    throwIfAborted(options.signal);
    await rename(temporary, path);
    // The rename itself is on disk only once the folder is. Some file systems can't sync one; the file is whole there too.
    await flush(folder).catch(() => undefined);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throwIfAborted(options.signal);
    throw codedError("ERR_OUTPUT", `${path} could not be written (${systemCode(error)})`, { cause: error });
  }
}

/** Removes temporary files that killed processes left in `folder` (not in its subfolders). Returns their names. */
export async function removeStaleTemporaries(folder: string): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = temporaryName.exec(name)?.[1];
    if (pid === undefined || processLives(Number(pid))) continue;
    await rm(join(folder, name), { force: true }).catch(() => {});
    removed.push(name);
  }
  return removed;
}

/**
 * Paths of the documents in a folder and its subfolders, or of the one file given, sorted. What counts is the content's
 * magic number. Hidden entries and links are passed over.
 * Throws ERR_DOCUMENT_NOT_FOUND, ERR_DOCUMENT_FORMAT (single file), ERR_DOCUMENT_EMPTY, ERR_ABORTED.
 */
export async function listDocuments(path: string, options: { readonly signal?: AbortSignal } = {}): Promise<string[]> {
  const info = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (info.isFile()) {
    if ((await formatOfFile(path)) !== undefined) return [path];
    throw codedError("ERR_DOCUMENT_FORMAT", `${path} is not a PNG, JPEG, WebP, TIFF or PDF`);
  }
  if (!info.isDirectory()) throw codedError("ERR_DOCUMENT_NOT_FOUND", `${path} is neither a file nor a folder`);

  const found: string[] = [];
  const folders = [path];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    throwIfAborted(options.signal);
    const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
      throw unreadable(folder!, error);
    });
    for (const entry of entries) {
      if (entry.name.startsWith(".")) continue;
      const full = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(full);
      else if (entry.isFile() && (await formatOfFile(full)) !== undefined) found.push(full);
    }
  }
  if (found.length === 0) throw codedError("ERR_DOCUMENT_EMPTY", `${path} holds no PNG, JPEG, WebP, TIFF or PDF`);
  // By code unit and not by locale: the order is the same on every machine.
  return found.sort();
}

async function formatOfFile(path: string): Promise<DocumentFormat | undefined> {
  try {
    const handle = await open(path, "r");
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(magicLength), 0, magicLength, 0);
      return sniffFormat(buffer.subarray(0, bytesRead));
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw unreadable(path, error);
  }
}

const unreadable = (path: string, cause: unknown): AnonymizerError =>
  codedError("ERR_DOCUMENT_NOT_FOUND", `${path} can't be read (${systemCode(cause)})`, { cause });
