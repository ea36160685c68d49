/** How a run is spread over processes: device of each, means of exchange, and what all must have in common. */
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { resolveDevice } from "../addon/devices.ts";
import { binaryPath } from "../addon/load.ts";
import type { NativeDistributedOptions, NativeInfo } from "../addon/native-types.ts";
import type { World } from "../config/torchrun-environment.ts";
import type { TrainerConfig } from "../config/training-config.ts";
import { codedError, throwIfAborted } from "../errors.ts";
import { sha256Of } from "../sha256.ts";

/** The device of one process: of several on CUDA, each has its own. Throws ERR_DEVICE. */
export function deviceOfRank(config: TrainerConfig, world: World, info: Pick<NativeInfo, "cuda">): string {
  const shared = world.size === 1 || config.device === "cpu" || config.device.startsWith("cuda:");
  if (shared || (config.device === "auto" && info.cuda.length === 0)) return resolveDevice(config.device, info);
  return resolveDevice(`cuda:${world.localRank}`, info);
}

/** Place in the address space of the store, so that a restarted run does not meet the keys of the one before. */
const keyPrefix = (world: World): string => `anonymizer/attempt_${world.restarts}`;

/**
 * What the native trainer needs to know of the others; undefined for a process that trains alone.
 * Throws ERR_CONFIG_INVALID for settings that don't fit each other, ERR_ADDON_NOT_BUILT without the NCCL addon.
 */
export function distributedOptions(
  config: TrainerConfig,
  world: World,
  device: string,
  libtorch: string,
  common: Readonly<Record<string, unknown>>,
): NativeDistributedOptions | undefined {
  if (world.size === 1) return undefined;
  const { backend, timeout_seconds, zero, bucket_mb } = config.distributed;
  const wanted = device === "cpu" ? "gloo" : "nccl";
  if (backend !== "auto" && backend !== wanted) {
    throw codedError(
      "ERR_CONFIG_INVALID",
      `distributed.backend: is ${backend}, but ${device} needs ${wanted}; leave it at auto`,
      { details: { key: "distributed.backend", device } },
    );
  }
  if (zero === 1 && config.optimizer.state_bits === 8) {
    throw codedError(
      "ERR_CONFIG_INVALID",
      "distributed.zero: is 1, which needs optimizer.state_bits 32; an 8-bit state is a quarter of the size, ZeRO over n processes an n-th",
      { details: { key: "distributed.zero" } },
    );
  }
  return {
    rank: world.rank,
    worldSize: world.size,
    masterAddress: world.masterAddress,
    masterPort: world.masterPort,
    agentStore: world.agentStore,
    keyPrefix: keyPrefix(world),
    timeoutSeconds: timeout_seconds,
    loopback: world.local,
    networkInterface: world.networkInterface,
    fingerprint: fingerprint(config, common),
    ncclLibrary: wanted === "nccl" ? ncclLibrary(libtorch) : "",
    bucketBytes: Math.round(bucket_mb * 2 ** 20),
    shardOptimizer: zero === 1,
  };
}

/** Milliseconds between two looks whether the store listens. */
const lookMs = 100;

/**
 * Resolves when somebody listens where the store shall be; the process that hosts it goes on at once.
 * Throws ERR_DISTRIBUTED after the time-out, ERR_ABORTED.
 */
export async function storeListens(options: NativeDistributedOptions, signal: AbortSignal | undefined): Promise<void> {
  const { rank, agentStore, masterAddress: host, masterPort: port, timeoutSeconds } = options;
  if (rank === 0 && !agentStore) return;
  const deadline = performance.now() + timeoutSeconds * 1000;
  for (;;) {
    throwIfAborted(signal);
    const failure = await connectionFailure(host, port);
    if (failure === undefined) return;
    if (performance.now() > deadline) {
      throw codedError(
        "ERR_DISTRIBUTED",
        `Rank ${rank} of ${options.worldSize}: nobody listens at ${host}:${port} after ${timeoutSeconds} s (${failure})`,
        { details: { host, port } },
      );
    }
    await delay(lookMs);
  }
}

function connectionFailure(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2000 });
    const end = (failure: string | undefined): void => {
      socket.destroy();
      resolve(failure);
    };
    socket.once("connect", () => end(undefined));
    socket.once("timeout", () => end("no answer"));
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}

function ncclLibrary(libtorch: string): string {
  const name = `anonymizer-nccl-torch-${libtorch.split(".").slice(0, 2).join(".")}`;
  const { path, tried } = binaryPath(name);
  if (path !== undefined) return path;
  throw codedError(
    "ERR_ADDON_NOT_BUILT",
    `Several processes on CUDA devices need ${name}.node, which is built beside the addon where a CUDA LibTorch with its headers is found; it is in none of: ${tried.join(", ")}`,
    { details: { tried } },
  );
}

/** Hash of all that must be the same on every rank. Places, devices and reports may differ. */
function fingerprint(config: TrainerConfig, common: Readonly<Record<string, unknown>>): string {
  const { output_dir, device, threads, logging, samples, ...rest } = config;
  const { manifest, prefetch, shards, ...data } = rest.data;
  const paths = { model: null, vae: null, glyph_encoder: null, perceptual: null };
  return sha256Of(JSON.stringify([{ ...rest, data, ...paths }, common]));
}
