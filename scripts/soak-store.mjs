// npm run soak -- store [--faults 500 --seed 1 --mib 200]
//
// Objects and models in a bucket under random faults: nothing may be lost, nothing corrupt accepted. Then an upload and a
// download of a file, and a push and a pull of a model, of 200 MiB each, whose processes are killed three times or more and
// go on; none may hold more than 300 MiB.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bundle } from "./bundle.mjs";

const mostMiB = 300;
const ways = ["upload", "download", "push", "pull"];

export async function soakStore(args) {
  const { values } = parseArgs({
    args,
    options: {
      faults: { type: "string", default: "500" },
      seed: { type: "string", default: "1" },
      mib: { type: "string", default: "200" },
    },
  });
  const [faults, seed, mib] = [values.faults, values.seed, values.mib].map(Number);
  if (![faults, seed, mib].every(Number.isInteger) || mib < 20) {
    console.error("usage: soak.mjs store [--faults N] [--seed N] [--mib N, at least 20]");
    process.exitCode = 2;
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "anonymizer-soak-store-"));
  try {
    const programs = await bundle("soak-store", {
      soak: "test/helpers/store-soak.ts",
      kill: "test/helpers/kill-transfers.ts",
      transfer: "test/helpers/transfer-process.ts",
    });
    const { whyNoStoreSoak, workUnderFaults } = await import(programs.soak);
    const { killTransfers } = await import(programs.kill);
    if (whyNoStoreSoak !== undefined) {
      console.error(`✗ ${whyNoStoreSoak}`);
      process.exitCode = 1;
      return;
    }
    const started = performance.now();
    const log = (line) => console.log(line);
    const result = { faults: await workUnderFaults({ faults, seed, folder: join(folder, "faults"), log }) };
    result.faultSeconds = Math.round((performance.now() - started) / 1000);
    for (const way of ways) {
      const killAtMib = [0.2, 0.5, 0.8].map((share) => Math.round(share * mib));
      if (way === "push") killAtMib.push("manifest");
      const at = { folder: join(folder, way), program: programs.transfer };
      result[way] = await killTransfers({ way, mib, killAtMib, ...at });
    }
    console.log(JSON.stringify(result, null, 2));
    const { lost, corruptAccepted, refusedByServer } = result.faults;
    const good =
      lost === 0 &&
      corruptAccepted === 0 &&
      refusedByServer.length === 0 &&
      ways.every((way) => result[way].same && result[way].peakMiB <= mostMiB);
    console.log(
      good
        ? `✓ ${result.faults.faults} faults: nothing lost, nothing corrupt accepted; ${mib} MiB there and back after 13 kills`
        : "✗ see above",
    );
    if (!good) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
