/** Runs a command line as this process: signals stop it, its exit code becomes the process's. */
import type { Terminal } from "./terminal.ts";

/** What a process stopped by a signal exits with. */
const interrupted = 130;

/**
 * The first SIGINT or SIGTERM aborts the signal given to `main` and calls `onStop`; a second one ends the process at
 * once, without waiting for the work in hand.
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
  // A reader that goes away ("| head") is no reason to fail.
  process.stdout.on("error", () => undefined);

  process.exitCode = await main(process.argv.slice(2), process, controller.signal);
  process.off("SIGINT", stop);
  process.off("SIGTERM", stop);
}
