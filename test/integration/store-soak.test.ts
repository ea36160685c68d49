/** The soak of `npm run soak -- store` in small: a bucket under faults, transfers whose processes are killed. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleInto } from "../helpers/bundle.ts";
import { killTransfers } from "../helpers/kill-transfers.ts";
import { whyNoStoreSoak, workUnderFaults } from "../helpers/store-soak.ts";
import { root } from "../helpers/tiny.ts";

let folder: string;
let bundle: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "store-soak-"));
  if (whyNoStoreSoak !== undefined) return;
  // Below the root: the bundle finds packages from there.
  await mkdir(join(root, ".cache"), { recursive: true });
  bundle = await mkdtemp(join(root, ".cache", "store-soak-"));
  await bundleInto(bundle, "test/helpers/transfer-process.ts");
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  if (bundle !== undefined) await rm(bundle, { recursive: true, force: true });
});

describe.skipIf(whyNoStoreSoak !== undefined)("a bucket", () => {
  it("loses nothing and hands over nothing corrupt under 40 random faults of every kind", async () => {
    const report = await workUnderFaults({ faults: 40, seed: 5, folder: join(folder, "faults") });
    expect(report).toMatchObject({ faults: 40, lost: 0, corruptAccepted: 0, refusedByServer: [] });
    expect(Object.keys(report.injected).length).toBeGreaterThan(5);
    expect(report.operations).toBeGreaterThan(10);
  });

  it.each(["upload", "download"] as const)("goes on with an %s that is killed twice, within 300 MiB", async (way) => {
    const program = join(bundle, "transfer-process.js");
    const options = { way, mib: 60, killAtMib: [16, 40], folder: join(folder, way), program, partMib: 8 };
    const report = await killTransfers(options);
    expect(report).toMatchObject({ kills: 2, same: true });
    expect(report.resumedAtMiB[0]).toBeGreaterThanOrEqual(16);
    expect(report.resumedAtMiB[1]).toBeGreaterThanOrEqual(40);
    // Only what was under way is sent again: four parts a kill.
    expect(report.movedMiB).toBeLessThanOrEqual(60 + 2 * 4 * 8);
    expect(report.peakMiB).toBeLessThanOrEqual(300);
  });

  it.each([
    ["push", [16, 40, "manifest"]],
    ["pull", [20, 50]],
  ] as const)(
    "goes on with the %s of a model that is killed again and again, within 300 MiB",
    async (way, killAtMib) => {
      const program = join(bundle, "transfer-process.js");
      const options = { way, mib: 64, killAtMib, folder: join(folder, way), program, partMib: 5 };
      const report = await killTransfers(options);
      expect(report).toMatchObject({ kills: killAtMib.length, same: true });
      expect(report.movedMiB).toBeLessThanOrEqual(64 + 2 * 4 * 5);
      expect(report.peakMiB).toBeLessThanOrEqual(300);
    },
  );
});
