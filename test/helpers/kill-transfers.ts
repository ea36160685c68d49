/** Transfers of files and models whose processes are killed again and again, and go on. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ModelRegistry, type ObjectStore, openObjectStore } from "../../src/index.ts";
import { sha256 } from "./hash.ts";
import { type FaultyProxy, startProxy } from "./s3-server.ts";
import type { TransferTask, TransferWay } from "./transfer-process.ts";

const mebi = 1 << 20;
/** Large enough that several go in parts, at the same time. */
const modelFiles = 4;

export interface KillReport {
  readonly way: TransferWay;
  readonly mib: number;
  readonly kills: number;
  /** Most memory of any of the processes. */
  readonly peakMiB: number;
  /** What travelled, of all tries. */
  readonly movedMiB: number;
  /** What was there when each process after a kill began; of a model's files only the first that is told. */
  readonly resumedAtMiB: readonly number[];
  readonly same: boolean;
}

interface KillOptions {
  readonly way: TransferWay;
  readonly mib: number;
  /** "manifest": as soon as that is on its way. */
  readonly killAtMib: readonly (number | "manifest")[];
  readonly folder: string;
  /** Bundle of transfer-process.ts. */
  readonly program: string;
  readonly partMib?: number;
  readonly concurrency?: number;
}

/** One file, or the files of a model, and how to tell that they have arrived. */
interface Cargo {
  readonly path: string;
  arrived(): Promise<boolean>;
  close(): Promise<void>;
}

/** Transfers by processes that are killed at these many MiB, and a last one that is not. */
export async function killTransfers(options: KillOptions): Promise<KillReport> {
  const { way, mib, folder, killAtMib, program, concurrency = 4, partMib = 16 } = options;
  const proxy = await startProxy();
  const store = await openObjectStore("r2://test-bucket/kill", { environment: proxy.environment });
  try {
    await mkdir(folder, { recursive: true });
    const cargo = await (way === "upload" || way === "download" ? fileCargo : modelCargo)(options, store, proxy);
    proxy.requests.length = 0;
    const task = { address: store.address, way, path: cargo.path, partBytes: partMib * mebi, concurrency };
    const ends: TransferEnd[] = [];
    for (const killAt of [...killAtMib, undefined]) ends.push(await runOnce(program, task, killAt, proxy));
    const movedMiB = Math.round(movedBytes(proxy) / mebi);
    const same = await cargo.arrived();
    await cargo.close();
    return {
      way,
      mib,
      kills: killAtMib.length,
      peakMiB: Math.max(...ends.map((end) => end.peakMiB)),
      movedMiB,
      resumedAtMiB: ends.slice(1).map(({ first }) => Math.round(first / mebi)),
      same,
    };
  } finally {
    store.close();
    await proxy.stop();
  }
}

async function fileCargo({ way, mib, folder }: KillOptions, store: ObjectStore): Promise<Cargo> {
  const [source, target] = [join(folder, "source.bin"), join(folder, "target.bin")];
  await writeFile(source, randomBytes(mib * mebi));
  if (way === "download") await store.uploadFile("big", source);
  return {
    path: way === "upload" ? source : target,
    async arrived() {
      if (way === "upload") await store.downloadFile("big", target);
      return (await hashOf(target)) === (await hashOf(source));
    },
    close: async () => undefined,
  };
}

async function modelCargo({ way, mib, folder }: KillOptions, store: ObjectStore, proxy: FaultyProxy): Promise<Cargo> {
  const [model, cache] = [join(folder, "model"), join(folder, "cache")];
  const names = Array.from({ length: modelFiles }, (_, index) => `part-${index}.safetensors`);
  await mkdir(model);
  for (const name of names) await writeFile(join(model, name), randomBytes((mib / modelFiles) * mebi));
  const registry = new ModelRegistry(store.address, { environment: proxy.environment, cache: { folder: cache } });
  if (way === "pull") await registry.push(model, { name: "m", version: "v1" });
  return {
    path: way === "push" ? model : cache,
    async arrived() {
      const [listed] = await registry.list("m");
      const pulled = await registry.pull("m", "latest");
      for (const name of names) {
        const hash = await hashOf(join(model, name));
        if ((await hashOf(join(pulled.folder, name))) !== hash) return false;
        if ((await store.head(`models/m/v1/${name}`))?.sha256 !== hash) return false;
      }
      await pulled.release();
      return listed?.tags.join() === "latest";
    },
    close: () => registry.close(),
  };
}

interface TransferEnd {
  /** Bytes that were there when it began. */
  readonly first: number;
  readonly peakMiB: number;
}

async function runOnce(
  program: string,
  task: TransferTask,
  killAt: number | "manifest" | undefined,
  proxy: FaultyProxy,
): Promise<TransferEnd> {
  const argument = JSON.stringify({ ...task, ...(typeof killAt === "number" && { killAt: killAt * mebi }) });
  const child = spawn(process.execPath, [program, argument], {
    env: { ...process.env, ...proxy.environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  proxy.fault = ({ method, url }) => {
    if (killAt === "manifest" && method === "PUT" && url!.includes("/manifest.json")) child.kill("SIGKILL");
    return undefined;
  };
  const { signal, code, out, err } = await ended(child);
  if (killAt === undefined ? code !== 0 : signal !== "SIGKILL") throw new Error(`It ended with ${code}: ${err}`);
  // The last line: one that was killed from outside has told how it began, and no more.
  return JSON.parse(out.trim().split("\n").at(-1)!) as TransferEnd;
}

/** Bytes of parts that were sent, or asked for. */
const movedBytes = (proxy: FaultyProxy): number =>
  proxy.requests.reduce((sum, { method, url, headers }) => {
    if (method === "PUT") return sum + (url.includes("partNumber=") ? Number(headers["content-length"]) : 0);
    const [from, to] = (method === "GET" && headers.range?.match(/\d+/g)) || [];
    return sum + (from === undefined || to === undefined ? 0 : Number(to) - Number(from) + 1);
  }, 0);

const hashOf = async (path: string): Promise<string> => sha256(await readFile(path));

async function ended(
  child: ChildProcess,
): Promise<{ code: number | null; signal: string | null; out: string; err: string }> {
  let [out, err] = ["", ""];
  child.stdout!.on("data", (chunk: Buffer) => {
    out += chunk;
  });
  child.stderr!.on("data", (chunk: Buffer) => {
    err += chunk;
  });
  return new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal, out, err })));
}
