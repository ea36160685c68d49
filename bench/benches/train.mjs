// Training beside Python: one step on a fixed batch, and a stretch of an epoch with data loading from a manifest.
//
// Ours, eager PyTorch with diffusers, and the same under torch.compile, each in a process of its own that is loaded and
// warmed up once; then they take turns, round after round, while the others stand still, so that a busy moment hits all.
// The same model weights, batch, crop, precision and threads. Minimum and median over all rounds; `ratio` is ours / theirs
// (below 1: ours is faster). `step` and `epochStep` are wall milliseconds of one step, `stepCpu` the processor time of one
// step on all threads, which tells more while the machine does other things. Memory is the peak of each process (VmHWM); on CUDA also what the device holds for it.
//
//   BENCH_MODELS=tiny,small  BENCH_KINDS=vae,unet  BENCH_DEVICE=cpu|cuda  BENCH_PRECISION=fp32|bf16
//   BENCH_ROUNDS=5  BENCH_STEPS=4  BENCH_THREADS=N  BENCH_WITHOUT=eager|compile|epoch
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { peakMiB } from "../../scripts/process-memory.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const setting = (name, fallback) => process.env[`BENCH_${name}`] ?? fallback;
const list = (name, fallback) => setting(name, fallback).split(",");
const rounds = Number(setting("ROUNDS", "5"));
const steps = Number(setting("STEPS", "4"));
const documents = 24;

// Crops and batches that a machine with two cores gets through; on a GPU the larger ones.
const shapes = {
  cpu: { tiny: { batch: 4, height: 64, width: 256 }, small: { batch: 2, height: 64, width: 256 } },
  cuda: {
    tiny: { batch: 8, height: 64, width: 256 },
    small: { batch: 8, height: 256, width: 256 },
    sd2: { batch: 4, height: 512, width: 512 },
  },
};

export async function run() {
  const { writeSyntheticDataset } = await import(join(root, "dist", "index.js"));
  const folder = mkdtempSync(join(tmpdir(), "anonymizer-train-bench-"));
  const device = setting("DEVICE", "cpu");
  try {
    const data = join(folder, "data");
    const { manifest } = await writeSyntheticDataset({ seed: 11, count: documents, out: data });
    const cases = [];
    for (const model of list("MODELS", "tiny,small")) {
      if (!existsSync(join(root, "models", model, "unet", "graph.pt"))) {
        console.log(
          `models/${model} is not exported: left out (scripts/export_models.py --preset ${model} --out models/${model})`,
        );
        continue;
      }
      for (const kind of list("KINDS", "vae,unet")) cases.push(await compare(model, kind, device, manifest, folder));
    }
    return { device: deviceName(device), precision: setting("PRECISION", "fp32"), load: loadavg().map(round), cases };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(model, kind, device, manifest, folder) {
  const { batch, height, width } = shapes[device][model];
  const options = {
    model,
    kind,
    device,
    batch,
    height,
    width,
    manifest,
    precision: setting("PRECISION", "fp32"),
    threads: Number(setting("THREADS", String(Math.min(cpus().length, 8)))),
    // As many processes that load as there are cores, up to four; our loader works in the threads of one process.
    workers: Math.min(cpus().length, 4),
    steps,
    batchFile: join(folder, `${model}-${kind}`),
  };
  await writeBatch(options, join(dirname(manifest), "images"));
  const python = join(root, ".venv", "bin", "python");
  const program = (name) => join(here, "..", "programs", name);
  const wanted = Object.entries({
    ours: [process.execPath, program("train.mjs")],
    eager: [python, program("train.py")],
    compile: [python, program("train.py"), "--compile"],
  }).filter(([name]) => !list("WITHOUT", "").includes(name));
  const runners = {};
  try {
    for (const [name, [command, ...args]] of wanted) {
      const before = deviceBytes(device);
      runners[name] = await Runner.start(command, args, options);
      runners[name].warmup = await runners[name].ask({ do: "warmup" });
      runners[name].deviceMiB = device === "cuda" ? Math.round((deviceBytes(device) - before) / 2 ** 20) : undefined;
    }
    const times = Object.fromEntries(Object.keys(runners).map((name) => [name, { step: [], cpu: [], epoch: [] }]));
    for (let i = 0; i < rounds; i++) {
      for (const what of list("WITHOUT", "").includes("epoch") ? ["step"] : ["step", "epoch"]) {
        for (const [name, runner] of Object.entries(runners)) {
          const { milliseconds, cpuMs } = await runner.ask({ do: what });
          times[name][what].push(...milliseconds);
          if (cpuMs !== undefined) times[name].cpu.push(cpuMs);
        }
      }
      console.log(`${model} ${kind}: round ${i + 1} of ${rounds}`);
    }
    const result = {
      model,
      kind,
      batch,
      crop: `${height}x${width}`,
      threads: options.threads,
      rounds,
      stepsPerRound: steps,
    };
    for (const [name, runner] of Object.entries(runners)) {
      result[name] = {
        step: summary(times[name].step),
        stepCpu: summary(times[name].cpu),
        epochStep: summary(times[name].epoch),
        warmupSeconds: round(runner.warmup.seconds),
        loss: runner.warmup.loss,
        peakMiB: runner.peakMiB(),
        ...(runner.deviceMiB === undefined ? {} : { deviceMiB: runner.deviceMiB }),
      };
    }
    for (const other of ["eager", "compile"]) {
      if (result[other] === undefined || result.ours === undefined) continue;
      result[`ratioTo${other === "eager" ? "Eager" : "Compile"}`] = {
        step: ratios(result.ours.step, result[other].step),
        stepCpu: ratios(result.ours.stepCpu, result[other].stepCpu),
        epoch: ratios(result.ours.epochStep, result[other].epochStep),
        memory: round(result.ours.peakMiB / result[other].peakMiB),
      };
    }
    console.log(JSON.stringify(result));
    return result;
  } finally {
    for (const runner of Object.values(runners)) runner.stop();
  }
}

/** Crops of a page as raw bytes, masks and glyph images: what "step" repeats on all sides. */
async function writeBatch({ model, kind, batch, height, width, batchFile }, images) {
  const page = join(images, readdirSync(images).sort()[0]);
  const { width: pageWidth, height: pageHeight } = await sharp(page).metadata();
  const parts = [];
  const windowOf = (i, w, h) => ({
    left: Math.round((pageWidth - w) * ((i * 0.618) % 1)),
    top: Math.round(((pageHeight - h) * (i + 0.5)) / batch),
    width: w,
    height: h,
  });
  const crop = async (i, w, h) =>
    sharp(page)
      .removeAlpha()
      .toColourspace("srgb")
      .extract(windowOf(i, w, h))
      .raw()
      .toBuffer();
  for (let i = 0; i < batch; i++) parts.push(await crop(i, width, height));
  const glyph = JSON.parse(
    readFileSync(join(root, "models", model, "glyph_encoder", "config.json"), "utf8"),
  ).image_size;
  if (kind === "unet") {
    const row = Buffer.alloc(width);
    row.fill(1, Math.round(width / 4), Math.round((3 * width) / 4));
    for (let i = 0; i < batch; i++)
      for (let y = 0; y < height; y++) parts.push(y >= height / 4 && y < (3 * height) / 4 ? row : Buffer.alloc(width));
    for (let i = 0; i < batch; i++) parts.push(await crop(i, glyph[1], glyph[0]));
  }
  writeFileSync(`${batchFile}.bin`, Buffer.concat(parts));
  writeFileSync(`${batchFile}.json`, JSON.stringify({ glyph }));
}

const round = (value) => Number(value.toPrecision(3));
const ratios = (ours, theirs) =>
  ours.median === undefined
    ? undefined
    : { min: round(ours.min / theirs.min), median: round(ours.median / theirs.median) };
function summary(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted.length === 0 ? {} : { min: round(sorted[0]), median: round(sorted[Math.floor(sorted.length / 2)]) };
}

function nvidia(field) {
  return execFileSync("nvidia-smi", [`--query-gpu=${field}`, "--format=csv,noheader,nounits"], { encoding: "utf8" })
    .split("\n")[0]
    .trim();
}
const deviceName = (device) => (device === "cuda" ? nvidia("name") : cpus()[0]?.model);
const deviceBytes = (device) => (device === "cuda" ? Number(nvidia("memory.used")) * 2 ** 20 : 0);

/** A process that answers one JSON line to each JSON line. */
class Runner {
  static async start(command, args, options) {
    const runner = new Runner();
    const file = join(dirname(options.batchFile), `options-${process.hrtime.bigint()}.json`);
    writeFileSync(file, JSON.stringify(options));
    // Ours sets this for itself; spinning threads of one side would take processor time from the others.
    const env = { OMP_WAIT_POLICY: "PASSIVE", ...process.env };
    runner.child = spawn(command, [...args, file], { cwd: root, stdio: ["pipe", "pipe", "inherit"], env });
    runner.lines = createInterface({ input: runner.child.stdout })[Symbol.asyncIterator]();
    return runner;
  }

  async ask(question) {
    this.child.stdin.write(`${JSON.stringify(question)}\n`);
    for (;;) {
      const { value, done } = await this.lines.next();
      if (done) throw new Error(`${this.child.spawnargs.join(" ")} ended with ${this.child.exitCode}`);
      if (value.startsWith("{")) return JSON.parse(value);
    }
  }

  peakMiB() {
    return peakMiB(this.child.pid);
  }

  stop() {
    this.child.stdin.end();
    this.child.kill();
  }
}
