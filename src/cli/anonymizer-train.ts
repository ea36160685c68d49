#!/usr/bin/env node
import { runProcess } from "./run-process.ts";
import { main } from "./train/main.ts";

await runProcess(main, () => {
  // A reader of JSON lines is told by the last line.
  if (process.argv.includes("--json")) return;
  process.stderr.write("\nstopping; a checkpoint is written first (once more: stop at once)\n");
});
