#!/usr/bin/env node
import { exitCodes } from "./anonymize/exit-codes.ts";
import { main } from "./anonymize/main.ts";

const controller = new AbortController();
const stop = (): void => {
  // A second signal doesn't wait for the work in hand.
  if (controller.signal.aborted) process.exit(exitCodes.interrupted);
  controller.abort();
};
process.on("SIGINT", stop);
process.on("SIGTERM", stop);
// A reader that goes away ("| head") is no reason to fail.
process.stdout.on("error", () => undefined);

process.exitCode = await main(process.argv.slice(2), process, controller.signal);
process.off("SIGINT", stop);
process.off("SIGTERM", stop);
