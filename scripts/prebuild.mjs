// Puts the stripped binaries of the local build where the npm package carries them: prebuilds/<platform>-<arch>/.
// One bootstrap and one addon per LibTorch minor version; N-API, so one set serves every Node version.
// Release builds run this in a manylinux_2_28 container, so that they load on older systems too.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const from = join(root, "build", "Release");
const to = join(root, "prebuilds", `${process.platform}-${process.arch}`);
mkdirSync(to, { recursive: true });
for (const name of readdirSync(from).filter((file) => file.endsWith(".node"))) {
  copyFileSync(join(from, name), join(to, name));
  const { status } = spawnSync("strip", ["--strip-all", join(to, name)], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
  console.log(join("prebuilds", `${process.platform}-${process.arch}`, name));
}
