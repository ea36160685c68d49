// From the start of the process to the end of the first VAE training step: ours beside Python's, the same model, batch
// and loss. Pairs are interleaved, so that a busy moment hits both.
import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const rounds = 5;

const timed = (command, args) => {
  const started = performance.now();
  execFileSync(command, args, {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, OMP_WAIT_POLICY: "PASSIVE" },
  });
  return performance.now() - started;
};
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

export async function run() {
  const ours = [];
  const python = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(timed(process.execPath, [join(here, "..", "programs", "first-step.mjs")]));
    python.push(timed(join(root, ".venv", "bin", "python"), [join(here, "..", "programs", "first_step.py")]));
  }
  return {
    milliseconds: { ours: Math.round(median(ours)), python: Math.round(median(python)) },
    ratio: Number((median(ours) / median(python)).toFixed(3)),
    rounds,
  };
}
