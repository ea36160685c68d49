/** Two real processes that exchange gradients, against one process that has all their samples. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { bundleInto } from "../helpers/bundle.ts";
import { missingForTraining } from "../helpers/can-train.ts";
import { readTensors, relativeDifference } from "../helpers/safetensors.ts";
import { root, stagedFiles } from "../helpers/tiny.ts";
import { type RankReport, type RankTask, runRank } from "../helpers/training-rank.ts";

const missing = await missingForTraining("unet");

// Below the root: the bundle finds the addon and the models from there.
const bundle = join(root, ".cache", `distributed-${process.pid}`);
let folder: string;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "distributed-"));
  if (missing !== undefined) return;
  await bundleInto(bundle, "test/helpers/training-rank.ts");
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await rm(bundle, { recursive: true, force: true });
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
});

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

interface Ended {
  readonly report: RankReport | undefined;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** Runs each task as a process; resolves when those not listed in `leave` have ended, and kills the others. */
async function together(tasks: readonly RankTask[], leave: readonly number[] = []): Promise<Ended[]> {
  const port = await freePort();
  const started = tasks.map((task, rank) => {
    const env = {
      ...process.env,
      RANK: String(rank),
      WORLD_SIZE: String(tasks.length),
      MASTER_ADDR: "127.0.0.1",
      MASTER_PORT: String(port),
    };
    const child = spawn(process.execPath, [join(bundle, "training-rank.js"), JSON.stringify(task)], { env });
    children.add(child);
    return { child, ended: ending(child) };
  });
  await Promise.all(started.filter((_, rank) => !leave.includes(rank)).map(({ ended }) => ended));
  for (const rank of leave) started[rank]!.child.kill("SIGKILL");
  return Promise.all(started.map(({ ended }) => ended));
}

function ending(child: ChildProcess): Promise<Ended> {
  let stdout = "";
  let stderr = "";
  child.stdout!.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr!.on("data", (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve) => {
    child.on("close", (code, signal) => {
      children.delete(child);
      const report = stdout.startsWith("{") ? (JSON.parse(stdout) as RankReport) : undefined;
      resolve({ report, code, signal, stderr });
    });
  });
}

async function stateFolder(name: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(path, { recursive: true });
  return path;
}

/** Largest relative difference of a tensor, ‖a − b‖ / ‖b‖, over those whose name starts with `prefix`. */
function difference(a: string, b: string, file: string, prefix = ""): number {
  const [left, right] = [readTensors(join(a, file)), readTensors(join(b, file))];
  expect(Object.keys(left)).toEqual(Object.keys(right));
  const names = Object.keys(right).filter(
    // A bias before a normalisation has no gradient but rounding errors.
    (name) => name.startsWith(prefix) && Math.hypot(...(right[name]!.data as Float32Array)) > 1e-7,
  );
  expect(names.length).toBeGreaterThan(10);
  return Math.max(
    ...names.map((name) => relativeDifference(left[name]!.data as Float32Array, right[name]!.data as Float32Array)),
  );
}

/** Two processes and the one that has all their samples, after the same steps. */
async function against(
  kind: "vae" | "unet",
  name: string,
  ranks: RankTask["steps"][],
  alone: RankTask["steps"],
  more: Partial<RankTask> = {},
) {
  const [shared, single] = [await stateFolder(`${name}-shared`), await stateFolder(`${name}-single`)];
  const ended = await together(ranks.map((steps) => ({ kind, steps, save: shared, ...more })));
  for (const { report, code, stderr } of ended) expect([report?.error, code], stderr).toEqual([undefined, 0]);
  const { more: options } = more;
  const reference = await runRank(
    { kind, steps: alone, save: single, ...(options === undefined ? {} : { more: options }) },
    {},
  );
  expect(reference.error).toBeUndefined();
  return { shared, single, reports: ended.map(({ report }) => report!), reference };
}

const clip = (maxGradNorm: number): Partial<RankTask> => ({
  more: {
    optimizer: {
      learningRate: 1e-3,
      beta1: 0.9,
      beta2: 0.999,
      eps: 1e-8,
      weightDecay: 0.01,
      maxGradNorm,
      stateBits: 32,
    },
  },
});

describe.skipIf(missing !== undefined)("gradients of two processes", () => {
  for (const kind of ["vae", "unet"] as const) {
    // After one step the first moment is a tenth of the clipped gradient.
    it(`${kind}: are those of one process with all samples, with unequal shares, accumulation and clipping`, async () => {
      const { shared, single, reports, reference } = await against(
        kind,
        `${kind}-joined`,
        [
          [
            [
              [0, 1],
              [1, 3],
            ],
          ], // 1 + 2 samples
          [
            [
              [3, 6],
              [6, 7],
              [7, 8],
            ],
          ], // 3 + 1 + 1 samples
        ],
        [[[0, 8]]],
        clip(0.5),
      );
      expect(difference(shared, single, "optimizer.safetensors", "exp_avg.")).toBeLessThan(1e-5);
      const expected = reference.results[0]!;
      expect(expected.gradNorm).toBeGreaterThan(0.5); // it is clipped
      for (const { results } of reports) {
        expect(results[0]!.gradNorm).toBeCloseTo(expected.gradNorm, 4);
        for (const [name, value] of Object.entries(expected.losses))
          expect(Math.abs(results[0]!.losses[name]! / value - 1)).toBeLessThan(1e-5);
      }
    });
  }

  it("with activation checkpointing, where the backward pass runs parts forward again", async () => {
    const { reports, reference } = await against(
      "unet",
      "staged",
      [
        [
          [
            [0, 1],
            [1, 3],
          ],
          [[0, 4]],
        ],
        [[[3, 8]], [[4, 8]]],
      ],
      [[[0, 8]], [[0, 8]]],
      { more: { model: stagedFiles("unet") } },
    );
    for (const { results } of reports)
      for (const [step, { gradNorm }] of results.entries())
        expect(gradNorm).toBeCloseTo(reference.results[step]!.gradNorm, 4);
  });

  it("of an adversary too, from the step it begins at", async () => {
    const optimizer = {
      learningRate: 1e-3,
      beta1: 0.5,
      beta2: 0.9,
      eps: 1e-8,
      weightDecay: 0,
      maxGradNorm: 0,
      stateBits: 32,
    } as const;
    const task: RankTask = {
      kind: "vae",
      more: { adversarial: { startStep: 1, weight: 0.5, channels: 8, layers: 2, optimizer } },
      steps: [
        [[0, 4]],
        [
          [0, 2],
          [2, 4],
        ],
        [[0, 4]],
      ],
    };
    const ended = await together([task, { ...task, steps: [[[4, 8]], [[4, 8]], [[4, 8]]] }]);
    const [a, b] = ended.map(({ report }) => report!.results.map(({ computeMs, ...rest }) => rest));
    expect(ended.map(({ report }) => report!.error)).toEqual([undefined, undefined]);
    expect(a!.map(({ losses }) => "discriminator" in losses)).toEqual([false, true, true]);
    expect(a).toEqual(b);
  });

  it("both processes have the same numbers, bit for bit", async () => {
    const steps: RankTask["steps"] = [[[0, 2]], [[2, 4]], [[0, 4]]];
    const ended = await together([
      { kind: "unet", steps },
      { kind: "unet", steps: [[[4, 8]], [[4, 6]], [[4, 8]]] },
    ]);
    const [a, b] = ended.map(({ report }) => report!.results.map(({ computeMs, ...rest }) => rest));
    expect(a).toHaveLength(3);
    expect(a).toEqual(b);
    expect(ended.map(({ report }) => report!.exchanged)).toEqual([
      { values: [3, 20], stop: false },
      { values: [3, 20], stop: false },
    ]);
  });

  it("the sharded optimizer gives the weights and the state of the plain one, and its state can be loaded alone", async () => {
    const ranks: RankTask["steps"][] = [
      [[[0, 3]], [[0, 2]], [[0, 4]]],
      [[[3, 8]], [[2, 8]], [[4, 8]]],
    ];
    const [sharded, plain] = [await stateFolder("sharded"), await stateFolder("plain")];
    for (const [zero, save] of [
      [true, sharded],
      [false, plain],
    ] as const) {
      const ended = await together(ranks.map((steps) => ({ kind: "unet", steps, zero, save, ...clip(0.5) })));
      expect(ended.map(({ report, code }) => [report?.error, code])).toEqual([
        [undefined, 0],
        [undefined, 0],
      ]);
    }
    for (const file of ["model.safetensors", "optimizer.safetensors"]) expect(difference(sharded, plain, file)).toBe(0);

    // One process goes on with the state that two had spread, and two with that of one.
    const again = await stateFolder("again");
    const alone = await runRank({ kind: "unet", steps: [[[0, 8]]], load: sharded, save: again }, {});
    const back = await together([
      { kind: "unet", steps: [[[0, 3]]], load: sharded, zero: true },
      { kind: "unet", steps: [[[3, 8]]], load: sharded, zero: true },
    ]);
    for (const { report } of back) {
      expect(report!.error).toBeUndefined();
      expect(report!.results[0]!.losses["total"]).toBeCloseTo(alone.results[0]!.losses["total"]!, 5);
      expect(report!.results[0]!.gradNorm).toBeCloseTo(alone.results[0]!.gradNorm, 4);
    }
  });
});

describe.skipIf(missing !== undefined)("when something happens to one of two processes", () => {
  const steps = Array.from({ length: 40 }, () => [[0, 4]] as const);
  const task: RankTask = { kind: "vae", steps };

  it.each([
    ["killed", { what: "kill" }],
    ["leaving without a word", { what: "leave" }],
    ["ending in the middle of a step", { what: "exit" }],
  ] as const)("%s: the other one gets a coded error", async (_, { what }) => {
    const [other, lost] = await together([task, { ...task, at: 3, what }]);
    expect(other!.code, other!.stderr).toBe(0);
    expect(other!.report!.error).toMatchObject({ code: "ERR_DISTRIBUTED" });
    expect(other!.report!.error!.message).toMatch(/^Rank 0 of 2 failed while/);
    if (what === "exit") expect([lost!.code, lost!.signal]).toEqual([7, null]);
  });

  it("killed, and it is the one that hosts the store", async () => {
    const [, other] = await together([{ ...task, at: 3, what: "kill" }, task]);
    expect(other!.report!.error).toMatchObject({ code: "ERR_DISTRIBUTED" });
  });

  it("hanging: the other one gives up after the time-out", async () => {
    const [other] = await together(
      [
        { ...task, timeoutSeconds: 2 },
        { ...task, timeoutSeconds: 2, at: 3, what: "stop" },
      ],
      [1],
    );
    expect(other!.report!.error).toMatchObject({ code: "ERR_DISTRIBUTED" });
    expect(other!.report!.noticedAfterMs).toBeGreaterThan(1900);
    expect(other!.code).toBe(0);
  });

  it("hanging: the other one can be ended long before the time-out, with its code", async () => {
    const [other] = await together(
      [
        { ...task, at: 3, what: "exit" },
        { ...task, at: 3, what: "stop" },
      ],
      [1],
    );
    expect([other!.code, other!.signal]).toEqual([7, null]);
  });

  it("values that are not finite: both stop at the same step, and one names the sample", async () => {
    const ended = await together([task, { ...task, at: 2, what: "nan" }]);
    for (const { report, code } of ended) {
      expect([report!.error!.code, report!.results.length, code]).toEqual(["ERR_TRAINING_NAN", 2, 0]);
    }
    expect(ended[0]!.report!.error!.message).toContain("another rank");
    expect(ended[1]!.report!.error!.message).toMatch(/id \d+/);
  });

  it("asking to stop: the other one stops before the same step", async () => {
    const [other, asking] = await together([task, { ...task, at: 2, what: "ask to stop" }]);
    expect(asking!.report).toMatchObject({ exchanged: { stop: true } });
    expect(asking!.report!.results).toHaveLength(2);
    expect(other!.report).toMatchObject({ error: { code: "ERR_ABORTED" } });
    expect(other!.report!.results).toHaveLength(2);
  });

  it("missing at the start: the one that waits names it", async () => {
    const port = await freePort();
    const env = { RANK: "0", WORLD_SIZE: "2", MASTER_ADDR: "127.0.0.1", MASTER_PORT: String(port) };
    const { error } = await runRank({ ...task, timeoutSeconds: 1 }, env);
    expect(error).toMatchObject({ code: "ERR_DISTRIBUTED" });
    expect(error!.message).toContain("not there after 1 s: rank 1");
  });

  it("with other settings: it says so", async () => {
    const [other, wrong] = await together([task, { ...task, fingerprint: "other" }]);
    for (const { report } of [other!, wrong!]) {
      expect(report!.error).toMatchObject({ code: "ERR_DISTRIBUTED" });
      expect(report!.error!.message).toContain("rank 1 has other settings");
    }
  });

  it("at another step: nothing is mixed up", async () => {
    // Rank 1 exchanges results where rank 0 takes a step.
    const [a, b] = await together([task, { ...task, steps: steps.slice(0, 2) }]);
    expect(a!.report!.error).toMatchObject({ code: "ERR_DISTRIBUTED" });
    expect(a!.report!.error!.message).toContain("another point of the run");
    expect(b!.report!.error).toMatchObject({ code: "ERR_DISTRIBUTED" });
  });
});
