/** Shards streamed from a bucket that fails all the time: the same batches as from the folder, each shard fetched once. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { TrainingBatch } from "../../src/datasets/batch.ts";
import { DocumentDataset } from "../../src/datasets/dataset.ts";
import { createLoader } from "../../src/datasets/loader.ts";
import { packDataset } from "../../src/datasets/shards/pack.ts";
import { openShards } from "../../src/datasets/shards/shard-pages.ts";
import { pushShards } from "../../src/datasets/shards/transfer.ts";
import { verifyShards } from "../../src/datasets/shards/verify.ts";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";
import { sha256 } from "../helpers/hash.ts";
import { type Fault, type FaultyProxy, startProxy, whyNoS3Server } from "../helpers/s3-server.ts";
import { random } from "../helpers/tiny.ts";

const address = "r2://test-bucket/data/receipts";
let folder: string;
let packed: string;
let proxy: FaultyProxy;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shards-stream-"));
  if (whyNoS3Server !== undefined) return;
  proxy = await startProxy();
  const source = join(folder, "data");
  await writeSyntheticDataset({ seed: 21, count: 24, out: source, kinds: { receipt: 1 }, split: "train" });
  packed = join(folder, "packed");
  await packDataset({ source, out: packed, shardBytes: 192 << 10 });
});
afterAll(async () => {
  await proxy?.stop();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  if (whyNoS3Server !== undefined) return;
  proxy.requests.length = 0;
  const next = random(9);
  const faults: Fault[] = ["503", "reset", "reset after", "truncate", "corrupt", "lost answer", "stall", "slow"];
  proxy.fault = ({ method }) => {
    if (next() >= 0.25) return undefined;
    const fault = faults[Math.floor(next() * faults.length)]!;
    return fault === "corrupt" && method !== "GET" ? "503" : fault;
  };
});

const store = () => ({
  environment: proxy.environment,
  retry: { baseDelayMs: 1, maxDelayMs: 5, stallMs: 400, serverWorkMs: 400, attempts: 40 },
});
async function open(cache: string): Promise<DocumentDataset> {
  const { manifest, pages } = await openShards(address, { window: 2, store: store(), cache: { folder: cache } });
  return DocumentDataset.open(manifest, { split: "train", pages });
}

async function take(dataset: DocumentDataset, rank: number, worldSize: number, count: number): Promise<string[]> {
  const options = { batchSize: 8 / worldSize, height: 32, width: 128, seed: 3, masks: true, rank, worldSize };
  const taken: string[] = [];
  for await (const batch of createLoader(dataset, options)) if (taken.push(...samplesOf(batch)) >= count) break;
  return taken;
}
function samplesOf({ ids, images, size }: TrainingBatch): string[] {
  const bytes = images.length / size;
  return [...ids].map((id, i) => {
    const pixels = images.subarray(i * bytes, (i + 1) * bytes);
    return `${id} ${sha256(pixels)}`;
  });
}

describe.skipIf(whyNoS3Server !== undefined)("a dataset in a bucket that fails", () => {
  it("is pushed whole, again only what is missing, and found whole", async () => {
    const first = await pushShards(packed, address, { store: store() });
    expect(first.skipped).toBe(0);
    proxy.fault = () => undefined;
    proxy.requests.length = 0;
    expect((await pushShards(packed, address, { store: store() })).skipped).toBe(first.files);
    expect(proxy.requests.some(({ method }) => method === "PUT" || method === "POST")).toBe(false);
    expect((await verifyShards(address, { store: store() })).damaged).toEqual([]);
    expect(proxy.refused).toEqual([]);
  });

  it("feeds two ranks with one cache the samples that one process reads from the disk; shards travel once", async () => {
    const local = await openShards(packed, { window: 2 });
    const whole = await DocumentDataset.open(local.manifest, { split: "train", pages: local.pages });
    const count = whole.samples.length;
    const expected = (await take(whole, 0, 1, count)).sort();
    const cache = join(folder, "cache");
    const shares = await Promise.all([0, 1].map(async (rank) => take(await open(cache), rank, 2, expected.length / 2)));
    expect(shares.flat().sort()).toEqual(expected);
    expect(new Set(shares[0]).size + new Set(shares[1]).size).toBe(new Set(expected).size);
    expect([...proxy.injected.values()].reduce((a, b) => a + b, 0)).toBeGreaterThan(10);

    // What is there needs no store but for the index and the list of what there is.
    proxy.fault = () => undefined;
    proxy.requests.length = 0;
    expect((await take(await open(cache), 0, 1, count)).sort()).toEqual(expected);
    expect(proxy.requests.filter(({ url, method }) => method === "GET" && url.includes(".tar"))).toEqual([]);
  });
});
