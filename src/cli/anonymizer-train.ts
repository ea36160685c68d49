#!/usr/bin/env node
import { runProcess } from "./run-process.ts";
import { main } from "./train/main.ts";

await runProcess(main, () => {
  process.stderr.write("\nstopping; a checkpoint is written first (once more: stop at once)\n");
});
