/** Reads single files out of a wheel (a zip archive with a list of its files' hashes, PEP 427). */
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { type Entry, open, type ZipFile } from "yauzl";
import { type AnonymizerError, codedError, throwIfAborted } from "../../errors.ts";

/** Unpacked sizes. Models of this kind have 1…100 MB. */
const maxFileBytes = 256 * 2 ** 20;
const maxEntries = 20_000;

export interface WheelFile {
  readonly name: string;
  readonly bytes: Buffer;
  /** Hex. */
  readonly sha256: string;
}

const notUsable = (path: string, why: string, cause?: unknown): AnonymizerError =>
  codedError("ERR_MODEL_SOURCE", `${path} ${why}`, { cause, details: { path } });

/**
 * The files whose names `wanted` accepts. Rejects with ERR_MODEL_SOURCE when the file can't be read, is no zip archive, is
 * damaged or holds more than any such package, and with ERR_ABORTED.
 */
export async function readWheel(
  path: string,
  wanted: (name: string) => boolean,
  signal?: AbortSignal,
): Promise<WheelFile[]> {
  const zip = await new Promise<ZipFile>((resolve, reject) => {
    open(path, { lazyEntries: true, autoClose: false, validateEntrySizes: true }, (error, opened) => {
      if (!error) return resolve(opened);
      const system = "code" in error && typeof error.code === "string" ? error.code : undefined;
      reject(notUsable(path, system ? `can't be read (${system})` : "is no zip archive, or a damaged one", error));
    });
  });
  try {
    if (zip.entryCount > maxEntries) throw notUsable(path, `holds ${zip.entryCount} files; no such package does`);
    const files: WheelFile[] = [];
    for await (const entry of entriesOf(zip, path)) {
      throwIfAborted(signal);
      if (!wanted(entry.fileName)) continue;
      if (entry.uncompressedSize > maxFileBytes)
        throw notUsable(
          path,
          `holds ${entry.fileName} with ${entry.uncompressedSize} bytes; that is no model of this kind`,
        );
      const file = await readEntry(zip, entry).catch((cause: unknown) => {
        throw notUsable(path, `is damaged: ${entry.fileName} can't be unpacked`, cause);
      });
      files.push(file);
    }
    return files;
  } finally {
    zip.close();
  }
}

async function* entriesOf(zip: ZipFile, path: string): AsyncGenerator<Entry> {
  for (;;) {
    const entry = await new Promise<Entry | undefined>((resolve, reject) => {
      const done = (settle: () => void) => {
        zip.removeAllListeners("entry").removeAllListeners("end").removeAllListeners("error");
        settle();
      };
      zip.once("entry", (found: Entry) => done(() => resolve(found)));
      zip.once("end", () => done(() => resolve(undefined)));
      zip.once("error", (cause) => done(() => reject(notUsable(path, "is a damaged zip archive", cause))));
      zip.readEntry();
    });
    if (entry === undefined) return;
    yield entry;
  }
}

async function readEntry(zip: ZipFile, entry: Entry): Promise<WheelFile> {
  const stream = await new Promise<Readable>((resolve, reject) => {
    zip.openReadStream(entry, (error, opened) => (error ? reject(error) : resolve(opened)));
  });
  const chunks: Buffer[] = [];
  const hash = createHash("sha256");
  for await (const chunk of stream) {
    chunks.push(chunk as Buffer);
    hash.update(chunk as Buffer);
  }
  return { name: entry.fileName, bytes: Buffer.concat(chunks), sha256: hash.digest("hex") };
}

/** Hashes (hex) by file name, from the wheel's RECORD: `name,sha256=BASE64URL,size` a line. */
export function parseRecord(text: string): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, name, hash] = /^(.*),sha256=([\w-]+),\d*$/.exec(line) ?? [];
    if (name === undefined || hash === undefined) continue;
    hashes.set(name.replace(/^"(.*)"$/, "$1"), Buffer.from(hash, "base64url").toString("hex"));
  }
  return hashes;
}
