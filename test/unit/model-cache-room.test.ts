/** What the cache of models may hold, with several that fill it at the same time. */
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, it, vi } from "vitest";
import { ModelRegistry } from "../../src/index.ts";
import { FileStore } from "../../src/registry/file-store.ts";

const modelBytes = 100_000;

let folder: string;
let cache: string;
let registry: ModelRegistry;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cache-room-"));
  cache = join(folder, "cache");
  registry = new ModelRegistry(`file://${folder}/store`, { cache: { folder: cache, maxBytes: 3 * modelBytes } });
  for (const version of ["v1", "v2", "v3", "v4"]) {
    const model = join(folder, version);
    await mkdir(model);
    await writeFile(join(model, "model.safetensors"), randomBytes(modelBytes));
    await registry.push(model, { name: "m", version, tags: [] });
  }
  for (const version of ["v1", "v2"]) await (await registry.pull("m", version)).release();
  return async () => {
    vi.restoreAllMocks();
    await rm(folder, { recursive: true, force: true });
  };
});

async function cachedBytes(): Promise<number> {
  const files = await readdir(join(cache, "blobs"));
  const infos = await Promise.all(files.map((name) => stat(join(cache, "blobs", name))));
  return infos.reduce((sum, { size }) => sum + size, 0);
}

/** Holds downloads back until so many have begun. */
function holdDownloads(count: number): { readonly begun: Promise<void>; readonly pass: () => void } {
  let [arrive, pass] = [(): void => undefined, (): void => undefined];
  const begun = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const passed = new Promise<void>((resolve) => {
    pass = resolve;
  });
  const real = FileStore.prototype.downloadFile;
  let seen = 0;
  vi.spyOn(FileStore.prototype, "downloadFile").mockImplementation(async function (this: FileStore, ...args) {
    if (++seen === count) arrive();
    if (seen <= count) await passed;
    return real.apply(this, args);
  });
  return { begun, pass: () => pass() };
}

it("each of two pulls makes room beside what the other is about to fetch", async () => {
  const held = holdDownloads(2);
  const pulls = ["v3", "v4"].map((version) => registry.pull("m", version));
  await held.begun;
  held.pass();
  for (const pulled of await Promise.all(pulls)) await pulled.release();
  expect(await cachedBytes()).toBe(3 * modelBytes);
  expect(await readdir(join(cache, "rooms"))).toEqual([]);
});

it("what a verify reads counts while it runs, and goes when its process was killed", async () => {
  await mkdir(join(cache, "verify", "0123456789ab"), { recursive: true });
  await writeFile(join(cache, "verify", "0123456789ab", "left"), randomBytes(1000));
  await writeFile(join(cache, "rooms", "0123456789ab-1000.0.lock"), "999999999 0 0 0\n");
  const held = holdDownloads(1);
  const verified = registry.verify("m", "v4");
  await held.begun;
  expect(await readdir(join(cache, "verify"))).toHaveLength(1);
  expect(await readdir(join(cache, "verify"))).not.toContain("0123456789ab");
  await (await registry.pull("m", "v3")).release();
  expect(await cachedBytes()).toBe(2 * modelBytes);
  held.pass();
  expect((await verified).problems).toEqual([]);
  expect(await readdir(join(cache, "verify"))).toEqual([]);
  expect(await readdir(join(cache, "rooms"))).toEqual([]);
});
