/** A file of the project as a program of its own: other processes can't run TypeScript. */
import { join } from "node:path";
import { build } from "tsdown";
import { root } from "./tiny.ts";

/** Bundles `entry` (from the root) into `folder`. A folder below the root finds the addon and the models from there. */
export async function bundleInto(folder: string, entry: string): Promise<void> {
  await build({
    config: false,
    cwd: root,
    entry: [join(root, entry)],
    outDir: folder,
    format: "esm",
    platform: "node",
    target: "node20",
    dts: false,
    fixedExtension: false,
    logLevel: "silent",
  });
}
