/** The configurations that ship: `configs/*.yaml` and `configs/presets/*.yaml`. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { closest } from "fastest-levenshtein";
import { packageRoot } from "../addon/package-root.ts";
import { codedError } from "../errors.ts";

export interface Preset {
  readonly name: string;
  /** "vae", "unet" or "anonymizer". */
  readonly kind: string;
  /** Absolute path of its YAML. */
  readonly file: string;
}

/** Names are unique and equal to the `preset` that the file states. */
export function listPresets(): Preset[] {
  const folder = join(packageRoot(), "configs");
  return ["", "presets"].flatMap((below) =>
    readdirSync(join(folder, below))
      .filter((name) => name.endsWith(".yaml"))
      .sort()
      .map((name) => {
        const file = join(folder, below, name);
        return {
          name: basename(name, ".yaml"),
          kind: /^kind: (\w+)/m.exec(readFileSync(file, "utf8"))?.[1] ?? "",
          file,
        };
      }),
  );
}

/** Throws ERR_USAGE with all names when there is no such preset for this kind. */
export function findPreset(kind: "vae" | "unet", name: string): Preset {
  const all = listPresets().filter((preset) => preset.kind === kind);
  const found = all.find((preset) => preset.name === name);
  if (found !== undefined) return found;
  const names = all.map((preset) => preset.name);
  throw codedError(
    "ERR_USAGE",
    `There is no preset ${JSON.stringify(name)} for kind ${kind}; did you mean ${closest(name, names)}? There are ${names.join(", ")}`,
  );
}

/** A path inside this package ("/…/anonymizer-native/models/small/vae") as it is below the package's folder. */
export const insidePackage = (path: string): string => relative(packageRoot(), path);
