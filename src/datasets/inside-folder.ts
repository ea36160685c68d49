/** Paths named by a dataset stay inside the dataset's folder. */
import { realpath } from "node:fs/promises";
import { isAbsolute, join, sep } from "node:path";
import { codedError } from "../errors.ts";

/** Why a relative path may not be used, or undefined when it may (as far as its letters tell). */
export function pathFault(path: string): string | undefined {
  if (path === "") return "is empty";
  if (path.includes("\0")) return "holds a NUL character";
  if (isAbsolute(path) || /^[a-z]:/i.test(path) || path.startsWith("\\")) return "is not relative";
  if (path.split(/[/\\]/).includes("..")) return "leads upwards";
  return undefined;
}

/**
 * The real path of `path` inside `folder`, with links followed.
 *
 * @throws ERR_PATH_OUTSIDE_ROOT when it leaves the folder, by name or by a link; ERR_DATASET_NOT_FOUND when it does not
 * exist.
 */
export async function resolveInside(folder: string, path: string): Promise<string> {
  const fault = pathFault(path);
  if (fault !== undefined) {
    throw codedError(
      "ERR_PATH_OUTSIDE_ROOT",
      `The path ${JSON.stringify(path)} ${fault}; it must stay inside ${folder}`,
    );
  }
  const [root, target] = await Promise.all([real(folder), real(join(folder, path))]);
  if (!target.startsWith(root.endsWith(sep) ? root : root + sep)) {
    throw codedError("ERR_PATH_OUTSIDE_ROOT", `The path ${JSON.stringify(path)} leads out of ${folder} by a link`);
  }
  return target;
}

async function real(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    throw codedError("ERR_DATASET_NOT_FOUND", `${path} does not exist or can't be read`, { cause });
  }
}
