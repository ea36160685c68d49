/** One of several processes that train together, with the native side stood in for. */
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { loadConfig } from "../../src/config/load-config.ts";
import { readWorld } from "../../src/config/torchrun-environment.ts";
import type { VAETrainerConfig, VAETrainerConfigInput } from "../../src/config/training-config.ts";
import type { AnonymizerError } from "../../src/errors.ts";
import type { Checkpoint } from "../../src/training/checkpoints.ts";
import { deviceOfRank, distributedOptions, storeListens } from "../../src/training/distribution.ts";
import type { TrainingEvent } from "../../src/training/events.ts";
import { checkResume } from "../../src/training/resume.ts";
import { VAETrainer } from "../../src/training/vae-trainer.ts";
import { fakeData } from "./helpers/fake-data.ts";
import { fakeNative } from "./helpers/fake-native.ts";
import { modelFixture } from "./helpers/model-fixture.ts";

const sources = vi.hoisted(() => ({ loadNative: vi.fn(), openData: vi.fn() }));
vi.mock("../../src/training/trainer-sources.ts", () => ({ trainerSources: sources }));

let folder: string;
let native: ReturnType<typeof fakeNative>;
let store: Server;
let port: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ranks-test-"));
  await modelFixture(join(folder, "vae"), "vae");
  native = fakeNative();
  sources.loadNative.mockImplementation(async () => native);
  sources.openData.mockImplementation(async (config) => fakeData(config));
  store = createServer((socket) => socket.end());
  await new Promise<void>((done) => store.listen(0, "127.0.0.1", done));
  port = (store.address() as { port: number }).port;
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await new Promise((done) => store.close(done));
  await rm(folder, { recursive: true, force: true });
});

const environment = (rank: number, more: Record<string, string> = {}): Record<string, string> => ({
  RANK: String(rank),
  WORLD_SIZE: "2",
  LOCAL_RANK: String(rank),
  LOCAL_WORLD_SIZE: "2",
  MASTER_ADDR: "127.0.0.1",
  MASTER_PORT: String(port),
  ...more,
});

function asRank(rank: number, more: Record<string, string> = {}): void {
  for (const [name, value] of Object.entries(environment(rank, more))) vi.stubEnv(name, value);
}

const input = (extra: Partial<VAETrainerConfigInput> = {}): VAETrainerConfigInput => ({
  model: { path: join(folder, "vae") },
  data: { manifest: join(folder, "manifest.jsonl"), height: 16, width: 32 },
  loss: { reduction: "mean", perceptual_weight: 0 },
  lr_scheduler: { type: "constant" },
  output_dir: join(folder, "run"),
  train_batch_size: 4,
  gradient_accumulation_steps: 1,
  max_train_steps: 4,
  precision: "fp32",
  checkpoint: { every_steps: 2 },
  validation: { every_steps: 2, batches: 3 },
  samples: { every_steps: 2 },
  ...extra,
});
const configOf = (extra: Partial<VAETrainerConfigInput> = {}): Promise<VAETrainerConfig> =>
  loadConfig(input(extra), "vae");

async function collect(trainer: VAETrainer): Promise<{ events: TrainingEvent[]; error: AnonymizerError | undefined }> {
  const events: TrainingEvent[] = [];
  try {
    for await (const event of trainer.train()) events.push(event);
    return { events, error: undefined };
  } catch (error) {
    return { events, error: error as AnonymizerError };
  } finally {
    await trainer.close();
  }
}

describe("a rank", () => {
  it("1 of 2 tells the native side its place, takes part in saving, and writes nothing", async () => {
    asRank(1);
    const trainer = await VAETrainer.create(input({ distributed: { zero: 1, bucket_mb: 2, timeout_seconds: 9 } }));
    const [made] = native.made;
    expect(made!.options.rank).toBe(0); // what is drawn does not depend on the rank
    expect(made!.options.distributed).toMatchObject({
      rank: 1,
      worldSize: 2,
      masterPort: port,
      keyPrefix: "anonymizer/attempt_0",
      timeoutSeconds: 9,
      bucketBytes: 2 * 2 ** 20,
      shardOptimizer: true,
      loopback: true,
      ncclLibrary: "",
    });
    expect([trainer.rank, trainer.plan.ranks, trainer.plan.effectiveBatch]).toEqual([1, 2, 8]);
    const save = vi.spyOn(made!, "saveState").mockResolvedValue([]);
    const { events, error } = await collect(trainer);
    expect(error).toBeUndefined();
    expect(events.map((event) => event.type)).toEqual([
      ...["step", "step", "validation", "checkpoint"],
      ...["step", "step", "validation", "checkpoint", "done"],
    ]);
    expect(save).toHaveBeenCalledTimes(2);
    expect(existsSync(join(folder, "run"))).toBe(false);
  });

  it("0 of 2 writes checkpoints, samples and events", async () => {
    asRank(0);
    const { error } = await collect(await VAETrainer.create(input()));
    expect(error).toBeUndefined();
    expect((await readdir(join(folder, "run"))).sort()).toEqual([
      "checkpoints",
      "events.jsonl",
      "run.json",
      "samples",
      "tensorboard",
    ]);
  });

  it("validates every second batch and tells the means of all", async () => {
    asRank(0);
    const trainer = await VAETrainer.create(input({ max_train_steps: 2 }));
    const [made] = native.made;
    // The other rank has as much again, with twice the loss.
    const exchange = vi.spyOn(made!, "exchange").mockImplementation(async (values) => ({
      values: values.map((value, i) => (i < 2 ? 2 * value : 3 * value)),
      stop: false,
    }));
    const { events } = await collect(trainer);
    const [count, samples, total] = exchange.mock.calls.find(([values]) => values.length > 0)![0];
    expect([count, samples]).toEqual([2, 8]); // batches 0 and 2 of 3
    expect(events.find((event) => event.type === "validation")).toMatchObject({
      batches: 4,
      samples: 16,
      losses: { total: (3 * total!) / 16 },
    });
  });

  it("that is asked to stop tells the others, once, and ends with a checkpoint", async () => {
    asRank(0);
    const controller = new AbortController();
    const trainer = await VAETrainer.create(input({ max_train_steps: 100 }), { signal: controller.signal });
    const exchange = vi.spyOn(native.made[0]!, "exchange");
    const events: TrainingEvent[] = [];
    const error = await (async () => {
      for await (const event of trainer.train()) {
        events.push(event);
        if (event.type === "step" && event.step === 3) controller.abort();
      }
    })().catch((e: AnonymizerError) => e);
    expect(error).toMatchObject({ code: "ERR_ABORTED", details: { step: 3 } });
    expect(exchange.mock.calls.filter(([, stop]) => stop)).toHaveLength(1);
    expect(events.at(-1)).toMatchObject({ type: "checkpoint", step: 3, reason: "abort" });
    await trainer.close();
  });

  it("that hears of another one's wish to stop does so too, without telling again", async () => {
    asRank(0);
    const trainer = await VAETrainer.create(
      input({ max_train_steps: 100, checkpoint: { every_steps: 0 }, validation: { every_steps: 3 } }),
    );
    const exchange = vi
      .spyOn(native.made[0]!, "exchange")
      .mockImplementation(async (values) => ({ values: [...values], stop: true }));
    const { events, error } = await collect(trainer);
    expect(error).toMatchObject({ code: "ERR_ABORTED", details: { step: 3 } });
    expect(exchange).toHaveBeenCalledTimes(1);
    expect(events.at(-1)).toMatchObject({ type: "checkpoint", step: 3, reason: "abort" });
  });

  it("that lost the others says so, and writes nothing more", async () => {
    asRank(0);
    const trainer = await VAETrainer.create(input());
    vi.spyOn(native.made[0]!, "exchange").mockRejectedValue(
      Object.assign(new Error("gone"), { code: "ERR_DISTRIBUTED" }),
    );
    const { events, error } = await collect(trainer);
    expect(error).toMatchObject({ code: "ERR_DISTRIBUTED" });
    expect(events.some((event) => event.type === "checkpoint")).toBe(false);
  });

  it("started again goes on from the run's last checkpoint, whatever it was told at first", async () => {
    asRank(0);
    await collect(await VAETrainer.create(input()));
    await expect(VAETrainer.create(input({ max_train_steps: 6 }))).rejects.toMatchObject({
      code: "ERR_INVALID_ARGUMENT",
    });
    asRank(0, { TORCHELASTIC_RESTART_COUNT: "1" });
    const again = await VAETrainer.create(input({ max_train_steps: 6 }));
    expect(again.step).toBe(4);
    expect(native.made.at(-1)!.options.distributed!.keyPrefix).toBe("anonymizer/attempt_1");
    await again.close();
    // And without a checkpoint, from the start.
    const fresh = await VAETrainer.create(input({ output_dir: join(folder, "fresh") }));
    expect(fresh.step).toBe(0);
    await fresh.close();
  });
});

describe("the settings of a group", () => {
  const world = () => readWorld(environment(1));
  const cuda = { cuda: [0, 1].map((index) => ({ name: `cuda:${index}`, index, totalBytes: 1 })) };

  it("give each rank a CUDA device of its own", async () => {
    expect(deviceOfRank(await configOf(), world(), cuda)).toBe("cuda:1");
    expect(deviceOfRank(await configOf({ device: "cuda" }), world(), cuda)).toBe("cuda:1");
    expect(deviceOfRank(await configOf({ device: "cuda:0" }), world(), cuda)).toBe("cuda:0");
    expect(deviceOfRank(await configOf(), world(), { cuda: [] })).toBe("cpu");
    expect(deviceOfRank(await configOf(), readWorld({}), cuda)).toBe("cuda:0");
    const config = await configOf({ device: "cuda" });
    expect(() => deviceOfRank(config, world(), { cuda: cuda.cuda.slice(0, 1) })).toThrow(
      expect.objectContaining({ code: "ERR_DEVICE" }),
    );
  });

  it("refuse a backend that does not fit the device", async () => {
    const config = await configOf({ distributed: { backend: "nccl" } });
    expect(() => distributedOptions(config, world(), "cpu", "2.13.0", {})).toThrow(
      expect.objectContaining({ code: "ERR_CONFIG_INVALID", message: expect.stringContaining("distributed.backend") }),
    );
  });

  it("refuse sharding what is packed into 8 bits", async () => {
    const config = await configOf({ distributed: { zero: 1 }, optimizer: { state_bits: 8 } });
    expect(() => distributedOptions(config, world(), "cpu", "2.13.0", {})).toThrow(
      expect.objectContaining({ code: "ERR_CONFIG_INVALID", message: expect.stringContaining("distributed.zero") }),
    );
  });

  it("on CUDA name the addon that is missing", async () => {
    const config = await configOf();
    expect(() => distributedOptions(config, world(), "cuda:1", "9.9.0", {})).toThrow(
      expect.objectContaining({
        code: "ERR_ADDON_NOT_BUILT",
        message: expect.stringContaining("anonymizer-nccl-torch-9.9"),
      }),
    );
  });

  it("are compared but for places and reports", async () => {
    const print = async (extra: Partial<VAETrainerConfigInput>, common = {}) =>
      distributedOptions(await configOf(extra), world(), "cpu", "2.13.0", common)!.fingerprint;
    const plain = await print({});
    expect(await print({ output_dir: join(folder, "elsewhere"), threads: 3, logging: { every_steps: 5 } })).toBe(plain);
    expect(await print({ seed: 99 })).not.toBe(plain);
    expect(await print({ optimizer: { learning_rate: 1 } })).not.toBe(plain);
    expect(await print({}, { start: 3 })).not.toBe(plain);
  });

  it.each([
    ["timeout_seconds", 0],
    ["zero", 2],
    ["bucket_mb", 0],
    ["backend", "mpi"],
  ])("refuse %s: %s", async (key, value) => {
    await expect(configOf({ distributed: { [key]: value } } as never)).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: expect.stringContaining(`distributed.${key}`) as string,
    });
  });
});

describe("waiting for the store", () => {
  const options = async (timeoutSeconds: number, at: number) => ({
    ...distributedOptions(await configOf(), readWorld(environment(1)), "cpu", "2.13.0", {})!,
    masterPort: at,
    timeoutSeconds,
  });

  it("ends when it listens", async () => {
    await storeListens(await options(5, port), undefined);
  });

  it("ends with a coded error after the time-out", async () => {
    const waiting = await options(0.3, 1);
    await expect(storeListens(waiting, undefined)).rejects.toMatchObject({
      code: "ERR_DISTRIBUTED",
      message: expect.stringContaining("127.0.0.1:1") as string,
    });
  });

  it("can be aborted", async () => {
    const controller = new AbortController();
    const waiting = storeListens(await options(60, 1), controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: "ERR_ABORTED" });
  });
});

describe("resuming with another number of ranks", () => {
  const resume = async (
    then: Partial<VAETrainerConfigInput>,
    now: Partial<VAETrainerConfigInput>,
    ranks: [number, number],
  ) => {
    const checkpoint = {
      config: await configOf(then),
      kind: "vae",
      models: {},
      dataset: { manifestSha256: "a" },
      ranks: ranks[0],
      path: "step",
    } as unknown as Checkpoint;
    return checkResume(checkpoint, { config: await configOf(now), models: {}, manifestSha256: "a", ranks: ranks[1] });
  };

  it("is allowed where the effective batch stays", async () => {
    expect(await resume({}, { gradient_accumulation_steps: 2 }, [2, 1])).toEqual([]);
    expect(await resume({}, { train_batch_size: 2 }, [1, 2])).toEqual([]);
    expect(await resume({}, { distributed: { zero: 1 } }, [2, 2])).toEqual([]);
  });

  it("says how it would stay where it does not", async () => {
    await expect(resume({}, {}, [2, 1])).rejects.toMatchObject({
      code: "ERR_CHECKPOINT_MISMATCH",
      message: expect.stringContaining("the effective batch is 4 with 1 ranks, was 8 with 2") as string,
    });
  });

  it("with the same number nothing has changed", async () => {
    await expect(resume({}, { gradient_accumulation_steps: 2 }, [2, 2])).rejects.toMatchObject({
      code: "ERR_CHECKPOINT_MISMATCH",
      message: expect.stringContaining("gradient_accumulation_steps") as string,
    });
  });
});
