/** What a failure of a bucket means. The SDK's own errors hold access key and signature: only their text goes on. */
import { AnonymizerError, codedError, type ErrorCode } from "../errors.ts";
import type { Verdict } from "./retry.ts";

/** Nobody is there; a few tries tell that as well as many. */
const absentHost = new Set(["ECONNREFUSED", "ENOTFOUND", "EHOSTUNREACH", "ENETUNREACH"]);
const passing = new Set([408, 425, 429, 500, 502, 503, 504]);
const passingNames = new Set([
  "SlowDown",
  "InternalError",
  "ServiceUnavailable",
  "RequestTimeout",
  "BadDigest",
  "IncompleteBody",
  "XAmzContentSHA256Mismatch",
]);

const byStatus: Readonly<Record<number, ErrorCode>> = {
  401: "ERR_STORE_DENIED",
  403: "ERR_STORE_DENIED",
  404: "ERR_STORE_NOT_FOUND",
  409: "ERR_STORE_CONFLICT",
  412: "ERR_STORE_CONFLICT",
  413: "ERR_STORE_LIMIT",
};

export interface Request {
  /** "UploadPart". */
  readonly operation: string;
  /** "r2://bucket/key". */
  readonly where: string;
  /** Never to stand in an error. */
  readonly secrets: readonly string[];
}

/** What arrived has another SHA-256 than was stated. */
export class DamagedArrival extends Error {}

/** What the caller is told, and whether the request is worth another try. */
export function judgeS3Error(error: unknown, stalled: boolean, request: Request): Verdict {
  const { status, name, system, message, afterMs } = facts(error);
  const make = (code: ErrorCode, what: string) => {
    const reason = redact(message, request.secrets);
    return codedError(code, `${request.where}: ${request.operation} ${what}`, {
      cause: new Error(redact(`${name}${status === undefined ? "" : ` (${status})`}: ${reason}`, request.secrets)),
      details: { operation: request.operation, ...(status === undefined ? {} : { status }), reason: name },
    });
  };
  if (error instanceof DamagedArrival) {
    // Perhaps only on the way.
    return { error: make("ERR_STORE_DAMAGED", "gave something with another SHA-256"), again: true, attempts: 3 };
  }
  if (stalled) return { error: make("ERR_STORE_UNAVAILABLE", "came to a stop: nothing moved any more"), again: true };
  const known = status === undefined ? undefined : byStatus[status];
  if (known !== undefined && !passingNames.has(name)) {
    // 409 is a write at the same moment: a second try finds out who was first.
    return { error: make(known, `was answered with ${status} ${name}`), again: status === 409 };
  }
  // An answer that was cut off also comes with a status below 400.
  if (status !== undefined && (passing.has(status) || passingNames.has(name) || status < 400)) {
    const failure = make("ERR_STORE_UNAVAILABLE", `was answered with ${status} ${name}`);
    return { error: failure, again: true, ...(afterMs === undefined ? {} : { afterMs }) };
  }
  if (status !== undefined) {
    const said = redact(message, request.secrets).slice(0, 200);
    return { error: make("ERR_STORE_REFUSED", `was answered with ${status} ${name}: ${said}`), again: false };
  }
  const failure = make("ERR_STORE_UNAVAILABLE", `got no answer (${system ?? name})`);
  return { error: failure, again: true, ...(system !== undefined && absentHost.has(system) ? { attempts: 3 } : {}) };
}

function facts(error: unknown) {
  const fields = (error ?? {}) as {
    name?: unknown;
    code?: unknown;
    message?: unknown;
    $metadata?: { httpStatusCode?: unknown };
    $response?: { statusCode?: unknown; headers?: Readonly<Record<string, string>> };
  };
  const status = fields.$metadata?.httpStatusCode ?? fields.$response?.statusCode;
  const after = Number(fields.$response?.headers?.["retry-after"]);
  return {
    status: typeof status === "number" ? status : undefined,
    name: typeof fields.name === "string" ? fields.name : "Error",
    system: typeof fields.code === "string" ? fields.code : undefined,
    message: typeof fields.message === "string" ? fields.message : "",
    afterMs: Number.isFinite(after) && after > 0 ? after * 1000 : undefined,
  };
}

function redact(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) if (secret !== "") clean = clean.replaceAll(secret, "[redacted]");
  return clean;
}

export const isStoreError = (error: unknown, code: ErrorCode): boolean =>
  error instanceof AnonymizerError && error.code === code;
