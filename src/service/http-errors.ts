/** What a client is told of an error: a status and a code, its general meaning, and nothing from inside. */
import { AnonymizerError, codedError, type ErrorCode, errorCodes } from "../errors.ts";

/** Everything else is the server's own failure: 500. */
const statuses: Partial<Record<ErrorCode, number>> = {
  ERR_SERVICE_REQUEST: 400,
  ERR_DOCUMENT_EMPTY: 400,
  ERR_SERVICE_TOKEN: 401,
  ERR_SERVICE_HOST: 403,
  ERR_SERVICE_ROUTE: 404,
  ERR_SERVICE_JOB: 404,
  ERR_SERVICE_UNFINISHED: 409,
  ERR_DOCUMENT_LIMIT: 413,
  ERR_DOCUMENT_FORMAT: 415,
  ERR_DOCUMENT_DAMAGED: 422,
  ERR_NOT_PROVEN: 422,
  ERR_PSEUDONYM_EXHAUSTED: 422,
  ERR_SERVICE_BUSY: 429,
  ERR_SERVICE_NOT_READY: 503,
  ERR_ABORTED: 503,
  ERR_CLOSED: 503,
  ERR_THREAD: 503,
  ERR_OUT_OF_MEMORY: 503,
  ERR_LOCKED: 503,
  ERR_OCR_TIMEOUT: 504,
  ERR_SERVICE_TIMEOUT: 504,
};

export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly cure: string;
    readonly details?: Readonly<Record<string, unknown>>;
  };
}

export interface HttpError {
  readonly status: number;
  readonly body: ErrorBody;
}

/** Facts that are the client's own. */
const shown: Partial<Record<ErrorCode, readonly string[]>> = {
  ERR_DOCUMENT_LIMIT: ["limit", "value", "max"],
  ERR_NOT_PROVEN: ["reasons"],
  ERR_SERVICE_REQUEST: ["problem"],
};

export function httpError(error: unknown): HttpError {
  const known = error instanceof AnonymizerError && statuses[error.code] !== undefined;
  const code = known ? error.code : "ERR_SERVICE_FAILED";
  const { meaning, cure } = errorCodes[code];
  const details = known ? pick(error.details, shown[code] ?? []) : {};
  return {
    status: statuses[code] ?? 500,
    body: { error: { code, message: meaning, cure, ...(Object.keys(details).length > 0 && { details }) } },
  };
}

function pick(details: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.filter((name) => details[name] !== undefined).map((name) => [name, details[name]]));
}

/** A request that is wrong; `problem` is told to the client and holds nothing of the request. */
export const wrongRequest = (problem: string, cause?: unknown): Error =>
  codedError("ERR_SERVICE_REQUEST", problem, { details: { problem }, cause });

export const tooLarge = (value: number | undefined, max: number): Error =>
  codedError("ERR_DOCUMENT_LIMIT", `The request is larger than ${max} bytes`, {
    details: { limit: "maxBytes", ...(value !== undefined && { value }), max },
  });

/** The coded form of what fastify and its parsers throw. */
export function fromFramework(error: unknown, maxBytes: number): unknown {
  if (error instanceof AnonymizerError || !(error instanceof Error)) return error;
  const { code, statusCode } = error as { code?: string; statusCode?: number };
  if (code === "FST_REQ_FILE_TOO_LARGE" || code === "FST_ERR_CTP_BODY_TOO_LARGE") return tooLarge(undefined, maxBytes);
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE")
    return codedError("ERR_DOCUMENT_FORMAT", "The content type is of no supported document", { cause: error });
  if (code === "FST_ERR_CTP_INVALID_CONTENT_LENGTH")
    return wrongRequest("The body is shorter or longer than its Content-Length.", error);
  if (code === "FST_FIELDS_LIMIT" || code === "FST_FILES_LIMIT" || code === "FST_PARTS_LIMIT")
    return wrongRequest("Exactly one file is expected, and no other fields.", error);
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return wrongRequest("The request could not be parsed.", error);
  return error;
}
