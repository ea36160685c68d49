/** The process in which scripts/fuzz.mjs runs cases: it may crash or stand still, and ends by itself when all is well. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openGroup, removeFolder } from "./cases.ts";

const [group, seed, configs] = process.argv.slice(2) as [string, string, string];
const folder = join(tmpdir(), `fuzz-${group}`);
const tell = (message: object): void => void process.send!(message);

const runCase = await openGroup(group, Number(seed), folder, configs);
tell({ type: "ready" });
process.on("message", async (index: number) => {
  if (index < 0) {
    await removeFolder(folder);
    // What still runs now keeps the process alive, and so is seen.
    process.disconnect();
    return;
  }
  try {
    const outcome = await runCase(index);
    tell({ type: "done", outcome, rss: process.memoryUsage.rss() });
  } catch (error) {
    tell({ type: "violation", message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
