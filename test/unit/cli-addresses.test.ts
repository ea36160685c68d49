/** Addresses of stores where a command takes a path: refused, and no folder named "r2:" is made. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main as anonymizer } from "../../src/cli/anonymize/main.ts";
import { main as train } from "../../src/cli/train/main.ts";
import { writeFileAtomic } from "../../src/documents/files.ts";
import { UNetTrainer } from "../../src/training/unet-trainer.ts";
import { VAETrainer } from "../../src/training/vae-trainer.ts";

const secret = "Kx7ofNobody";
const address = `r2://user:${secret}@bucket/x`;

let folder: string;
const before = process.cwd();
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cli-addresses-"));
  process.chdir(folder);
  await writeFile("x.png", "");
  await writeFile("vae.yaml", "kind: vae\n");
});
afterEach(async () => {
  process.chdir(before);
  await rm(folder, { recursive: true, force: true });
});

async function cli(main: typeof train, args: readonly string[]) {
  let said = "";
  const stream = {
    write: (text: string | Uint8Array): void => {
      said += String(text);
    },
  };
  const code = await main(args, { stdout: stream, stderr: stream }, new AbortController().signal);
  expect((await readdir(folder)).sort()).toEqual(["vae.yaml", "x.png"]);
  expect(said).not.toContain(secret);
  return { code, said };
}

describe("an address in place of a path is refused by", () => {
  it.each([
    ["<inputs>", ["run", address, "--out", "out"]],
    ["<inputs>", ["run", "x.png", "https://host/scan.png", "--out", "out"]],
    ["--out", ["run", "x.png", "--out", address]],
    ["--report", ["run", "x.png", "--out", "out", "--report", address]],
    ["--key-file", ["run", "x.png", "--out", "out", "--key-file", address]],
    ["--config", ["detect", "x.png", "--config", address]],
    ["<file>", ["detect", address]],
    ["<manifest>", ["eval", address]],
    ["--journal", ["eval", "manifest.jsonl", "--journal", address]],
    ["--vault", ["reveal", "--vault", address]],
    ["--token-file", ["serve", "--token-file", address]],
    ["--ocr-models", ["doctor", "--ocr-models", address]],
    ["--from", ["models", "install", "ppocr", "--from", address]],
    ["<folder>", ["models", "push", address, "r2://bucket/m@v1"]],
    ["--to", ["models", "pull", "r2://bucket/m@v1", "--to", address]],
    ["--credentials", ["models", "list", "r2://bucket", "--credentials", address]],
  ])("anonymizer: %s of %j", async (name, args) => {
    const { code, said } = await cli(anonymizer, args);
    expect([code, said]).toEqual([2, expect.stringMatching(/^ERR_USAGE: /)]);
    expect(said).toContain(`${name} takes a path of this machine`);
  });

  it.each([
    ["--out", ["data", "synth", "--out", address]],
    ["--source", ["data", "import", "--format", "sroie", "--source", address, "--out", "d"]],
    ["<source>", ["data", "pack", address, "--out", "d"]],
    ["<folder>", ["data", "push", address, "r2://bucket/d"]],
    ["--out", ["data", "pull", "r2://bucket/d", "--out", address]],
    ["--out", ["vae", "--config", "vae.yaml", "--out", address]],
    ["--resume", ["vae", "--config", "vae.yaml", "--resume", address]],
    ["--adapter", ["adapter", "merge", "--model", "m", "--adapter", `${address}=0.5`, "--out", "o"]],
    ["<path>", ["adapter", "inspect", address]],
    ["<files>", ["config", "validate", "vae.yaml", address]],
    ["--state", ["launch", "modal", "status", "x", "--state", address]],
  ])("anonymizer-train: %s of %j", async (name, args) => {
    const { code, said } = await cli(train, args);
    expect([code, said]).toEqual([2, expect.stringMatching(/^ERR_USAGE: /)]);
    expect(said).toContain(`${name} takes a path of this machine`);
  });

  it.each([
    ["vault", address, /vault: must be a path of this machine, not an address/],
    ["ocr.models", "s3://bucket/x", /ocr\.models: must be a path of this machine/],
    ["ner.model", "s3://bucket/x", /ner\.model: .*`anonymizer models pull ADDRESS --to DIR`/],
    ["models", "https://host/x", /models: must be a path, or an address that begins with r2:/],
    ["models", address, /models: must be an address without user or password/],
  ])("the configuration: %s=%s", async (key, value, expected) => {
    const { code, said } = await cli(anonymizer, ["detect", "x.png", "--set", `${key}=${value}`]);
    expect([code, said]).toEqual([1, expect.stringMatching(/^ERR_CONFIG_INVALID: /)]);
    expect(said).toMatch(expected);
  });
});

describe("a user or password in an address", () => {
  it.each([
    ["data.manifest", address],
    ["checkpoint.store", address],
    ["checkpoint.store", `r2://user:${secret}`],
    ["publish", `${address}@v1`],
    ["publish", address],
    ["publish", `r2://user:${secret}@bucket`],
  ])("is refused before anything is read, and not repeated: %s=%s", async (key, value) => {
    const { code, said } = await cli(train, ["vae", "--config", "vae.yaml", "--set", `${key}=${value}`]);
    expect([code, said]).toEqual([1, expect.stringMatching(/^ERR_CONFIG_INVALID: /)]);
    expect(said).toMatch(new RegExp(`${key.replace(".", "\\.")}: must be .*without user or password`));
  });

  it.each([`r2://user:${secret}@bucket`, `r2://user:${secret}@bucket/m@v1`, `r2://user:x/${secret}+x@bucket`])(
    "is refused for a model, and not repeated: %s",
    async (given) => {
      const { code, said } = await cli(anonymizer, ["models", "verify", given]);
      expect([code, said]).toEqual([1, expect.stringMatching(/^ERR_STORE_ADDRESS: /)]);
    },
  );
});

it("a training that could not publish its model does not begin", async () => {
  const names = [
    "R2_ACCOUNT_ID",
    "R2_ENDPOINT",
    "R2_ACCESS_KEY_ID",
    "R2_SECRET_ACCESS_KEY",
    "ANONYMIZER_STORE_CREDENTIALS",
  ];
  for (const name of names) vi.stubEnv(name, undefined);
  const settings = [
    "model.path=vae",
    "data.manifest=m.jsonl",
    "data.height=16",
    "data.width=16",
    "max_train_steps=1",
    "lr_scheduler.type=constant",
    "loss.perceptual_weight=0",
  ];
  const sets = [...settings, "publish=r2://bucket/m@v1", "loss.reduction=mean"].flatMap((text) => ["--set", text]);
  const { code, said } = await cli(train, ["vae", "--config", "vae.yaml", ...sets]);
  vi.unstubAllEnvs();
  expect([code, said]).toEqual([1, expect.stringMatching(/^ERR_STORE_CREDENTIALS: /)]);
});

describe("the library", () => {
  it("refuses it where it writes files, without repeating it", async () => {
    const error: Error = await writeFileAtomic(address, "x").then(
      () => expect.fail("it was written"),
      (e) => e,
    );
    expect(error).toMatchObject({ code: "ERR_OUTPUT", message: expect.stringContaining("not an address (r2://…)") });
    expect(JSON.stringify(error) + String(error.stack)).not.toContain(secret);
  });

  it("refuses it where trainers export models", async () => {
    for (const trainer of [VAETrainer, UNetTrainer]) {
      const open = Object.assign(Object.create(trainer.prototype), { checkOpen() {} }) as UNetTrainer;
      await expect(open.exportModel(address)).rejects.toMatchObject({ code: "ERR_OUTPUT" });
      await expect(open.saveCheckpoint(address)).rejects.toMatchObject({ code: "ERR_OUTPUT" });
    }
    expect((await readdir(folder)).sort()).toEqual(["vae.yaml", "x.png"]);
  });
});
