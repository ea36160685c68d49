/** Gets the encoded bytes of a document from wherever the caller has it, never more than the limit allows. */
import { type FileHandle, open, stat } from "node:fs/promises";
import { basename } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { codedError, throwIfAborted } from "../errors.ts";
import { joinInPieces } from "../join-bytes.ts";
import { checkLimit, type DocumentLimits } from "./limits.ts";

/** A path, a `file:` URL, the bytes themselves, or a stream of them. */
export type DocumentInput = string | URL | Uint8Array | Readable;

export interface EncodedDocument {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Throws ERR_DOCUMENT_NOT_FOUND, ERR_DOCUMENT_LIMIT, ERR_DOCUMENT_EMPTY, ERR_INVALID_ARGUMENT, ERR_ABORTED. */
export async function readSource(
  input: DocumentInput,
  limits: DocumentLimits,
  signal?: AbortSignal,
): Promise<EncodedDocument> {
  throwIfAborted(signal);
  const source = await readAny(input, limits, signal);
  if (source.bytes.length === 0) throw codedError("ERR_DOCUMENT_EMPTY", `${source.name} has no content`);
  return source;
}

async function readAny(input: DocumentInput, limits: DocumentLimits, signal?: AbortSignal): Promise<EncodedDocument> {
  if (input instanceof Uint8Array) {
    checkLimit(limits, "maxBytes", input.length, `The document has ${input.length} bytes`);
    return { name: "buffer", bytes: input };
  }
  if (input instanceof Readable) return { name: "stream", bytes: await readStream(input, limits, signal) };
  if (typeof input === "string") return readFileWithin(input, limits, signal);
  if (input instanceof URL) {
    if (input.protocol !== "file:") {
      throw codedError(
        "ERR_INVALID_ARGUMENT",
        `A document can't be read from a ${input.protocol} URL; download it first and pass its bytes`,
      );
    }
    return readFileWithin(fileURLToPath(input), limits, signal);
  }
  throw codedError("ERR_INVALID_ARGUMENT", "A document is a path, a file URL, bytes or a readable stream");
}

async function readFileWithin(path: string, limits: DocumentLimits, signal?: AbortSignal): Promise<EncodedDocument> {
  const name = basename(path);
  let handle: FileHandle | undefined;
  try {
    // Looked at before opening: opening a pipe would wait for its writer.
    if (!(await stat(path)).isFile()) throw codedError("ERR_DOCUMENT_NOT_FOUND", `${path} is not a file`);
    handle = await open(path, "r");
    const { size } = await handle.stat();
    checkLimit(limits, "maxBytes", size, `${name} has ${size} bytes`);
    // The stream is bounded too: the file may grow, or lie about its size as those in /proc do.
    return { name, bytes: await readStream(handle.createReadStream({ highWaterMark: 1 << 20 }), limits, signal) };
  } catch (error) {
    if (isSystemError(error))
      throw codedError("ERR_DOCUMENT_NOT_FOUND", `${path} can't be read (${error.code})`, { cause: error });
    throw error;
  } finally {
    await handle?.close().catch(() => {});
  }
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === "string";

async function readStream(stream: Readable, limits: DocumentLimits, signal?: AbortSignal): Promise<Uint8Array> {
  const onAbort = (): void => void stream.destroy();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of stream) {
      const bytes = typeof chunk === "string" ? Buffer.from(chunk) : Buffer.from(chunk as Uint8Array);
      length += bytes.length;
      checkLimit(limits, "maxBytes", length, `The document has ${length} bytes or more`);
      chunks.push(bytes);
    }
    throwIfAborted(signal);
    return await joinInPieces(chunks);
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof Error && "code" in error && String(error.code).startsWith("ERR_DOCUMENT")) throw error;
    if (isSystemError(error)) throw error;
    throw codedError("ERR_DOCUMENT_NOT_FOUND", "The stream failed before the whole document was read", {
      cause: error,
    });
  } finally {
    signal?.removeEventListener("abort", onAbort);
    stream.destroy();
  }
}
