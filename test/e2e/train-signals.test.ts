/** The command line as a process of its own, stopped by signals. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";
import { bundleInto } from "../helpers/bundle.ts";
import { missingForTraining } from "../helpers/can-train.ts";

const root = resolve(import.meta.dirname, "../..");
const missing = await missingForTraining("vae");

// Below the root: the bundle finds the addon from there.
const bundle = join(root, ".cache", `train-signals-${process.pid}`);
let folder: string;
let manifest: string;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "train-signals-"));
  if (missing !== undefined) return;
  await bundleInto(bundle, "src/cli/anonymizer-train.ts");
  manifest = (await writeSyntheticDataset({ out: join(folder, "data"), count: 8, seed: 3 })).manifest;
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await rm(bundle, { recursive: true, force: true });
});

// A failed expectation must not leave a training behind.
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
});

/** A run too long to end by itself. */
function start(
  out: string,
  ...more: string[]
): { child: ChildProcess; stderr: () => string; ended: Promise<[number | null, string | null]> } {
  const settings = {
    "data.manifest": manifest,
    "data.height": 32,
    "data.width": 64,
    train_batch_size: 2,
    max_train_steps: 100_000,
    // Resumed runs end after a step or two: no room for a warm-up.
    "lr_scheduler.type": "constant",
    threads: 1,
    "checkpoint.every_steps": 0,
    "validation.every_steps": 0,
    "samples.every_steps": 0,
  };
  const sets = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const args = ["vae", "--config", join(root, "configs/presets/tiny-vae.yaml"), "--out", out, ...sets, ...more];
  const child = spawn(process.execPath, [join(bundle, "anonymizer-train.js"), ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  children.add(child);
  let text = "";
  child.stderr!.on("data", (chunk) => {
    text += String(chunk);
  });
  return { child, stderr: () => text, ended: once(child, "exit") as Promise<[number | null, string | null]> };
}

/** Waits for `pattern` on stderr; fails with what stands there when the process ends before. */
async function seen(run: ReturnType<typeof start>, pattern: RegExp): Promise<void> {
  const watch = new Promise<void>((done) => {
    const look = (): void => {
      if (pattern.test(run.stderr())) done();
    };
    run.child.stderr!.on("data", look);
    look();
  });
  await Promise.race([
    watch,
    run.ended.then(() => {
      throw new Error(`ended early:\n${run.stderr()}`);
    }),
  ]);
}

describe.skipIf(missing !== undefined)("anonymizer-train as a process", () => {
  it.each(["SIGINT", "SIGTERM"] as const)(
    "%s: writes a checkpoint, exits with 130, and can be resumed",
    async (signal) => {
      const out = join(folder, signal);
      const run = start(out);
      await seen(run, /vae +\d+\/100000/);
      run.child.kill(signal);
      expect(await run.ended).toEqual([130, null]);
      expect(run.stderr()).toMatch(/checkpoint .*step-\d{8}\n/);
      const [name] = await readdir(join(out, "checkpoints"));
      const step = Number(name!.slice("step-".length));
      const resumed = start(out, "--resume", "--set", `max_train_steps=${step + 1}`);
      expect(await resumed.ended, resumed.stderr()).toEqual([0, null]);
      expect(resumed.stderr()).toContain(`resumed after step ${step}`);
    },
  );

  it("a second signal stops at once, without a crash", async () => {
    const run = start(join(folder, "twice"));
    await seen(run, /vae +\d+\/100000/);
    run.child.kill("SIGINT");
    await seen(run, /stop at once/);
    run.child.kill("SIGINT");
    expect(await run.ended).toEqual([130, null]);
  });

  it("killed while it writes checkpoints, it can be resumed, and what it left is gone", async () => {
    const out = join(folder, "killed");
    const often = ["--set", "checkpoint.every_steps=1"];
    const run = start(out, ...often);
    await seen(run, /step 3: checkpoint/);
    run.child.kill("SIGKILL");
    expect(await run.ended).toEqual([null, "SIGKILL"]);
    const last = Math.max(
      ...(await readdir(join(out, "checkpoints"))).map((name) => Number(/^step-(\d+)$/.exec(name)?.[1] ?? 0)),
    );
    const resumed = start(out, "--resume", ...often, "--set", `max_train_steps=${last + 2}`);
    expect(await resumed.ended, resumed.stderr()).toEqual([0, null]);
    expect((await readdir(join(out, "checkpoints"))).filter((name) => name.includes("tmp"))).toEqual([]);
  });

  it("--export-only writes the model of a checkpoint and trains nothing", async () => {
    const out = join(folder, "export");
    const steps = ["--set", "checkpoint.every_steps=1", "--set", "max_train_steps=2"];
    const whole = start(out, ...steps);
    expect(await whole.ended, whole.stderr()).toEqual([0, null]);
    const checkpoints = join(out, "checkpoints");
    const before = await readdir(checkpoints);
    const exported = async (step: number): Promise<Buffer> => {
      const to = join(folder, `export-${step}`);
      const run = start(out, ...steps, "--resume", join(checkpoints, `step-0000000${step}`), "--export-only", to);
      expect(await run.ended, run.stderr()).toEqual([0, null]);
      expect(run.stderr()).toContain(`step ${step}`);
      expect(await readdir(to)).toEqual(["vae"]);
      return readFile(join(to, "vae", "model.safetensors"));
    };
    const final = await readFile(join(out, "models", "vae", "model.safetensors"));
    expect((await exported(2)).equals(final)).toBe(true);
    expect((await exported(1)).equals(final)).toBe(false);
    expect(await readdir(checkpoints)).toEqual(before);
    const nothing = start(out, ...steps, "--export-only", join(folder, "export-none"));
    expect((await nothing.ended)[0]).toBe(2);
    expect(nothing.stderr()).toContain("--resume");
  });
});
