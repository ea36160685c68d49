// Samples a second of the loader over one dataset in four ways: files of a folder, shards in place, shards streamed from a
// store with an empty cache, and again with a full one. The store is moto behind a proxy on this machine (SHARDS_STORE:
// another address that ends with "/"). Each way reads SHARDS_EPOCHS epochs (default 1) of SHARDS_PAGES pages (default 160).
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "../../scripts/bundle.mjs";

const pages = Number(process.env.SHARDS_PAGES ?? 160);
const epochs = Number(process.env.SHARDS_EPOCHS ?? 1);
const window = 4;
const batchSize = 16;

const round = (value) => Number(value.toFixed(2));

/** Takes every batch of the epochs as fast as they come. */
async function measure(createLoader, dataset) {
  const batches = Math.ceil((epochs * dataset.samples.length) / batchSize);
  const loader = createLoader(dataset, { batchSize, height: 64, width: 256, seed: 1, masks: true, prefetch: 4 });
  const started = performance.now();
  let first;
  try {
    for (let i = 0; i < batches; i++) {
      await loader.next();
      first ??= performance.now() - started;
    }
  } finally {
    await loader.return();
  }
  const seconds = (performance.now() - started) / 1000;
  return { samplesPerSecond: round((batches * batchSize) / seconds), firstBatchMs: round(first) };
}

export async function run() {
  const programs = await bundle("bench", { shards: "bench/shards.bench.ts", server: "test/helpers/s3-server.ts" });
  const tools = await import(programs.shards);
  const { createLoader, DocumentDataset, openShards, packDataset, pushShards, writeSyntheticDataset } = tools;
  const folder = mkdtempSync(join(tmpdir(), "anonymizer-shards-"));
  let server;
  try {
    const data = join(folder, "data");
    const { manifest } = await writeSyntheticDataset({ seed: 5, count: pages, out: data, split: "train" });
    const started = performance.now();
    const shards = join(folder, "shards");
    // Small shards, so that a few pages fill several windows.
    const packed = await packDataset({ source: data, out: shards, shardBytes: 2 << 20 });
    const packSeconds = (performance.now() - started) / 1000;
    let address = process.env.SHARDS_STORE;
    if (address === undefined) {
      const { startProxy, whyNoS3Server } = await import(programs.server);
      if (whyNoS3Server !== undefined) throw new Error(whyNoS3Server);
      server = await startProxy();
      Object.assign(process.env, server.environment);
      address = "r2://test-bucket/";
    }
    await pushShards(shards, `${address}shards`);
    const cache = { folder: join(folder, "cache") };
    mkdirSync(cache.folder);
    const inShards = async (place) => {
      const opened = await openShards(place, { window, cache });
      return DocumentDataset.open(opened.manifest, { split: "train", pages: opened.pages });
    };
    const folderData = await DocumentDataset.open(manifest, { split: "train" });
    await measure(createLoader, folderData); // warms up sharp and the file system's cache
    const result = {
      pages,
      samples: folderData.samples.length,
      shards: packed.shards,
      mib: round(packed.bytes / 2 ** 20),
      windowShards: window,
      packMiBPerSecond: round(packed.bytes / 2 ** 20 / packSeconds),
      folder: await measure(createLoader, folderData),
      shardsInPlace: await measure(createLoader, await inShards(shards)),
      streamedCold: await measure(createLoader, await inShards(`${address}shards`)),
      cachedShards: readdirSync(cache.folder).filter((name) => name.endsWith(".shard")).length,
      streamedWarm: await measure(createLoader, await inShards(`${address}shards`)),
      folderAgain: await measure(createLoader, folderData),
    };
    const base = (result.folder.samplesPerSecond + result.folderAgain.samplesPerSecond) / 2;
    const share = ({ samplesPerSecond }) => round(samplesPerSecond / base);
    return {
      ...result,
      inPlaceToFolder: share(result.shardsInPlace),
      coldToFolder: share(result.streamedCold),
      warmToFolder: share(result.streamedWarm),
    };
  } finally {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
