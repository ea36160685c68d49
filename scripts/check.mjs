// The static checks: types, lint and format, unused code, C++ format, package shape.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const bin = (name) => join(root, "node_modules", ".bin", name);
const nativeSources = readdirSync(join(root, "native"), { recursive: true })
  .filter((file) => /\.(cc|h)$/.test(file))
  .map((file) => join("native", file));
const checks = [
  ["types", bin("tsc"), ["--noEmit", "-p", "."]],
  ["lint and format", bin("biome"), ["check", "."]],
  ["unused code", bin("knip"), ["--no-progress"]],
  ["package shape", bin("publint"), ["run", "--strict", "--pack", "npm"]],
  ["package types", bin("attw"), ["--pack", ".", "--profile", "esm-only"]],
  ["C++ format", join(root, ".venv", "bin", "clang-format"), ["--dry-run", "-Werror", ...nativeSources]],
];
let failed = 0;
for (const [name, command, args] of checks) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
  console.log(`${status === 0 ? "✓" : "✗"} ${name}`);
  if (status !== 0) {
    failed++;
    console.log(`${stdout ?? ""}${stderr ?? ""}`.trim());
  }
}
process.exit(failed ? 1 : 0);
