/** `anonymizer-train config …`: what a user writes and reads. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { exitCodes, main } from "../../src/cli/train/main.ts";
import { allKeys } from "../../src/config/known-keys.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { migrateConfigText } from "../../src/config/migrate-config.ts";
import { migrations } from "../../src/config/migrations.ts";
import { listPresets } from "../../src/config/presets.ts";
import { configJsonSchema, configKinds } from "../../src/config/schemas.ts";
import { configVersion } from "../../src/config/training-config.ts";
import type { AnonymizerError } from "../../src/errors.ts";

const configs = resolve(import.meta.dirname, "../../configs");
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "config-commands-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function cli(...args: string[]) {
  const stream = () => {
    const parts: string[] = [];
    return { write: (text: string) => void parts.push(text), text: () => parts.join("") };
  };
  const terminal = { stdout: stream(), stderr: stream() };
  const code = await main(["config", ...args], terminal, new AbortController().signal);
  return { code, stdout: terminal.stdout.text(), stderr: terminal.stderr.text() };
}

async function write(text: string, name = "a.yaml"): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

const valid = `version: 1
kind: vae
model: {path: m}
data: {manifest: d.jsonl}
loss: {reduction: mean, perceptual_weight: 0}
`;

describe("init", () => {
  it.each(listPresets().filter(({ kind }) => kind !== "anonymizer"))(
    "writes $name as a file that says the same, every key explained",
    async ({ name, kind, file }) => {
      const out = join(folder, "below", "new.yaml");
      const { code, stdout } = await cli("init", kind, "--preset", name, "--out", out);
      expect(code).toBe(0);
      expect(stdout).toBe(`${out}\n`);
      const [made, preset] = [await loadConfig(out), await loadConfig(file)];
      const withoutPaths = (config: object): unknown =>
        JSON.parse(JSON.stringify(config, (key, value) => (key === "path" || key === "manifest" ? "" : value)));
      expect(withoutPaths(made)).toEqual(withoutPaths(preset));

      const lines = (await readFile(out, "utf8")).split("\n");
      for (const [i, line] of lines.entries()) {
        if (/^\s*[a-z_]+:/.test(line)) expect(lines[i - 1]!.trim(), line).toMatch(/^# ./);
        expect(line.length).toBeLessThan(121);
      }
      const introduction = (await readFile(file, "utf8")).split("\n").find((line) => /^# [A-Z]/.test(line))!;
      expect(lines).toContain(introduction);
    },
  );

  it("names models and data below the current folder, relative to the file", async () => {
    const out = join(process.cwd(), ".cache", `config-init-${process.pid}`, "a.yaml");
    try {
      await cli("init", "vae", "--out", out);
      expect((await loadConfig(out, "vae")).model.path).toBe(resolve("models/small/vae"));
      expect((await loadConfig(out, "vae")).data.manifest).toBe(resolve("data/manifest.jsonl"));
      expect(await readFile(out, "utf8")).toContain("path: ../../models/small/vae\n");
    } finally {
      await rm(join(out, ".."), { recursive: true, force: true });
    }
  });

  it("replaces no file unless told to", async () => {
    const out = await write("mine\n");
    const refused = await cli("init", "vae", "--out", out);
    expect(refused.code).toBe(exitCodes.failed);
    expect(refused.stderr).toMatch(/ERR_OUTPUT: .*is there already; .*--force/);
    expect(await readFile(out, "utf8")).toBe("mine\n");
    expect((await cli("init", "vae", "--out", out, "--force")).code).toBe(0);
    expect((await loadConfig(out)).kind).toBe("vae");
  });

  it("names the nearest preset, and refuses one of another kind", async () => {
    const wrong = await cli("init", "vae", "--preset", "vae-lmd", "--out", join(folder, "x.yaml"));
    expect(wrong.code).toBe(exitCodes.usage);
    expect(wrong.stderr).toContain("did you mean vae-ldm?");
    expect((await cli("init", "vae", "--preset", "unet", "--out", join(folder, "x.yaml"))).code).toBe(exitCodes.usage);
    expect((await cli("init", "gan")).code).toBe(exitCodes.usage);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("validate", () => {
  it("tells every problem at once: unknown keys, wrong values, values that can't work together", async () => {
    const file = await write(
      `${valid}optimiser: {}\noptimizer: {learning_rat: 1}\ngradient_accumulation_steps: 0\nmax_train_steps: 500\n`,
    );
    const { code, stderr } = await cli("validate", file);
    expect(code).toBe(exitCodes.failed);
    for (const line of [
      `${file}:6: optimiser: unknown key; did you mean optimizer?`,
      `${file}:7: optimizer.learning_rat: unknown key; did you mean optimizer.learning_rate?`,
      `${file}:8: gradient_accumulation_steps: must be at least 1, not 0`,
      "lr_scheduler.warmup_steps: is 1000, so the warm-up outlasts the run of 500 steps; set it below 500",
    ]) {
      expect(stderr).toContain(line);
    }
    expect(stderr).toContain("config migrate");
  });

  it("checks several files and names the wrong ones", async () => {
    const [good, bad] = [await write(valid), await write(`${valid}wibble: 1\n`, "b.yaml")];
    const text = await cli("validate", good, bad);
    expect(text.code).toBe(exitCodes.failed);
    expect(text.stderr).toContain(`${good} is a valid vae configuration`);
    expect(text.stderr).toContain(`${bad}:6: wibble: unknown key`);
    const json = await cli("validate", good, bad, "--json");
    expect(JSON.parse(json.stdout)).toMatchObject([
      { file: good, kind: "vae", problems: [] },
      { file: bad, problems: [{ key: "wibble", line: 6 }] },
    ]);
  });

  it("finds nothing in any file that ships", async () => {
    const files = (await readdir(configs, { recursive: true })).filter((name) => /\.ya?ml$/.test(name));
    expect(files.length).toBeGreaterThanOrEqual(7);
    expect((await cli("validate", ...files.map((name) => join(configs, name)))).code).toBe(0);
  });
});

describe("impossible values", () => {
  const unet = "kind: unet\nmodel: {path: m}\nvae: {path: v}\nglyph_encoder: {path: g}\ndata: {manifest: d}\n";
  it.each([
    [
      "a warm-up as long as the run",
      `${valid}max_train_steps: 1000\n`,
      /lr_scheduler\.warmup_steps: is 1000.*below 1000/,
    ],
    ["no cycles", `${valid}lr_scheduler: {cycles: 0}\n`, /lr_scheduler\.cycles: must be at least 1, not 0/],
    [
      "more restarts than steps",
      `${valid}lr_scheduler: {warmup_steps: 5, cycles: 9}\nmax_train_steps: 10\n`,
      /cycles: is 9, but only 5 steps/,
    ],
    ["a fill of 1", `${unet}loss: {masked_fill: 1}\n`, /loss\.masked_fill: must be .*draft.*, not 1/],
    [
      "a range of timesteps that holds none",
      `${unet}loss: {timestep_bias: {strategy: range, begin: 500, end: 500}}\n`,
      /timestep_bias.begin: is 500, which is not below end \(500\)/,
    ],
    [
      "errors of pixels that a cache does not hold",
      `${unet}loss: {pixel_weight: 2, ssim_weight: 1}\ncache: {dir: c}\n`,
      /pixel_weight: is 2, but a cache.*no pixels.*ssim_weight: is 1, but a cache/s,
    ],
    ["a condition that is always dropped", `${unet}loss: {condition_dropout: 1}\n`, /condition_dropout: is 1.*below 1/],
    [
      "a discriminator that never takes part",
      `${valid}adversarial: {start_step: 2000}\nmax_train_steps: 2000\n`,
      /adversarial\.start_step: is 2000, but the run ends after 2000 steps/,
    ],
    ["no accumulation", `${unet}gradient_accumulation_steps: 0\n`, /gradient_accumulation_steps: must be at least 1/],
    ["an empty batch", `${unet}train_batch_size: 0\n`, /train_batch_size: must be at least 1/],
    ["a decay of 1", `${unet}ema_decay: 1\n`, /ema_decay: must be below 1, not 1/],
    [
      "a negative weight",
      `${valid.replace("perceptual_weight: 0", "perceptual_weight: -1")}`,
      /perceptual_weight: must be at least 0/,
    ],
    ["a format from the future", valid.replace("version: 1", "version: 9"), /version: must be 1, not 9/],
  ])("%s is an error with the cure", async (_, text, message) => {
    const { code, stderr } = await cli("validate", await write(text));
    expect(code).toBe(exitCodes.failed);
    expect(stderr).toMatch(message);
  });

  it("a constant rate has no warm-up, so none outlasts the run", async () => {
    expect(
      (await cli("validate", await write(`${valid}lr_scheduler: {type: constant}\nmax_train_steps: 1\n`))).code,
    ).toBe(0);
  });
});

const foreign = `# Receipts, second attempt.
# Kept on the large disk.

pretrained_model_name_or_path: models/vae   # the base
train_data_dir: data/
# the rate
learning-rate: 1.0e-4  # tried 5e-5
adam_beta1: 0.8
lr_warmup_steps: 50
lr_scheduler: cosine  # shape
train_batch_size: 4
mixed_precision: "no"
kl_scale: 1.0e-6
perceptual_scale: 0
rec_loss: l2
resolution: 256
checkpointing_steps: 10 # often
use_ema: true
hub_token: abc
maxTrainSteps: 100
`;

describe("migrate", () => {
  it("turns the flags of other scripts into a valid file with the same comments", async () => {
    const file = await write(foreign);
    const { code, stdout, stderr } = await cli("migrate", file);
    expect(code).toBe(0);
    expect(stdout).toBe(`${file}\n`);
    expect(stderr).toContain("learning-rate → optimizer.learning_rate: 0.0001");
    expect(stderr).toMatch(/hub_token → dropped {2}\(secrets/);
    const text = await readFile(file, "utf8");
    expect(parse(text)).toEqual({
      version: 1,
      kind: "vae",
      model: { path: "models/vae" },
      data: { manifest: "data/manifest.jsonl", height: 256, width: 256 },
      optimizer: { learning_rate: 1e-4, betas: [0.8, 0.999] },
      lr_scheduler: { warmup_steps: 50, type: "cosine" },
      train_batch_size: 4,
      precision: "fp32",
      loss: { reduction: "sum", kl_weight: 1e-6, perceptual_weight: 0, reconstruction: "mse" },
      checkpoint: { every_steps: 10 },
      ema_decay: 0.9999,
      max_train_steps: 100,
    });
    for (const comment of [
      "# Receipts, second attempt.",
      "# the base",
      "# the rate",
      "# tried 5e-5",
      "# shape",
      "# often",
    ]) {
      expect(text.split(comment), comment).toHaveLength(2);
    }
    expect(text).toContain("learning_rate: 1e-4 # tried 5e-5");
    expect((await loadConfig(file, "vae")).optimizer.learning_rate).toBe(1e-4);
  });

  it("changes nothing the second time", async () => {
    const file = await write(foreign);
    await cli("migrate", file);
    const once = await readFile(file, "utf8");
    const { code, stderr } = await cli("migrate", file);
    expect(code).toBe(0);
    expect(stderr).toContain("is of the present form");
    expect(await readFile(file, "utf8")).toBe(once);
  });

  it("--check writes nothing and fails where something is due", async () => {
    const file = await write(foreign);
    expect((await cli("migrate", file, "--check")).code).toBe(exitCodes.failed);
    expect(await readFile(file, "utf8")).toBe(foreign);
    expect((await cli("migrate", await write(valid, "v.yaml"), "--check")).code).toBe(0);
    for (const { kind, file: preset } of listPresets()) {
      if (kind !== "anonymizer") expect((await cli("migrate", preset, "--check")).code, preset).toBe(0);
    }
  });

  it("--out leaves the old file, and names the same files from another folder", async () => {
    const file = await write(foreign);
    await mkdir(join(folder, "new"));
    const out = join(folder, "new", "b.yaml");
    expect((await cli("migrate", file, "--out", out)).code).toBe(0);
    expect(await readFile(file, "utf8")).toBe(foreign);
    expect((await loadConfig(out, "vae")).model.path).toBe(join(folder, "models/vae"));
  });

  it("keeps what it does not know and says what has to be mended", async () => {
    const file = await write(`${foreign}wibble: 3\n`);
    const { code, stderr } = await cli("migrate", file);
    expect(code).toBe(exitCodes.failed);
    expect(stderr).toMatch(/still wrong: line \d+: wibble: unknown key/);
    expect(parse(await readFile(file, "utf8")).wibble).toBe(3);
  });

  it("refuses two keys that say the same thing differently, and a format from the future", async () => {
    const both = await cli("migrate", await write(`${valid}learning_rate: 1\noptimizer: {learning_rate: 2}\n`));
    expect(both.code).toBe(exitCodes.failed);
    const twice = await cli(
      "migrate",
      await write(`${valid.replace("version: 1\n", "")}learning_rate: 1\noptimizer: {learning_rate: 2}\n`),
    );
    expect(twice.stderr).toMatch(/learning_rate and optimizer\.learning_rate both say something/);
    const future = await cli("migrate", await write(valid.replace("version: 1", "version: 2")));
    expect(future.stderr).toMatch(/version is 2; this release knows versions up to 1/);
  });

  it("asks for the kind where the file doesn't tell", async () => {
    const file = await write("learning_rate: 1.0e-4\n");
    expect((await cli("migrate", file, "--check")).code).toBe(exitCodes.usage);
    expect((await cli("migrate", file, "--check", "--kind", "unet")).stderr).toContain("added → kind: unet");
    expect(migrateConfigText("snr_gamma: 5\n", "a").kind).toBe("unet");
    expect(migrateConfigText("rec_loss: l1\n", "a").kind).toBe("vae");
  });

  it.each([
    ["mixed_precision: fp16", { precision: "fp16" }],
    ["use_8bit_adam: true", { optimizer: { state_bits: 8 } }],
    ["gradient_checkpointing: true", { gradient_checkpointing: true }],
    ["noise_offset: 0.1", { loss: { offset_noise: 0.1 } }],
    ["prediction_type: v", { loss: { prediction_type: "v_prediction" } }],
    ["use_ema: false", { ema_decay: 0 }],
    ["use_ema: true\nema_max_decay: 0.99", { ema_decay: 0.99 }],
    ["report_to: wandb", { logging: { tensorboard: false } }],
  ])("%s", (old, wanted) => {
    const { text } = migrateConfigText(`kind: unet\n${old}\n`, "a");
    expect(parse(text)).toEqual({ version: 1, kind: "unet", ...wanted });
  });

  it("the table ends at the present version, and every place it names exists", () => {
    expect(migrations.map(({ version }) => version)).toEqual(Array.from({ length: configVersion }, (_, i) => i + 1));
    const latest = migrations.at(-1)!;
    for (const kind of ["vae", "unet"] as const) {
      const keys = allKeys(configJsonSchema(kind));
      for (const rule of latest.rules) {
        if (rule.kind !== undefined && rule.kind !== kind) continue;
        if (rule.to !== undefined) expect(keys, rule.from).toContain(rule.to.filter((p) => !/^\d$/.test(p)).join("."));
      }
    }
  });
});

describe("schema", () => {
  // After a change of a schema: npx vitest run test/unit/config-commands.test.ts -u
  it.each(configKinds)("configs/schemas/%s.json, which editors read, says what the code checks", async (kind) => {
    const { stdout } = await cli("schema", kind);
    await expect(stdout).toMatchFileSnapshot(join(configs, "schemas", `${kind}.json`));
  });

  it("is named by every file that ships", async () => {
    for (const { file, kind } of listPresets()) {
      const line = (await readFile(file, "utf8")).split("\n")[0]!;
      const schema = /^# yaml-language-server: \$schema=(.+)$/.exec(line)?.[1];
      expect(schema, file).toBeDefined();
      expect(resolve(file, "..", schema!)).toBe(join(configs, "schemas", `${kind}.json`));
    }
  });

  it("goes to a file where one is named", async () => {
    const out = join(folder, "vae.json");
    expect((await cli("schema", "vae", "--out", out)).stdout).toBe(`${out}\n`);
    expect(JSON.parse(await readFile(out, "utf8")).title).toContain("vae");
  });
});

it("a problem keeps its code as an error of the API", async () => {
  const error: AnonymizerError = await loadConfig(await write(`${valid}max_train_steps: 1\n`)).catch((e) => e);
  expect(error.code).toBe("ERR_CONFIG_INVALID");
});
