/** Pushes, deletes and collections that meet or are cut off, at every point where that can do harm. */
import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, it, vi } from "vitest";
import { main } from "../../src/cli/anonymize/main.ts";
import { ModelRegistry, openObjectStore, publishModel } from "../../src/index.ts";
import { FileStore } from "../../src/registry/file-store.ts";
import type { ObjectStore } from "../../src/registry/object-store.ts";

const weights = "model.safetensors";
const dayMs = 24 * 3_600_000;

let folder: string;
let address: string;
let store: ObjectStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cut-off-"));
  address = `file://${folder}/store`;
  store = await openObjectStore(address);
  return async () => {
    vi.restoreAllMocks();
    await rm(folder, { recursive: true, force: true });
  };
});

const open = (): ModelRegistry => new ModelRegistry(address, { cache: { folder: join(folder, "cache") } });

async function makeModel(name: string, content = name, note = "{}"): Promise<string> {
  const path = join(folder, name);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, weights), content);
  await writeFile(join(path, "config.json"), note);
  return path;
}

async function keysOf(prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

/** Makes what stands in the store this old. */
async function age(ms: number, ...keys: string[]): Promise<void> {
  const then = new Date(Date.now() - ms);
  for (const key of keys) await utimes(join(folder, "store", key), then, then);
}

/** A model whose blobs are there, two days old, and needed by no version. */
async function orphaned(): Promise<string> {
  const model = await makeModel("model");
  await open().push(model, { name: "m", version: "old", tags: [] });
  await open().delete("m", "old");
  await age(2 * dayMs, ...(await keysOf("blobs/")));
  return model;
}

function gate(): { readonly reached: Promise<void>; readonly pass: () => void; stop(): Promise<void> } {
  const [reached, arrive] = promise();
  const [passed, pass] = promise();
  return {
    reached,
    pass,
    stop: () => {
      arrive();
      return passed;
    },
  };
}

function promise(): [Promise<void>, () => void] {
  let resolve: () => void;
  const made = new Promise<void>((done) => {
    resolve = done;
  });
  return [made, () => resolve()];
}

/** Stops at the first call of `method` for a key that begins so, and goes on when told. */
function stopAt(method: "write" | "delete" | "head", prefix: string) {
  const held = gate();
  let first = true;
  const real = FileStore.prototype[method] as (this: FileStore, ...args: unknown[]) => Promise<unknown>;
  vi.spyOn(FileStore.prototype, method).mockImplementation(async function (this: FileStore, ...args: unknown[]) {
    if (first && String(args[0]).startsWith(prefix)) {
      first = false;
      await held.stop();
    }
    return real.apply(this, args);
  } as never);
  return held;
}

/** What this process sees after it was suspended for so long. */
function sleepFor(ms: number): void {
  const now = performance.now.bind(performance);
  vi.spyOn(performance, "now").mockImplementation(() => now() + ms);
}

/** A process that ends at the first call of `method` for a key that begins so. */
function dieAt(method: "write" | "delete" | "copy", prefix: string, which: 0 | 1 = 0): void {
  const real = FileStore.prototype[method] as (this: FileStore, ...args: unknown[]) => Promise<unknown>;
  let dead = false;
  vi.spyOn(FileStore.prototype, method).mockImplementation(async function (this: FileStore, ...args: unknown[]) {
    dead ||= String(args[which]).startsWith(prefix);
    if (dead) throw new Error("killed");
    return real.apply(this, args);
  } as never);
}

const isWhole = async (version: string): Promise<void> =>
  expect((await open().verify("m", version)).problems).toEqual([]);

it("a push that has found old blobs keeps them from a collection that begins then", async () => {
  const model = await orphaned();
  const manifest = stopAt("write", "models/m/new/manifest.json");
  const push = open().push(model, { name: "m", version: "new" });
  await manifest.reached;
  expect(await open().collectGarbage({ graceMs: 0 })).toMatchObject({ blobs: 0 });
  manifest.pass();
  expect(await push).toMatchObject({ uploadedBytes: 0 });
  await isWhole("new");
  expect(await keysOf("leases/")).toEqual([]);
});

it("a push that begins while a collection deletes waits, and sends what was deleted", async () => {
  const model = await orphaned();
  const remove = stopAt("delete", "blobs/");
  const collection = open().collectGarbage();
  await remove.reached;
  const heads = vi.spyOn(FileStore.prototype, "head");
  const push = open().push(model, { name: "m", version: "new" });
  // It looks at the note of the collection again and again, and at no blob.
  await vi.waitFor(() => {
    const looks = heads.mock.calls.filter(([key]) => key.startsWith("leases/gc/"));
    expect(looks.length).toBeGreaterThan(1);
  }, 20_000);
  expect(heads.mock.calls.filter(([key]) => key.startsWith("blobs/"))).toEqual([]);
  remove.pass();
  expect(await collection).toMatchObject({ blobs: 2, removed: true });
  const { bytes, uploadedBytes } = await push;
  expect(uploadedBytes).toBe(bytes);
  await isWhole("new");
});

it("neither counts on one that was killed", async () => {
  const model = await orphaned();
  await store.write("leases/gc/dead.json", "{}");
  await age(3_600_000, "leases/gc/dead.json");
  await open().push(model, { name: "m", version: "new", tags: [] });
  await open().delete("m", "new");
  const blobs = (await keysOf("blobs/")).map((key) => key.split("/").at(-1));
  await store.write("leases/push/dead.json", JSON.stringify({ blobs }));
  await store.write("leases/push/alive.json", JSON.stringify({ blobs: blobs.slice(1) }));
  await age(3_600_000, "leases/push/dead.json");
  expect(await open().collectGarbage({ graceMs: 0 })).toMatchObject({ blobs: 1 });
  expect(await keysOf("leases/")).toEqual(["leases/push/alive.json"]);
});

it("a push that was suspended for so long that it was taken for dead looks again at what there is", async () => {
  const model = await orphaned();
  const manifest = stopAt("write", "models/m/new/manifest.json");
  const push = open().push(model, { name: "m", version: "new" });
  await manifest.reached;
  await age(3_600_000, ...(await keysOf("leases/push/")));
  expect(await open().collectGarbage({ graceMs: 0 })).toMatchObject({ blobs: 2 });
  sleepFor(3_600_000);
  manifest.pass();
  const { bytes, uploadedBytes } = await push;
  expect(uploadedBytes).toBe(bytes);
  await isWhole("new");
});

it("a collection that was suspended for so long looks again before it deletes", async () => {
  const model = await orphaned();
  // It has asked which versions there are by then.
  const listed = stopAt("head", "models/m/old/deleted.json");
  const collection = open().collectGarbage();
  await listed.reached;
  await age(3_600_000, ...(await keysOf("leases/gc/")));
  expect(await open().push(model, { name: "m", version: "new" })).toMatchObject({ uploadedBytes: 0 });
  sleepFor(3_600_000);
  listed.pass();
  expect(await collection).toMatchObject({ blobs: 0 });
  await isWhole("new");
});

it("a damaged blob is mended by the push that is asked to, and tags stay where they are", async () => {
  const model = await makeModel("first");
  await open().push(model, { name: "m", version: "v1" });
  await open().push(await makeModel("second"), { name: "m", version: "v2" });
  const { sha256 } = (await store.head(`models/m/v1/${weights}`))!;
  const blob = join(folder, "store", "blobs/sha256", sha256!.slice(0, 2), sha256!);
  // Of the same size, and what the store says about it still stands.
  await writeFile(blob, "FIRST");
  const [problem, ...others] = (await open().verify("m", "v1")).problems;
  expect(others).toEqual([]);
  expect(problem).toMatch(/damaged in the store.*models push --repair/);
  expect(await open().push(model, { name: "m", version: "v1", tags: [] })).toMatchObject({ uploadedBytes: 0 });
  expect((await open().verify("m", "v1")).problems).toHaveLength(1);

  const said: string[] = [];
  const terminal = {
    stdout: { write: (text: string | Uint8Array) => said.push(String(text)) },
    stderr: { write() {} },
  };
  const { signal } = new AbortController();
  const args = ["models", "push", model, `${address}/m@v1`, "--repair", "--cache", join(folder, "cache")];
  expect(await main(args, terminal as never, signal)).toBe(0);
  await isWhole("v1");
  // The copy that other programs read, too.
  await store.downloadFile(`models/m/v1/${weights}`, join(folder, "copy"));
  expect((await open().list("m")).map(({ version, tags }) => [version, ...tags])).toEqual([["v1"], ["v2", "latest"]]);
});

it("a publish that was killed before the tag is finished by the next one, with other notes beside the weights", async () => {
  await open().push(await makeModel("before"), { name: "m", version: "v1" });
  dieAt("copy", "models/m/v2/", 1);
  const model = await makeModel("trained");
  await expect(publishModel(model, `${address}/m@v2`)).rejects.toThrow("killed");
  vi.restoreAllMocks();
  expect((await open().list("m")).map(({ version, tags }) => [version, ...tags])).toEqual([["v1", "latest"], ["v2"]]);
  await makeModel("trained", "trained", '{"exported": "again"}');
  expect(await publishModel(model, `${address}/m@v2`)).toMatchObject({ version: "v2", sent: false });
  expect((await open().list("m")).map(({ version, tags }) => [version, ...tags])).toEqual([["v1"], ["v2", "latest"]]);
  expect(await keysOf(`models/m/v2/`)).toContain(`models/m/v2/${weights}`);
  // A tag that was moved on since is not moved back.
  await open().push(await makeModel("after"), { name: "m", version: "v3" });
  await publishModel(model, `${address}/m@v2`);
  expect((await open().list("m")).find(({ tags }) => tags.includes("latest"))).toMatchObject({ version: "v3" });
});

it("a delete that was killed goes on when it is called again, or when garbage is collected", async () => {
  for (const version of ["v1", "v2"]) {
    const model = await makeModel(version);
    await open().push(model, { name: "m", version, tags: [] });
    dieAt("delete", `models/m/${version}/config.json`);
    await expect(open().delete("m", version)).rejects.toThrow("killed");
    vi.restoreAllMocks();
    expect(await keysOf(`models/m/${version}/`)).toHaveLength(3);
  }
  await open().delete("m", "v1");
  expect(await keysOf("models/m/v1/")).toEqual(["models/m/v1/deleted.json"]);
  expect(await open().collectGarbage({ dryRun: true })).toMatchObject({ blobs: 0, copies: 2, removed: false });
  expect(await open().collectGarbage()).toMatchObject({ blobs: 0, copies: 2, removed: true });
  expect(await keysOf("models/")).toEqual(["models/m/v1/deleted.json", "models/m/v2/deleted.json"]);
  await expect(open().delete("m", "v3")).rejects.toMatchObject({ code: "ERR_STORE_NOT_FOUND" });
});
