/**
 * One process of a group that trains on the addon, for tests of the exchange. As a module: `runRank`. Bundled and run: the
 * task is the first argument as JSON, the place in the group comes from the environment, one JSON line goes to stdout.
 */
import { loadNative } from "../../src/addon/binding.ts";
import type { NativeBatch, NativeStepResult, NativeTrainerOptions } from "../../src/addon/native-types.ts";
import { readWorld } from "../../src/config/torchrun-environment.ts";
import type { AnonymizerError } from "../../src/errors.ts";
import { sliceBatch } from "../../src/training/micro-batches.ts";
import { unetBatch, unetOptions, vaeBatch, vaeOptions } from "./tiny.ts";

export interface RankTask {
  readonly kind: "vae" | "unet";
  readonly more?: Partial<NativeTrainerOptions>;
  readonly zero?: boolean;
  readonly timeoutSeconds?: number;
  readonly fingerprint?: string;
  /** For each step, for each micro-batch: first sample and the one after the last, of a fixed batch of 8. */
  readonly steps: readonly (readonly (readonly [number, number])[])[];
  /** Step before which something happens. */
  readonly at?: number;
  readonly what?: "kill" | "stop" | "nan" | "exit" | "leave" | "ask to stop";
  readonly load?: string;
  /** Folder for the state at the end. */
  readonly save?: string;
}

export interface RankReport {
  readonly results: NativeStepResult[];
  readonly error?: { code: string; message: string };
  /** Milliseconds from the last finished step to the error. */
  readonly noticedAfterMs?: number;
  readonly exchanged?: { values: number[]; stop: boolean };
}

const size = 8;

function slice(batch: NativeBatch, [start, end]: readonly [number, number]): NativeBatch {
  return sliceBatch({ ...batch, size, texts: [] } as Parameters<typeof sliceBatch>[0], start, end);
}

export async function runRank(task: RankTask, env: Readonly<Record<string, string | undefined>>): Promise<RankReport> {
  const world = readWorld(env);
  const native = await loadNative();
  const more: Partial<NativeTrainerOptions> = {
    threads: 1,
    ...task.more,
    ...(world.size === 1
      ? {}
      : {
          distributed: {
            rank: world.rank,
            worldSize: world.size,
            masterAddress: world.masterAddress,
            masterPort: world.masterPort,
            agentStore: world.agentStore,
            keyPrefix: "test",
            timeoutSeconds: task.timeoutSeconds ?? 60,
            loopback: true,
            networkInterface: "",
            fingerprint: task.fingerprint ?? "same",
            ncclLibrary: "",
            bucketBytes: 64 * 1024,
            shardOptimizer: task.zero ?? false,
          },
        }),
  };
  const results: NativeStepResult[] = [];
  let last = performance.now();
  try {
    const trainer = await native.createTrainer(task.kind === "vae" ? vaeOptions({}, more) : unetOptions({}, more));
    if (task.load !== undefined) await trainer.loadState(task.load);
    for (const [step, pieces] of task.steps.entries()) {
      const batch = task.kind === "vae" ? vaeBatch(size, 32, 64, step + 1) : unetBatch(size, 32, 64, step + 1);
      const batches = pieces.map((piece) => slice(batch, piece));
      last = performance.now();
      if (step === task.at) {
        if (task.what === "kill") process.kill(process.pid, "SIGKILL");
        if (task.what === "stop") process.kill(process.pid, "SIGSTOP");
        if (task.what === "leave") return { results };
        if (task.what === "exit") setTimeout(() => process.exit(7), 20);
        if (task.what === "nan")
          batches[0] = { ...batches[0]!, images: new Float32Array(batches[0]!.images.length).fill(Number.NaN) };
        if (task.what === "ask to stop") return { results, exchanged: await trainer.exchange([1, 2], true) };
      }
      results.push(await trainer.step(batches, step));
    }
    const exchanged = await trainer.exchange([world.rank + 1, 10], false);
    if (task.save !== undefined) await trainer.saveState(task.save);
    await trainer.close();
    return { results, exchanged };
  } catch (error) {
    const { code, message } = error as AnonymizerError;
    return { results, error: { code, message }, noticedAfterMs: performance.now() - last };
  }
}

if (process.argv[2]?.startsWith("{")) {
  const report = await runRank(JSON.parse(process.argv[2]) as RankTask, process.env);
  process.stdout.write(`${JSON.stringify(report)}\n`);
}
