/** The torchrun protocol: which process of how many this one is, and where they meet, told by environment variables. */
import { codedError } from "../errors.ts";

export interface World {
  /** 0 … size − 1. */
  readonly rank: number;
  /** Processes that train together; 1 = this one alone. */
  readonly size: number;
  /** Number of this process on its machine; the index of its CUDA device. */
  readonly localRank: number;
  /** All processes are on this machine. */
  readonly local: boolean;
  /** Where the store of the group listens. */
  readonly masterAddress: string;
  readonly masterPort: number;
  /** The launcher hosts the store already; else rank 0 does. */
  readonly agentStore: boolean;
  /** How often the launcher has started the group again. */
  readonly restarts: number;
  /** Network interface for the connections between processes; "" = the one of the machine's own name. */
  readonly networkInterface: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT, TORCHELASTIC_USE_AGENT_STORE,
 * TORCHELASTIC_RESTART_COUNT and GLOO_SOCKET_IFNAME. Without WORLD_SIZE, or with 1, the process trains alone.
 * @throws ERR_INVALID_ARGUMENT naming the variable that is missing or impossible.
 */
export function readWorld(env: Environment): World {
  const size = whole(env, "WORLD_SIZE", 1, 100_000, 1);
  if (env["WORLD_SIZE"] === undefined && env["RANK"] !== undefined)
    throw wrong("WORLD_SIZE", "is missing, but RANK is set");
  const together = size > 1;
  const rank = whole(env, "RANK", 0, size - 1, together ? undefined : 0);
  const localSize = whole(env, "LOCAL_WORLD_SIZE", 1, size, 1);
  const localRank = whole(env, "LOCAL_RANK", 0, Math.max(localSize, size) - 1, 0);
  if (env["LOCAL_WORLD_SIZE"] !== undefined && localRank >= localSize)
    throw wrong("LOCAL_RANK", `is ${localRank}, but LOCAL_WORLD_SIZE is ${localSize}`);
  const masterAddress = env["MASTER_ADDR"] ?? "";
  if (together && masterAddress.trim() === "") throw wrong("MASTER_ADDR", "is missing; it names the machine of rank 0");
  const masterPort = whole(env, "MASTER_PORT", together ? 1 : 0, 65_535, together ? undefined : 0);
  return {
    rank,
    size,
    localRank,
    local: localSize === size || ["127.0.0.1", "localhost", "::1"].includes(masterAddress),
    masterAddress,
    masterPort,
    agentStore: flag(env, "TORCHELASTIC_USE_AGENT_STORE"),
    restarts: whole(env, "TORCHELASTIC_RESTART_COUNT", 0, Number.MAX_SAFE_INTEGER, 0),
    networkInterface: (env["GLOO_SOCKET_IFNAME"] ?? "").split(",")[0]!.trim(),
  };
}

/** Whether a launcher started this process as one of several. */
export const startedByLauncher = (env: Environment): boolean => env["WORLD_SIZE"] !== undefined;

function whole(env: Environment, name: string, least: number, most: number, fallback: number | undefined): number {
  const text = env[name];
  if (text === undefined) {
    if (fallback === undefined) throw wrong(name, `is missing, but WORLD_SIZE is ${env["WORLD_SIZE"]}`);
    return fallback;
  }
  const value = Number(text);
  if (!/^\d+$/.test(text.trim()) || value < least || value > most)
    throw wrong(name, `is ${JSON.stringify(text)}; it must be a whole number of ${least} … ${most}`);
  return value;
}

function flag(env: Environment, name: string): boolean {
  const text = env[name] ?? "False";
  if (text === "True" || text === "1") return true;
  if (text === "False" || text === "0" || text === "") return false;
  throw wrong(name, `is ${JSON.stringify(text)}; it must be True or False`);
}

const wrong = (name: string, what: string): Error =>
  codedError("ERR_INVALID_ARGUMENT", `The environment variable ${name} ${what}`, { details: { variable: name } });
