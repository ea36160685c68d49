#!/usr/bin/env node
import { exitCodes, main } from "./train/main.ts";

const controller = new AbortController();
const stop = (): void => {
  // The first signal stops after writing a checkpoint; a second one doesn't wait.
  if (controller.signal.aborted) process.exit(exitCodes.interrupted);
  process.stderr.write("\nstopping; a checkpoint is written first (once more: stop at once)\n");
  controller.abort();
};
process.on("SIGINT", stop);
process.on("SIGTERM", stop);
// A reader that goes away ("| head") is no reason to fail.
process.stdout.on("error", () => undefined);

process.exitCode = await main(process.argv.slice(2), process, controller.signal);
process.off("SIGINT", stop);
process.off("SIGTERM", stop);
