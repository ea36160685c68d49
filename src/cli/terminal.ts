/** Where a command writes, and how it tells what went wrong. */
import type { Readable } from "node:stream";
import { AnonymizerError, codedError } from "../errors.ts";

export interface Stream {
  write(text: string | Uint8Array): unknown;
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
