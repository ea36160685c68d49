/** What the bench of shards measures with: the loader alone, over a folder, over shards in place, and streamed. */
export { DocumentDataset } from "../src/datasets/dataset.ts";
export { createLoader } from "../src/datasets/loader.ts";
export { packDataset } from "../src/datasets/shards/pack.ts";
export { openShards } from "../src/datasets/shards/shard-pages.ts";
export { pushShards } from "../src/datasets/shards/transfer.ts";
export { writeSyntheticDataset } from "../src/datasets/synthesizer/write-dataset.ts";
