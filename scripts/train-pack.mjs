// npm run train:pack -- [--work DIR] [--out DIR] [--documents N] [--seed N] [--set-vae K=V] [--set-unet K=V] [--dry-run]
// Makes the shipped models from nothing but a seed: draws synthetic documents, trains the autoencoder, then the UNet with
// its glyph encoder on drafts, and writes the pack (bfloat16 weights, model cards). Run again, it goes on where it was:
// finished parts are left alone, a training that was stopped resumes from its newest checkpoint.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { values } = parseArgs({
  options: {
    work: { type: "string", default: join(root, "pack-run") },
    out: { type: "string", default: join(root, "models", "document-small") },
    documents: { type: "string", default: "1600" },
    seed: { type: "string", default: "1" },
    "set-vae": { type: "string", multiple: true, default: [] },
    "set-unet": { type: "string", multiple: true, default: [] },
    "dry-run": { type: "boolean", default: false },
  },
});
const work = resolve(values.work);
const out = resolve(values.out);
const python = join(root, ".venv", "bin", "python");
const cli = join(root, "dist", "cli", "anonymizer-train.js");
const dryRun = values["dry-run"];

function run(command, args) {
  const shown = [command, ...args].map((word) => word.replace(`${root}/`, ""));
  console.log(`\n$ ${shown.join(" ")}`);
  return new Promise((done, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => child.kill(signal));
    child.on("error", reject);
    child.on("close", (code, signal) =>
      code === 0 ? done() : reject(Object.assign(new Error(`ended with ${signal ?? code}`), { exitCode: code ?? 1 })),
    );
  });
}

/** Does a part unless it is done with the same request; how long it took is kept beside it. */
async function part(name, request, make) {
  const file = join(work, `${name}.done.json`);
  const wanted = JSON.stringify(request);
  if (existsSync(file) && JSON.parse(readFileSync(file, "utf8")).request === wanted) {
    console.log(`✓ ${name}: done before`);
    return;
  }
  const started = Date.now();
  await make();
  if (!dryRun) writeFileSync(file, `${JSON.stringify({ request: wanted, seconds: (Date.now() - started) / 1000 })}\n`);
}

/** One of the presets, as a command of the package; resumes where the run folder holds a checkpoint. */
async function train(kind, settings) {
  const folder = join(work, kind);
  const args = [kind, "--config", join(root, "configs", "presets", `document-small-${kind}.yaml`), "--out", folder];
  const resumes = existsSync(join(folder, "checkpoints"));
  await run(process.execPath, [
    cli,
    ...args,
    ...settings.flatMap((setting) => ["--set", setting]),
    ...(dryRun ? ["--dry-run"] : resumes ? ["--resume"] : []),
  ]);
}

async function main() {
  mkdirSync(work, { recursive: true });
  const init = join(work, "init");
  const data = join(work, "data");
  const manifest = `data.manifest=${join(data, "manifest.jsonl")}`;
  const vae = join(work, "vae", "models", "vae");
  const { documents, seed } = values;
  await run(python, [
    ...[join(root, "scripts", "export_models.py"), "--preset", "document-small"],
    ...["--seed", seed, "--out", init],
  ]);
  await part("data", { documents, seed }, () =>
    run(process.execPath, [cli, "data", "synth", "--out", data, "--count", documents, "--seed", seed]),
  );
  const forVae = [manifest, `model.path=${join(init, "vae")}`, `perceptual.path=${join(init, "vgg16")}`];
  await part("vae", { documents, seed, set: values["set-vae"] }, () =>
    train("vae", [...forVae, `seed=${seed}`, ...values["set-vae"]]),
  );
  if (dryRun && !existsSync(vae)) {
    console.log(
      "\nThe UNet's plan needs the trained autoencoder; its configuration is configs/presets/document-small-unet.yaml",
    );
    return;
  }
  const forUnet = [
    manifest,
    `model.path=${join(init, "unet")}`,
    `glyph_encoder.path=${join(init, "glyph_encoder")}`,
    `vae.path=${vae}`,
  ];
  await part("unet", { documents, seed, vae: values["set-vae"], set: values["set-unet"] }, () =>
    train("unet", [...forUnet, `seed=${seed}`, ...values["set-unet"]]),
  );
  if (dryRun) return;
  await run(python, [join(root, "scripts", "write_pack.py"), join(work, "unet", "models"), out]);
}

main().catch((error) => {
  console.error(error.message);
  process.exit(error.exitCode ?? 1);
});
