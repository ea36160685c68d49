/**
 * From nothing to a served model, as a user drives it: documents are drawn, packed and pushed, two processes train on what
 * they stream, lose their machine and go on on another one, the model is published, and a server that pulls it takes the
 * person's name out of a document. All with the built command line, against a server that speaks S3.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { drawSamplePage } from "../../src/anonymizer/sample-page.ts";
import { createTesseractEngine } from "../../src/detection/tesseract-engine.ts";
import { decodeDocument } from "../../src/documents/decode.ts";
import { openObjectStore } from "../../src/registry/open-store.ts";
import { reportSchema } from "../../src/report.ts";
import type { TrainingEvent } from "../../src/training/events.ts";
import { missingForTraining } from "../helpers/can-train.ts";
import {
  accessKey,
  type FaultyProxy,
  secretKey,
  startProxy,
  startRclone,
  whyNoS3Server,
  whyNoSignatures,
} from "../helpers/s3-server.ts";
import { root } from "../helpers/tiny.ts";

const missing = whyNoS3Server ?? (await missingForTraining("unet"));
const bucket = "r2://test-bucket";
const shards = `${bucket}/datasets/documents`;
const model = `${bucket}/models/documents@v1`;
const steps = 40;
const token = "a-token-of-some-length";
const key = "a-key-that-decides-the-invented-values";

let folder: string;
let proxy: FaultyProxy;
const children = new Set<ChildProcess>();
/** Everything that any of the programs said. */
let said = "";

interface Program {
  readonly child: ChildProcess;
  /** What it wrote to both its outputs, and to standard output alone. */
  text(): string;
  output(): string;
  /** Exit code, or the signal. */
  readonly ended: Promise<number | string>;
}

function start(
  name: "anonymizer" | "anonymizer-train",
  args: readonly string[],
  machine: string,
  more: Readonly<Record<string, string>> = {},
): Program {
  const child = spawn(process.execPath, [join(root, "dist", "cli", `${name}.js`), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      ...proxy.environment,
      // Each machine has its own caches, empty at first.
      ANONYMIZER_SHARD_CACHE: join(folder, machine, "shards"),
      ANONYMIZER_MODEL_CACHE: join(folder, machine, "models"),
      ...more,
    },
  });
  children.add(child);
  let text = "";
  let output = "";
  const add = (chunk: unknown): void => {
    text += String(chunk);
    said += String(chunk);
  };
  child.stdout.on("data", (chunk) => {
    output += String(chunk);
    add(chunk);
  });
  child.stderr.on("data", add);
  const ended = new Promise<number | string>((done) => {
    child.on("close", (code, signal) => {
      children.delete(child);
      done(code ?? signal ?? "");
    });
  });
  return { child, text: () => text, output: () => output, ended };
}

async function finished(name: "anonymizer" | "anonymizer-train", ...args: string[]): Promise<Program> {
  const program = start(name, args, "here");
  expect(await program.ended, program.text()).toBe(0);
  return program;
}

async function seen({ text, ended }: Program, pattern: RegExp): Promise<void> {
  let over = false;
  void ended.then(() => {
    over = true;
  });
  while (!pattern.test(text())) {
    if (over) throw new Error(`ended early:\n${text()}`);
    await sleep(10);
  }
}

const two = ["--nproc", "2"];
/** A training of the tiny UNet; what it keeps on its machine is below `machine`. */
function training(machine: string, run: string, settings: Record<string, string | number>, ...more: string[]): Program {
  const all = {
    "data.manifest": shards,
    "data.height": 32,
    "data.width": 64,
    "data.shards.window": 2,
    "lr_scheduler.type": "constant",
    train_batch_size: 2,
    max_train_steps: steps,
    threads: 1,
    "checkpoint.every_steps": 4,
    "checkpoint.keep": 2,
    "checkpoint.store": `${bucket}/runs/${run}`,
    "validation.every_steps": 0,
    "samples.every_steps": 0,
    "distributed.timeout_seconds": 60,
    ...settings,
  };
  const sets = Object.entries(all).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const config = join(root, "configs/presets/tiny-unet.yaml");
  const out = join(folder, machine, "run");
  return start(
    "anonymizer-train",
    ["unet", "--config", config, "--out", out, ...sets, "--resume", "auto", ...more],
    machine,
  );
}

/** Process ids of the ranks that a launcher has started, by rank. */
async function ranksOf(launcher: ChildProcess): Promise<number[]> {
  const byRank: number[] = [];
  for (const name of (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry))) {
    try {
      const [, parent] = readFileSync(`/proc/${name}/stat`, "utf8")
        .replace(/^.*\) /, "")
        .split(" ");
      const rank = /(?:^|\0)RANK=(\d+)/.exec(readFileSync(`/proc/${name}/environ`, "utf8"))?.[1];
      if (Number(parent) === launcher.pid && rank !== undefined) byRank[Number(rank)] = Number(name);
    } catch {
      // It has ended meanwhile.
    }
  }
  return byRank;
}

const lastCheckpoint = async (machine: string): Promise<unknown> => {
  const name = `step-${String(steps).padStart(8, "0")}`;
  const text = await readFile(join(folder, machine, "run", "checkpoints", name, "checkpoint.json"), "utf8");
  const { step, files, sampler, ranks } = JSON.parse(text);
  return { step, files, sampler, ranks };
};

/** Of the first three steps. */
async function firstLosses(machine: string): Promise<number[]> {
  const lines = (await readFile(join(folder, machine, "run", "events.jsonl"), "utf8")).trim().split("\n");
  return lines
    .map((line) => JSON.parse(line) as TrainingEvent)
    .flatMap((event) => (event.type === "step" ? [event.losses["total"]!] : []))
    .slice(0, 3);
}

describe.skipIf(missing !== undefined)(`the whole chain${missing === undefined ? "" : ` (${missing})`}`, () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "whole-chain-"));
    proxy = await startProxy();
  });
  afterAll(async () => {
    await proxy?.stop();
    await rm(folder, { recursive: true, force: true });
  });
  // A failed expectation must not leave a program behind; a launcher takes its ranks with it.
  afterEach(() => {
    for (const child of children) child.kill("SIGTERM");
    for (const child of children) child.kill("SIGTERM");
  });

  it("draws documents, packs them into shards, pushes them, and reads them again there", async () => {
    const [data, packed] = [join(folder, "data"), join(folder, "packed")];
    await finished("anonymizer-train", "data", "synth", "--out", data, "--count", "16", "--seed", "3");
    await finished("anonymizer-train", "data", "pack", data, "--out", packed, "--shard-mib", "1");
    await finished("anonymizer-train", "data", "push", packed, shards);
    const again = await finished("anonymizer-train", "data", "push", packed, shards);
    expect(again.text()).toMatch(/(\d+) files, .*; \1 were there already/);
    expect((await finished("anonymizer-train", "data", "verify", shards)).text()).toContain("0 damaged");
    const { shards: made } = JSON.parse(await readFile(join(packed, "index.json"), "utf8"));
    expect(made.length).toBeGreaterThan(2);
    // From here on there is what was pushed, and nothing else.
    await rm(data, { recursive: true });
    await rm(packed, { recursive: true });
  });

  it("two processes train on what they stream, are preempted, lose one, go on elsewhere, publish once", async () => {
    const whole = training("whole", "whole", {}, ...two);
    expect(await whole.ended, whole.text()).toBe(0);
    expect(whole.text()).toContain("effective batch  4 = 2 × 1 accumulated × 2 ranks");

    // One process with the batch of both: they share the documents, and none has what the other has.
    const alone = training("alone", "alone", { train_batch_size: 4, max_train_steps: 3 });
    expect(await alone.ended, alone.text()).toBe(0);
    const [ofTwo, ofOne] = [await firstLosses("whole"), await firstLosses("alone")];
    expect(ofOne).toHaveLength(3);
    for (const [i, loss] of ofOne.entries()) expect(Math.abs(ofTwo[i]! / loss - 1)).toBeLessThan(1e-4);

    const publish = { publish: model };
    const first = training("first", "lost", publish, ...two);
    await seen(first, /step 4: checkpoint/);
    first.child.kill("SIGTERM");
    expect(await first.ended, first.text()).toBe(130);
    const stopped = /aborted after step (\d+)/.exec(first.text())![1]!;
    expect(Number(stopped)).toBeLessThan(steps);

    // Another machine, with nothing of the first one; one of its processes is lost.
    const second = training("second", "lost", publish, ...two, "--max-restarts", "1");
    await seen(second, /resumed after step \d+[\s\S]*step \d+: checkpoint/);
    expect(second.text()).toContain(`resumed after step ${stopped}`);
    process.kill((await ranksOf(second.child))[1]!, "SIGKILL");
    expect(await second.ended, second.text()).toBe(0);
    expect(second.text()).toContain("rank 1 was ended by SIGKILL: starting all again (1 of 1)");
    expect(second.text()).toContain("documents@v1: published");
    // Bit for bit what two processes that nothing happens to make of it.
    expect(await lastCheckpoint("second")).toEqual(await lastCheckpoint("whole"));

    const third = training("third", "lost", publish, ...two);
    expect(await third.ended, third.text()).toBe(0);
    expect(third.text()).toContain("was published before");
    const list = await finished("anonymizer", "models", "list", `${bucket}/models`, "--json");
    expect(JSON.parse(list.output()).map(({ name, version, tags }: never) => [name, version, tags])).toEqual([
      ["documents", "v1", ["latest"]],
    ]);
    expect(proxy.refused).toEqual([]);

    const doctor = await finished("anonymizer", "doctor", "--models", model, "--json");
    const findings: { name: string; status: string; found: string }[] = JSON.parse(doctor.output()).findings;
    expect(findings.find(({ name }) => name === "models")).toMatchObject({
      status: "fine",
      found: expect.stringContaining("documents@v1"),
    });
  });

  it("a server that pulls the model takes the name out of a document, and proves it", async () => {
    const { data, width, height } = drawSamplePage([
      "Delivery note",
      "Attn: Magda Lindqvist",
      "E-mail: magda.lindqvist@example.org",
      "Total 12.80",
      "Thank you",
    ]);
    const page = sharp(data, { raw: { width, height, channels: 3 } }).png();
    await writeFile(join(folder, "token.txt"), `${token}\n`);
    await chmod(join(folder, "token.txt"), 0o600);
    const args = ["serve", "--engine", "diffusion", "--models", model, "--port", "0"];
    const server = start("anonymizer", [...args, "--token-file", join(folder, "token.txt")], "server", {
      ANONYMIZER_KEY: key,
    });
    const [first] = await once(server.child.stdout!, "data");
    const url = String(first).trim();
    while ((await fetch(`${url}/ready`)).status !== 200) {
      expect(server.child.exitCode, server.text()).toBeNull();
      await sleep(50);
    }
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "image/png" };
    const body = await page.toBuffer();
    const answer = await fetch(`${url}/anonymize-document`, { method: "POST", body, headers });
    expect([answer.status, answer.headers.get("anonymizer-proven")], server.text()).toEqual([200, "true"]);
    const result = Buffer.from(await answer.arrayBuffer());

    const told = await fetch(`${url}${answer.headers.get("location")}/report`, { headers });
    const report = reportSchema.parse(await told.json());
    expect(report).toMatchObject({ proven: true, engine: { chosen: "diffusion" } });
    expect(report.entities.map(({ type }) => type)).toEqual(expect.arrayContaining(["person", "email"]));
    const engines = report.entities.flatMap(({ attempts }) => attempts.map(({ engine }) => engine));
    expect(engines).toContain("diffusion");
    await mkdir(join(folder, "reports"));
    await writeFile(join(folder, "reports", "report.json"), JSON.stringify(report));

    const ocr = await createTesseractEngine({ workers: 1 });
    const { lines } = await ocr.read((await decodeDocument(result)).pages[0]!.image, { timeoutMs: 60_000 });
    await ocr.close();
    const read = lines.map((line) => line.text).join("\n");
    expect(read).toMatch(/Delivery note/);
    expect(read).not.toMatch(/magda|lindqvist/i);

    server.child.kill("SIGTERM");
    expect(await server.ended).toBe(0);
    expect(server.text()).not.toMatch(/magda|lindqvist/i);
    // Its log is one JSON object a line, whatever the libraries it uses would like to say.
    for (const line of server.text().trim().split("\n")) if (line !== url) expect(() => JSON.parse(line)).not.toThrow();
  });

  it("the credentials are in nothing that the programs said, wrote or sent, whatever went wrong", async () => {
    const failing = async (args: readonly string[], expected: RegExp, env = {}): Promise<void> => {
      const program = start("anonymizer", args, "here", env);
      expect(await program.ended).not.toBe(0);
      expect(program.text()).toMatch(expected);
    };
    const list = ["models", "list", `${bucket}/models`];
    await failing(
      ["models", "list", `r2://${accessKey}:${encodeURIComponent(secretKey)}@test-bucket/models`],
      /ERR_STORE_ADDRESS/,
    );
    const file = join(folder, "credentials.txt");
    const lines = Object.entries(proxy.environment).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(file, lines.join(""), { mode: 0o644 });
    await failing([...list, "--credentials", file], /ERR_STORE_CREDENTIALS/);
    await writeFile(file, `${lines.join("")}${secretKey}\n`);
    await chmod(file, 0o600);
    await failing([...list, "--credentials", file], /ERR_STORE_CREDENTIALS/);
    await rm(file);
    const config = join(folder, "config.yaml");
    await writeFile(config, `version: 1\nkind: anonymizer\nsecret_access_key: ${secretKey}\nkey_file: ${secretKey}\n`);
    await failing(["detect", "nothing.png", "--config", config], /ERR_CONFIG_INVALID/);
    await rm(config);
    if (whyNoSignatures === undefined) {
      // It refuses what is signed with another secret.
      const strict = await startRclone(join(folder, "strict"));
      const env = { R2_ENDPOINT: strict.endpoint, R2_SECRET_ACCESS_KEY: `${secretKey}x` };
      await failing(list, /ERR_STORE_DENIED/, env).finally(strict.stop);
    }

    const secrets = [accessKey, secretKey, token, key].flatMap((secret) => [
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString("base64").replace(/=+$/, ""),
    ]);
    const leaks = (content: string | Buffer): boolean => secrets.some((secret) => content.includes(secret));
    expect(said.length).toBeGreaterThan(1000);
    expect(leaks(said)).toBe(false);
    await rm(join(folder, "token.txt"));
    const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    expect(files.length).toBeGreaterThan(50);
    for (const { parentPath, name } of files) expect(leaks(readFileSync(join(parentPath, name))), name).toBe(false);
    const store = await openObjectStore(bucket, { environment: proxy.environment });
    let objects = 0;
    for await (const { key } of store.list("")) {
      expect(leaks((await store.read(key, { maxBytes: 64 << 20 })).data), key).toBe(false);
      objects++;
    }
    store.close();
    expect(objects).toBeGreaterThan(20);
  });
});
