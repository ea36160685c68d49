/** Loads LibTorch and then the addon, in the one order that works, or says exactly what is missing. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { codedError } from "../errors.ts";
import { findLibTorch, type LibTorchPlace } from "./find-libtorch.ts";
import type { NativeBinding } from "./native-types.ts";
import { packageRoot } from "./package-root.ts";

/** LibTorch minor versions a binary is made for. */
export const supportedLibTorch = ["2.13", "2.11"] as const;

interface Bootstrap {
  open(path: string, global: boolean): void;
  abiVersion(): bigint | undefined;
}

const require = createRequire(import.meta.url);

/** Where binaries are looked for: a local build first, then the prebuilt one. */
export function binaryPath(name: string): { path: string | undefined; tried: string[] } {
  const root = packageRoot();
  const tried = [
    join(root, "build", "Release", `${name}.node`),
    join(root, "prebuilds", `${process.platform}-${process.arch}`, `${name}.node`),
  ];
  return { path: tried.find((path) => existsSync(path)), tried };
}

function requireBinary<T>(name: string): T {
  const { path, tried } = binaryPath(name);
  if (path === undefined) {
    throw codedError("ERR_ADDON_NOT_BUILT", `${name}.node is in none of: ${tried.join(", ")}`, { details: { tried } });
  }
  try {
    return require(path) as T;
  } catch (cause) {
    throw codedError("ERR_LIBTORCH_LOAD", `${path}: ${(cause as Error).message}`, { cause, details: { path } });
  }
}

/** The LibTorch to use; ERR_LIBTORCH_NOT_FOUND names every place searched, ERR_LIBTORCH_VERSION what was found instead. */
export async function chooseLibTorch(): Promise<LibTorchPlace & { version: string; minor: string }> {
  const { place, tried } = await findLibTorch();
  if (!place) {
    const places = tried.map((t) => `${t.source} (${t.path}): ${t.outcome}`).join("; ");
    throw codedError("ERR_LIBTORCH_NOT_FOUND", `LibTorch was not found. Searched ${places}`, { details: { tried } });
  }
  const minor = place.version?.split(".").slice(0, 2).join(".");
  if (place.version === undefined || minor === undefined || !supportedLibTorch.some((v) => v === minor)) {
    throw codedError(
      "ERR_LIBTORCH_VERSION",
      `${place.path} holds LibTorch ${place.version ?? "of an unknown version"}; supported are ${supportedLibTorch.join(" and ")}`,
      { details: { path: place.path, version: place.version ?? null, supported: [...supportedLibTorch] } },
    );
  }
  return { ...place, version: place.version, minor };
}

/** Opens LibTorch and the addon made for its version. */
export async function loadAddon(): Promise<{ native: NativeBinding; libtorch: LibTorchPlace }> {
  const libtorch = await chooseLibTorch();
  const bootstrap = requireBinary<Bootstrap>("anonymizer-bootstrap");
  const name = `anonymizer-native-torch-${libtorch.minor}`;
  const { path, tried } = binaryPath(name);
  if (path === undefined) {
    throw codedError(
      "ERR_ADDON_NOT_BUILT",
      `There is no binary for LibTorch ${libtorch.minor}; looked for ${tried.join(", ")}`,
      { details: { tried } },
    );
  }
  // OpenMP reads this when it is loaded. Threads that spin while they wait make a busy machine several times slower:
  // image decoding and OCR run beside the training step.
  process.env["OMP_WAIT_POLICY"] ??= "PASSIVE";
  // The CUDA library must be in before LibTorch is used for the first time, so before the addon.
  for (const library of [
    "libtorch_global_deps.so",
    "libc10.so",
    "libtorch_cpu.so",
    "libc10_cuda.so",
    "libtorch_cuda.so",
  ]) {
    const file = join(libtorch.path, "lib", library);
    if (!existsSync(file)) continue;
    try {
      bootstrap.open(file, true);
    } catch (cause) {
      throw codedError("ERR_LIBTORCH_LOAD", (cause as Error).message, { cause, details: { path: file } });
    }
  }
  const abi = bootstrap.abiVersion();
  const loaded = abi === undefined ? undefined : `${(abi >> 56n) & 0xffn}.${(abi >> 48n) & 0xffn}`;
  if (loaded !== undefined && loaded !== libtorch.minor) {
    throw codedError(
      "ERR_LIBTORCH_VERSION",
      `${libtorch.path} says it is ${libtorch.version}, but another LibTorch (${loaded}) is in the process already`,
      { details: { path: libtorch.path, loaded } },
    );
  }
  return { native: requireBinary<NativeBinding>(name), libtorch };
}
