/** File name patterns, for those who quote them: shells that expand patterns do it before us. */
import { readdir } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { codedError } from "../../index.ts";

export const isPattern = (text: string): boolean => /[*?[\]{}]/.test(text);

/** The folder above the first part that is a pattern. */
export function patternBase(pattern: string): string {
  const parts = pattern.split(sep);
  return resolve(parts.slice(0, parts.findIndex(isPattern)).join(sep) || (pattern.startsWith(sep) ? sep : "."));
}

/**
 * Files that match a pattern, sorted: `*` and `?` stay within a name, `**` takes any number of folders, `[a-z]` and
 * `[!a-z]` one character, `{a,b}` alternatives. Hidden files and folders must be named, links are not followed.
 * Rejects with ERR_USAGE for a pattern that is none.
 */
export async function expandPattern(pattern: string): Promise<string[]> {
  const found = new Set<string>();
  for (const plain of expandBraces(pattern)) {
    const parts = resolve(plain)
      .split(sep)
      .filter((part) => part !== "");
    for (const path of await match(sep, parts)) found.add(path);
  }
  return [...found].sort();
}

async function match(folder: string, [first, ...rest]: readonly string[]): Promise<string[]> {
  if (first === undefined) return [];
  if (first !== "**" && !isPattern(first)) {
    if (rest.length > 0) return match(join(folder, first), rest);
    const names = await entriesOf(folder);
    return names.some((entry) => entry.isFile() && entry.name === first) ? [join(folder, first)] : [];
  }
  const found: string[] = first === "**" ? await match(folder, rest) : [];
  const expression = first === "**" ? undefined : namePattern(first);
  for (const entry of await entriesOf(folder)) {
    if (entry.name.startsWith(".") && !first.startsWith(".")) continue;
    const path = join(folder, entry.name);
    if (expression === undefined) {
      if (entry.isDirectory()) found.push(...(await match(path, ["**", ...rest])));
      else if (entry.isFile() && rest.length === 0) found.push(path);
    } else if (expression.test(entry.name)) {
      if (rest.length > 0 && entry.isDirectory()) found.push(...(await match(path, rest)));
      else if (rest.length === 0 && entry.isFile()) found.push(path);
    }
  }
  return found;
}

const entriesOf = (folder: string) => readdir(folder, { withFileTypes: true }).catch(() => []);

function namePattern(part: string): RegExp {
  let source = "";
  for (let i = 0; i < part.length; i++) {
    const c = part[i]!;
    const close = c === "[" ? part.indexOf("]", i + 2) : -1;
    if (c === "*") source += ".*";
    else if (c === "?") source += ".";
    else if (close > 0) {
      source += `[${part
        .slice(i + 1, close)
        .replace(/^!/, "^")
        .replace(/[\\[]/g, "\\$&")}]`;
      i = close;
    } else source += c.replace(/[\\^$.|+()[\]{}]/g, "\\$&");
  }
  try {
    return new RegExp(`^${source}$`, "su");
  } catch (cause) {
    const message = `"${part}" is no file name pattern: in [ ] a range begins with its lower end, as in [a-z]`;
    throw codedError("ERR_USAGE", message, { cause });
  }
}

/** "a.{png,jpg}" → "a.png", "a.jpg". */
function expandBraces(pattern: string): string[] {
  const braces = /\{([^{}]*,[^{}]*)\}/.exec(pattern);
  if (!braces) return [pattern];
  const [before, after] = [pattern.slice(0, braces.index), pattern.slice(braces.index + braces[0].length)];
  return braces[1]!.split(",").flatMap((choice) => expandBraces(`${before}${choice}${after}`));
}
