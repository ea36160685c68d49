import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { exitCodes, main } from "../../src/cli/train/main.ts";
import { codedError } from "../../src/errors.ts";
import { fakeData } from "./helpers/fake-data.ts";
import { type FakeSettings, fakeNative } from "./helpers/fake-native.ts";
import { modelFixture } from "./helpers/model-fixture.ts";

const sources = vi.hoisted(() => ({ loadNative: vi.fn(), openData: vi.fn() }));
vi.mock("../../src/training/trainer-sources.ts", () => ({ trainerSources: sources }));

let folder: string;
let file: string;
let native: ReturnType<typeof fakeNative>;

function use(settings: FakeSettings = {}): void {
  native = fakeNative(settings);
  sources.loadNative.mockImplementation(async () => native);
  sources.openData.mockImplementation(async (config) => fakeData(config));
}

beforeEach(async () => {
  vi.clearAllMocks();
  folder = await mkdtemp(join(tmpdir(), "train-cli-test-"));
  for (const kind of ["vae", "unet", "glyph_encoder"] as const) await modelFixture(join(folder, kind), kind);
  file = join(folder, "vae.yaml");
  await writeFile(
    file,
    `kind: vae
model: {path: vae}
data: {manifest: manifest.jsonl, height: 16, width: 32}
loss: {reduction: mean, perceptual_weight: 0}
lr_scheduler: {type: constant}
output_dir: run
train_batch_size: 4
gradient_accumulation_steps: 2
max_train_steps: 4
checkpoint: {every_steps: 2}
samples: {every_steps: 0}
`,
  );
  use();
});
afterEach(() => {
  vi.unstubAllEnvs();
  return rm(folder, { recursive: true, force: true });
});

async function cli(args: string[], signal = new AbortController().signal) {
  const stream = () => {
    const parts: string[] = [];
    return { write: (text: string) => void parts.push(text), text: () => parts.join("") };
  };
  const terminal = { stdout: stream(), stderr: stream() };
  const code = await main(args, terminal, signal);
  return { code, stdout: terminal.stdout.text(), stderr: terminal.stderr.text() };
}

describe("anonymizer-train vae", () => {
  it("trains, shows what it does, exports the model and prints where", async () => {
    const { code, stdout, stderr } = await cli(["vae", "--config", file]);
    expect(stderr).toMatch(/effective batch +8 = 4 × 2 accumulated × 1 rank/);
    expect(stderr).toMatch(/parameters +280 trained, 0 frozen/);
    expect(stderr).toMatch(/gradient norms: recon 1\.000, kl 0\.01000/);
    expect(stderr).toMatch(/vae 4\/4 {2}total /);
    expect(stderr).toMatch(/4 steps, 32 samples/);
    expect(stdout).toBe(`${join(folder, "run", "models", "vae")}\n`);
    expect(await readdir(join(folder, "run", "models", "vae"))).toContain("model.safetensors");
    expect(code).toBe(0);
  });

  it("writes to --out and takes --set", async () => {
    const { code } = await cli([
      "vae",
      "--config",
      file,
      "--out",
      join(folder, "other"),
      "--set",
      "max_train_steps=1",
      "--set",
      "seed=3",
    ]);
    expect(code).toBe(0);
    expect(await readdir(join(folder, "other", "checkpoints"))).toEqual(["step-00000001"]);
    expect(native.made[0]!.options.seed).toBe(3);
  });

  it("resumes the run folder, or the folder given", async () => {
    await cli(["vae", "--config", file]);
    const again = await cli(["vae", "--config", file, "--resume", "--set", "max_train_steps=6"]);
    expect(again.stderr).toContain("resumed after step 4");
    expect(again.code).toBe(0);
    const other = ["--resume", join(folder, "run", "checkpoints", "step-00000004"), "--out", join(folder, "b")];
    expect((await cli(["vae", "--config", file, ...other, "--set", "max_train_steps=5"])).code).toBe(0);
    expect(await readdir(join(folder, "b", "checkpoints"))).toEqual(["step-00000005"]);
  });

  it("on a signal writes a checkpoint and exits with 130", async () => {
    use({ hangAtStep: 3 });
    const controller = new AbortController();
    const running = cli(["vae", "--config", file], controller.signal);
    await vi.waitFor(() => expect(native.made[0]?.calls.at(-1)?.step).toBe(3));
    controller.abort();
    const { code, stderr } = await running;
    expect(code).toBe(exitCodes.interrupted);
    expect(stderr).toContain("checkpoint");
    expect(await readdir(join(folder, "run", "checkpoints"))).toContain("step-00000003");
    expect(native.made[0]!.closed).toBe(true);
  });

  it("exits with 1 and tells code and cure when something fails", async () => {
    await rm(join(folder, "vae", "graph.pt"));
    const { code, stderr } = await cli(["vae", "--config", file]);
    expect(code).toBe(exitCodes.failed);
    expect(stderr).toMatch(/^ERR_MODEL_NOT_FOUND: .*graph\.pt/);
    expect(stderr).toContain("export_models.py");
  });

  it("exits with 1 and names the line of a wrong key", async () => {
    const { code, stderr } = await cli(["vae", "--config", file, "--set", "optimizer.lr=1"]);
    expect(code).toBe(exitCodes.failed);
    expect(stderr).toMatch(/optimizer\.lr: unknown key/);
  });

  it.each([
    ["ERR_NATIVE", "CUDA error: unspecified launch failure", exitCodes.mayPass],
    ["ERR_NATIVE", "NCCL error in: unhandled system error", exitCodes.mayPass],
    ["ERR_NATIVE", "CUDA error: device-side assert triggered", exitCodes.failed],
    ["ERR_NATIVE", "shapes don't fit", exitCodes.failed],
    ["ERR_OUTPUT", "no space left", exitCodes.mayPass],
    ["ERR_STORE_UNAVAILABLE", "no answer", exitCodes.mayPass],
    ["ERR_DEVICE", "no device", exitCodes.mayPass],
    ["ERR_OUT_OF_MEMORY", "one sample does not fit", exitCodes.failed],
  ] as const)("%s (%s) exits with %d: whether trying again can help", async (code, message, exit) => {
    sources.openData.mockRejectedValue(codedError(code, message));
    expect((await cli(["vae", "--config", file])).code).toBe(exit);
  });

  it("holds the run folder where an owner is named", async () => {
    vi.stubEnv("ANONYMIZER_LEASE", "fc-2");
    const other = { owner: "fc-1", held: true, beat_at: new Date().toISOString(), used_seconds: 1 };
    await mkdir(join(folder, "run"));
    await writeFile(join(folder, "run", "lease.json"), JSON.stringify(other));
    const refused = await cli(["vae", "--config", file]);
    expect([refused.code, refused.stderr]).toEqual([
      exitCodes.failed,
      expect.stringMatching(/^ERR_LOCKED: fc-1 trains in /),
    ]);
    await writeFile(join(folder, "run", "lease.json"), JSON.stringify({ ...other, held: false }));
    expect((await cli(["vae", "--config", file])).code).toBe(exitCodes.fine);
    expect(JSON.parse(await readFile(join(folder, "run", "lease.json"), "utf8"))).toMatchObject({
      owner: "fc-2",
      held: false,
    });
  });

  it("exits with 2 on wrong usage", async () => {
    for (const args of [
      ["vae"],
      ["vea"],
      ["vae", "--config", file, "--bogus"],
      ["vae", "--config", file, "--set", "x"],
    ]) {
      expect((await cli(args)).code).toBe(exitCodes.usage);
    }
    expect(native.made).toHaveLength(0);
  });
});

describe("--dry-run", () => {
  it("prints configuration, counts, steps and memory, and changes nothing", async () => {
    const before = await readdir(folder);
    const { code, stdout } = await cli(["vae", "--config", file, "--dry-run"]);
    expect(code).toBe(0);
    expect(stdout).toContain("learning_rate: 0.0005");
    expect(stdout).toContain(`path: ${join(folder, "vae")}`);
    expect(stdout).toMatch(/parameters +280 trained/);
    expect(stdout).toMatch(/steps +4 optimizer steps, 0\.800 epochs of 40 samples/);
    expect(stdout).toMatch(/weights +1\.1 KiB/);
    expect(stdout).toMatch(/AdamW +2\.2 KiB/);
    expect(stdout).toMatch(/activations .* rough guess/);
    expect(await readdir(folder)).toEqual(before);
    expect(sources.loadNative).not.toHaveBeenCalled();
  });

  it("prints JSON for machines", async () => {
    const { stdout } = await cli(["vae", "--config", file, "--dry-run", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({
      outputDir: join(folder, "run"),
      plan: { effectiveBatch: 8, epochs: 0.8 },
    });
  });
});

describe("anonymizer-train unet", () => {
  it("exports a complete models folder for the anonymizer", async () => {
    const unet = join(folder, "unet.yaml");
    await writeFile(
      unet,
      "kind: unet\nmodel: {path: unet}\nvae: {path: vae}\nglyph_encoder: {path: glyph_encoder}\ndata: {manifest: m.jsonl, height: 16, width: 32}\noutput_dir: urun\ntrain_batch_size: 2\nmax_train_steps: 1\nlr_scheduler: {type: constant}\n",
    );
    const { code, stderr } = await cli(["unet", "--config", unet]);
    expect(stderr).toContain("samples in");
    expect(code).toBe(0);
    expect((await readdir(join(folder, "urun", "models"))).sort()).toEqual(["glyph_encoder", "unet", "vae"]);
  });
});

describe("anonymizer-train data", () => {
  it("draws synthetic documents and prints the manifest", async () => {
    const out = join(folder, "data");
    const { code, stdout, stderr } = await cli(["data", "synth", "--out", out, "--count", "2", "--seed", "5"]);
    expect(code).toBe(0);
    expect(stdout).toBe(`${join(out, "manifest.jsonl")}\n`);
    expect(stderr).toContain("documents 2/2");
    expect((await readFile(join(out, "manifest.jsonl"), "utf8")).trim().split("\n")).toHaveLength(2);
  });

  it("imports a dataset and prints the manifest", async () => {
    const source = join(folder, "sroie");
    for (const name of ["img", "box"]) await mkdir(join(source, name), { recursive: true });
    await sharp({ create: { width: 100, height: 50, channels: 3, background: "white" } })
      .jpeg()
      .toFile(join(source, "img", "x.jpg"));
    await writeFile(join(source, "box", "x.csv"), "10,10,60,10,60,30,10,30,TOTAL\n");
    const { code, stdout, stderr } = await cli([
      "data",
      "import",
      "--format",
      "sroie",
      "--source",
      source,
      "--out",
      join(folder, "in"),
    ]);
    expect(stderr).toContain("1 pages, 1 regions");
    expect(stdout).toBe(`${join(folder, "in", "manifest.jsonl")}\n`);
    expect(code).toBe(0);
  });

  it("exits with 2 on wrong numbers and formats, with 1 on a missing source", async () => {
    for (const count of ["0", "-1", "1.5", "x", ""]) {
      expect((await cli(["data", "synth", "--out", folder, "--count", count])).code).toBe(exitCodes.usage);
    }
    expect((await cli(["data", "import", "--format", "coco", "--source", folder, "--out", folder])).code).toBe(
      exitCodes.usage,
    );
    const args = ["data", "import", "--format", "sroie", "--source", join(folder, "none"), "--out", join(folder, "o")];
    expect((await cli(args)).code).toBe(exitCodes.failed);
  });
});

describe("anonymizer-train config", () => {
  it("validates a file of any kind and prints it complete", async () => {
    const good = await cli(["config", "validate", file]);
    expect(good).toMatchObject({ code: 0, stderr: `${file} is a valid vae configuration\n` });
    expect(good.stdout).toContain("kl_weight: 0.00025");
    const engine = await cli([
      "config",
      "validate",
      resolve(import.meta.dirname, "../../configs/engine.yaml"),
      "--json",
    ]);
    expect(JSON.parse(engine.stdout).kind).toBe("anonymizer");
    await writeFile(file, "kind: vae\nmodel: [\n");
    const bad = await cli(["config", "validate", file]);
    expect(bad.code).toBe(exitCodes.failed);
    expect(bad.stderr).toMatch(/ERR_CONFIG_SYNTAX: .*vae\.yaml:\d+:\d+/);
  });

  it("prints a JSON Schema", async () => {
    expect(
      JSON.parse((await cli(["config", "schema", "unet"])).stdout).properties.loss.properties.snr_gamma.default,
    ).toBe(0);
    expect((await cli(["config", "schema", "gan"])).code).toBe(exitCodes.usage);
  });
});

it("--help documents the exit codes", async () => {
  const { code, stdout } = await cli(["--help"]);
  expect(code).toBe(0);
  for (const number of Object.values(exitCodes)) expect(stdout).toMatch(new RegExp(`^ {2}${number} `, "m"));
});
