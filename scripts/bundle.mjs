// TypeScript of this project as programs for Node.
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/** Bundles files, given from the root under the programs' names, into .cache/FOLDER; gives the programs' paths. */
export async function bundle(folder, entries) {
  // Not needed by everyone who loads this.
  const { build } = await import("tsdown");
  const outDir = join(root, ".cache", folder);
  await build({
    entry: Object.fromEntries(Object.entries(entries).map(([name, file]) => [name, join(root, file)])),
    outDir,
    config: false,
    dts: false,
    clean: false,
    format: "esm",
    platform: "node",
    logLevel: "warn",
  });
  return Object.fromEntries(Object.keys(entries).map((name) => [name, join(outDir, `${name}.mjs`)]));
}
