/** Runs a command line as this process: signals stop it, its exit code becomes the process's. */
import { outputError, printError, type Terminal } from "./terminal.ts";

/** What a command exits with that failed and has told why. */
const failed = 1;
/** What a process stopped by a signal exits with. */
const interrupted = 130;

/**
 * The first SIGINT or SIGTERM aborts the signal given to `main` and calls `onStop`; a second one ends the process at
 * once, without waiting for the work in hand. Results that can't be written are ERR_OUTPUT, and exit code 1 instead of 0.
 */
export async function runProcess(
  main: (args: readonly string[], terminal: Terminal, signal: AbortSignal) => Promise<number>,
  onStop?: () => void,
): Promise<void> {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(interrupted);
    onStop?.();
    controller.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  let lost: unknown;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // A reader that has read enough ("| head") is no reason to fail.
    if (error.code !== "EPIPE") lost ??= error;
  });

  const code = await main(process.argv.slice(2), process, controller.signal);
  await written();
  if (lost !== undefined && code !== failed) printError(outputError(lost), process.stderr);
  process.exitCode = lost !== undefined && code === 0 ? failed : code;
  process.off("SIGINT", stop);
  process.off("SIGTERM", stop);
}

/** Resolves when all of standard output is written, and errors have been told. */
async function written(): Promise<void> {
  await new Promise<void>((resolve) => process.stdout.write("", () => resolve()));
  await new Promise(setImmediate);
}
