/** Killed at random moments and resumed, a run comes to the same bits: the soak of `npm run soak` in small. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "tsdown";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
// @ts-expect-error -- a script without types
import { breakImages, killAndResume } from "../../scripts/soak.mjs";
import { loadNative } from "../../src/addon/binding.ts";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";
import type { AnonymizerError } from "../../src/errors.ts";

const root = resolve(import.meta.dirname, "../..");
const missing = !existsSync(join(root, "models/tiny/unet/graph.pt"))
  ? "models/tiny is not exported"
  : await loadNative().then(
      () => undefined,
      (error: AnonymizerError) => `${error.code}: ${error.message}`,
    );
if (missing !== undefined) console.log(`skipped: ${missing} (npm run setup)`);

// Below the root: the bundle finds the addon from there.
const bundle = join(root, ".cache", `resume-killed-${process.pid}`);
let folder: string;
let manifest: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "resume-killed-"));
  if (missing !== undefined) return;
  await build({
    config: false,
    cwd: root,
    entry: [join(root, "src/cli/anonymizer-train.ts")],
    outDir: bundle,
    format: "esm",
    platform: "node",
    target: "node20",
    dts: false,
    fixedExtension: false,
    logLevel: "silent",
  });
  manifest = (await writeSyntheticDataset({ out: join(folder, "data"), count: 12, seed: 3 })).manifest;
  breakImages(join(folder, "data", "images"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await rm(bundle, { recursive: true, force: true });
});

describe.skipIf(missing !== undefined)("a killed run", () => {
  it.each([
    ["vae", 1, 11],
    ["unet", 2, 12],
  ])(
    "%s: killed %i times and resumed, with accumulation, EMA, buckets, cache, it equals one that was not killed",
    async (kind, kills, seed) => {
      const own = join(folder, kind);
      await mkdir(own);
      const cli = join(bundle, "anonymizer-train.js");
      const result = await killAndResume({ cli, kind, manifest, folder: own, kills, seed, steps: 5 });
      expect(result).toMatchObject({ kills });
      expect(result.runs).toBeGreaterThan(0);
    },
  );
});
