// Builds the native addon against the LibTorch that the package would load.
//   node scripts/build-native.mjs [--clean]
import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const bin = (name) => join(root, "node_modules", ".bin", name);

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

const finder = join(root, "dist", "addon", "find-libtorch.js");
if (!existsSync(finder)) run(bin("tsdown"), []);
const { findLibTorch } = await import(finder);
const { place, tried } = await findLibTorch(process.env, root);
if (!place) {
  console.error("LibTorch was not found. Searched:");
  for (const { source, path, outcome } of tried) console.error(`  ${source} (${path}): ${outcome}`);
  console.error("Install it with: python3 -m venv .venv && .venv/bin/pip install torch==2.13.0");
  process.exit(1);
}
console.log(`LibTorch ${place.version} in ${place.path} (${place.source})`);
if (process.argv.includes("--clean")) rmSync(join(root, "build"), { recursive: true, force: true });
run(bin("cmake-js"), ["build", `--CDLIBTORCH=${place.path}`, "--parallel", String(cpus().length)]);
