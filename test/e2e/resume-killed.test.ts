/** Killed at random moments and resumed, a run comes to the same bits: the soak of `npm run soak` in small. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
// @ts-expect-error -- a script without types
import { breakImages, killAndResume } from "../../scripts/soak.mjs";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";
import { bundleInto } from "../helpers/bundle.ts";
import { missingForTraining } from "../helpers/can-train.ts";

const root = resolve(import.meta.dirname, "../..");
const missing = await missingForTraining("unet");

// Below the root: the bundle finds the addon from there.
const bundle = join(root, ".cache", `resume-killed-${process.pid}`);
let folder: string;
let manifest: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "resume-killed-"));
  if (missing !== undefined) return;
  await bundleInto(bundle, "src/cli/anonymizer-train.ts");
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
