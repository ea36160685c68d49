// What drawing a patch costs with a model pack: milliseconds a patch at 4, 8 and 20 steps in a batch of 16, by canvas, with
// and without a start from the draft; a page of 30 regions, drafts included, beside the classical engine; peak memory.
//
//   MODELS=folder (default models/document-small)  BENCH_DEVICE=cpu|cuda  BENCH_ROUNDS=3  BENCH_THREADS=N
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { loadavg } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");

export async function run() {
  const models = process.env.MODELS ?? join(root, "models", "document-small");
  if (!existsSync(models)) return { skipped: `${models} is not there` };
  // A process of its own, whose peak memory is that of the models alone.
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(here, "..", "programs", "patches.mjs"), models],
    {
      cwd: root,
      encoding: "utf8",
      maxBuffer: 1 << 26,
    },
  );
  if (status !== 0) throw new Error(`patches.mjs ended with ${status}:\n${stderr}`);
  return { models: models.replace(`${root}/`, ""), load: loadavg(), ...JSON.parse(stdout.trim().split("\n").at(-1)) };
}
