import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AnonymizerError, createLogger } from "../../src/index.ts";
import { downloadFolder, uploadFolder } from "../../src/registry/folders.ts";
import type { ObjectStore, StoreOptions } from "../../src/registry/object-store.ts";
import { openObjectStore } from "../../src/registry/open-store.ts";
import { bundleInto } from "../helpers/bundle.ts";
import { sha256, sha256OfFile } from "../helpers/hash.ts";
import {
  accessKey,
  environmentFor,
  type Fault,
  type FaultyProxy,
  secretKey,
  startProxy,
  startRclone,
  whyNoS3Server,
  whyNoSignatures,
} from "../helpers/s3-server.ts";
import { root } from "../helpers/tiny.ts";

const mebi = 1 << 20;
const quick = { baseDelayMs: 1, maxDelayMs: 5, stallMs: 2000, serverWorkMs: 2000, attempts: 12 };

let folder: string;
/** Where programs are built that run as processes of their own: below the root, where they find packages. */
let bundle: string;
let proxy: FaultyProxy;
let count = 0;

beforeAll(async () => {
  if (whyNoS3Server !== undefined) return;
  proxy = await startProxy();
  await mkdir(join(root, ".cache"), { recursive: true });
  bundle = await mkdtemp(join(root, ".cache", "store-"));
  await bundleInto(bundle, "test/helpers/transfer-process.ts");
});
afterAll(async () => {
  await proxy?.stop();
  if (bundle !== undefined) await rm(bundle, { recursive: true, force: true });
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "store-"));
  proxy?.reset();
  return () => rm(folder, { recursive: true, force: true });
});

/** A store with a prefix of its own. */
async function open(kind: "bucket" | "folder", options: StoreOptions = {}): Promise<ObjectStore> {
  const prefix = `run-${process.pid}-${count++}`;
  return kind === "folder"
    ? openObjectStore(`file://${folder}/root/${prefix}`)
    : openObjectStore(`r2://test-bucket/${prefix}`, {
        environment: proxy.environment,
        retry: quick,
        partBytes: 5 * mebi,
        ...options,
      });
}

async function fileOf(bytes: number, name = "file.bin"): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, randomBytes(bytes));
  return path;
}

const keysOf = async (store: ObjectStore, prefix = ""): Promise<string[]> => {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
};

const kinds = whyNoS3Server === undefined ? (["bucket", "folder"] as const) : (["folder"] as const);

describe.each(kinds)("a store that is a %s", (kind) => {
  it("keeps small objects with their hash", async () => {
    const store = await open(kind);
    expect(await store.head("a/b.json")).toBeUndefined();
    const written = await store.write("a/b.json", '{"x":"ä"}');
    const { data, info } = await store.read("a/b.json");
    expect(data.toString()).toBe('{"x":"ä"}');
    expect(info).toMatchObject({ key: "a/b.json", bytes: 10, sha256: sha256('{"x":"ä"}'), etag: written.etag });
    await store.delete("a/b.json");
    await store.delete("a/b.json");
    expect(await store.head("a/b.json")).toBeUndefined();
    await expect(store.read("a/b.json")).rejects.toMatchObject({ code: "ERR_STORE_NOT_FOUND" });
    await store.write("empty", "");
    expect((await store.read("empty")).data).toHaveLength(0);
    await expect(store.read("a/../b")).rejects.toMatchObject({ code: "ERR_STORE_KEY" });
    await store.write("big", Buffer.alloc(100));
    await expect(store.read("big", { maxBytes: 99 })).rejects.toMatchObject({ code: "ERR_STORE_LIMIT" });
  });

  it("writes only where the condition holds", async () => {
    const store = await open(kind);
    const first = await store.write("ref", "1", { condition: "absent" });
    await expect(store.write("ref", "2", { condition: "absent" })).rejects.toMatchObject({
      code: "ERR_STORE_CONFLICT",
    });
    await store.write("ref", "2", { condition: { etag: first.etag } });
    await expect(store.write("ref", "3", { condition: { etag: first.etag } })).rejects.toMatchObject({
      code: "ERR_STORE_CONFLICT",
    });
    expect((await store.read("ref")).data.toString()).toBe("2");
  });

  it("lets one of several writers at the same moment win", async () => {
    const store = await open(kind);
    const { etag } = await store.write("ref", "start");
    const tries = await Promise.allSettled(
      Array.from({ length: 6 }, (_, index) => store.write("ref", `writer ${index}`, { condition: { etag } })),
    );
    const winners = tries.flatMap((result, index) => (result.status === "fulfilled" ? [index] : []));
    expect(winners).toHaveLength(1);
    for (const result of tries) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "ERR_STORE_CONFLICT" });
    }
    expect((await store.read("ref")).data.toString()).toBe(`writer ${winners[0]}`);
  });

  it("carries files of every size there and back", async () => {
    const store = await open(kind);
    for (const bytes of [0, 1, 5 * mebi, 5 * mebi + 1, 12 * mebi + 345]) {
      const path = await fileOf(bytes);
      const seen: number[] = [];
      const up = await store.uploadFile(`files/${bytes}`, path, { onProgress: (moved) => seen.push(moved.bytes) });
      expect(up).toMatchObject({ bytes, sha256: sha256OfFile(path) });
      if (bytes > 0) expect(seen.at(-1)).toBe(bytes);
      expect([...seen].sort((a, b) => a - b)).toEqual(seen);
      const down = await store.downloadFile(`files/${bytes}`, `${path}.back`);
      expect(down.sha256).toBe(up.sha256);
      expect(sha256OfFile(`${path}.back`)).toBe(up.sha256);
    }
    expect((await readdir(folder)).filter((name) => name !== "root").sort()).toEqual(["file.bin", "file.bin.back"]);
    if (kind === "bucket") expect(proxy.refused).toEqual([]);
  });

  it("finds a damaged object and keeps what stood there", async () => {
    const store = await open(kind);
    const path = await fileOf(1000);
    await store.uploadFile("file", path);
    if (kind === "bucket") proxy.fault = (message) => (message.method === "GET" ? "corrupt" : undefined);
    else await writeFile(join(new URL(store.address).pathname, "file"), randomBytes(1000));
    const target = join(folder, "target");
    await writeFile(target, "before");
    await expect(store.downloadFile("file", target)).rejects.toMatchObject({ code: "ERR_STORE_DAMAGED" });
    expect(await readFile(target, "utf8")).toBe("before");
    await expect(store.read("file")).rejects.toMatchObject({ code: "ERR_STORE_DAMAGED" });
    expect((await readdir(folder)).filter((name) => name.includes("download"))).toEqual([]);
  });

  it("lists in order, and copies", async () => {
    const store = await open(kind);
    for (const key of ["b", "a/2", "a/10", "a b/ü+&?#%", "c/d/e"]) await store.write(key, key);
    expect(await keysOf(store)).toEqual(["a b/ü+&?#%", "a/10", "a/2", "b", "c/d/e"]);
    expect(await keysOf(store, "a/")).toEqual(["a/10", "a/2"]);
    expect(await keysOf(store, "a")).toEqual(["a b/ü+&?#%", "a/10", "a/2"]);
    await store.copy("a b/ü+&?#%", "copy/of it");
    const { data, info } = await store.read("copy/of it");
    expect(data.toString()).toBe("a b/ü+&?#%");
    expect(info.sha256).toBe(sha256("a b/ü+&?#%"));
    await expect(store.copy("nothing", "x")).rejects.toMatchObject({ code: "ERR_STORE_NOT_FOUND" });
  });

  it("lets no key leave its prefix", async () => {
    const store = await open(kind);
    const bad = [
      "",
      "..",
      "../x",
      "a/../../x",
      "/etc/passwd",
      "a//b",
      "./a",
      "a/.",
      "a\\..\\b",
      "%2e%2e/x",
      "a/%2E%2e%2fx",
      "%252e%252e%252fx",
      "%2525252e%2525252e/x",
      "%2fetc",
      "a\0b",
      "a\nb",
      "c:/x",
      "\ud800",
      "k".repeat(1100),
    ];
    const before = kind === "bucket" ? proxy.requests.length : 0;
    for (const key of bad) {
      const calls = [
        () => store.head(key),
        () => store.read(key),
        () => store.write(key, "x"),
        () => store.uploadFile(key, join(folder, "none")),
        () => store.downloadFile(key, join(folder, "none")),
        () => store.copy("a", key),
        () => store.copy(key, "a"),
        () => store.delete(key),
      ];
      for (const call of calls)
        await expect(call(), JSON.stringify(key)).rejects.toMatchObject({ code: "ERR_STORE_KEY" });
    }
    await expect(keysOf(store, "../")).rejects.toMatchObject({ code: "ERR_STORE_KEY" });
    if (kind === "bucket") expect(proxy.requests.length).toBe(before);
  });

  it("carries folders, and only what is missing", async () => {
    const store = await open(kind);
    const source = join(folder, "source");
    await mkdir(join(source, "deep", "er"), { recursive: true });
    await writeFile(join(source, "a.txt"), "a");
    await writeFile(join(source, "deep", "er", "b.bin"), randomBytes(6 * mebi));
    await writeFile(join(source, ".hidden"), "no");
    const first = await uploadFolder(store, "f", source);
    expect(first).toMatchObject({ files: 2, skipped: 0, bytes: 6 * mebi + 1 });
    expect(await keysOf(store)).toEqual(["f/a.txt", "f/deep/er/b.bin"]);
    await writeFile(join(source, "a.txt"), "changed");
    expect(await uploadFolder(store, "f", source)).toMatchObject({ files: 2, skipped: 1 });
    const last: { bytes: number; totalBytes: number }[] = [];
    const target = join(folder, "target");
    expect(await downloadFolder(store, "f", target, { onProgress: (p) => last.push(p) })).toMatchObject({ skipped: 0 });
    expect(last.at(-1)).toMatchObject({ files: 2, bytes: 6 * mebi + 7, totalBytes: 6 * mebi + 7 });
    expect(await readFile(join(target, "a.txt"), "utf8")).toBe("changed");
    expect(sha256OfFile(join(target, "deep/er/b.bin"))).toBe(sha256OfFile(join(source, "deep/er/b.bin")));
    expect(await downloadFolder(store, "f", target)).toMatchObject({ skipped: 2 });
    await expect(downloadFolder(store, "nothing", target)).rejects.toMatchObject({ code: "ERR_STORE_NOT_FOUND" });
  });

  it("stops when it is told to", async () => {
    const store = await open(kind);
    const path = await fileOf(11 * mebi);
    await expect(store.uploadFile("x", path, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ERR_ABORTED",
    });
    const stopper = new AbortController();
    const upload = store.uploadFile("x", path, { signal: stopper.signal, onProgress: () => stopper.abort() });
    await expect(upload).rejects.toMatchObject({ code: "ERR_ABORTED" });
    expect(await store.head("x")).toBeUndefined();
  });
});

describe.skipIf(whyNoS3Server !== undefined)("a bucket", () => {
  it("gets what R2 takes and nothing else", async () => {
    const store = await open("bucket");
    const path = await fileOf(17 * mebi);
    await store.uploadFile("big", path);
    const parts = proxy.requests.filter(({ method, url }) => method === "PUT" && url.includes("partNumber="));
    expect(parts.map(({ headers }) => Number(headers["content-length"])).sort((a, b) => a - b)).toEqual([
      2 * mebi,
      5 * mebi,
      5 * mebi,
      5 * mebi,
    ]);
    expect(proxy.requests.some(({ headers }) => headers.expect !== undefined)).toBe(false);
    expect(proxy.requests.every(({ headers }) => headers.authorization?.includes("/auto/s3/"))).toBe(true);
    expect(proxy.refused).toEqual([]);
  });

  it("refuses a multipart write whose condition no longer holds, and leaves no half upload", async () => {
    const store = await open("bucket");
    const path = await fileOf(6 * mebi);
    let raced = false;
    proxy.fault = (message) => {
      if (message.method === "POST" && message.url!.includes("uploadId=") && !raced) {
        raced = true;
        return "503";
      }
      return undefined;
    };
    const racing = store.uploadFile("x", path, {
      condition: "absent",
      onProgress: ({ bytes }) => {
        if (bytes > 0 && !raced) void store.write("x", "somebody else's");
      },
    });
    await expect(racing).rejects.toMatchObject({ code: "ERR_STORE_CONFLICT" });
    expect((await store.read("x")).data.toString()).toBe("somebody else's");
    expect(await readdir(folder)).toEqual(["file.bin"]);
  });

  it("knows its own write when the answer was lost", async () => {
    const store = await open("bucket");
    const lost = new Set<string>();
    proxy.fault = ({ method, url }) => {
      const writes = method === "PUT" || (method === "POST" && url!.includes("uploadId="));
      if (!writes || lost.has(`${method}${url}`)) return undefined;
      lost.add(`${method}${url}`);
      return "lost answer";
    };
    await store.write("small", "mine", { condition: "absent" });
    expect((await store.read("small")).data.toString()).toBe("mine");
    const path = await fileOf(11 * mebi);
    const { sha256: hash } = await store.uploadFile("large", path, { condition: "absent" });
    await store.downloadFile("large", join(folder, "back"));
    expect(sha256OfFile(join(folder, "back"))).toBe(hash);
    expect(proxy.injected.get("lost answer")).toBeGreaterThanOrEqual(5);
  });

  it("loses and damages nothing under many faults", async () => {
    const store = await open("bucket", {
      retry: { ...quick, stallMs: 300, serverWorkMs: 300, attempts: 40, budgetMs: 60_000 },
    });
    const faults: Fault[] = ["503", "reset", "truncate", "corrupt", "lost answer", "503", "reset after", "stall"];
    let seed = 7;
    proxy.fault = ({ method }) => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      if ((seed >> 8) % 100 >= 35) return undefined;
      const fault = faults[(seed >> 16) % faults.length]!;
      // What the store states about an object is not protected by a hash: TLS does that.
      return fault === "corrupt" && method !== "GET" ? "503" : fault;
    };
    let damaged = 0;
    for (let round = 0; round < 12; round++) {
      const path = await fileOf(round % 3 === 0 ? 11 * mebi : 3000 + round);
      const { sha256: hash } = await store.uploadFile(`o/${round}`, path);
      for (let tries = 0; ; tries++) {
        try {
          await store.downloadFile(`o/${round}`, join(folder, "back"));
          break;
        } catch (error) {
          // Refused, not accepted: the caller may ask again.
          expect(error).toMatchObject({ code: "ERR_STORE_DAMAGED" });
          damaged++;
          expect(tries).toBeLessThan(30);
        }
      }
      expect(sha256OfFile(join(folder, "back"))).toBe(hash);
    }
    const total = [...proxy.injected.values()].reduce((sum, n) => sum + n, 0);
    console.log(`  ${total} faults injected ${inspect(proxy.injected)}, ${damaged} damaged downloads refused`);
    expect(total).toBeGreaterThan(20);
    expect(proxy.refused).toEqual([]);
  });

  it("gives up when tries are used up, and says why", async () => {
    const store = await open("bucket", { retry: { ...quick, attempts: 3 } });
    proxy.fault = () => "503";
    await expect(store.write("x", "x")).rejects.toMatchObject({
      code: "ERR_STORE_UNAVAILABLE",
      message: expect.stringContaining("SlowDown"),
    });
    expect(proxy.requests).toHaveLength(3);
    const stingy = await open("bucket", { retry: { attempts: 50, baseDelayMs: 1000, budgetMs: 0 } });
    await expect(stingy.write("x", "x")).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    expect(proxy.requests).toHaveLength(4);
    const nobody = await openObjectStore("r2://test-bucket", {
      environment: environmentFor("http://127.0.0.1:9"),
      retry: quick,
    });
    await expect(nobody.head("x")).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
  });

  it("refuses to take a file that changes under way", async () => {
    const store = await open("bucket");
    const path = await fileOf(11 * mebi);
    let done = false;
    const upload = store.uploadFile("x", path, {
      onProgress: () => {
        if (!done) void writeFile(path, randomBytes(11 * mebi));
        done = true;
      },
    });
    await expect(upload).rejects.toMatchObject({ code: "ERR_STORE_CHANGED" });
    expect(await store.head("x")).toBeUndefined();
  });

  it("stores nothing under a hash that the file does not have, in one piece, in parts, or resumed", async () => {
    const store = await open("bucket", { concurrency: 2 });
    for (const bytes of [mebi, 11 * mebi]) {
      const path = await fileOf(bytes);
      const stated = sha256OfFile(path);
      // Another content of the same size before anything is sent.
      await writeFile(path, randomBytes(bytes));
      await expect(store.uploadFile("x", path, { sha256: stated })).rejects.toMatchObject({
        code: "ERR_STORE_CHANGED",
      });
      expect(await store.head("x")).toBeUndefined();
      expect(await readdir(folder)).toEqual(["file.bin"]);
    }
    // The parts of a run that was cut off are of another content than the file has now.
    const path = await fileOf(21 * mebi);
    const right = await readFile(path);
    const hash = sha256(right);
    await writeFile(path, randomBytes(right.length));
    const stopper = new AbortController();
    const onProgress = ({ bytes }: { bytes: number }): void => void (bytes >= 5 * mebi && stopper.abort());
    const cut = store.uploadFile("x", path, { sha256: hash, signal: stopper.signal, onProgress });
    await expect(cut).rejects.toMatchObject({ code: "ERR_ABORTED" });
    await writeFile(path, right);
    await store.uploadFile("x", path, { sha256: hash });
    await store.downloadFile("x", join(folder, "back"));
    expect(sha256OfFile(join(folder, "back"))).toBe(hash);
  });

  it("takes its time where something moves, however slowly", async () => {
    // Within one machine a connection takes some MiB at once: the bodies are larger, and take some seconds in all.
    proxy.bodyPauseMs = ({ method }) => (method === "PUT" ? 15 : 0);
    const store = await open("bucket", { retry: { ...quick, attempts: 1, stallMs: 1000 }, partBytes: 16 * mebi });
    const [whole, parts] = [await fileOf(16 * mebi, "whole"), await fileOf(17 * mebi, "parts")];
    await Promise.all([store.uploadFile("whole", whole), store.uploadFile("parts", parts)]);
    expect(proxy.injected.get("slow body")).toBe(3);
  });

  it("gives a server more time that joins parts or copies, but not for ever", async () => {
    const path = await fileOf(6 * mebi);
    const slow = ({ method, url, headers }: IncomingMessage): Fault | undefined =>
      (method === "POST" && url!.includes("uploadId=")) || headers["x-amz-copy-source"] !== undefined
        ? "late"
        : undefined;
    const retry = { ...quick, attempts: 1, stallMs: 300 };
    const store = await open("bucket", { retry: { ...retry, serverWorkMs: 20_000 } });
    proxy.fault = slow;
    await store.uploadFile("x", path);
    await store.copy("x", "y");
    expect(proxy.injected.get("late")).toBe(2);
    const hasty = await open("bucket", { retry: { ...retry, serverWorkMs: 300 } });
    await expect(hasty.uploadFile("z", path)).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
  });

  it.each(["upload", "download"] as const)("goes on with an %s after its process was killed", async (way) => {
    const store = await open("bucket");
    const path = await fileOf(40 * mebi);
    const hash = sha256OfFile(path);
    if (way === "download") await store.uploadFile("big", path);
    const target = join(folder, "target");
    const task = {
      address: store.address,
      way,
      path: way === "upload" ? path : target,
      partBytes: 5 * mebi,
      killAt: 15 * mebi,
    };
    const child = spawn(process.execPath, [join(bundle, "transfer-process.js"), JSON.stringify(task)], {
      env: { ...process.env, ...proxy.environment },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk;
    });
    const ended = await new Promise((resolve) => child.once("close", (_code, signal) => resolve(signal)));
    expect(ended, stderr).toBe("SIGKILL");
    expect(stderr).not.toContain(secretKey);

    proxy.requests.length = 0;
    const seen: number[] = [];
    const onProgress = ({ bytes }: { bytes: number }): number => seen.push(bytes);
    const info =
      way === "upload"
        ? await store.uploadFile("big", path, { onProgress })
        : await store.downloadFile("big", target, { onProgress });
    expect(info.sha256).toBe(hash);
    expect(seen[0]).toBe(15 * mebi);
    const moved = proxy.requests.filter(
      ({ method, url, headers }) => (method === "PUT" && url.includes("partNumber=")) || headers.range !== undefined,
    );
    expect(moved).toHaveLength(5);
    if (way === "upload") await store.downloadFile("big", target);
    expect(sha256OfFile(target)).toBe(hash);
    expect((await readdir(folder)).sort()).toEqual(["file.bin", "target"]);
  });

  it("begins a download anew when what an earlier run left is not right", async () => {
    const store = await open("bucket");
    const path = await fileOf(11 * mebi);
    await store.uploadFile("big", path);
    const target = join(folder, "target");
    const stopper = new AbortController();
    const stopped = store.downloadFile("big", target, {
      signal: stopper.signal,
      onProgress: ({ bytes }) => bytes >= 5 * mebi && stopper.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: "ERR_ABORTED" });
    await writeFile(`${target}.download`, randomBytes(11 * mebi));
    await store.downloadFile("big", target);
    expect(sha256OfFile(target)).toBe(sha256OfFile(path));
  });

  it("shows credentials nowhere", async () => {
    const lines: string[] = [];
    const logger = createLogger({ level: "debug", stream: { write: (line: string) => void lines.push(line) } });
    const errors: unknown[] = [];
    const collect = (error: unknown): void => void errors.push(error);
    const store = await open("bucket", { logger, retry: { ...quick, attempts: 2 } });
    for (const fault of ["503", "reset", "truncate"] as const) {
      proxy.fault = () => fault;
      await store.read("x").catch(collect);
      await store.write("x", "y").catch(collect);
      await keysOf(store).catch(collect);
    }
    proxy.fault = () => undefined;
    await store.read("missing").catch(collect);
    const wrong = await openObjectStore("r2://no-such-bucket", {
      environment: proxy.environment,
      retry: quick,
      logger,
    });
    await wrong.write("x", "y").catch(collect);
    const file = join(folder, "credentials");
    await writeFile(file, `R2_ACCESS_KEY_ID=${accessKey}\nR2_SECRET_ACCESS_KEY ${secretKey}\n`, { mode: 0o600 });
    await openObjectStore("r2://test-bucket", { credentialsFile: file }).catch(collect);
    await openObjectStore(`r2://${accessKey}:${secretKey}@test-bucket/x`).catch(collect);
    await openObjectStore("r2://test-bucket", {
      environment: { ...proxy.environment, R2_ENDPOINT: `https://${accessKey}:${secretKey}@example.com` },
    }).catch(collect);
    expect(errors.length).toBeGreaterThanOrEqual(13);
    const shown = [
      ...lines,
      ...errors.map((error) => inspect(error, { depth: 20, showHidden: true })),
      ...errors.map((error) => JSON.stringify(error)),
      inspect(store, { depth: 3 }),
    ].join("\n");
    expect(lines.length).toBeGreaterThan(2);
    expect(errors.every((error) => error instanceof AnonymizerError)).toBe(true);
    expect(shown).not.toContain(secretKey);
    expect(shown).not.toContain(accessKey);
    expect(shown).not.toMatch(/Signature=/);
  });
});

describe.skipIf(whyNoSignatures !== undefined)("a server that checks signatures", () => {
  it("takes everything that is signed with the right secret and nothing else", async () => {
    const rclone = await startRclone(join(folder, "served"));
    try {
      const options = { environment: rclone.environment, retry: quick, partBytes: 5 * mebi };
      const store = await openObjectStore("r2://test-bucket/a b/ü", options);
      await store.write("small file+&.txt", "x");
      expect((await store.read("small file+&.txt")).data.toString()).toBe("x");
      const path = await fileOf(12 * mebi);
      await store.uploadFile("deep/big", path);
      await store.downloadFile("deep/big", join(folder, "back"));
      expect(sha256OfFile(join(folder, "back"))).toBe(sha256OfFile(path));
      expect(await keysOf(store)).toEqual(["deep/big", "small file+&.txt"]);
      const stranger = await openObjectStore("r2://test-bucket", {
        ...options,
        environment: { ...rclone.environment, R2_SECRET_ACCESS_KEY: `${secretKey}x` },
      });
      const calls = [
        () => stranger.write("x", "y"),
        () => stranger.read("x"),
        () => stranger.head("x"),
        () => stranger.uploadFile("x", path),
      ];
      for (const call of calls) {
        const error = await call().then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).toMatchObject({ code: "ERR_STORE_DENIED" });
        expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(
          new RegExp(`${accessKey}|${secretKey.slice(0, 12)}`),
        );
      }
    } finally {
      await rclone.stop();
    }
  });
});

describe("credentials", () => {
  const complete = environmentFor("https://example.com");

  it("come from the environment or a private file", async () => {
    await expect(openObjectStore("r2://some-bucket", { environment: {} })).rejects.toMatchObject({
      code: "ERR_STORE_CREDENTIALS",
      message: expect.stringContaining("R2_ACCOUNT_ID"),
    });
    await expect(openObjectStore("s3://some-bucket", { environment: complete })).rejects.toMatchObject({
      code: "ERR_STORE_CREDENTIALS",
      message: expect.stringContaining("AWS_ACCESS_KEY_ID"),
    });
    const file = join(folder, "credentials");
    const lines = `# mine\nexport R2_ACCOUNT_ID="${"0a".repeat(16)}"\nR2_ACCESS_KEY_ID=${accessKey}\nR2_SECRET_ACCESS_KEY='${secretKey}'\n`;
    await writeFile(file, lines, { mode: 0o600 });
    await expect(
      openObjectStore("r2://some-bucket", { credentialsFile: file, environment: {} }),
    ).resolves.toBeDefined();
    await expect(
      openObjectStore("r2://some-bucket", { environment: { ANONYMIZER_STORE_CREDENTIALS: file } }),
    ).resolves.toBeDefined();
    await chmod(file, 0o640);
    await expect(openObjectStore("r2://some-bucket", { credentialsFile: file })).rejects.toMatchObject({
      code: "ERR_STORE_CREDENTIALS",
      message: expect.stringContaining("chmod 600"),
    });
    expect((await stat(file)).mode & 0o777).toBe(0o640);
  });

  it("go only to an encrypted endpoint or this machine", async () => {
    for (const endpoint of ["http://example.com", "ftp://127.0.0.1", "nonsense"]) {
      await expect(
        openObjectStore("r2://some-bucket", { environment: { ...complete, R2_ENDPOINT: endpoint } }),
      ).rejects.toMatchObject({ code: "ERR_STORE_ADDRESS" });
    }
    await expect(
      openObjectStore("r2://some-bucket", {
        environment: { ...complete, R2_ENDPOINT: "", R2_ACCOUNT_ID: "evil.example/" },
      }),
    ).rejects.toMatchObject({ code: "ERR_STORE_CREDENTIALS" });
  });
});

describe("addresses", () => {
  it.each([
    "",
    "bucket/x",
    "http://b/x",
    "r2://",
    "r2://A_B",
    "r2://b",
    "r2://bucket/../x",
    "r2://bucket/a%2e%2e/../x",
    "s3://bucket/x?y",
    "r2://bucket//x",
    "file://",
  ])("%j is none", async (address) => {
    await expect(
      openObjectStore(address, { environment: environmentFor("https://example.com") }),
    ).rejects.toMatchObject({
      code: "ERR_STORE_ADDRESS",
    });
  });
});
