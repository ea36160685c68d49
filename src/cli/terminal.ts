/** Where a command writes, and how it tells what went wrong. */
import type { Readable } from "node:stream";
import { AnonymizerError, codedError, systemCode } from "../errors.ts";

export interface Stream {
  /** `done` is called when it is written, with the error where it can't be. */
  write(text: string | Uint8Array, done?: (error?: Error | null) => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Terminal {
  /** Results. */
  readonly stdout: Stream;
  /** Progress and problems. */
  readonly stderr: Stream;
  /** Where `-` reads from. */
  readonly stdin?: Readable;
}

/** The coded form of anything thrown. What has no code is a bug: it is named as such, without a stack trace. */
export function toCoded(error: unknown): AnonymizerError {
  if (error instanceof AnonymizerError) return error;
  const message = error instanceof Error ? `${error.name}: ${error.message}` : "unknown error";
  return codedError("ERR_NATIVE", `Unexpected: ${message}`, { cause: error });
}

/** For a stream of results that can't be written: a full disk, a reader that has gone. */
export const outputError = (cause: unknown): AnonymizerError =>
  codedError("ERR_OUTPUT", `Standard output could not be written (${systemCode(cause)})`, {
    cause,
    cure: "Check that the disk has free space and that what reads the output reads all of it.",
  });

/** Writes all of `data`. Rejects with ERR_OUTPUT. */
export const writeAll = (stream: Stream, data: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(outputError(error)) : resolve()));
  });

/** Code and message, and the cure on a line of its own. */
export function printError(error: unknown, stream: Stream): void {
  const { code, message, cure } = toCoded(error);
  stream.write(`${code}: ${message}\n  ${cure}\n`);
}

/** Rows in columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
