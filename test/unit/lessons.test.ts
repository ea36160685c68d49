/** Faults of earlier systems that can't come back (docs/lessons.md), and that the page names tests that exist. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { codedError } from "../../src/errors.ts";
import { toMicroBatches } from "../../src/training/micro-batches.ts";
import { UNetTrainer } from "../../src/training/unet-trainer.ts";
import { VAETrainer } from "../../src/training/vae-trainer.ts";
import { findInFiles, findInHistory, findings, historyMissing } from "../helpers/secret-scan.ts";
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
  // Put together here, so that the scan does not find this file.
  const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  const hex = "0123456789abcdef".repeat(2);
  const samples = [
    ["private key", `-----BEGIN ${"PRIVATE"} KEY-----\n${letters}`],
    ["access key id", `id: ${"AKIA"}${letters.slice(0, 16).toUpperCase()}`],
    ["GitHub token", `${"ghp"}_${letters}`],
    ["Hugging Face token", `${"hf"}_${letters.slice(2)}`],
    ["Modal token", `${"ak"}-${letters.slice(0, 22)}`],
    ["password in an address", `redis${"://"}user:pass@host`],
    ["password in an address", `r2${"://"}user:pass@bucket`],
    ["literal", `${"api"}_key = "${letters}"`],
    ["literal", `const r2${"Secret"}AccessKey = '${hex}${hex}';`],
    ["environment variable", `${"R2_SECRET"}_ACCESS_KEY=${hex}${hex}`],
    ["environment variable", `export ${"R2_SECRET"}_ACCESS_KEY="${hex}${hex}"`],
    ["environment variable", `{"${"R2_SECRET"}_ACCESS_KEY":"${hex}${hex}"}`],
    ["environment variable", `{\\"${"R2_SECRET"}_ACCESS_KEY\\": \\"${hex}${hex}\\"}`],
    ["environment variable", `${"R2_ACCESS"}_KEY_ID: ${hex}`],
    ["environment variable", `modal secret create x ${"AWS_SECRET"}_ACCESS_KEY=${letters}ABCD`],
    ["environment variable", `${"ANONYMIZER"}_TOKEN=${hex}`],
    ["environment variable", `${"ANONYMIZER"}_KEY='${hex}'`],
    ["environment variable", `${"MODAL"}_TOKEN_SECRET=${letters}`],
  ] as const;

  it.each(samples)("are found by the scan when they are there: %s %#", (name, sample) => {
    expect(findings(`before\n  ${sample}\nafter\n`)).toContain(name);
  });

  it("are not seen in places and values that only look like them", () => {
    for (const text of [
      "AWS_SECRET_ACCESS_KEY=… R2_ACCESS_KEY_ID=…",
      "ANONYMIZER_TOKEN=$(openssl rand -hex 32)",
      'ANONYMIZER_TOKEN: "a-token-of-some-length"',
      'const key = process.env["ANONYMIZER_KEY"];',
      "token: tokenFromTheEnvironmentOrFile",
    ])
      expect(findings(text), text).toEqual([]);
  });

  it("are found in a large file, and in what was committed and taken back", async () => {
    const [, secret] = samples.find(([name]) => name === "environment variable")!;
    const git = (...args: string[]) => execFileSync("git", args, { cwd: folder, stdio: "pipe" });
    const commit = (message: string) => {
      git("add", "large.txt");
      git("-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qm", message);
    };
    git("init", "-q");
    await writeFile(join(folder, "large.txt"), `${"nothing here\n".repeat(100_000)}${secret}\n`);
    commit("one");
    expect((await findInFiles(folder)).found).toEqual(["large.txt: environment variable"]);
    await writeFile(join(folder, "large.txt"), "nothing\n");
    commit(`two ${samples[2][1]}`);
    expect((await findInFiles(folder)).found).toEqual([]);
    expect(await findInHistory(folder)).toEqual({
      commits: 2,
      found: [
        expect.stringMatching(/^[0-9a-f]+ message: GitHub token$/),
        expect.stringMatching(/^[0-9a-f]+ large\.txt: environment variable$/),
      ],
    });
    expect(historyMissing(folder)).toBeUndefined();
    execFileSync("git", ["clone", "-q", "--depth=1", `file://${folder}`, join(folder, "shallow")], { stdio: "pipe" });
    expect(historyMissing(join(folder, "shallow"))).toMatch(/shallow/);
  });

  it("stand in no file of this repository", async () => {
    const { files, found } = await findInFiles(root);
    expect(files).toBeGreaterThan(100);
    expect(found).toEqual([]);
  });

  it("stand in no commit of this repository", async ({ skip }) => {
    const missing = historyMissing(root);
    skip(missing !== undefined, missing);
    const { commits, found } = await findInHistory(root);
    expect(commits).toBeGreaterThan(0);
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
