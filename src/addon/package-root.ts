/** Where this package lies: the same for the sources, the bundle and an installed copy. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

let found: string | undefined;

/** The folder of this package's package.json. */
export function packageRoot(): string {
  if (found !== undefined) return found;
  let folder = dirname(fileURLToPath(import.meta.url));
  while (true) {
    const file = join(folder, "package.json");
    if (existsSync(file) && JSON.parse(readFileSync(file, "utf8")).name === "anonymizer-native") break;
    const parent = dirname(folder);
    if (parent === folder) throw new Error("anonymizer-native: package.json not found above the module");
    folder = parent;
  }
  found = folder;
  return folder;
}
