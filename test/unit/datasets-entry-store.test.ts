import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { joinTensors, packTensors, sliceCached, unpackTensors } from "../../src/datasets/cached-inputs.ts";
import { clearStore, EntryStore, type EntryStoreOptions, entryKey, groupOf } from "../../src/datasets/entry-store.ts";
import { bundleInto } from "../helpers/bundle.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "entry-store-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const recipe = { what: "test" };
const group = groupOf(recipe);
const open = (options: Partial<EntryStoreOptions> = {}): Promise<EntryStore> =>
  EntryStore.open(join(folder, "cache"), { groups: { [group]: recipe }, maxBytes: 1_000_000, ...options });
const key = (name: string | number): string => entryKey([name]);
const pathOf = (name: string | number): string => join(folder, "cache", group, key(name).slice(0, 2), key(name));

async function bytesIn(cache: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(cache, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) sum += (await readFile(join(entry.parentPath, entry.name))).length;
  return sum;
}

describe("an entry store", () => {
  it("gives back what was written, in the same store and in the next", async () => {
    const store = await open();
    expect(await store.read(group, key("a"))).toBeUndefined();
    expect(await store.write(group, key("a"), Buffer.from("first"))).toBe(true);
    expect(await store.write(group, key("b"), Buffer.alloc(0))).toBe(true);
    expect((await store.read(group, key("a")))!.toString()).toBe("first");
    const next = await open();
    expect((await next.read(group, key("a")))!.toString()).toBe("first");
    expect(await next.read(group, key("b"))).toHaveLength(0);
    expect(next.has(group, key("a"))).toBe(true);
    expect(next.size.entries).toBe(2);
    expect(next.damaged).toEqual([]);
  });

  it.each([
    ["a changed byte", (path: string) => change(path, -1), /checksum/],
    ["a changed head", (path: string) => change(path, 50), /checksum/],
    ["another key", (path: string) => change(path, 10), /another entry/],
    ["a cut end", (path: string) => truncate(path, 83), /3 bytes instead of 5/],
    ["a cut head", (path: string) => truncate(path, 20), /cut off/],
    ["nothing", (path: string) => truncate(path, 0), /cut off/],
    ["something else", (path: string) => writeFile(path, "x".repeat(200)), /no cache entry/],
  ])("finds %s when it is opened and when it is read, names it and drops it", async (_name, damage, reason) => {
    await (await open()).write(group, key("a"), Buffer.from("first"));
    const early = await open();
    await damage(pathOf("a"));
    expect(await early.read(group, key("a"))).toBeUndefined();
    expect(early.damaged).toMatchObject([{ path: pathOf("a"), reason: expect.stringMatching(reason) }]);
    expect(early.has(group, key("a"))).toBe(false);

    await early.write(group, key("a"), Buffer.from("first"));
    await damage(pathOf("a"));
    const kept = await open({ keepDamaged: true });
    expect(kept.damaged).toHaveLength(1);
    const late = await open();
    expect(late.damaged).toMatchObject([{ path: pathOf("a"), reason: expect.stringMatching(reason) }]);
    expect(late.size.entries).toBe(0);
    expect((await open()).damaged).toEqual([]);
  });

  async function change(path: string, at: number): Promise<void> {
    const bytes = await readFile(path);
    bytes[at < 0 ? bytes.length + at : at]! ^= 1;
    await writeFile(path, bytes);
  }

  it("tells how far it is with checking, and can be stopped", async () => {
    const store = await open();
    for (let i = 0; i < 300; i++) await store.write(group, key(i), Buffer.from(`entry ${i}`));
    const seen: unknown[] = [];
    await open({ onProgress: (progress) => seen.push(progress) });
    expect(seen).toEqual([
      { checked: 256, entries: 300 },
      { checked: 300, entries: 300 },
    ]);
    await expect(open({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ERR_ABORTED" });
  });

  it("keeps what it has when it is full, and says so", async () => {
    const store = await open({ maxBytes: 2000 });
    const results: boolean[] = [];
    for (let i = 0; i < 10; i++) results.push(await store.write(group, key(i), Buffer.alloc(300)));
    expect(results.indexOf(false)).toBeGreaterThan(2);
    expect(results.lastIndexOf(true)).toBe(results.indexOf(false) - 1);
    expect(store).toMatchObject({ refused: "full", refusals: results.filter((kept) => !kept).length });
    expect(await store.read(group, key(0))).toHaveLength(300);
    expect(await bytesIn(store.folder)).toBeLessThanOrEqual(2000);
  });

  it("keeps the bound when many entries are written at once", async () => {
    // Many times: what a look at the folder misses depends on when the writes beside it end.
    for (let time = 0; time < 60; time++) {
      const store = await open({ maxBytes: 4000 });
      const results = await Promise.all(
        Array.from({ length: 40 }, (_, i) => store.write(group, key(i), Buffer.alloc(300))),
      );
      expect(results.filter((kept) => kept).length).toBeGreaterThan(5);
      expect(await bytesIn(store.folder)).toBeLessThanOrEqual(4000);
      await clearStore(store.folder);
    }
  });

  it("makes room by removing groups that nobody has used for long, the longest unused one first", async () => {
    const others = [{ old: 1 }, { old: 2 }, { old: 3 }];
    for (const [i, other] of others.entries()) {
      const store = await open({ groups: { [groupOf(other)]: other } });
      await store.write(groupOf(other), key("x"), Buffer.alloc(1000));
      // The third was used a moment ago.
      const hoursAgo = new Date(Date.now() - (i === 2 ? 60 : 3600 * (4 - i)) * 1000);
      await utimes(join(store.folder, groupOf(other), "recipe.json"), hoursAgo, hoursAgo);
    }
    const store = await open({ maxBytes: 4200 });
    expect(await store.write(group, key("mine"), Buffer.alloc(1000))).toBe(true);
    const names = (): Promise<string[]> => readdir(store.folder);
    expect(await names()).not.toContain(groupOf(others[0]));
    expect(await names()).toContain(groupOf(others[1]));
    expect(await store.write(group, key("more"), Buffer.alloc(1500))).toBe(true);
    expect(await names()).not.toContain(groupOf(others[1]));
    expect(await store.write(group, key("too much"), Buffer.alloc(1500))).toBe(false);
    expect(await names()).toContain(groupOf(others[2]));
    expect(await store.read(group, key("mine"))).toHaveLength(1000);
  });

  it("removes what killed processes left, not what living ones write", async () => {
    const store = await open();
    await store.write(group, key("a"), Buffer.from("first"));
    const dead = `${pathOf("a")}.tmp-999999999-abcdef`;
    const alive = `${pathOf("a")}.tmp-${process.ppid}-abcdef`;
    const abandoned = `${pathOf("a")}.tmp-${process.ppid}-fedcba`;
    for (const path of [dead, alive, abandoned]) await writeFile(path, "half");
    await utimes(abandoned, new Date(0), new Date(0));
    await open();
    const names = await readdir(join(pathOf("a"), ".."));
    expect(names.sort()).toEqual([key("a"), alive.split("/").at(-1)].sort());
  });

  it("is no reason to stop when the disk refuses", async () => {
    const store = await open();
    await writeFile(join(folder, "cache", group, key("a").slice(0, 2)), "a file where a folder should be");
    expect(await store.write(group, key("a"), Buffer.from("first"))).toBe(false);
    expect(store.refused).toMatchObject({ error: expect.any(Error) });
    await writeFile(join(folder, "file"), "");
    await expect(
      EntryStore.open(join(folder, "file", "cache"), { groups: { [group]: recipe }, maxBytes: 1 }),
    ).rejects.toMatchObject({ code: "ERR_OUTPUT" });
  });

  it("goes on when another process clears it", async () => {
    const store = await open();
    await store.write(group, key("a"), Buffer.from("first"));
    expect(await clearStore(store.folder)).toMatchObject({ entries: 1 });
    expect(await store.read(group, key("a"))).toBeUndefined();
    expect(await store.write(group, key("a"), Buffer.from("first"))).toBe(true);
    expect((await store.read(group, key("a")))!.toString()).toBe("first");
  });

  it("clears groups of its own only, and nothing that is not a cache's", async () => {
    const other = { what: "other" };
    await (await open()).write(group, key("a"), Buffer.from("first"));
    await (await open({ groups: { [groupOf(other)]: other } })).write(groupOf(other), key("b"), Buffer.from("b"));
    const cache = join(folder, "cache");
    // Named like a group, but without a recipe.
    await mkdir(join(cache, "0123456789abcdef", "00"), { recursive: true });
    await writeFile(join(cache, "0123456789abcdef", "00", "precious"), "mine");
    expect((await clearStore(cache, [group])).entries).toBe(1);
    expect(await readdir(cache)).toContain(groupOf(other));
    await clearStore(cache);
    expect(await readdir(cache)).toEqual(["0123456789abcdef"]);
    expect(await clearStore(join(folder, "none"))).toEqual({ entries: 0, bytes: 0 });
  });

  it("takes several processes at once: every entry whole, the bound kept", async () => {
    const root = resolve(import.meta.dirname, "../..");
    const bundle = join(root, ".cache", `entry-store-${process.pid}`);
    await bundleInto(bundle, "src/datasets/entry-store.ts");
    // All write the same 150 keys, each in an order of its own, and read what the others write.
    const maxBytes = 150_000;
    const program = `
      const { EntryStore, entryKey, groupOf } = await import(${JSON.stringify(join(bundle, "entry-store.js"))});
      const recipe = { what: "test" }, group = groupOf(recipe), start = Number(process.argv[1]);
      const store = await EntryStore.open(${JSON.stringify(join(folder, "cache"))}, { groups: { [group]: recipe }, maxBytes: ${maxBytes} });
      for (let i = 0; i < 150; i++) {
        const n = (i * 37 + start * 50) % 150, key = entryKey([n]), bytes = Buffer.alloc(2000, n);
        await store.write(group, key, bytes);
        for (const other of [n, (n + 11) % 150]) {
          const found = await store.read(group, entryKey([other]));
          if (found !== undefined && !found.equals(Buffer.alloc(2000, other))) throw new Error("wrong bytes");
        }
      }
      if (store.damaged.length > 0) throw new Error(JSON.stringify(store.damaged));
    `;
    try {
      const runs = [0, 1, 2].map(
        (n) =>
          new Promise<string>((done) => {
            const child = spawn(process.execPath, ["--input-type=module", "-e", program, String(n)]);
            let text = "";
            child.stderr.on("data", (chunk) => (text += String(chunk)));
            child.on("close", (code) => done(`${code} ${text}`));
          }),
      );
      expect(await Promise.all(runs)).toEqual(["0 ", "0 ", "0 "]);
    } finally {
      await rm(bundle, { recursive: true, force: true });
    }
    expect(await bytesIn(join(folder, "cache"))).toBeLessThanOrEqual(maxBytes * (1 + 3 / 64) + 3 * 2100);
    const store = await open();
    expect(store.damaged).toEqual([]);
    expect(store.size.entries).toBeGreaterThan(50);
  });
});

describe("cached tensors", () => {
  const tensors = {
    mean: { data: Float32Array.of(1, -2.5, 3, 4), shape: [1, 2, 2], dtype: "float32" as const },
    states: { data: Uint16Array.of(1, 2, 65535), shape: [1, 3], dtype: "bfloat16" as const },
    mask: { data: Uint8Array.of(0, 1, 1), shape: [1, 3], dtype: "uint8" as const },
  };

  it("are the same after packing and unpacking", () => {
    const packed = packTensors({ tensors, notes: { text: "Größe" } });
    expect(unpackTensors(packed)).toEqual({ tensors, notes: { text: "Größe" } });
    // Where a pool puts the bytes makes no difference.
    expect(unpackTensors(Buffer.concat([Buffer.from("x"), packed]).subarray(1))).toEqual({
      tensors,
      notes: { text: "Größe" },
    });
  });

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["a wrong length", Buffer.from([255, 255, 0, 0, 1])],
    ["bytes left over", Buffer.concat([packTensors({ tensors, notes: {} }), Buffer.from("x")])],
    ["bytes missing", packTensors({ tensors, notes: {} }).subarray(0, -1)],
  ])("are refused as %s", (_name, packed) => {
    expect(unpackTensors(packed)).toBeUndefined();
  });

  it("join to a batch, and a batch is cut without copying", () => {
    const joined = joinTensors([tensors.mean, { ...tensors.mean, data: Float32Array.of(5, 6, 7, 8) }]);
    expect(joined).toMatchObject({ shape: [2, 2, 2], data: Float32Array.of(1, -2.5, 3, 4, 5, 6, 7, 8) });
    const cached = { mean: joined, logvar: joined, masked: joined, mask: joined };
    const second = sliceCached(cached, 1, 2).mean;
    expect(second).toMatchObject({ shape: [1, 2, 2], data: Float32Array.of(5, 6, 7, 8) });
    expect(second.data.buffer).toBe(joined.data.buffer);
    expect(() => joinTensors([tensors.mean, tensors.mask])).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }),
    );
  });
});
