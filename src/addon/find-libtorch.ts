/** Finds an installed LibTorch. Nothing is loaded here: a wrong LibTorch loads silently, so its version is read first. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "./package-root.ts";

export interface LibTorchPlace {
  /** Folder with lib/ (and include/). */
  readonly path: string;
  /** Which rule found it: "LIBTORCH", "vendor", ".venv", "VIRTUAL_ENV", "python3". */
  readonly source: string;
  /** "2.13.0" without a local suffix; undefined when it can't be told. */
  readonly version: string | undefined;
  /** The CUDA libraries are there. */
  readonly cuda: boolean;
}

export interface LibTorchSearch {
  readonly place: LibTorchPlace | undefined;
  /** Everything that was looked at, in order, for error messages. */
  readonly tried: readonly { readonly source: string; readonly path: string; readonly outcome: string }[];
}

/** The version a LibTorch folder states of itself. */
export function readLibTorchVersion(folder: string): string | undefined {
  const header = join(folder, "include", "torch", "headeronly", "version.h");
  if (existsSync(header)) {
    const text = readFileSync(header, "utf8");
    const part = (name: string) => new RegExp(`define TORCH_VERSION_${name} (\\d+)`).exec(text)?.[1];
    const parts = [part("MAJOR"), part("MINOR"), part("PATCH")];
    if (parts.every((p) => p !== undefined)) return parts.join(".");
  }
  for (const [file, pattern] of [
    ["version.py", /__version__ = ['"](\d+\.\d+\.\d+)/],
    ["build-version", /^(\d+\.\d+\.\d+)/],
  ] as const) {
    const path = join(folder, file);
    if (existsSync(path)) {
      const version = pattern.exec(readFileSync(path, "utf8"))?.[1];
      if (version) return version;
    }
  }
  return undefined;
}

const hasLibraries = (folder: string): boolean =>
  existsSync(join(folder, "lib", "libtorch_cpu.so")) && existsSync(join(folder, "lib", "libc10.so"));

function inVirtualEnv(venv: string): string | undefined {
  const lib = join(venv, "lib");
  if (!existsSync(lib)) return undefined;
  for (const python of readdirSync(lib).sort()) {
    const folder = join(lib, python, "site-packages", "torch");
    if (existsSync(folder)) return folder;
  }
  return undefined;
}

async function fromPython(): Promise<string | undefined> {
  // find_spec doesn't import torch, which would take seconds.
  const program =
    "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')";
  try {
    const { stdout } = await promisify(execFile)("python3", ["-c", program], { timeout: 10_000 });
    return stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}

/**
 * Searches LIBTORCH (alone, when set), then vendor/libtorch and .venv of the working folder and of this package, then
 * $VIRTUAL_ENV, then what `python3` would import. The first folder that holds the libraries wins.
 */
export async function findLibTorch(env: NodeJS.ProcessEnv = process.env, cwd = process.cwd()): Promise<LibTorchSearch> {
  const tried: { source: string; path: string; outcome: string }[] = [];
  const look = (source: string, path: string | undefined, missing: string): LibTorchPlace | undefined => {
    if (path === undefined) {
      tried.push({ source, path: missing, outcome: "no torch there" });
      return undefined;
    }
    if (!hasLibraries(path)) {
      tried.push({ source, path, outcome: existsSync(path) ? "lib/libtorch_cpu.so is missing" : "does not exist" });
      return undefined;
    }
    tried.push({ source, path, outcome: "found" });
    return {
      path,
      source,
      version: readLibTorchVersion(path),
      cuda: existsSync(join(path, "lib", "libtorch_cuda.so")),
    };
  };

  const explicit = env["LIBTORCH"];
  if (explicit) return { place: look("LIBTORCH", resolve(cwd, explicit), explicit), tried };
  const roots = [...new Set([cwd, packageRoot()])];
  for (const root of roots) {
    const vendor = join(root, "vendor", "libtorch");
    const place = look("vendor", vendor, vendor);
    if (place) return { place, tried };
  }
  for (const root of roots) {
    const venv = join(root, ".venv");
    const place = look(".venv", inVirtualEnv(venv), venv);
    if (place) return { place, tried };
  }
  const active = env["VIRTUAL_ENV"];
  if (active) {
    const place = look("VIRTUAL_ENV", inVirtualEnv(active), active);
    if (place) return { place, tried };
  }
  return { place: look("python3", await fromPython(), "python3"), tried };
}
