// npm run soak -- store [--faults 500 --seed 1 --mib 200]
//
// Objects and models in a bucket under random faults: nothing may be lost, nothing corrupt accepted. Then an upload and a
// download of 200 MiB whose processes are killed three times each and go on; none may hold more than 300 MiB.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "tsdown";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const mostMiB = 300;

async function bundle(outDir) {
  const entry = (name) => join(root, "test", "helpers", `${name}.ts`);
  await build({
    entry: { "store-soak": entry("store-soak"), "transfer-process": entry("transfer-process") },
    outDir,
    config: false,
    cwd: root,
    dts: false,
    format: "esm",
    platform: "node",
    target: "node20",
    fixedExtension: false,
    logLevel: "silent",
  });
}

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
  const programs = join(root, ".cache", "soak-store");
  mkdirSync(programs, { recursive: true });
  try {
    await bundle(programs);
    const { killTransfers, whyNoStoreSoak, workUnderFaults } = await import(join(programs, "store-soak.js"));
    if (whyNoStoreSoak !== undefined) {
      console.error(`✗ ${whyNoStoreSoak}`);
      process.exitCode = 1;
      return;
    }
    const started = performance.now();
    const log = (line) => console.log(line);
    const result = { faults: await workUnderFaults({ faults, seed, folder: join(folder, "faults"), log }) };
    result.faultSeconds = Math.round((performance.now() - started) / 1000);
    for (const way of ["upload", "download"]) {
      const killAtMib = [0.2, 0.5, 0.8].map((share) => Math.round(share * mib));
      const program = join(programs, "transfer-process.js");
      result[way] = await killTransfers({ way, mib, killAtMib, folder: join(folder, way), program });
    }
    console.log(JSON.stringify(result, null, 2));
    const { lost, corruptAccepted, refusedByServer } = result.faults;
    const good =
      lost === 0 &&
      corruptAccepted === 0 &&
      refusedByServer.length === 0 &&
      [result.upload, result.download].every(({ same, peakMiB }) => same && peakMiB <= mostMiB);
    console.log(
      good
        ? `✓ ${result.faults.faults} faults: nothing lost, nothing corrupt accepted; ${mib} MiB there and back after 6 kills`
        : "✗ see above",
    );
    if (!good) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
