import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { main } from "../../src/cli/anonymize/main.ts";
import {
  Anonymizer,
  ModelRegistry,
  openObjectStore,
  parseModelAddress,
  type RegistryOptions,
} from "../../src/index.ts";
import { bundleInto } from "../helpers/bundle.ts";
import { sha256OfFile } from "../helpers/hash.ts";
import { environmentFor, type FaultyProxy, secretKey, startProxy, whyNoS3Server } from "../helpers/s3-server.ts";
import { root } from "../helpers/tiny.ts";
import { writeTinyPack } from "../helpers/tiny-pack.ts";

const mebi = 1 << 20;
const quick = { baseDelayMs: 1, maxDelayMs: 5, attempts: 3, stallMs: 5000, serverWorkMs: 5000 };

let folder: string;
let bundle: string | undefined;
let proxy: FaultyProxy;
let count = 0;

beforeAll(async () => {
  if (whyNoS3Server !== undefined) return;
  proxy = await startProxy();
});
afterAll(async () => {
  await proxy?.stop();
  if (bundle !== undefined) await rm(bundle, { recursive: true, force: true });
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "registry-"));
  proxy?.reset();
  return () => rm(folder, { recursive: true, force: true });
});

const addressOf = (kind: "bucket" | "folder"): string =>
  kind === "folder" ? `file://${folder}/store` : `r2://test-bucket/reg-${process.pid}-${count++}`;

function open(address: string, options: RegistryOptions = {}): ModelRegistry {
  const environment = address.startsWith("file:") ? {} : { environment: proxy.environment };
  return new ModelRegistry(address, {
    retry: quick,
    cache: { folder: join(folder, "cache") },
    ...environment,
    ...options,
  });
}

/** A pack with weights of its own and a part that all have in common. */
async function makeModel(name: string, bytes = 100_000): Promise<string> {
  const path = join(folder, name);
  for (const part of ["vae", "unet"]) await mkdir(join(path, part), { recursive: true });
  await writeFile(join(path, "vae", "model.safetensors"), Buffer.alloc(50_000, 7));
  await writeFile(join(path, "unet", "model.safetensors"), randomBytes(bytes));
  await writeFile(join(path, "unet", "config.json"), JSON.stringify({ name }));
  return path;
}

async function keysOf(address: string, prefix: string): Promise<string[]> {
  const store = await openObjectStore(address, address.startsWith("file:") ? {} : { environment: proxy.environment });
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

const kinds = whyNoS3Server === undefined ? (["bucket", "folder"] as const) : (["folder"] as const);

describe.each(kinds)("a registry in a %s", (kind) => {
  it("pushes, lists, pulls, verifies, tags, deletes and collects", async () => {
    const address = addressOf(kind);
    const registry = open(address);
    const first = await makeModel("first");
    const pushed = await registry.push(first, { name: "sd2", version: "v1" });
    expect(pushed).toMatchObject({ files: 3, tags: ["latest"], uploadedBytes: pushed.bytes });
    expect(await keysOf(address, "models/")).toEqual([
      "models/sd2/v1/manifest.json",
      "models/sd2/v1/unet/config.json",
      "models/sd2/v1/unet/model.safetensors",
      "models/sd2/v1/vae/model.safetensors",
    ]);
    const second = await makeModel("second");
    const again = await registry.push(second, { name: "sd2", version: "v2", tags: ["latest", "best"] });
    expect(again.uploadedBytes).toBe(again.bytes - 50_000);

    expect(await registry.list()).toMatchObject([
      { name: "sd2", version: "v1", tags: [] },
      { name: "sd2", version: "v2", tags: ["best", "latest"] },
    ]);
    const pulled = await registry.pull("sd2");
    expect(pulled).toMatchObject({ version: "v2", stale: false });
    for (const file of ["unet/config.json", "unet/model.safetensors", "vae/model.safetensors"]) {
      expect(sha256OfFile(join(pulled.folder, file))).toBe(sha256OfFile(join(second, file)));
    }
    await pulled.release();
    await registry.pullTo(join(folder, "out"), "sd2", "v1");
    expect(sha256OfFile(join(folder, "out/unet/model.safetensors"))).toBe(
      sha256OfFile(join(first, "unet/model.safetensors")),
    );
    expect(await registry.verify("sd2", "best")).toMatchObject({ version: "v2", files: 3, problems: [] });

    await expect(registry.delete("sd2", "v2")).rejects.toMatchObject({ code: "ERR_MODEL_VERSION" });
    await registry.tag("sd2", "v1", "latest");
    await registry.tag("sd2", "v1", "best", { expect: "v2" });
    await registry.delete("sd2", "v2");
    await expect(registry.pull("sd2", "v2", {})).resolves.toMatchObject({ version: "v2" });
    const elsewhere = open(address, { cache: { folder: join(folder, "other-cache") } });
    await expect(elsewhere.pull("sd2", "v2")).rejects.toMatchObject({ code: "ERR_STORE_NOT_FOUND" });
    await expect(registry.push(second, { name: "sd2", version: "v2" })).rejects.toMatchObject({
      code: "ERR_MODEL_VERSION",
      message: expect.stringContaining("deleted"),
    });
    expect(await registry.collectGarbage()).toMatchObject({ blobs: 0 });
    expect(await registry.collectGarbage({ graceMs: 0, dryRun: true })).toMatchObject({ blobs: 2, removed: false });
    expect(await registry.collectGarbage({ graceMs: 0 })).toMatchObject({ blobs: 2, removed: true });
    expect(await keysOf(address, "blobs/")).toHaveLength(3);
    expect((await elsewhere.verify("sd2", "v1")).problems).toEqual([]);
    await registry.close();
  });

  it("never changes a version", async () => {
    const registry = open(addressOf(kind));
    const first = await makeModel("first");
    const pushed = await registry.push(first, { name: "m", version: "1.0" });
    expect((await registry.push(first, { name: "m", version: "1.0" })).manifest).toBe(pushed.manifest);
    await expect(registry.push(await makeModel("second"), { name: "m", version: "1.0" })).rejects.toMatchObject({
      code: "ERR_MODEL_VERSION",
    });
    await expect(registry.tag("m", "1.0", "1.0")).rejects.toMatchObject({ code: "ERR_MODEL_VERSION" });
    await expect(registry.push(first, { name: "m", version: "latest" })).rejects.toMatchObject({
      code: "ERR_MODEL_VERSION",
    });
    await expect(registry.tag("m", "none", "x")).rejects.toMatchObject({ code: "ERR_STORE_NOT_FOUND" });
  });

  it("lets one of two pushes of different content under one version win", async () => {
    const address = addressOf(kind);
    const models = await Promise.all(["a", "b"].map((name) => makeModel(name)));
    const results = await Promise.allSettled(
      models.map((path) => open(address).push(path, { name: "m", version: "v1", tags: [] })),
    );
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const lost = results.find((result) => result.status === "rejected");
    expect(lost).toMatchObject({ reason: { code: "ERR_MODEL_VERSION" } });
    const winner = models[results.findIndex(({ status }) => status === "fulfilled")]!;
    await open(address).pullTo(join(folder, "out"), "m", "v1");
    expect(sha256OfFile(join(folder, "out/unet/model.safetensors"))).toBe(
      sha256OfFile(join(winner, "unet/model.safetensors")),
    );
  });

  it("lets one of several that move a tag at the same moment win", async () => {
    const address = addressOf(kind);
    const registry = open(address);
    const versions = ["v1", "v2", "v3", "v4"];
    for (const version of versions) {
      await registry.push(await makeModel(version, 1000), {
        name: "m",
        version,
        tags: version === "v1" ? ["latest"] : [],
      });
    }
    const moves = await Promise.allSettled(
      ["v2", "v3", "v4"].map((version) => open(address).tag("m", version, "latest", { expect: "v1" })),
    );
    const won = moves.flatMap(({ status }, index) => (status === "fulfilled" ? [versions[index + 1]] : []));
    expect(won).toHaveLength(1);
    for (const move of moves) {
      if (move.status === "rejected") expect(move.reason).toMatchObject({ code: "ERR_STORE_CONFLICT" });
    }
    expect((await registry.list("m")).find(({ tags }) => tags.includes("latest"))?.version).toBe(won[0]);
  });

  it("finds what is damaged or missing in the store", async () => {
    const address = addressOf(kind);
    const registry = open(address);
    await registry.push(await makeModel("first"), { name: "m", version: "v1" });
    const store = await openObjectStore(address, kind === "folder" ? {} : { environment: proxy.environment });
    const keys = await keysOf(address, "blobs/");
    await store.write(keys[0]!, "other content");
    await store.delete(keys[1]!);
    const { problems } = await registry.verify("m");
    expect(problems).toHaveLength(2);
    expect(problems.join()).toMatch(/is damaged in the store.*is missing|is missing.*is damaged/);
    await expect(registry.pull("m")).rejects.toMatchObject({
      code: expect.stringMatching(/STORE_(DAMAGED|NOT_FOUND)/),
    });
    await store.write("models/m/v1/manifest.json", "{}");
    await expect(registry.pull("m")).rejects.toMatchObject({ code: "ERR_STORE_DAMAGED" });
  });

  it("refuses a manifest whose paths lead out, and names that are none", async () => {
    const address = addressOf(kind);
    const registry = open(address);
    const store = await openObjectStore(address, kind === "folder" ? {} : { environment: proxy.environment });
    for (const path of ["../../escaped", "/tmp/escaped", "a/%2e%2e/%2e%2e/b", "a\\..\\b"]) {
      const file = { path, sha256: "0".repeat(64), bytes: 1 };
      const manifest = { format: 1, name: "m", version: "v1", created: "2026-01-01", files: [file] };
      await store.write("models/m/v1/manifest.json", JSON.stringify(manifest));
      await expect(registry.pull("m", "v1")).rejects.toMatchObject({ code: "ERR_STORE_DAMAGED" });
    }
    for (const name of ["..", "a/b", "", ".x", "a%2fb", "x".repeat(65)]) {
      await expect(registry.pull(name)).rejects.toMatchObject({ code: "ERR_STORE_ADDRESS" });
      await expect(registry.push(folder, { name: "m", version: name })).rejects.toMatchObject({
        code: "ERR_STORE_ADDRESS",
      });
    }
    for (const address of ["r2://b", "models/x", "r2://bucket", "r2://bucket/a@b@c", "file://x@v1"]) {
      expect(() => parseModelAddress(address)).toThrow(expect.objectContaining({ code: "ERR_STORE_ADDRESS" }));
    }
  });
});

describe("the cache", () => {
  it("works without a network, and says when its answer may be old", async () => {
    if (whyNoS3Server !== undefined) return;
    const address = addressOf("bucket");
    await open(address).push(await makeModel("first"), { name: "m", version: "v1" });
    const online = await open(address).pull("m");
    await open(address).pull("m", "v1");
    // A version that is there asks nobody, not even for credentials.
    proxy.requests.length = 0;
    await expect(open(address, { environment: {} }).pull("m", "v1")).resolves.toMatchObject({
      folder: online.folder,
      stale: false,
    });
    expect(proxy.requests).toEqual([]);
    const down = { environment: environmentFor("http://127.0.0.1:9") };
    await expect(open(address, down).pull("m")).resolves.toMatchObject({ version: "v1", stale: true });
    await expect(open(address, { offline: true }).pull("m")).resolves.toMatchObject({ version: "v1", stale: true });
    await expect(open(address, down).pull("n")).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    await expect(open(address, { offline: true }).pull("n")).rejects.toMatchObject({ code: "ERR_STORE_NOT_FOUND" });
    await expect(open(address, { offline: true }).list()).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
  });

  it("mends what was damaged in it", async () => {
    const registry = open(addressOf("folder"));
    const model = await makeModel("first");
    await registry.push(model, { name: "m", version: "v1" });
    const pulled = await registry.pull("m", "v1");
    const file = join(pulled.folder, "unet/model.safetensors");
    await chmod(file, 0o644);
    await writeFile(file, randomBytes(100_000));
    expect((await registry.verify("m", "v1")).problems).toEqual([expect.stringContaining("damaged in the cache")]);
    const mended = await registry.pull("m", "v1");
    expect(mended.folder).toBe(pulled.folder);
    expect(sha256OfFile(file)).toBe(sha256OfFile(join(model, "unet/model.safetensors")));
  });

  it("gives up what was not used for longest, never what is in use", async () => {
    const address = addressOf("folder");
    const registry = open(address, { cache: { folder: join(folder, "cache"), maxBytes: 400_000 } });
    for (const version of ["v1", "v2", "v3", "v4"]) {
      await registry.push(await makeModel(version), { name: "m", version });
    }
    const versions = async (): Promise<number> => (await readdir(join(folder, "cache/versions"))).length;
    const used = await registry.pull("m", "v1");
    await (await registry.pull("m", "v2")).release();
    await (await registry.pull("m", "v3")).release();
    expect(await versions()).toBe(3);
    await (await registry.pull("m", "v4")).release();
    expect(await versions()).toBe(3);
    const offline = open(address, { offline: true });
    await expect(offline.pull("m", "v1")).resolves.toBeDefined();
    await expect(offline.pull("m", "v2")).rejects.toMatchObject({ code: "ERR_STORE_NOT_FOUND" });
    await expect(offline.pull("m", "v3")).resolves.toBeDefined();
    await used.release();
    const tiny = open(address, { cache: { folder: join(folder, "tiny"), maxBytes: 1000 } });
    await expect(tiny.pull("m", "v1")).rejects.toMatchObject({ code: "ERR_STORE_LIMIT" });
  });

  it("is shared by processes, and survives their end", { timeout: 240_000 }, async () => {
    const address = addressOf("folder");
    const cache = join(folder, "cache");
    const registry = open(address, { cache: { folder: cache, maxBytes: 9 * mebi } });
    await registry.push(await makeModel("v1", 5 * mebi), { name: "m", version: "v1" });
    await registry.push(await makeModel("v2", 5 * mebi), { name: "m", version: "v2" });
    await mkdir(join(root, ".cache"), { recursive: true });
    bundle = await mkdtemp(join(root, ".cache", "registry-"));
    await bundleInto(bundle, "test/helpers/pull-process.ts");
    const start = (hold: boolean): ChildProcess =>
      spawn(
        process.execPath,
        [join(bundle!, "pull-process.js"), JSON.stringify({ address: `${address}/m@v1`, folder: cache, hold })],
        { stdio: ["ignore", "pipe", "pipe"] },
      );
    const children = [start(true), start(false), start(false)];
    const outputs = await Promise.all(
      children.map(async (child, index) => {
        let [text, errors] = ["", ""];
        child.stderr!.on("data", (chunk: Buffer) => (errors += chunk));
        child.stdout!.on("data", (chunk: Buffer) => (text += chunk));
        if (index === 0) await once(child.stdout!, "data");
        else expect((await once(child, "close"))[0], errors).toBe(0);
        return JSON.parse(text) as { folder: string };
      }),
    );
    expect(new Set(outputs.map((output) => output.folder)).size).toBe(1);
    // The first still runs and uses v1; there is no room for v2 beside it, so the cache grows past its limit.
    const offline = open(address, { offline: true, cache: { folder: cache } });
    await (await registry.pull("m", "v2")).release();
    await (await offline.pull("m", "v1")).release();
    const ended = once(children[0]!, "close");
    children[0]!.kill("SIGKILL");
    await ended;
    // Nobody holds it any more, whatever the killed process has left.
    await registry.push(await makeModel("v3", 5 * mebi), { name: "m", version: "v3" });
    await (await registry.pull("m", "v3")).release();
    await expect(open(address, { offline: true, cache: { folder: cache } }).pull("m", "v3")).resolves.toBeDefined();
    expect(await readdir(join(cache, "versions"))).toHaveLength(1);
  });
});

describe("an anonymizer", () => {
  const config = (models: string) => ({ engine: "auto" as const, models, ocr: { engine: "tesseract" as const } });

  it("takes its models from a registry, through the cache", async () => {
    const address = addressOf("folder");
    const pack = join(folder, "pack");
    writeTinyPack(pack);
    await open(address).push(pack, { name: "tiny", version: "v3" });
    process.env["ANONYMIZER_MODEL_CACHE"] = join(folder, "own-cache");
    try {
      const anonymizer = await Anonymizer.create(config(`${address}/tiny@v3`));
      try {
        expect(anonymizer.config.models).toBe(`${address}/tiny@v3`);
        expect(anonymizer.engine).toMatchObject({ chosen: "diffusion" });
        expect(await readdir(join(folder, "own-cache", "leases"))).toHaveLength(1);
      } finally {
        await anonymizer.close();
      }
      expect(await readdir(join(folder, "own-cache", "leases"))).toEqual([]);
      // Without the store.
      await rm(join(folder, "store"), { recursive: true });
      const again = await Anonymizer.create(config(`${address}/tiny@v3`));
      expect(again.engine).toMatchObject({ chosen: "diffusion" });
      await again.close();

      const without = await Anonymizer.create(config(`${address}/other@v1`));
      expect(without.engine).toMatchObject({
        chosen: "classical",
        reason: expect.stringContaining("ERR_STORE_NOT_FOUND"),
      });
      await without.close();
      const strict = { ...config(`${address}/other@v1`), engine: "diffusion" as const };
      await expect(Anonymizer.create(strict)).rejects.toMatchObject({ code: "ERR_STORE_NOT_FOUND" });
    } finally {
      delete process.env["ANONYMIZER_MODEL_CACHE"];
    }
  });
});

describe("the command line", () => {
  async function cli(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const [out, err]: [string[], string[]] = [[], []];
    const terminal = {
      stdout: { write: (text: string | Uint8Array) => out.push(String(text)) },
      stderr: { write: (text: string | Uint8Array) => err.push(String(text)) },
    };
    const code = await main(args, terminal, new AbortController().signal);
    return { code, stdout: out.join(""), stderr: err.join("") };
  }

  it("does it all", async () => {
    const address = addressOf("folder");
    const model = await makeModel("first");
    const cache = ["--cache", join(folder, "cache")];
    expect(await cli("models", "push", model, `${address}/sd2@v1`, "--tag", "best", ...cache)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("sd2@v1"),
    });
    await cli("models", "push", await makeModel("second"), `${address}/sd2@v2`, ...cache);
    const listed = await cli("models", "list", address, "--json");
    expect(JSON.parse(listed.stdout)).toMatchObject([
      { version: "v1", tags: ["best"] },
      { version: "v2", tags: ["latest"] },
    ]);
    expect((await cli("models", "list", address)).stdout).toMatch(/sd2\s+v1\s+best/);
    expect(await cli("models", "pull", `${address}/sd2@best`, "--to", join(folder, "out"), ...cache)).toMatchObject({
      code: 0,
    });
    expect(sha256OfFile(join(folder, "out/unet/model.safetensors"))).toBe(
      sha256OfFile(join(model, "unet/model.safetensors")),
    );
    expect((await cli("models", "pull", `${address}/sd2`, ...cache)).stdout).toContain(join(folder, "cache"));
    expect(await cli("models", "verify", `${address}/sd2@v1`, ...cache)).toMatchObject({ code: 0 });
    expect(await cli("models", "tag", `${address}/sd2@v1`, "latest", "--expect", "v2")).toMatchObject({ code: 0 });
    expect(await cli("models", "tag", `${address}/sd2@v2`, "latest", "--expect", "v2")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("ERR_STORE_CONFLICT"),
    });
    expect(await cli("models", "delete", `${address}/sd2@v2`)).toMatchObject({ code: 0 });
    expect((await cli("models", "gc", address, "--grace-hours", "0", "--dry-run")).stdout).toContain("would");
    expect((await cli("models", "gc", address, "--grace-hours", "0", "--json")).stdout).toContain('"removed": true');
    const [blob] = (await keysOf(address, "blobs/")).filter((key) => key.startsWith("blobs/"));
    await writeFile(join(folder, "store", blob!), "damaged");
    expect(await cli("models", "verify", `${address}/sd2@v1`, ...cache)).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("damaged in the store"),
    });
    expect(await cli("models", "push", model, `${address}/sd2`)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("ERR_USAGE"),
    });
    const missing = await cli("models", "list", "r2://some-bucket");
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining("ERR_STORE_CREDENTIALS") });
    expect(missing.stderr).not.toContain(secretKey);
  });
});
