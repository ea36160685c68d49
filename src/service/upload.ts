/** Gets the one document of a request: the body itself, or the only part of a form. */
import type { Readable } from "node:stream";
import type { FastifyRequest } from "fastify";
import { codedError } from "../errors.ts";
import { copySliceMs, joinInPieces } from "../join-bytes.ts";
import { createPacer } from "../pacer.ts";
import { tooLarge, wrongRequest } from "./http-errors.ts";

/** Content types of documents. What a document is, its first bytes decide. */
export const documentTypes = [
  "image/png",
  "image/jpeg",
  "image/jpg",
  "image/webp",
  "image/tiff",
  "application/pdf",
  "application/octet-stream",
];

/** Room for a body whose length is not told. */
const firstBytes = 1 << 20;

/** A body as a whole; `expected`: its bytes, where they are known. Throws ERR_DOCUMENT_LIMIT. */
export async function readBody(stream: Readable, maxBytes: number, expected = 0): Promise<Uint8Array> {
  const pacer = createPacer(undefined, copySliceMs);
  // Pieces go where they belong at once: hundreds of them kept would make the collection of garbage long.
  let bytes = new Uint8Array(Math.min(expected, maxBytes));
  let length = 0;
  // Whoever sends too much is answered: the stream stays whole.
  for await (const piece of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    if (length + piece.length > maxBytes) throw tooLarge(undefined, maxBytes);
    if (length + piece.length > bytes.length) {
      const room = new Uint8Array(Math.min(maxBytes, Math.max(2 * bytes.length, length + piece.length, firstBytes)));
      bytes = await joinInPieces([bytes.subarray(0, length)], room);
    }
    bytes.set(piece, length);
    length += piece.length;
    await pacer.pause();
  }
  return bytes.subarray(0, length);
}

/** The name of the file, which may be somebody's, is never looked at. */
export async function readUpload(request: FastifyRequest, maxBytes: number): Promise<Uint8Array> {
  const document = request.isMultipart() ? await readForm(request, maxBytes) : request.body;
  if (document === undefined || document === null) throw wrongRequest("There is no document.");
  if (!(document instanceof Uint8Array)) throw wrongRequest("The body is no document.");
  if (document.length === 0) throw codedError("ERR_DOCUMENT_EMPTY", "The document has no content");
  return document;
}

async function readForm(request: FastifyRequest, maxBytes: number): Promise<Uint8Array | undefined> {
  let document: Uint8Array | undefined;
  const limits = { files: 1, fields: 0, parts: 1, headerPairs: 20, fieldNameSize: 100, fileSize: maxBytes };
  try {
    for await (const part of request.parts({ limits })) {
      if (part.type !== "file") continue;
      document = await readBody(part.file, maxBytes, Number(request.headers["content-length"] ?? 0));
      if (part.file.truncated) throw tooLarge(undefined, maxBytes);
    }
  } catch (error) {
    // The parser's own errors have no code.
    if (error instanceof Error && "code" in error) throw error;
    throw wrongRequest("The form is not valid.", error);
  }
  return document;
}
