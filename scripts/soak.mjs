// npm run soak [-- --kills 100 --seed 1 --only vae,unet --keep]
// npm run soak -- store [--faults 500 --seed 1 --mib 200]         see soak-store.mjs
//
// Trains the tiny models, kills the process with SIGKILL at random moments, resumes, and compares what comes out with a
// run that was never killed: weights, optimizer, averaged weights and skipped samples must agree to the last bit. Then
// trains 1,000 steps in one process and watches its memory.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = fileURLToPath(import.meta.url);
const root = join(dirname(here), "..");

const common = {
  "data.height": 32,
  "data.width": 64,
  "data.buckets.aspects": [1, 2, 4],
  train_batch_size: 2,
  gradient_accumulation_steps: 2,
  threads: 1,
  precision: "fp32",
  ema_decay: 0.9,
  "lr_scheduler.warmup_steps": 2,
  "checkpoint.every_steps": 1,
  "checkpoint.keep": 2,
  "validation.every_steps": 3,
  "validation.batches": 1,
  "samples.every_steps": 0,
};
const settings = {
  vae: common,
  unet: { ...common, "glyph_encoder.trainable": false, "cache.variants": 2 },
};

/** A small fast generator with a seed (mulberry32), uniform in [0, 1). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function start({ cli, kind, manifest, out, cache, steps, resume }) {
  const all = { ...settings[kind], "data.manifest": manifest, max_train_steps: steps };
  if (kind === "unet") all["cache.dir"] = cache;
  const sets = Object.entries(all).flatMap(([key, value]) => ["--set", `${key}=${JSON.stringify(value)}`]);
  const config = join(root, "configs", "presets", `tiny-${kind}.yaml`);
  const args = [cli, kind, "--config", config, "--out", out, ...sets, ...(resume ? ["--resume"] : [])];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk) => (stderr = (stderr + chunk).slice(-4000)));
  const ended = new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal })));
  return { child, ended, stderr: () => stderr };
}

const checkpointsOf = (out) =>
  existsSync(join(out, "checkpoints"))
    ? readdirSync(join(out, "checkpoints"))
        .filter((name) => /^step-\d+$/.test(name))
        .sort()
    : [];

/** What must agree: every file's hash, and everything about the data. */
function lastState(out) {
  const name = checkpointsOf(out).at(-1);
  if (name === undefined) throw new Error(`${out} has no checkpoint`);
  const { step, files, skipped, sampler } = JSON.parse(
    readFileSync(join(out, "checkpoints", name, "checkpoint.json"), "utf8"),
  );
  return JSON.stringify({ step, files, skipped, sampler });
}

async function finish(run, what) {
  const { code, signal } = await run.ended;
  if (code !== 0) throw new Error(`${what} ended with ${code ?? signal}:\n${run.stderr()}`);
}

/**
 * Kills and resumes until `kills` are done and the run they were done to is finished. `cli`: path of the built command
 * line. Resolves to { kills, runs, resumed }; rejects when a run ends otherwise than it should or with other numbers.
 */
export async function killAndResume({ cli, kind, manifest, folder, kills, seed, steps = 8, log = () => {} }) {
  const next = random(seed);
  const reference = { cli, kind, manifest, steps, out: join(folder, "whole"), cache: join(folder, "whole-cache") };
  const begun = performance.now();
  const unkilled = start(reference);
  let startup;
  unkilled.child.stderr.on("data", () => {
    if (checkpointsOf(reference.out).length > 0) startup ??= performance.now() - begun;
  });
  await finish(unkilled, "The run that is not killed");
  const perStep = (performance.now() - begun - startup) / steps;
  const expected = lastState(reference.out);
  const result = { kills: 0, runs: 0, resumed: 0 };
  while (result.kills < kills) {
    const name = `killed-${result.runs}`;
    const run = { ...reference, out: join(folder, name), cache: join(folder, `${name}-cache`) };
    for (;;) {
      const last = checkpointsOf(run.out).at(-1);
      const resume = last !== undefined;
      const left = steps - Number(last?.slice("step-".length) ?? 0);
      if (resume) result.resumed++;
      const process = start({ ...run, resume });
      // Now and then while it loads; else somewhere from its first step to beyond its end (exporting, or already gone).
      const loading = next() < 0.15;
      const moment = next() * (loading ? startup : (left + 1) * perStep);
      let timer;
      const killLater = () => {
        timer ??= setTimeout(() => process.child.kill("SIGKILL"), moment);
      };
      if (result.kills < kills) {
        if (loading) killLater();
        // The line before the first step.
        else process.child.stderr.on("data", () => process.stderr().includes("\ndevice ") && killLater());
      }
      const { code, signal } = await process.ended;
      clearTimeout(timer);
      if (code === 0) break;
      if (signal !== "SIGKILL") throw new Error(`${name} ended with ${code ?? signal}:\n${process.stderr()}`);
      result.kills++;
      log(
        `${kind}: ${result.kills}/${kills} kills, ${result.runs} runs compared, at ${checkpointsOf(run.out).at(-1) ?? "no checkpoint"}`,
      );
    }
    const found = lastState(run.out);
    if (found !== expected) throw new Error(`${name} came to other numbers:\n${found}\ninstead of\n${expected}`);
    const names = readdirSync(join(run.out, "checkpoints"));
    if (names.length > common["checkpoint.keep"] || names.some((entry) => entry.includes(".tmp-")))
      throw new Error(`${name} left ${names.join(", ")}`);
    result.runs++;
    rmSync(run.out, { recursive: true, force: true });
    rmSync(run.cache, { recursive: true, force: true });
  }
  return result;
}

/** Trains in this process and prints a line of JSON with step and bytes in use every few steps. */
async function memoryChild(kind, manifest, folder, steps) {
  const { loadConfig, UNetTrainer, VAETrainer } = await import(join(root, "dist", "index.js"));
  const overrides = {
    ...settings[kind],
    "data.manifest": manifest,
    max_train_steps: steps,
    output_dir: join(folder, "memory-run"),
    "checkpoint.every_steps": 100,
    "validation.every_steps": 100,
    ...(kind === "unet" ? { "cache.dir": join(folder, "memory-cache") } : {}),
  };
  const config = await loadConfig(join(root, "configs", "presets", `tiny-${kind}.yaml`), kind, { overrides });
  const trainer = await (kind === "vae" ? VAETrainer : UNetTrainer).create(config);
  for await (const event of trainer.train()) {
    if (event.type !== "step" || event.step % 10 !== 0) continue;
    globalThis.gc();
    // Without the pages that V8 keeps for later, whose number goes up and down by several MiB.
    const { rss, heapTotal, heapUsed } = process.memoryUsage();
    console.log(JSON.stringify({ step: event.step, bytes: rss - heapTotal + heapUsed }));
  }
  await trainer.close();
}

/** Slope of the resident memory over `steps` steps, in KiB a step, after it has settled: pages decoded, pools filled. */
export async function watchMemory({ kind, manifest, folder, steps = 1000, log = () => {} }) {
  const args = [
    "--expose-gc",
    here,
    "--memory-child",
    kind,
    "--manifest",
    manifest,
    "--folder",
    folder,
    "--steps",
    String(warmUp + steps),
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const points = [];
  let rest = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      points.push(JSON.parse(line));
      if (points.length % 10 === 0)
        log(`${kind}: step ${points.at(-1).step}/${warmUp + steps}, ${mib(points.at(-1).bytes)} MiB`);
    }
  });
  child.stderr.on("data", (chunk) => (stderr = (stderr + chunk).slice(-4000)));
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`The run of ${steps} steps ended with ${code}:\n${stderr}`);
  const settled = points.filter(({ step }) => step > warmUp);
  return {
    steps,
    startMiB: mib(settled[0].bytes),
    endMiB: mib(settled.at(-1).bytes),
    slopeKiBPerStep: Number((medianSlope(settled) / 1024).toFixed(3)),
  };
}

/** Median of the slopes between all pairs of points (Theil 1950, Sen 1968): a single step up or down does not move it. */
function medianSlope(points) {
  const slopes = points.flatMap((p, i) => points.slice(i + 1).map((q) => (q.bytes - p.bytes) / (q.step - p.step)));
  return slopes.sort((x, y) => x - y)[slopes.length >> 1];
}

const mib = (bytes) => Number((bytes / 2 ** 20).toFixed(1));
/**
 * More than this is a leak: a batch of pixels that is not freed is 24 KiB. glibc's heap spreads by up to 13 KiB a step in
 * the first thousands while the bytes in use stay (malloc_stats: 107.0 MiB after 1,750 steps, 105.0 after 2,500).
 */
const flatKiBPerStep = 16;
/** Steps before memory is watched. */
const warmUp = 1000;

async function main() {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "100" },
      seed: { type: "string", default: "1" },
      only: { type: "string", default: "vae,unet" },
      steps: { type: "string", default: "1000" },
      keep: { type: "boolean", default: false },
      "memory-child": { type: "string" },
      manifest: { type: "string" },
      folder: { type: "string" },
    },
  });
  const steps = Number(values.steps);
  if (values["memory-child"] !== undefined)
    return memoryChild(values["memory-child"], values.manifest, values.folder, steps);
  const kinds = values.only.split(",");
  const [kills, seed] = [Number(values.kills), Number(values.seed)];
  if (
    !kinds.every((kind) => kind in settings) ||
    !Number.isInteger(kills) ||
    !Number.isInteger(seed) ||
    !(steps >= 100)
  ) {
    console.error("usage: soak.mjs [--kills N] [--seed N] [--only vae,unet] [--steps N, at least 100] [--keep]");
    process.exitCode = 2;
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "anonymizer-soak-"));
  const log = (line) => console.log(line);
  try {
    const { writeSyntheticDataset } = await import(join(root, "dist", "index.js"));
    const { manifest } = await writeSyntheticDataset({ out: join(folder, "data"), count: 12, seed: 3 });
    breakImages(join(folder, "data", "images"));
    const result = { kills: {}, memory: {} };
    for (const [i, kind] of kinds.entries()) {
      const share = Math.floor((kills * (i + 1)) / kinds.length) - Math.floor((kills * i) / kinds.length);
      const own = join(folder, kind);
      mkdirSync(own);
      const cli = join(root, "dist", "cli", "anonymizer-train.js");
      if (share > 0)
        result.kills[kind] = await killAndResume({
          cli,
          kind,
          manifest,
          folder: own,
          kills: share,
          seed: seed + i,
          log,
        });
      result.memory[kind] = await watchMemory({ kind, manifest, folder: own, steps, log });
    }
    console.log(JSON.stringify(result, null, 2));
    const leaking = kinds.filter((kind) => result.memory[kind].slopeKiBPerStep > flatKiBPerStep);
    if (leaking.length > 0) {
      console.error(`✗ memory grows: ${leaking.join(", ")}`);
      process.exitCode = 1;
    } else {
      console.log(
        `✓ ${kills} kills, every resumed run equal to the one that was not killed; memory flat over ${steps} steps`,
      );
    }
  } finally {
    if (values.keep) console.log(`kept ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
}

/** Cuts every fourth image short: its samples are skipped, and must be the same ones after a resume. */
export function breakImages(folder) {
  for (const [i, name] of readdirSync(folder).sort().entries()) {
    if (i % 4 !== 1) continue;
    const bytes = readFileSync(join(folder, name));
    writeFileSync(join(folder, name), bytes.subarray(0, bytes.length >> 1));
  }
}

if (process.argv[1] === here) {
  if (process.argv[2] === "store") await (await import("./soak-store.mjs")).soakStore(process.argv.slice(3));
  else await main();
}
