/**
 * Starts the processes of one training on this machine, as torchrun does: each gets its place in the group by
 * environment variables, all end when one fails, and the group is started again from its last checkpoint when a process
 * was lost.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { availableParallelism, constants } from "node:os";
import { codedError } from "../errors.ts";

export interface LocalRanksOptions {
  /** Command of one process and its arguments. */
  readonly command: readonly [string, ...string[]];
  /** Processes to start. */
  readonly ranks: number;
  /** How often the group may be started again; default 0. */
  readonly maxRestarts?: number;
  /** Ends all: each process gets SIGTERM and `graceMs` to write its checkpoint. */
  readonly signal?: AbortSignal;
  /** Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Takes whole lines; those of stderr carry the rank in front. */
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  /** Milliseconds a process has to end after SIGTERM before it is killed; default 60,000. */
  readonly graceMs?: number;
}

/** Exit code of a process that lost the others: starting all again can help. */
export const lostOthersExitCode = 3;
const interruptedExitCode = 130;
/** What a process ends with that its own --stop-after stopped. */
const unfinishedExitCode = 75;
/** Milliseconds the other processes have to notice by themselves that one failed. */
const noticeMs = 5_000;
/** Milliseconds they have then; there is nothing left to save. */
const afterFailureMs = 10_000;

/** How a process ended. */
interface Ending {
  readonly rank: number;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * Runs the group to its end. Resolves to the exit code: 0 when all processes ended well, 130 when an abort stopped them and
 * none failed at that, else that of the process that failed first (128 + n when signal n killed it).
 *
 * A group is started again when its first failure was a process that was killed or lost the others. An error of its own
 * (a wrong configuration, a full disk, NaN) would come again; it is not tried again.
 * @throws ERR_INVALID_ARGUMENT for an impossible number.
 */
export async function launchLocalRanks(options: LocalRanksOptions): Promise<number> {
  const { ranks, maxRestarts = 0, signal } = options;
  if (!Number.isSafeInteger(ranks) || ranks < 1)
    throw codedError("ERR_INVALID_ARGUMENT", `ranks is ${ranks}; it must be a whole number of at least 1`);
  if (!Number.isSafeInteger(maxRestarts) || maxRestarts < 0)
    throw codedError("ERR_INVALID_ARGUMENT", `maxRestarts is ${maxRestarts}; it must be a whole number of at least 0`);
  for (let restarts = 0; ; restarts++) {
    if (signal?.aborted) return interruptedExitCode;
    const { failure, stopped } = await runGroup(options, restarts);
    if (failure === undefined) return stopped ? interruptedExitCode : 0;
    const lost = failure.signal !== null || failure.code === lostOthersExitCode;
    if (!lost || restarts >= maxRestarts || signal?.aborted) return exitCodeOf(failure);
    options.stderr.write(
      `rank ${failure.rank} ${describe(failure)}: starting all again (${restarts + 1} of ${maxRestarts})\n`,
    );
  }
}

const describe = ({ code, signal }: Ending): string =>
  signal === null ? `ended with ${code}` : `was ended by ${signal}`;

const exitCodeOf = ({ code, signal }: Ending): number =>
  code ?? 128 + (signal === null ? 0 : constants.signals[signal]);

/** Ended as one that was told to stop and did. */
const wasStopped = ({ code, signal }: Ending): boolean =>
  code === interruptedExitCode || code === unfinishedExitCode || signal === "SIGTERM";

/** How a group ended. */
interface GroupEnding {
  /** The first, but one that only lost the others gives way to a reason of its own. */
  readonly failure?: Ending;
  /** An abort ended at least one of them before its work was done. */
  readonly stopped: boolean;
}

/** Resolves when every process has ended. */
async function runGroup(options: LocalRanksOptions, restarts: number): Promise<GroupEnding> {
  const port = await freePort();
  const alive = new Set<ChildProcess>();
  const timers = new Set<NodeJS.Timeout>();
  let failure: Ending | undefined;
  let ending = false;
  let aborted = false;
  let stopped = false;

  const killAll = (signal: NodeJS.Signals): void => {
    for (const child of alive) child.kill(signal);
  };
  const later = (ms: number, what: () => void): void => {
    timers.add(setTimeout(what, ms));
  };
  const end = (graceMs: number): void => {
    if (ending) return;
    ending = true;
    killAll("SIGTERM");
    later(graceMs, () => killAll("SIGKILL"));
  };
  const onAbort = (): void => {
    aborted = !ending;
    end(options.graceMs ?? 60_000);
  };
  // The launcher's own end must not leave anyone behind.
  const onExit = (): void => killAll("SIGKILL");
  process.on("exit", onExit);
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const endings = Array.from({ length: options.ranks }, (_, rank) => {
      const child = startRank(options, rank, port, restarts);
      alive.add(child);
      return ended(child, rank).then((result) => {
        alive.delete(child);
        if (result.code === 0) return;
        if (aborted) {
          if (wasStopped(result)) stopped = true;
          else if (failure === undefined || failure.code === lostOthersExitCode) failure = result;
          return;
        }
        if (ending || failure !== undefined) return;
        failure = result;
        // Those that wait for it notice soon and say so; those that can't are told.
        later(noticeMs, () => end(Math.min(options.graceMs ?? afterFailureMs, afterFailureMs)));
      });
    });
    if (options.signal?.aborted) onAbort();
    await Promise.all(endings);
    return { stopped, ...(failure !== undefined && { failure }) };
  } finally {
    process.off("exit", onExit);
    options.signal?.removeEventListener("abort", onAbort);
    for (const timer of timers) clearTimeout(timer);
  }
}

function startRank(options: LocalRanksOptions, rank: number, port: number, restarts: number): ChildProcess {
  const { ranks, env = process.env } = options;
  const [program, ...args] = options.command;
  const child = spawn(program, args, {
    // A group of its own: Ctrl-C in a terminal reaches the launcher alone, which passes it on once.
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: {
      // Several processes that each take every core are slower than one.
      OMP_NUM_THREADS: String(Math.max(1, Math.floor(availableParallelism() / ranks))),
      ...env,
      RANK: String(rank),
      LOCAL_RANK: String(rank),
      WORLD_SIZE: String(ranks),
      LOCAL_WORLD_SIZE: String(ranks),
      MASTER_ADDR: "127.0.0.1",
      MASTER_PORT: String(port),
      TORCHELASTIC_USE_AGENT_STORE: "False",
      TORCHELASTIC_RESTART_COUNT: String(restarts),
      [launchedVariable]: "1",
    },
  });
  child.channel?.unref();
  forwardLines(child.stdout!, "", options.stdout);
  forwardLines(child.stderr!, ranks > 1 ? `[rank ${rank}] ` : "", options.stderr);
  return child;
}

const launchedVariable = "ANONYMIZER_LAUNCHED";

/** In a process started by `launchLocalRanks`: calls `stop` when the launcher is gone. */
export function whenLauncherEnds(stop: () => void): void {
  if (process.env[launchedVariable] === undefined || process.channel === undefined) return;
  process.once("disconnect", stop);
  process.channel.unref();
}

function ended(child: ChildProcess, rank: number): Promise<Ending> {
  return new Promise((resolve) => {
    // It could not be started.
    child.once("error", () => resolve({ rank, code: 127, signal: null }));
    // After its last output.
    child.once("close", (code, signal) => resolve({ rank, code, signal }));
  });
}

function forwardLines(from: NodeJS.ReadableStream, prefix: string, to: { write(text: string): unknown }): void {
  let rest = "";
  from.setEncoding("utf8");
  from.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    // A line of JSON says itself which rank it is from.
    for (const line of lines) to.write(line.startsWith("{") ? `${line}\n` : `${prefix}${line}\n`);
  });
  from.on("end", () => {
    if (rest !== "") to.write(`${prefix}${rest}\n`);
  });
}

/** A port of the loopback interface that is free now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
