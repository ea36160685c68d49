import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load-config.ts";
import type { VAETrainerConfig } from "../../src/config/training-config.ts";
import { removeLeftovers, writeFolder } from "../../src/models/files.ts";
import {
  type CheckpointState,
  checkpointName,
  configHash,
  findLatest,
  listCheckpoints,
  openCheckpoint,
  pruneCheckpoints,
  readCheckpoint,
  setAside,
  writeCheckpoint,
} from "../../src/training/checkpoints.ts";
import { sha256 } from "../helpers/hash.ts";
import { checkpointState } from "./helpers/checkpoint-state.ts";

let folder: string;
let config: VAETrainerConfig;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "checkpoint-test-"));
  config = await loadConfig(
    { model: { path: "/m" }, data: { manifest: "/d.jsonl" }, loss: { reduction: "mean", perceptual_weight: 0 } },
    "vae",
  );
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const state = (step: number): CheckpointState => checkpointState(config, step);

async function write(step: number): Promise<string> {
  const path = join(folder, checkpointName(step));
  await writeCheckpoint(path, state(step), async (to) => {
    await writeFile(join(to, "model.safetensors"), `weights of ${step}`);
    await writeFile(join(to, "optimizer.safetensors"), "moments");
    return ["model.safetensors", "optimizer.safetensors"];
  });
  return path;
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: { code: string }) => error.code,
  );

describe("a checkpoint", () => {
  it("is read back as it was written, with size and hash of each file", async () => {
    const path = await write(5000);
    expect(path.endsWith("step-00005000")).toBe(true);
    const checkpoint = await readCheckpoint(path);
    expect(checkpoint).toMatchObject({ ...state(5000), format: 1, configSha256: configHash(config), path });
    expect(checkpoint.files["model.safetensors"]).toEqual({
      bytes: 15,
      sha256: sha256("weights of 5000"),
    });
    expect((await readdir(path)).sort()).toEqual(["checkpoint.json", "model.safetensors", "optimizer.safetensors"]);
  });

  it.each([
    ["a file is cut short", (path: string) => truncate(join(path, "model.safetensors"), 3), /3 bytes instead of 12/],
    ["a byte is changed", (path: string) => writeFile(join(path, "model.safetensors"), "weights of 9"), /another hash/],
    [
      "a file is missing",
      (path: string) => rm(join(path, "optimizer.safetensors")),
      /optimizer\.safetensors is missing/,
    ],
    ["checkpoint.json is missing", (path: string) => rm(join(path, "checkpoint.json")), /can't be read/],
    ["checkpoint.json is cut short", (path: string) => truncate(join(path, "checkpoint.json"), 40), /no JSON/],
    ["the format is unknown", (path: string) => edit(path, (c) => ({ ...c, format: 2 })), /unknown format 2/],
    [
      "the configuration was changed",
      (path: string) => edit(path, (c) => ({ ...c, config: { ...c.config, seed: 4 } })),
      /was changed/,
    ],
    ["the step was changed", (path: string) => edit(path, (c) => ({ ...c, step: 2 })), /state in it was changed/],
    [
      "the micro-batch was changed",
      (path: string) => edit(path, (c) => ({ ...c, microBatch: 8 })),
      /state in it was changed/,
    ],
    [
      "a file was taken out of its list",
      (path: string) => edit(path, ({ files: { "optimizer.safetensors": _, ...files }, ...c }) => ({ ...c, files })),
      /state in it was changed/,
    ],
    ["checkpoint.json is null", (path: string) => edit(path, () => null), /unknown format/],
    [
      "a file name leads elsewhere",
      (path: string) => edit(path, (c) => ({ ...c, files: { "../x": { sha256: "", bytes: 0 } } })),
      /no plain file name/,
    ],
  ])("is refused when %s", async (_name, damage, reason) => {
    const path = await write(1);
    await damage(path);
    const error = await readCheckpoint(path).catch((e: Error) => e);
    expect(error).toMatchObject({ code: "ERR_CHECKPOINT_DAMAGED" });
    expect((error as Error).message).toMatch(reason);
  });

  it("is refused under the name of another step", async () => {
    const path = await write(1);
    const renamed = join(folder, checkpointName(9));
    await rename(path, renamed);
    await expect(readCheckpoint(renamed)).rejects.toMatchObject({
      code: "ERR_CHECKPOINT_DAMAGED",
      message: expect.stringContaining("of step 1"),
    });
    await rename(renamed, join(folder, "my-copy"));
    expect((await readCheckpoint(join(folder, "my-copy"))).step).toBe(1);
  });

  it("is damaged, not a crash, when a folder stands where a file should", async () => {
    const path = await write(1);
    await rm(join(path, "model.safetensors"));
    await mkdir(join(path, "model.safetensors"));
    expect(await codeOf(readCheckpoint(path))).toBe("ERR_CHECKPOINT_DAMAGED");
  });

  // biome-ignore lint/suspicious/noExplicitAny: the file is damaged on purpose
  async function edit(path: string, change: (content: any) => unknown): Promise<void> {
    const file = join(path, "checkpoint.json");
    await writeFile(file, JSON.stringify(change(JSON.parse(await readFile(file, "utf8")))));
  }

  it("appears whole or not at all: a failing write leaves nothing and keeps the old one", async () => {
    const path = await write(3);
    const failing = writeCheckpoint(path, state(3), async (to) => {
      await writeFile(join(to, "model.safetensors"), "half");
      throw new Error("disk full");
    });
    await expect(failing).rejects.toMatchObject({ code: "ERR_OUTPUT" });
    expect(await readdir(folder)).toEqual(["step-00000003"]);
    await readCheckpoint(path);
  });

  it("hashes a configuration independently of the order of its keys", () => {
    const { seed, ...rest } = config;
    expect(configHash({ ...rest, seed } as VAETrainerConfig)).toBe(configHash(config));
    expect(configHash({ ...config, seed: 1 })).not.toBe(configHash(config));
  });
});

describe("finding the latest", () => {
  it("takes the newest whole one and names the damaged ones", async () => {
    for (const step of [9, 100, 20]) await write(step);
    await truncate(join(folder, "step-00000100", "model.safetensors"), 1);
    const { checkpoint, damaged } = await findLatest(folder);
    expect(checkpoint.step).toBe(20);
    expect(damaged).toMatchObject([
      { path: join(folder, "step-00000100"), reason: expect.stringContaining("1 bytes") },
    ]);
  });

  it("fails when all are damaged or there is none", async () => {
    expect(await codeOf(findLatest(folder))).toBe("ERR_CHECKPOINT_NOT_FOUND");
    const path = await write(1);
    await rm(join(path, "model.safetensors"));
    expect(await codeOf(findLatest(folder))).toBe("ERR_CHECKPOINT_DAMAGED");
  });

  it("sorts by number beyond eight digits and ignores other names", async () => {
    for (const name of ["step-99999999", "step-100000000", "step-7", "notes", "step-00000001.tmp-1"])
      await mkdir(join(folder, name));
    expect((await listCheckpoints(folder)).map((p) => p.slice(folder.length + 1))).toEqual([
      "step-100000000",
      "step-99999999",
    ]);
  });

  it("opens a checkpoint folder or a run folder", async () => {
    const path = await write(2);
    const run = join(folder, "run");
    await mkdir(join(run, "checkpoints"), { recursive: true });
    await rename(path, join(run, "checkpoints", "step-00000002"));
    expect((await openCheckpoint(run)).checkpoint.step).toBe(2);
    expect((await openCheckpoint(join(run, "checkpoints", "step-00000002"))).checkpoint.step).toBe(2);
    expect(await codeOf(openCheckpoint(join(folder, "none")))).toBe("ERR_CHECKPOINT_NOT_FOUND");
    await rm(join(run, "checkpoints", "step-00000002", "checkpoint.json"));
    expect(await codeOf(openCheckpoint(join(run, "checkpoints", "step-00000002")))).toBe("ERR_CHECKPOINT_DAMAGED");
  });

  it("stops when aborted", async () => {
    const path = await write(1);
    expect(await codeOf(readCheckpoint(path, AbortSignal.abort()))).toBe("ERR_ABORTED");
  });
});

it("pruning keeps the newest", async () => {
  for (const step of [1, 2, 3, 4]) await write(step);
  const removed = await pruneCheckpoints(folder, 2);
  expect(removed.map((p) => p.slice(-1))).toEqual(["2", "1"]);
  expect((await readdir(folder)).sort()).toEqual(["step-00000003", "step-00000004"]);
});

describe("setting aside", () => {
  it("takes the checkpoints beyond a step out of the way, without losing them", async () => {
    for (const step of [1, 2, 3, 4]) await write(step);
    const moved = await setAside(folder, 2);
    expect(moved.map((path) => path.slice(folder.length + 1))).toEqual(["step-00000004.aside", "step-00000003.aside"]);
    expect(await listCheckpoints(folder)).toEqual([2, 1].map((step) => join(folder, checkpointName(step))));
    expect((await findLatest(folder)).checkpoint.step).toBe(2);
    expect(await pruneCheckpoints(folder, 2)).toEqual([]);
    expect((await readCheckpoint(moved[0]!)).step).toBe(4);
  });

  it("keeps the last of several with one name", async () => {
    await write(3);
    await setAside(folder, 2);
    await write(3);
    await writeFile(join(folder, checkpointName(3), "mark"), "");
    await setAside(folder, 2);
    expect(await readdir(folder)).toEqual(["step-00000003.aside"]);
    expect(await readdir(join(folder, "step-00000003.aside"))).toContain("mark");
    expect(await setAside(folder, 2)).toEqual([]);
  });
});

describe("leftovers of killed runs", () => {
  it("are removed unless their process lives", async () => {
    const dead = 2 ** 22 - 3;
    for (const name of [`step-00000001.tmp-${dead}-abcd`, `a.tmp-${process.pid}-12`, "b.tmp-1-00", "keep", "x.tmp-y"]) {
      await mkdir(join(folder, name));
    }
    await removeLeftovers(folder);
    expect((await readdir(folder)).sort()).toEqual(["b.tmp-1-00", "keep", "x.tmp-y"]);
  });

  it("are followed no further than the link itself", async () => {
    const outside = await mkdtemp(join(tmpdir(), "outside-"));
    await writeFile(join(outside, "file"), "");
    await symlink(outside, join(folder, `l.tmp-${process.pid}-ab`));
    await removeLeftovers(folder);
    expect(await readdir(outside)).toEqual(["file"]);
    await rm(outside, { recursive: true });
  });

  it("a folder can't be written where a file stands in the way", async () => {
    await writeFile(join(folder, "file"), "");
    expect(await codeOf(writeFolder(join(folder, "file", "x"), async () => undefined))).toBe("ERR_OUTPUT");
  });
});
