// npm run train:pack -- [--work DIR] [--out DIR] [--documents N] [--seed N] [--set-vae K=V] [--set-unet K=V]
//                       [--sampling JSON] [--boxes N] [--curve] [--dry-run]
// Makes the shipped models from nothing but a seed: draws synthetic documents, trains the autoencoder, then the UNet with
// its glyph encoder on drafts, writes the pack (bfloat16 weights, model cards), scores it on real receipts where they are
// at hand, and draws a contact sheet (sheet.png in the work folder); --curve also scores what each checkpoint of the UNet
// holds (curve.jsonl there). Run again, it goes on where it was: finished parts are left alone, a training that was
// stopped resumes from its newest checkpoint.
import { spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { jsonLines } from "./json-lines.mjs";
import { packCard } from "./pack-card.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { values } = parseArgs({
  options: {
    work: { type: "string", default: join(root, "pack-run") },
    out: { type: "string", default: join(root, "models", "document-small") },
    documents: { type: "string", default: "1600" },
    seed: { type: "string", default: "1" },
    "set-vae": { type: "string", multiple: true, default: [] },
    "set-unet": { type: "string", multiple: true, default: [] },
    sampling: { type: "string", default: '{"sampler":"ddim","steps":1,"strength":1,"changeScale":0.4}' },
    boxes: { type: "string", default: "400" },
    curve: { type: "boolean", default: false },
    "dry-run": { type: "boolean", default: false },
  },
});
const work = resolve(values.work);
const out = resolve(values.out);
const python = join(root, ".venv", "bin", "python");
const cli = join(root, "dist", "cli", "anonymizer-train.js");
const dryRun = values["dry-run"];
/** Boxes that score a checkpoint. */
const curveBoxes = "100";
const signals = ["SIGINT", "SIGTERM"];

/** `env`: further variables. */
function run(command, args, env = {}) {
  const shown = [command, ...args].map((word) => word.replace(`${root}/`, ""));
  console.log(`\n$ ${shown.join(" ")}`);
  return new Promise((done, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, ...env },
    });
    const pass = (signal) => child.kill(signal);
    for (const signal of signals) process.on(signal, pass);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      for (const signal of signals) process.off(signal, pass);
      if (code === 0) done();
      else reject(Object.assign(new Error(`ended with ${signal ?? code}`), { exitCode: code ?? 1 }));
    });
  });
}

const partFile = (name) => join(work, `${name}.part.json`);

/** Does a part unless it is done with the same request; how long it took, over all tries, is kept beside it. */
async function part(name, request, make) {
  const file = partFile(name);
  const wanted = JSON.stringify(request);
  const before = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  const same = before.request === wanted;
  if (same && before.done) {
    console.log(`✓ ${name}: done before`);
    return;
  }
  const started = Date.now();
  let done = false;
  try {
    await make();
    done = true;
  } finally {
    const seconds = (same ? before.seconds : 0) + (Date.now() - started) / 1000;
    if (!dryRun) writeFileSync(file, `${JSON.stringify({ request: wanted, done, seconds })}\n`);
  }
}

/**
 * One of the presets, as a command of the package; resumes where the run folder holds a checkpoint. `instead`: options that
 * stand in for that.
 */
async function train(kind, settings, instead) {
  const folder = join(work, kind);
  const args = [kind, "--config", join(root, "configs", "presets", `document-small-${kind}.yaml`), "--out", folder];
  const resumes = existsSync(join(folder, "checkpoints"));
  await run(process.execPath, [
    cli,
    ...args,
    ...settings.flatMap((setting) => ["--set", setting]),
    ...(instead ?? (dryRun ? ["--dry-run"] : resumes ? ["--resume"] : [])),
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
  await writePack(join(work, "unet", "models"), out);
  const scores = await score(out, "classical,diffusion", values.boxes);
  const seconds = Object.fromEntries(
    ["data", "vae", "unet"].map((name) => [name, JSON.parse(readFileSync(partFile(name), "utf8")).seconds]),
  );
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? "unknown"})`;
  writeFileSync(join(out, "README.md"), packCard(out, { documents, seed, seconds, machine, scores }));
  await run(process.execPath, [join(root, "scripts", "pack-sheet.mjs"), out, join(work, "sheet.png")]);
  if (values.curve) {
    await writeCurve(forUnet);
    await run(process.execPath, [join(root, "scripts", "pack-curve.mjs"), work, join(work, "curve.png")]);
  }
}

const writePack = (models, to) =>
  run(python, [join(root, "scripts", "write_pack.py"), models, to, "--sampling", values.sampling]);

/** Result of the benchmark; undefined where the receipts are not at hand. */
async function score(pack, engines, boxes) {
  await run(process.execPath, [join(root, "bench", "run.mjs"), "fidelity"], {
    MODELS: pack,
    ENGINES: engines,
    BOXES: boxes,
  });
  const { result } = jsonLines(join(root, "bench", "results", "fidelity.jsonl")).at(-1);
  return result.skipped === undefined ? result : undefined;
}

/**
 * What the checkpoints are worth, each with at least 1.4 times the steps of the one before, and the draft without them.
 * What was scored before is not scored again.
 */
async function writeCurve(forUnet) {
  const file = join(work, "curve.jsonl");
  const known = existsSync(file) ? jsonLines(file).map(({ name }) => name) : [];
  const add = (entry, { psnr, ssim, own, fresh }) =>
    appendFileSync(file, `${JSON.stringify({ ...entry, psnr, ssim, own, fresh })}\n`);
  if (!known.includes("draft")) {
    const result = await score(out, "classical", curveBoxes);
    if (result === undefined) return;
    add({ name: "draft" }, result.engines.classical);
  }
  const checkpoints = join(work, "unet", "checkpoints");
  for (const name of spaced(readdirSync(checkpoints))) {
    if (known.includes(name)) continue;
    const models = join(work, "curve-models");
    const pack = join(work, "curve-pack");
    const from = ["--resume", join(checkpoints, name), "--export-only", models];
    await train("unet", [...forUnet, `seed=${values.seed}`, ...values["set-unet"]], from);
    await writePack(models, pack);
    const result = await score(pack, "diffusion", curveBoxes);
    if (result === undefined) return;
    const { samples } = JSON.parse(readFileSync(join(pack, "unet", "metadata.json"), "utf8")).training;
    add({ name, samples }, result.engines.diffusion);
    for (const folder of [models, pack]) rmSync(folder, { recursive: true, force: true });
  }
}

/** Of the checkpoints' names the first, the last, and between them those with 1.4 times the steps of the one before. */
function spaced(entries) {
  const steps = (name) => Number(name.replace("step-", ""));
  const all = entries.filter((entry) => /^step-\d+$/.test(entry)).sort();
  const chosen = [];
  for (const name of all)
    if (chosen.length === 0 || name === all.at(-1) || steps(name) >= 1.4 * steps(chosen.at(-1))) chosen.push(name);
  return chosen;
}

main().catch((error) => {
  console.error(error.message);
  process.exit(error.exitCode ?? 1);
});
