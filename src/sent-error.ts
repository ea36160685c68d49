/** Errors on their way to another thread or process. */
import { AnonymizerError, codedError, type ErrorCode } from "./errors.ts";

/** An error in plain values: classes don't survive the way. */
export interface SentError {
  readonly code?: ErrorCode;
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly cure?: string;
  /** JSON. */
  readonly details?: string;
  readonly cause?: SentError;
}

/** Keeps four causes. */
export function packError(error: unknown, depth = 0): SentError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), stack: undefined };
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    ...(error instanceof AnonymizerError && {
      code: error.code,
      cure: error.cure,
      details: JSON.stringify(error.details),
    }),
    ...(error.cause !== undefined && depth < 4 && { cause: packError(error.cause, depth + 1) }),
  };
}

export function unpackError({ code, name, message, stack, cure, details, cause }: SentError): Error {
  const inner = cause === undefined ? {} : { cause: unpackError(cause) };
  const error =
    code === undefined
      ? Object.assign(new Error(message, inner), { name })
      : codedError(code, message, {
          ...inner,
          ...(cure !== undefined && { cure }),
          details: JSON.parse(details ?? "{}") as Record<string, unknown>,
        });
  if (stack !== undefined) error.stack = stack;
  return error;
}
