/** Checkpoints at an address: whole or not there, the newest ones, checked when they come back. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load-config.ts";
import type { VAETrainerConfig } from "../../src/config/training-config.ts";
import { CheckpointStore } from "../../src/training/checkpoint-store.ts";
import { checkpointName, findLatest, pruneCheckpoints, writeCheckpoint } from "../../src/training/checkpoints.ts";
import { checkpointState } from "./helpers/checkpoint-state.ts";

let folder: string;
let place: string;
let config: VAETrainerConfig;
let store: CheckpointStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "checkpoint-store-"));
  place = join(folder, "store");
  await mkdir(place);
  config = await loadConfig(
    { model: { path: "/m" }, data: { manifest: "/d.jsonl" }, loss: { reduction: "mean", perceptual_weight: 0 } },
    "vae",
  );
  store = await CheckpointStore.open(pathToFileURL(place).href, { keep: 2 });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

async function write(step: number, content = `weights of ${step}`): Promise<string> {
  const path = join(folder, "run", checkpointName(step));
  await writeCheckpoint(path, checkpointState(config, step), async (to) => {
    await writeFile(join(to, "model.safetensors"), content);
    return ["model.safetensors"];
  });
  return path;
}
const send = async (path: string): Promise<void> => {
  store.send(path);
  await store.drain();
};
const here = "checkpoints";

describe("checkpoints at an address", () => {
  it("come back as they were, the newest of them, and only where it is newer", async () => {
    for (const step of [1, 2, 3]) await send(await write(step));
    expect(await store.steps()).toEqual([3, 2]);
    const target = join(folder, "elsewhere");
    expect(await store.fetchNewest(target)).toEqual([]);
    const { checkpoint } = await findLatest(target);
    expect(checkpoint.step).toBe(3);
    expect(await readFile(join(checkpoint.path, "model.safetensors"), "utf8")).toBe("weights of 3");
    await rm(join(place, here), { recursive: true });
    expect(await store.fetchNewest(target)).toEqual([]);
    expect((await readdir(target)).filter((name) => !name.startsWith("."))).toEqual([checkpointName(3)]);
  });

  it("that are half there don't count; a damaged one is named and the one before is taken", async () => {
    for (const step of [1, 2]) await send(await write(step));
    await rm(join(place, here, checkpointName(2), "checkpoint.json"));
    expect(await store.steps()).toEqual([1]);
    await send(await write(2));
    await writeFile(join(place, here, checkpointName(2), "model.safetensors"), "other");
    const target = join(folder, "elsewhere");
    const [damaged] = await store.fetchNewest(target);
    expect(damaged!.path).toMatch(/^file:.*step-00000002$/);
    expect((await findLatest(target)).checkpoint.step).toBe(1);
    expect((await readdir(target)).filter((name) => !name.startsWith("."))).toEqual([checkpointName(1)]);
  });

  it("of a course that the run did not take are replaced and removed", async () => {
    for (const step of [1, 2, 3]) await send(await write(step));
    await send(await write(2, "another course"));
    expect(await store.steps()).toEqual([2]);
    const target = join(folder, "elsewhere");
    await store.fetchNewest(target);
    expect(await readFile(join(target, checkpointName(2), "model.safetensors"), "utf8")).toBe("another course");
  });

  it("wait for each other: of several the newest goes, and what is needed is not removed here", async () => {
    const paths = [await write(1), await write(2), await write(3)];
    for (const path of paths) store.send(path);
    expect(store.needed).toEqual([paths[0], paths[2]]);
    expect(await pruneCheckpoints(join(folder, "run"), 1, store.needed)).toEqual([paths[1]]);
    await store.drain();
    expect(await store.steps()).toEqual([3, 1]);
    expect(store.needed).toEqual([]);
  });

  it("that can't be sent are told, and the next one is sent", async () => {
    const gone = await write(1);
    await rm(gone, { recursive: true });
    await send(gone);
    expect(store.takeFailures()).toMatchObject([{ path: gone, error: { code: "ERR_CHECKPOINT_NOT_FOUND" } }]);
    expect(store.takeFailures()).toEqual([]);
    await send(await write(2));
    expect(await store.steps()).toEqual([2]);
  });
});
