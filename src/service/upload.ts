/** Gets the one document of a request: the body itself, or the only part of a form. */
import type { FastifyRequest } from "fastify";
import { codedError } from "../errors.ts";
import { wrongRequest } from "./http-errors.ts";

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
      if (part.type === "file") document = await part.toBuffer();
    }
  } catch (error) {
    // The parser's own errors have no code.
    if (error instanceof Error && "code" in error) throw error;
    throw wrongRequest("The form is not valid.", error);
  }
  return document;
}
