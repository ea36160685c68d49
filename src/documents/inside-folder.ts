/** Paths that come from users, manifests and archives stay inside a folder. */
import { lstat, realpath } from "node:fs/promises";
import { dirname, isAbsolute, resolve, sep } from "node:path";
import { codedError, type ErrorCode, systemCode } from "../errors.ts";

/** Why a relative path may not stand in a manifest, or undefined when it may (as far as its letters tell). */
export function pathFault(path: string): string | undefined {
  if (path === "") return "is empty";
  if (path.includes("\0")) return "holds a NUL character";
  if (isAbsolute(path) || /^[a-z]:/i.test(path) || path.startsWith("\\")) return "is not relative";
  if (path.split(/[/\\]/).includes("..")) return "leads upwards";
  return undefined;
}

/**
 * The absolute path of `path` inside `root`. No part of it may lead out: not by `..`, not as an absolute path, not
 * through a link. It need not exist; with `missing` it must, that code is thrown where it or the root does not, and the
 * path comes back with its links followed. Throws ERR_PATH_OUTSIDE_ROOT.
 */
export async function resolveInside(
  root: string,
  path: string,
  { missing }: { readonly missing?: ErrorCode } = {},
): Promise<string> {
  const quoted = JSON.stringify(path);
  const outside = () => codedError("ERR_PATH_OUTSIDE_ROOT", `${quoted} leads outside its folder ${root}`);
  if (path.includes("\0") || isAbsolute(path)) throw outside();
  const base = await realpath(root).catch((cause: unknown) => {
    throw codedError(missing ?? "ERR_PATH_OUTSIDE_ROOT", `The folder ${root} can't be read (${systemCode(cause)})`, {
      cause,
    });
  });
  const target = resolve(base, path);
  if (!isInside(base, target)) throw outside();

  // Links are followed as far as the path exists; what does not exist yet can't be a link.
  for (let existing = target; ; existing = dirname(existing)) {
    const real = await realpath(existing).catch((cause: unknown) => {
      // A link to nowhere would be followed by the one who creates the file.
      if (systemCode(cause) === "ENOENT") return undefined;
      throw codedError(missing ?? "ERR_PATH_OUTSIDE_ROOT", `${quoted} can't be followed (${systemCode(cause)})`, {
        cause,
      });
    });
    if (real === undefined) {
      if (missing !== undefined) throw codedError(missing, `${resolve(root, path)} does not exist`);
      if (await isLink(existing)) throw outside();
      continue;
    }
    if (!isInside(base, real)) throw outside();
    return missing === undefined ? target : real;
  }
}

const isInside = (root: string, path: string): boolean =>
  path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);

const isLink = (path: string): Promise<boolean> =>
  lstat(path).then(
    (info) => info.isSymbolicLink(),
    () => false,
  );
