/** Lets one process at a time change a file. Other machines on a shared file system are not kept out. */
import { randomBytes } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { threadId } from "node:worker_threads";
import { codedError, systemCode, throwIfAborted } from "./errors.ts";
import { processLives } from "./process-lives.ts";

export interface LockOptions {
  /** How long to wait for another process; default 30,000 ms. 0 = don't wait. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

export interface FileLock {
  /** Rejects with ERR_LOCKED when another process holds the lock after all. Ask before every change. */
  check(): Promise<void>;
  release(): Promise<void>;
}

const pollMs = 25;

/**
 * Takes the lock `path`, a file that holds the process's id. A lock of a process that no longer lives is taken over.
 * Rejects with ERR_LOCKED when another process holds it for longer than `waitMs`, ERR_OUTPUT when the file can't be
 * made, ERR_ABORTED.
 */
export async function lockFile(path: string, { waitMs = 30_000, signal }: LockOptions = {}): Promise<FileLock> {
  const unique = randomBytes(8).toString("hex");
  const token = `${process.pid} ${await startOf(process.pid)} ${unique} ${threadId}\n`;
  const own = aside(path);
  const until = performance.now() + waitMs;
  try {
    await writeFile(own, token, { flag: "wx", mode: 0o600 });
    for (;;) {
      throwIfAborted(signal);
      // A link is made whole or not at all: nobody ever reads a lock without its process's id.
      const taken = await link(own, path).then(
        () => true,
        (error: unknown) => {
          if (systemCode(error) === "EEXIST") return false;
          throw error;
        },
      );
      if (taken) break;
      const holder = await readFile(path, "utf8").catch(() => "");
      if (holder !== "" && !(await lockHolderLives(holder))) await removeStale(path, holder);
      else if (performance.now() >= until) throw lockedBy(path, holder);
      else await sleep(pollMs, undefined, signal ? { signal } : {}).catch(() => throwIfAborted(signal));
    }
  } catch (error) {
    if (systemCode(error).startsWith("ERR_")) throw error;
    throw codedError("ERR_OUTPUT", `${path} can't be made (${systemCode(error)})`, { cause: error });
  } finally {
    await rm(own, { force: true }).catch(() => {});
  }
  const holds = async (): Promise<boolean> => (await readFile(path, "utf8").catch(() => "")) === token;
  return {
    async check() {
      if (!(await holds())) throw lockedBy(path, "");
    },
    async release() {
      if (await holds()) await rm(path, { force: true }).catch(() => {});
    },
  };
}

/** Whether the process that wrote this lock (its content) lives. Process ids come again (in a container at once), start times don't. */
export async function lockHolderLives(holder: string): Promise<boolean> {
  const [pid, start] = holder.split(" ");
  return processLives(Number(pid)) && (await startOf(Number(pid))) === start;
}

/**
 * Removes a lock that a thread of this process took and can't give back, because it has ended: the process lives on, so
 * nobody else would take the lock over. Thread ids never come again.
 */
export async function releaseLockOfThread(path: string, ended: number): Promise<void> {
  const holder = await readFile(path, "utf8").catch(() => "");
  const [pid, , , thread] = holder.trim().split(" ");
  if (Number(pid) === process.pid && thread === String(ended)) await removeStale(path, holder);
}

/** When a process started, in ticks since the machine did: field 22 of proc(5)'s stat; "?" where there is none. */
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field, the program's name, may hold spaces and brackets.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "?";
}

/** Removes the lock of a dead process or thread. Of several that try, one moves it away; a lock taken meanwhile is put back. */
async function removeStale(path: string, holder: string): Promise<void> {
  const moved = aside(path);
  try {
    await rename(path, moved);
  } catch {
    return;
  }
  if ((await readFile(moved, "utf8").catch(() => holder)) !== holder) await link(moved, path).catch(() => {});
  await rm(moved, { force: true }).catch(() => {});
}

/** A name that is cleared away with other temporary files when this process is killed. */
const aside = (path: string): string =>
  join(dirname(path), `.anonymizer-${process.pid}-${randomBytes(6).toString("hex")}.tmp`);

const lockedBy = (path: string, holder: string) =>
  codedError(
    "ERR_LOCKED",
    `${path} is held by ${holder === "" ? "another process" : `process ${holder.split(" ")[0]}`}`,
    {
      details: { path },
    },
  );
