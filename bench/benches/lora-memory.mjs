// Memory of training a UNet whole, with low-rank adapters, and with adapters over an 8-bit base: each in a process of its
// own. Takes models/small where it is exported, else models/tiny; BENCH_MODELS names another folder.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

function measure(models, mode) {
  const program = join(root, "bench", "programs", "lora-memory.mjs");
  const out = execFileSync(process.execPath, [program, models, mode], { cwd: root, encoding: "utf8" });
  return JSON.parse(out.trim().split("\n").at(-1));
}

export async function run() {
  const small = join(root, "models", "small");
  const models = process.env.BENCH_MODELS ?? (existsSync(join(small, "unet")) ? small : join(root, "models", "tiny"));
  const modes = Object.fromEntries(["full", "lora", "lora8bit"].map((mode) => [mode, measure(models, mode)]));
  const share = (key, mode) => Number((modes[mode][key] / modes.full[key]).toFixed(3));
  const shares = (mode) => ({
    optimizerAndGradients: share("optimizerAndGradients", mode),
    peak: share("peakResident", mode),
    milliseconds: share("stepMilliseconds", mode),
  });
  return { models, modes, ofFull: { lora: shares("lora"), lora8bit: shares("lora8bit") } };
}
