/** Looks for credentials in texts, in a checkout and in its history. Findings name the shape and place, not the value. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

// Shapes of real keys, and names that stand before one.
const shapes: readonly (readonly [string, RegExp])[] = [
  ["private key", /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{20}/],
  ["access key id", /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/],
  ["GitHub token", /\bgh[pousr]_[A-Za-z0-9]{36}\b/],
  ["Hugging Face token", /\bhf_[A-Za-z0-9]{34}\b/],
  ["Modal token", /\ba[ks]-[A-Za-z0-9]{22}\b/],
  // user:password is what examples say.
  ["password in an address", /\b[a-z][a-z0-9+.-]*:\/\/(?!user:password@)[^\s/:@"'`]+:[^\s/:@"'`${}]+@[a-z0-9]/i],
  [
    "environment variable",
    new RegExp(
      String.raw`(?:^|[^A-Za-z])[A-Z0-9_]*(?:SECRET|TOKEN|KEY(?:_ID)?|PASSWORD)\\?["']?\s*[:=]\s*\\?["']?` +
        // Random characters have a digit among them; words for tests have none.
        String.raw`(?=[A-Za-z+/_-]*\d)[A-Za-z0-9+/_-]{20,}`,
      "m",
    ),
  ],
  [
    "literal",
    new RegExp(
      String.raw`(?:secret_?(?:access_?)?key|access_?key_?id|api_?key|auth_?token|password)\\?["']?\s*[:=]\s*` +
        // What AWS's examples have.
        String.raw`\\?["'](?!wJalrXUtnFEMI/)[A-Za-z0-9+/_-]{16,}\\?["']`,
      "i",
    ),
  ],
];

export const findings = (text: string): string[] =>
  shapes.filter(([, shape]) => shape.test(text)).map(([name]) => name);

/** Of files that git tracks, else of all but what is installed or built. Resolves to `FILE: SHAPE`. */
export async function findInFiles(folder: string): Promise<{ files: number; found: string[] }> {
  const names = existsSync(join(folder, ".git"))
    ? execFileSync("git", ["ls-files", "-z"], { cwd: folder, encoding: "utf8" }).split("\0").filter(Boolean)
    : (await readdir(folder, { recursive: true })).filter(
        (name) => !/(^|\/)(node_modules|\.venv|build|dist|models)\//.test(name),
      );
  const found: string[] = [];
  let files = 0;
  for (const name of names) {
    const path = join(folder, name);
    if (!(await stat(path).catch(() => undefined))?.isFile()) continue;
    const bytes = await readFile(path);
    // As git tells binary files from text.
    if (bytes.subarray(0, 8000).includes(0)) continue;
    files++;
    for (const finding of findings(bytes.toString("utf8"))) found.push(`${name}: ${finding}`);
  }
  return { files, found };
}

/** Why the history can't be searched; undefined where it can. */
export function historyMissing(folder: string): string | undefined {
  if (!existsSync(join(folder, ".git"))) return "no git repository: its history can't be searched";
  const shallow = execFileSync("git", ["rev-parse", "--is-shallow-repository"], { cwd: folder, encoding: "utf8" });
  return shallow.trim() === "true" ? "a shallow clone: its history can't be searched" : undefined;
}

const patches = ["log", "-p", "--no-color", "--no-ext-diff", "--no-textconv", "--diff-merges=first-parent"];

/** Of messages and added lines of all commits up to HEAD. Resolves to `COMMIT FILE: SHAPE`. */
export async function findInHistory(folder: string): Promise<{ commits: number; found: string[] }> {
  const git = spawn("git", [...patches, "--format=%x00%h%n%B"], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(git, "close");
  const found: string[] = [];
  let commits = 0;
  let commit = "";
  let place = "";
  let text = "";
  const search = (nextPlace: string): void => {
    for (const finding of findings(text)) found.push(`${commit} ${place}: ${finding}`);
    place = nextPlace;
    text = "";
  };
  for await (const line of createInterface({ input: git.stdout })) {
    if (line.startsWith("\0")) {
      search("message");
      commit = line.slice(1);
      commits++;
    } else if (line.startsWith("diff --git ")) search(line.slice(line.lastIndexOf(" b/") + 3));
    else if (place === "message") text += `${line}\n`;
    else if (line.startsWith("+")) text += `${line.slice(1)}\n`;
  }
  search("");
  const [code] = await ended;
  if (code !== 0) throw new Error(`git ${patches.join(" ")} ended with ${code}`);
  return { commits, found };
}
