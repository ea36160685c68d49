/** Faults of earlier systems that can't come back (docs/lessons.md), and that the page names tests that exist. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { codedError } from "../../src/errors.ts";
import { toMicroBatches } from "../../src/training/micro-batches.ts";
import { UNetTrainer } from "../../src/training/unet-trainer.ts";
import { VAETrainer } from "../../src/training/vae-trainer.ts";
import { fakeBatch, fakeData } from "./helpers/fake-data.ts";
import { fakeNative } from "./helpers/fake-native.ts";
import { unetFixtureConfig, vaeFixtureConfig } from "./helpers/fixture-config.ts";
import { modelFixture } from "./helpers/model-fixture.ts";

const sources = vi.hoisted(() => ({ loadNative: vi.fn(), openData: vi.fn() }));
vi.mock("../../src/training/trainer-sources.ts", () => ({ trainerSources: sources }));

const root = resolve(import.meta.dirname, "../..");
let folder: string;
let native: ReturnType<typeof fakeNative>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lessons-test-"));
  for (const kind of ["vae", "unet", "glyph_encoder"] as const) await modelFixture(join(folder, kind), kind);
  native = fakeNative();
  sources.loadNative.mockImplementation(async () => native);
  sources.openData.mockImplementation(async (config) => fakeData(config));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const common = () =>
  ({
    data: { manifest: join(folder, "manifest.jsonl"), height: 16, width: 32 },
    lr_scheduler: { type: "constant" },
    output_dir: join(folder, "run"),
    train_batch_size: 4,
    max_train_steps: 2,
  }) as const;
const vaeConfig = () => vaeFixtureConfig(folder, common());
const unetConfig = () => unetFixtureConfig(folder, common());

describe("a trainer", () => {
  it("is whole once create() resolves: plan, device, losses and checkpoints before the first step", async () => {
    for (const trainer of [await VAETrainer.create(vaeConfig()), await UNetTrainer.create(unetConfig())]) {
      expect(trainer.device).toBe("cpu");
      expect(trainer.plan.parameters.trainable).toBeGreaterThan(0);
      expect(trainer.step).toBe(0);
      expect(await trainer.computeLoss(fakeBatch(trainer.config, 0, 4))).toHaveProperty("total");
      await trainer.saveCheckpoint(join(folder, `state-${trainer.config.kind}`));
      await trainer.close();
    }
  });

  it("that can't be made whole is not made: what was opened is closed", async () => {
    const first = await VAETrainer.create(vaeConfig());
    for await (const _ of first.train());
    await first.close();
    const create = native.createTrainer;
    native.createTrainer = async (options) => {
      const trainer = await create(options);
      trainer.loadState = async () => {
        throw codedError("ERR_CHECKPOINT_MISMATCH", "does not fit");
      };
      return trainer;
    };
    await expect(VAETrainer.create(vaeConfig(), { resumeFrom: "latest" })).rejects.toMatchObject({
      code: "ERR_CHECKPOINT_MISMATCH",
    });
    expect(native.made).toHaveLength(2);
    expect(native.made.every(({ closed }) => closed)).toBe(true);
  });
});

it("micro-batches are views: cutting a batch copies no pixel", async () => {
  const trainer = await UNetTrainer.create(unetConfig());
  const batch = fakeBatch(trainer.config, 0, 4);
  await trainer.close();
  for (const piece of toMicroBatches([batch], 1)) {
    expect(piece.images.buffer).toBe(batch.images.buffer);
    expect(piece.masks!.buffer).toBe(batch.masks!.buffer);
    expect(piece.glyphs!.buffer).toBe(batch.glyphs!.buffer);
  }
});

it("there is one training loop: one place in all sources steps a native trainer", async () => {
  const files = (await readdir(join(root, "src"), { recursive: true })).filter((name) => name.endsWith(".ts"));
  expect(files.length).toBeGreaterThan(100);
  const stepping: string[] = [];
  for (const name of files) {
    if (/\bnative\.step\(/.test(await readFile(join(root, "src", name), "utf8"))) stepping.push(name);
  }
  expect(stepping).toEqual([join("training", "training-loop.ts")]);
  const loop = await readFile(join(root, "src/training/training-loop.ts"), "utf8");
  expect(loop.match(/\bnative\.step\(/g)).toHaveLength(1);
});

describe("secrets", () => {
  // Shapes of real keys, and words that hold one as a literal.
  const shapes: readonly (readonly [string, RegExp])[] = [
    ["private key", /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{20}/],
    ["access key id", /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/],
    ["GitHub token", /\bgh[pousr]_[A-Za-z0-9]{36}\b/],
    ["Hugging Face token", /\bhf_[A-Za-z0-9]{34}\b/],
    ["Modal token", /\ba[ks]-[A-Za-z0-9]{22}\b/],
    ["password in an address", /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@"'`]+:[^\s/:@"'`${}]+@[a-z0-9]/i],
    [
      "literal",
      /\b(?:secret_?access_?key|api_?key|auth_?token|password)\b["']?\s*[:=]\s*["'][A-Za-z0-9+/_-]{16,}["']/i,
    ],
  ];
  const findings = (text: string): string[] => shapes.filter(([, shape]) => shape.test(text)).map(([name]) => name);

  it("are found by the scan when they are there", () => {
    const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
    for (const [name, sample] of [
      ["private key", `-----BEGIN ${"PRIVATE"} KEY-----\n${letters}`],
      ["access key id", `id: ${"AKIA"}${letters.slice(0, 16).toUpperCase()}`],
      ["GitHub token", `${"ghp"}_${letters}`],
      ["Hugging Face token", `${"hf"}_${letters.slice(2)}`],
      ["Modal token", `${"ak"}-${letters.slice(0, 22)}`],
      ["password in an address", `redis${"://"}user:pass@host`],
      ["password in an address", `r2${"://"}user:pass@bucket`],
      ["literal", `${"api"}_key = "${letters}"`],
    ] as const) {
      expect(findings(sample), name).toContain(name);
    }
  });

  it("stand in no file of this repository", async () => {
    const files = existsSync(join(root, ".git"))
      ? execFileSync("git", ["ls-files"], { cwd: root, encoding: "utf8" }).split("\n").filter(Boolean)
      : (await readdir(root, { recursive: true })).filter(
          (name) => !/(^|\/)(node_modules|\.venv|build|dist|models)\//.test(name),
        );
    expect(files.length).toBeGreaterThan(100);
    const found: string[] = [];
    for (const name of files) {
      const path = join(root, name);
      const info = await stat(path).catch(() => undefined);
      if (!info?.isFile() || info.size > 2 ** 20) continue;
      for (const finding of findings(await readFile(path, "utf8"))) found.push(`${name}: ${finding}`);
    }
    expect(found).toEqual([]);
  });

  it("of the environment go into no file that a run writes", async () => {
    const secret = "s3cr3t-of-this-very-test";
    vi.stubEnv("ANONYMIZER_KEY", secret);
    vi.stubEnv("R2_SECRET_ACCESS_KEY", secret);
    try {
      const trainer = await VAETrainer.create(vaeConfig());
      for await (const _ of trainer.train());
      await trainer.exportModel(join(folder, "run", "model"));
      await trainer.close();
    } finally {
      vi.unstubAllEnvs();
    }
    const files = (await readdir(join(folder, "run"), { recursive: true, withFileTypes: true })).filter((f) =>
      f.isFile(),
    );
    expect(files.length).toBeGreaterThan(8);
    for (const file of files) {
      expect(readFileSync(join(file.parentPath, file.name)).includes(secret), file.name).toBe(false);
    }
  });
});

describe("docs/lessons.md", () => {
  /** Tests are named as `file › title`. */
  const named = (): { file: string; title: string }[] =>
    [...readFileSync(join(root, "docs/lessons.md"), "utf8").matchAll(/`([\w/.-]+\.test\.ts) › ([^`]+)`/g)].map((m) => ({
      file: m[1]!,
      title: m[2]!,
    }));

  it("names a test for every lesson", () => {
    const text = readFileSync(join(root, "docs/lessons.md"), "utf8");
    const rows = text.split("\n").filter((line) => /^\| \d+ \|/.test(line));
    expect(rows.map((row) => Number(/\d+/.exec(row)![0]))).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
    for (const row of rows) expect(row, row.slice(0, 60)).toMatch(/`[\w/.-]+\.test\.ts › [^`]+`|not built yet/);
  });

  it("names only tests that exist", () => {
    expect(named().length).toBeGreaterThan(20);
    for (const { file, title } of named()) {
      const path = join(root, "test", file);
      expect(existsSync(path), file).toBe(true);
      expect(readFileSync(path, "utf8"), `${file} › ${title}`).toContain(title);
    }
  });
});
