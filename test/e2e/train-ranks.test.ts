/** Several processes train together: started by `--nproc`, by torchrun; lost, hung, stopped, started again, resumed. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";
import type { TrainingEvent } from "../../src/training/events.ts";
import { bundleInto } from "../helpers/bundle.ts";
import { missingForTraining } from "../helpers/can-train.ts";

const root = resolve(import.meta.dirname, "../..");
const missing = await missingForTraining("vae");
const torchrun = join(root, ".venv/bin/torchrun");
if (!existsSync(torchrun)) console.log(`skipped: there is no ${torchrun} (npm run setup)`);

// Below the root: the bundle finds the addon from there.
const bundle = join(root, ".cache", `train-ranks-${process.pid}`);
const script = join(bundle, "anonymizer-train.js");
let folder: string;
let manifest: string;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "train-ranks-"));
  if (missing !== undefined) return;
  await bundleInto(bundle, "src/cli/anonymizer-train.ts");
  manifest = (await writeSyntheticDataset({ out: join(folder, "data"), count: 12, seed: 3 })).manifest;
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await rm(bundle, { recursive: true, force: true });
});

// A failed expectation must not leave a training behind; the launcher takes its ranks with it.
afterEach(() => {
  for (const child of children) child.kill("SIGTERM");
  for (const child of children) child.kill("SIGTERM");
  children.clear();
});

interface Run {
  readonly child: ChildProcess;
  text(): string;
  /** Exit code, or the signal. */
  readonly ended: Promise<number | string>;
}

/** Arguments of a training of the tiny autoencoder; two samples a rank and step. */
function training(out: string, settings: Record<string, string | number> = {}): string[] {
  const all = {
    "data.manifest": manifest,
    "data.height": 32,
    "data.width": 64,
    train_batch_size: 2,
    max_train_steps: 6,
    threads: 1,
    "loss.perceptual_weight": 0,
    "lr_scheduler.type": "constant",
    "checkpoint.every_steps": 2,
    "validation.every_steps": 0,
    "samples.every_steps": 0,
    "distributed.timeout_seconds": 60,
    ...settings,
  };
  const sets = Object.entries(all).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  return ["vae", "--config", join(root, "configs/presets/tiny-vae.yaml"), "--out", out, ...sets];
}

function start(command: readonly string[]): Run {
  const [program, ...args] = command;
  const child = spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  let text = "";
  const add = (chunk: unknown): void => {
    text += String(chunk);
  };
  child.stdout!.on("data", add);
  child.stderr!.on("data", add);
  const ended = new Promise<number | string>((done) => {
    child.on("close", (code, signal) => {
      children.delete(child);
      done(code ?? signal ?? "");
    });
  });
  return { child, text: () => text, ended };
}

const node = (...args: string[]): Run => start([process.execPath, script, ...args]);

async function seen(run: Run, pattern: RegExp): Promise<void> {
  let over = false;
  void run.ended.then(() => {
    over = true;
  });
  while (!pattern.test(run.text())) {
    if (over) throw new Error(`ended early:\n${run.text()}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** Process ids of the ranks that a launcher has started. */
function ranksOf(launcher: ChildProcess): number[] {
  const byRank: [number, number][] = [];
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const [, parent] = readFileSync(`/proc/${name}/stat`, "utf8")
        .replace(/^.*\) /, "")
        .split(" ");
      if (Number(parent) !== launcher.pid) continue;
      const rank = /(?:^|\0)RANK=(\d+)/.exec(readFileSync(`/proc/${name}/environ`, "utf8"))?.[1];
      if (rank !== undefined) byRank.push([Number(rank), Number(name)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  return byRank.sort(([a], [b]) => a - b).map(([, pid]) => pid);
}

async function eventsOf(out: string): Promise<TrainingEvent[]> {
  const lines = (await readFile(join(out, "events.jsonl"), "utf8")).trim().split("\n");
  return lines.map((line) => JSON.parse(line) as TrainingEvent);
}
const lossesOf = async (out: string): Promise<Map<number, number>> =>
  new Map((await eventsOf(out)).flatMap((e) => (e.type === "step" ? [[e.step, e.losses["total"]!] as const] : [])));

const gone = (pid: number): boolean => !existsSync(`/proc/${pid}`);

describe.skipIf(missing !== undefined)("several processes that train together", () => {
  it("--nproc 2 trains as one process with twice the batch, and writes everything once", async () => {
    const [two, one] = [join(folder, "two"), join(folder, "one")];
    const watch = {
      "validation.every_steps": 3,
      "validation.batches": 3,
      "samples.every_steps": 6,
      max_train_steps: 6,
    };
    const run = node(...training(two, watch), "--nproc", "2");
    expect(await run.ended, run.text()).toBe(0);
    expect(run.text()).toContain("effective batch  4 = 2 × 1 accumulated × 2 ranks");
    expect(run.text()).toContain(`\n${join(two, "models/vae")}\n`);
    expect(run.text()).not.toContain("[rank 1]");
    const alone = node(...training(one, { ...watch, train_batch_size: 4 }));
    expect(await alone.ended, alone.text()).toBe(0);
    const [a, b] = [await lossesOf(two), await lossesOf(one)];
    expect([...a.keys()]).toEqual([1, 2, 3, 4, 5, 6]);
    // Rounding grows with the steps: AdamW turns the least gradient into a whole step.
    for (const step of [1, 2, 3]) expect(Math.abs(a.get(step)! / b.get(step)! - 1)).toBeLessThan(1e-5);
    const events = await eventsOf(two);
    expect(events.filter((e) => e.type === "validation").map((e) => [e.step, e.batches, e.samples])).toEqual([
      [3, 3, 6],
      [6, 3, 6],
    ]);
    expect(await readdir(join(two, "samples"))).toEqual(["step-00000006.png"]);
    expect((await readdir(join(two, "checkpoints"))).sort()).toEqual(["step-00000004", "step-00000006"]);
  });

  it("validation gives the same as in one process", async () => {
    const [two, one] = [join(folder, "validate-two"), join(folder, "validate-one")];
    // A learning rate of nothing: the weights stay.
    const still = {
      "validation.every_steps": 1,
      "validation.batches": 3,
      "optimizer.learning_rate": 1e-30,
      max_train_steps: 1,
    };
    expect(await node(...training(two, still), "--nproc", "2").ended).toBe(0);
    expect(await node(...training(one, still)).ended).toBe(0);
    const [a, b] = (await Promise.all([two, one].map(eventsOf))).map((events) =>
      events.find((e) => e.type === "validation"),
    );
    expect([a!.batches, a!.samples]).toEqual([b!.batches, b!.samples]);
    for (const [name, value] of Object.entries(b!.losses)) expect(a!.losses[name]).toBeCloseTo(value, 6);
  });

  it.skipIf(!existsSync(torchrun))("torchrun --no-python starts them", async () => {
    const out = join(folder, "torchrun");
    const run = start([
      torchrun,
      "--no-python",
      "--standalone",
      "--nproc-per-node",
      "2",
      process.execPath,
      script,
      ...training(out, { "distributed.zero": 1 }),
    ]);
    expect(await run.ended, run.text()).toBe(0);
    expect(run.text()).toContain("× 2 ranks");
    expect([...(await lossesOf(out)).keys()]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("one is killed: all end with the code for it", async () => {
    const run = node(...training(join(folder, "killed"), { max_train_steps: 100_000 }), "--nproc", "2");
    await seen(run, /vae +\d+\//);
    const pids = ranksOf(run.child);
    expect(pids).toHaveLength(2);
    process.kill(pids[1]!, "SIGKILL");
    expect(await run.ended).toBe(128 + 9);
    expect(run.text()).toMatch(/\[rank 0\] ERR_DISTRIBUTED: Rank 0 of 2 failed while/);
    expect(pids.every(gone)).toBe(true);
  });

  it("one hangs: all end after the time-out with the code for it", async () => {
    const settings = { max_train_steps: 100_000, "distributed.timeout_seconds": 3 };
    const run = node(...training(join(folder, "hung"), settings), "--nproc", "2");
    await seen(run, /vae +\d+\//);
    const pids = ranksOf(run.child);
    process.kill(pids[1]!, "SIGSTOP");
    expect(await run.ended).toBe(3);
    expect(run.text()).toMatch(/\[rank 0\] ERR_DISTRIBUTED/);
    expect(pids.every(gone)).toBe(true);
  });

  it("--max-restarts: one is killed, all start again from the last checkpoint and train to the end", async () => {
    const out = join(folder, "restarted");
    const run = node(...training(out, { max_train_steps: 40 }), "--nproc", "2", "--max-restarts", "1");
    await seen(run, /step 4: checkpoint/);
    process.kill(ranksOf(run.child)[0]!, "SIGKILL");
    expect(await run.ended, run.text()).toBe(0);
    expect(run.text()).toContain("starting all again (1 of 1)");
    expect(run.text()).toMatch(/resumed after step \d+/);
    expect(Math.max(...(await lossesOf(out)).keys())).toBe(40);
    // Nothing of the run was lost or done twice.
    expect([...(await lossesOf(out)).keys()]).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  });

  it("an error of their own ends them at once; it would come again", async () => {
    const run = node(...training(join(folder, "wrong"), { "data.width": 33 }), "--nproc", "2", "--max-restarts", "2");
    expect(await run.ended).toBe(1);
    expect(run.text()).toContain("ERR_CONFIG_INVALID");
    expect(run.text()).not.toContain("starting all again");
  });

  it.each(["launcher", "one rank"] as const)(
    "SIGTERM to the %s: all stop after the same step, with a checkpoint that one process can go on from",
    async (whom) => {
      const out = join(folder, `stopped-${whom.replace(" ", "-")}`);
      const settings = { max_train_steps: 100_000, "checkpoint.every_steps": 0, "distributed.zero": 1 };
      const run = node(...training(out, settings), "--nproc", "2");
      await seen(run, /vae +\d+\//);
      const pids = ranksOf(run.child);
      process.kill(whom === "launcher" ? run.child.pid! : pids[1]!, "SIGTERM");
      expect(await run.ended, run.text()).toBe(130);
      expect(pids.every(gone)).toBe(true);
      const [name] = await readdir(join(out, "checkpoints"));
      const step = Number(name!.slice("step-".length));
      expect(run.text()).toContain(`step ${step}: checkpoint`);

      const other = node(...training(out, { ...settings, max_train_steps: step + 2 }), "--resume");
      expect(await other.ended).toBe(1);
      expect(other.text()).toContain("ERR_CHECKPOINT_MISMATCH");
      expect(other.text()).toContain("the effective batch is 2 with 1 ranks, was 4 with 2");
      const alone = node(
        ...training(out, { ...settings, max_train_steps: step + 2, gradient_accumulation_steps: 2 }),
        "--resume",
      );
      expect(await alone.ended, alone.text()).toBe(0);
      expect(alone.text()).toContain(`resumed after step ${step}`);
    },
  );

  it("resumed by one process, it goes on as two would", async () => {
    const whole = join(folder, "whole");
    expect(await node(...training(whole, { max_train_steps: 4, "checkpoint.keep": 9 }), "--nproc", "2").ended).toBe(0);
    // The same checkpoint after step 2, continued by one process.
    const alone = join(folder, "alone");
    const from = join(whole, "checkpoints/step-00000002");
    const settings = { max_train_steps: 4, gradient_accumulation_steps: 2 };
    const run = node(...training(alone, settings), "--resume", from);
    expect(await run.ended, run.text()).toBe(0);
    const [a, b] = [await lossesOf(alone), await lossesOf(whole)];
    for (const step of [3, 4]) expect(Math.abs(a.get(step)! / b.get(step)! - 1)).toBeLessThan(1e-5);
  });

  it("the launcher is killed: its processes stop too", async () => {
    const run = node(...training(join(folder, "orphans"), { max_train_steps: 100_000 }), "--nproc", "2");
    await seen(run, /vae +\d+\//);
    const pids = ranksOf(run.child);
    run.child.kill("SIGKILL");
    while (!pids.every(gone)) await new Promise((done) => setTimeout(done, 50));
  });
});
