/**
 * A store under many random faults: what `npm run soak -- store` runs in full and a test in small. The server is moto
 * behind a proxy that is as strict as R2 and injects the faults.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AnonymizerError, ModelRegistry, openObjectStore, type RetryOptions } from "../../src/index.ts";
import { sha256 } from "./hash.ts";
import { type Fault, startProxy, whyNoS3Server } from "./s3-server.ts";
import { random } from "./tiny.ts";

export const whyNoStoreSoak = whyNoS3Server;

const mebi = 1 << 20;
const partBytes = 5 * mebi;
const retry: RetryOptions = {
  baseDelayMs: 1,
  maxDelayMs: 5,
  stallMs: 400,
  serverWorkMs: 400,
  attempts: 40,
  budgetMs: 120_000,
};
/** Keys that the operations fight over. */
const keys = ["a", "b/c", "b/d", "large/1", "large/2"];
const modelFiles = ["config.json", "model.safetensors"];

const hashOf = async (path: string): Promise<string> => sha256(await readFile(path));

export interface FaultReport {
  readonly injected: Readonly<Record<string, number>>;
  readonly faults: number;
  readonly operations: number;
  /** Operations that were given up with a coded error: tried often enough, or refused as damaged. */
  readonly givenUp: Readonly<Record<string, number>>;
  /** Downloads that were refused because something else arrived than was stored. */
  readonly refusedDamaged: number;
  /** Of what should be there in the end. */
  readonly lost: number;
  /** Contents that were handed over and were not what had been stored. */
  readonly corruptAccepted: number;
  /** What the strict side refused: nothing, where the client behaves. */
  readonly refusedByServer: readonly string[];
}

/** Works on a store until `faults` have been injected, then looks at everything with the faults switched off. */
export async function workUnderFaults(options: {
  readonly faults: number;
  readonly seed: number;
  readonly folder: string;
  readonly log?: (line: string) => void;
}): Promise<FaultReport> {
  const { faults, folder, log = () => undefined } = options;
  const next = random(options.seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!;
  const proxy = await startProxy();
  let count = 0;
  const kinds: Fault[] = ["503", "reset", "reset after", "truncate", "corrupt", "lost answer", "stall", "slow"];
  const weighted: Fault[] = [...kinds, "503", "reset", "lost answer", "truncate", "corrupt", "slow"];
  proxy.fault = ({ method }) => {
    if (count >= faults || next() >= 0.35) return undefined;
    const fault = pick(weighted);
    // What the store states about an object is not protected by a hash: TLS does that.
    const injected = fault === "corrupt" && method !== "GET" ? "503" : fault;
    count++;
    return injected;
  };
  // Longer than `stallMs` in all for a part.
  proxy.bodyPauseMs = ({ method }) => (method === "PUT" && count < faults && next() < 0.05 ? 10 : 0);
  const store = await openObjectStore("r2://test-bucket/soak", { environment: proxy.environment, retry, partBytes });
  const registry = new ModelRegistry("r2://test-bucket/registry", {
    environment: proxy.environment,
    retry,
    partBytes,
    cache: { folder: join(folder, "cache") },
  });
  /** Key → hashes that it may have: several after an operation that was given up. */
  const may = new Map<string, Set<string | undefined>>(keys.map((key) => [key, new Set([undefined])]));
  const versions = new Map<string, string>();
  const givenUp: Record<string, number> = {};
  let [operations, refusedDamaged, corruptAccepted, lost] = [0, 0, 0, 0];
  /** False: the operation was given up. */
  const attempt = async (work: () => Promise<void>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof AnonymizerError)) throw error;
      if (error.code === "ERR_STORE_DAMAGED") refusedDamaged++;
      givenUp[error.code] = (givenUp[error.code] ?? 0) + 1;
      return false;
    }
  };
  const arrived = (key: string, hash: string | undefined): void => {
    if (may.get(key)!.has(hash)) may.set(key, new Set([hash]));
    else if (hash === undefined) lost++;
    else corruptAccepted++;
  };
  const upload = async (key: string): Promise<void> => {
    const large = key.startsWith("large");
    const data = randomBytes(large ? 5 * mebi + Math.floor(next() * 7 * mebi) : Math.floor(next() * 5000));
    const hash = sha256(data);
    const path = join(folder, "up.bin");
    await writeFile(path, data);
    const done = await attempt(async () => {
      if (!large && next() < 0.5) await store.write(key, data);
      else await store.uploadFile(key, path);
    });
    may.set(key, done ? new Set([hash]) : new Set([...may.get(key)!, hash]));
  };
  const download = async (key: string): Promise<boolean> => {
    const path = join(folder, "down.bin");
    return attempt(async () => {
      if ((await store.head(key)) === undefined) return arrived(key, undefined);
      await store.downloadFile(key, path);
      arrived(key, await hashOf(path));
    });
  };
  const copy = async (key: string): Promise<void> => {
    const from = pick(keys.filter((other) => other !== key));
    if (may.get(from)!.size > 1 || may.get(from)!.has(undefined)) return;
    const done = await attempt(() => store.copy(from, key));
    may.set(key, new Set([...(done ? [] : may.get(key)!), ...may.get(from)!]));
  };
  const remove = async (key: string): Promise<void> => {
    const done = await attempt(() => store.delete(key));
    may.set(key, new Set([undefined, ...(done ? [] : may.get(key)!)]));
  };
  const pushModel = async (): Promise<void> => {
    const version = `v${versions.size + 1}`;
    const model = join(folder, "model");
    await mkdir(model, { recursive: true });
    const hashes: string[] = [];
    for (const name of modelFiles) {
      const data = randomBytes(name === "config.json" ? 100 : 6 * mebi);
      await writeFile(join(model, name), data);
      hashes.push(sha256(data));
    }
    const push = (): Promise<unknown> =>
      registry.push(model, { name: "m", version, copies: versions.size % 2 === 1, tags: [] });
    // Given up is no loss: the same call goes on where it stopped.
    for (let tries = 1; !(await attempt(async () => void (await push()))); tries++) {
      if (tries >= 30) throw new Error(`A push does not get through: ${JSON.stringify(givenUp)}`);
    }
    versions.set(version, hashes.join());
  };
  const pullModel = async (version: string): Promise<boolean> => {
    const to = join(folder, "pulled");
    await rm(to, { recursive: true, force: true });
    await rm(join(folder, "cache"), { recursive: true, force: true });
    return attempt(async () => {
      await registry.pullTo(to, "m", version);
      const hashes = await Promise.all(modelFiles.map((name) => hashOf(join(to, name))));
      if (hashes.join() !== versions.get(version)) corruptAccepted++;
    });
  };
  try {
    await mkdir(folder, { recursive: true });
    while (count < faults) {
      operations++;
      const key = pick(keys);
      const dice = next();
      if (dice < 0.4) await upload(key);
      else if (dice < 0.75) await download(key);
      else if (dice < 0.82) await copy(key);
      else if (dice < 0.87) await remove(key);
      else if (dice < 0.92 || versions.size === 0) await pushModel();
      else await pullModel(pick([...versions.keys()]));
      if (operations % 25 === 0) log(`${count}/${faults} faults, ${operations} operations`);
    }
    for (const key of keys) if (!(await download(key))) lost++;
    for (const version of versions.keys()) if (!(await pullModel(version))) lost++;
    const injected = Object.fromEntries(proxy.injected);
    const refusedByServer = [...proxy.refused];
    return { injected, faults: count, operations, givenUp, refusedDamaged, lost, corruptAccepted, refusedByServer };
  } finally {
    await registry.close();
    store.close();
    await proxy.stop();
  }
}
