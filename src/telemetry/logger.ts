/** Structured logs on stderr: one JSON object a line. Nothing secret and no document text gets through. */
import { type DestinationStream, destination, type Logger as PinoLogger, pino } from "pino";
import { AnonymizerError } from "../errors.ts";

/** What this package needs of a logger; a pino logger fits. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface LoggerOptions {
  /** Default "info". */
  readonly level?: "silent" | "error" | "warn" | "info" | "debug";
  /** Default: stderr. */
  readonly stream?: DestinationStream;
}

// Names of fields that hold secrets, or text read from a document.
const secretFields = [
  "key",
  "token",
  "secret",
  "password",
  "authorization",
  "cookie",
  "apiKey",
  "accessKey",
  "secretKey",
  "accessKeyId",
  "secretAccessKey",
  "sessionToken",
];
const documentFields = ["text", "texts", "original", "originals", "fake", "fakes", "allow", "deny"];
const depths = ["", "*.", "*.*.", "*.*.*."];

/** A logger whose records never contain secrets or document text, down to four levels of nesting. */
export function createLogger(options: LoggerOptions = {}): PinoLogger {
  return pino(
    {
      level: options.level ?? "info",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: depths.flatMap((depth) => [...secretFields, ...documentFields].map((field) => `${depth}${field}`)),
        censor: "[redacted]",
      },
      serializers: {
        err: (error: unknown) =>
          error instanceof AnonymizerError
            ? { code: error.code, message: error.message, cure: error.cure }
            : error instanceof Error
              ? { name: error.name, message: error.message, stack: error.stack }
              : String(error),
      },
    },
    options.stream ?? destination({ fd: 2, sync: true }),
  );
}

const nothing = (): void => undefined;

/** Swallows everything; what the library uses when no logger is given. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
