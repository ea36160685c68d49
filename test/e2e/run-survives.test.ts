/** A machine is lost: the run goes on from its address on another one, with data streamed from a store, to the same bits. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";
import { ModelRegistry, packDataset } from "../../src/index.ts";
import { bundleInto } from "../helpers/bundle.ts";
import { missingForTraining } from "../helpers/can-train.ts";

const root = resolve(import.meta.dirname, "../..");
const missing = await missingForTraining("vae");

// Below the root: the bundle finds the addon from there.
const bundle = join(root, ".cache", `run-survives-${process.pid}`);
const steps = 20;
let folder: string;
let shards: string;
const children = new Set<ChildProcess>();
const address = (...names: string[]): string => pathToFileURL(join(folder, ...names)).href;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "run-survives-"));
  if (missing !== undefined) return;
  await bundleInto(bundle, "src/cli/anonymizer-train.ts");
  const source = join(folder, "data");
  await writeSyntheticDataset({ out: source, count: 12, seed: 3, kinds: { receipt: 1 } });
  shards = address("store", "dataset");
  const { shardsBySplit } = await packDataset({ source, out: shards, shardBytes: 192 << 10 });
  expect(shardsBySplit["train"]).toBeGreaterThan(2);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await rm(bundle, { recursive: true, force: true });
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
});

function start(machine: string, run: string, settings: Record<string, string | number>, ...more: string[]) {
  const all = {
    "data.manifest": shards,
    "data.height": 32,
    "data.width": 64,
    "data.shards.window": 2,
    "data.shards.cache_dir": join(folder, machine, "shards"),
    train_batch_size: 2,
    max_train_steps: steps,
    "lr_scheduler.type": "constant",
    "loss.perceptual_weight": 0,
    threads: 1,
    ema_decay: 0.9,
    "checkpoint.every_steps": 2,
    "checkpoint.store": address("store", "runs", run),
    "validation.every_steps": 0,
    "samples.every_steps": 0,
    ...settings,
  };
  const sets = Object.entries(all).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const config = join(root, "configs/presets/tiny-vae.yaml");
  const args = ["vae", "--config", config, "--out", join(folder, machine, "run"), ...sets, ...more];
  const child = spawn(process.execPath, [join(bundle, "anonymizer-train.js"), ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  children.add(child);
  let text = "";
  child.stderr!.on("data", (chunk) => {
    text += String(chunk);
  });
  const ended = new Promise<number | string>((done) =>
    child.once("close", (code, signal) => done(code ?? signal ?? "")),
  );
  return { child, text: () => text, ended };
}

const sentSteps = (run: string): string[] => {
  const place = join(folder, "store", "runs", run, "checkpoints");
  return existsSync(place)
    ? readdirSync(place)
        .filter((name) => existsSync(join(place, name, "checkpoint.json")))
        .sort()
    : [];
};
const lastState = (machine: string): unknown => {
  const path = join(folder, machine, "run", "checkpoints", `step-${String(steps).padStart(8, "0")}`, "checkpoint.json");
  const { step, files, sampler, skipped } = JSON.parse(readFileSync(path, "utf8"));
  return { step, files, sampler, skipped };
};

async function whenSent(run: ReturnType<typeof start>, name: string, count: number): Promise<void> {
  let over = false;
  void run.ended.then(() => {
    over = true;
  });
  while (sentSteps(name).length < count) {
    if (over) throw new Error(`ended early:\n${run.text()}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

describe.skipIf(missing !== undefined)("a run with an address", () => {
  it("goes on in an empty folder after SIGKILL, twice, to the same bits, and publishes its model once", async () => {
    const whole = start("whole", "whole", {});
    expect(await whole.ended, whole.text()).toBe(0);

    const model = address("store", "models", "receipts@v1");
    for (const machine of ["first", "second"]) {
      const run = start(machine, "lost", { publish: model }, "--resume", "auto");
      const before = sentSteps("lost").at(-1);
      while (sentSteps("lost").at(-1) === before) await whenSent(run, "lost", 1);
      run.child.kill("SIGKILL");
      expect(await run.ended).toBe("SIGKILL");
    }
    const sent = Number(sentSteps("lost").at(-1)!.slice("step-".length));
    expect(sent).toBeLessThan(steps);
    const third = start("third", "lost", { publish: model }, "--resume", "auto");
    expect(await third.ended, third.text()).toBe(0);
    expect(third.text()).toContain(`resumed after step ${sent}`);
    expect(third.text()).toContain("receipts@v1: published");
    expect(lastState("third")).toEqual(lastState("whole"));

    // Started once more, on yet another machine: nothing is left to do, and nothing is published twice.
    const fourth = start("fourth", "lost", { publish: model }, "--resume", "auto");
    expect(await fourth.ended, fourth.text()).toBe(0);
    expect(fourth.text()).toContain("was published before");
    const registry = new ModelRegistry(address("store", "models"));
    expect((await registry.list("receipts")).map(({ version, tags }) => [version, tags])).toEqual([["v1", ["latest"]]]);
    await registry.close();

    const other = start("fifth", "lost", {});
    expect(await other.ended).toBe(1);
    expect(other.text()).toContain("go on with --resume auto");
  });

  it("passes over a checkpoint that was damaged at its address", async () => {
    const first = start("damaged-1", "damaged", { max_train_steps: 4 });
    expect(await first.ended, first.text()).toBe(0);
    const place = join(folder, "store", "runs", "damaged", "checkpoints");
    const [newest] = (await readdir(place)).sort().reverse();
    expect(newest).toBe("step-00000004");
    await writeFile(join(place, newest!, "model.safetensors"), "nothing");
    const second = start("damaged-2", "damaged", { max_train_steps: 6 }, "--resume", "auto");
    expect(await second.ended, second.text()).toBe(0);
    expect(second.text()).toContain("resumed after step 2");
    expect(second.text()).toMatch(/warning: The checkpoint file:.*step-00000004 is damaged/);
    expect(sentSteps("damaged")).toContain("step-00000006");
  });

  it("sends a checkpoint when it is stopped, and after some minutes without a step to go by", async () => {
    const settings = { max_train_steps: 100_000, "checkpoint.every_steps": 0, "checkpoint.every_minutes": 0.005 };
    const run = start("stopped", "stopped", settings);
    await whenSent(run, "stopped", 2);
    run.child.kill("SIGTERM");
    expect(await run.ended, run.text()).toBe(130);
    const last = /step (\d+): checkpoint [^\n]*\n(?![\s\S]*: checkpoint)/.exec(run.text())![1]!;
    expect(sentSteps("stopped").at(-1)).toBe(`step-${last.padStart(8, "0")}`);
  });
});
