/** The command line `anonymizer` without a process of its own, and what it leaves in a folder. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { main } from "../../src/cli/anonymize/main.ts";

/** Runs the command line in this process. */
export async function cli(
  args: string[],
  options: {
    signal?: AbortSignal;
    onStderr?: (text: string) => void;
    stdin?: Readable;
    stdoutError?: Error;
    tty?: boolean;
  } = {},
) {
  let stdout = "";
  const bytes: Uint8Array[] = [];
  let stderr = "";
  const terminal = {
    stdout: {
      write: (chunk: string | Uint8Array, done?: (error?: Error | null) => void) => {
        if (typeof chunk === "string") stdout += chunk;
        else if (options.stdoutError === undefined) bytes.push(chunk);
        done?.(options.stdoutError);
      },
    },
    stderr: {
      isTTY: options.tty ?? false,
      write: (chunk: string | Uint8Array) => {
        stderr += String(chunk);
        options.onStderr?.(String(chunk));
      },
    },
    ...(options.stdin && { stdin: options.stdin }),
  };
  const code = await main(args, terminal, options.signal ?? new AbortController().signal);
  return { code, stdout, stderr, bytes: Buffer.concat(bytes) };
}

/** Paths of all files below a folder, sorted. */
export const filesOf = async (at: string): Promise<string[]> =>
  (await readdir(at, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(at.length + 1))
    .sort();
