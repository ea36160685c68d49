// What share of the time the trainer waits for data, with the `small` models; and how much faster the UNet's steps are
// with the latent cache, beside the same steps from pixels.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const models = join(root, "models", "small");
/** The first ones fill the loader's queue and warm caches up. */
const leftOut = 2;
const steps = 10;

function exportSmall() {
  if (existsSync(join(models, "vgg16", "metadata.json"))) return;
  const python = join(root, ".venv", "bin", "python");
  const args = [join(root, "scripts", "export_models.py"), "--preset", "small", "--out", models];
  const { status, stderr } = spawnSync(python, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`The small models could not be exported:\n${stderr}`);
}

const sum = (values) => values.reduce((a, b) => a + b, 0);
const round = (value, digits = 1) => Number(value.toFixed(digits));

/** Trains and adds up what the steps say of themselves. */
async function measure(Trainer, config) {
  const trainer = await Trainer.create(config);
  const events = [];
  try {
    for await (const event of trainer.train()) if (event.type === "step") events.push(event);
  } finally {
    await trainer.close();
  }
  const counted = events.slice(leftOut);
  const wait = sum(counted.map((event) => event.dataWaitMs));
  const compute = sum(counted.map((event) => event.computeMs));
  return {
    steps: counted.length,
    firstWaitMs: round(events[0].dataWaitMs),
    waitMsPerStep: round(wait / counted.length),
    computeMsPerStep: round(compute / counted.length),
    waitShare: round(wait / (wait + compute), 4),
  };
}

export async function run() {
  exportSmall();
  const { UNetTrainer, VAETrainer, writeSyntheticDataset } = await import(join(root, "dist", "index.js"));
  const folder = mkdtempSync(join(tmpdir(), "anonymizer-loader-"));
  try {
    const { manifest } = await writeSyntheticDataset({ seed: 5, count: 60, out: join(folder, "data") });
    let runs = 0;
    const common = (data) => ({
      data: { manifest, height: 64, width: 256, ...data },
      lr_scheduler: { type: "constant", warmup_steps: 0 },
      train_batch_size: 4,
      gradient_accumulation_steps: 1,
      max_train_steps: steps,
      precision: "fp32",
      checkpoint: { every_steps: 0 },
      validation: { every_steps: 0 },
      samples: { every_steps: 0 },
      logging: { events_file: false },
      output_dir: join(folder, `run-${++runs}`),
    });
    const vae = (data = {}) => ({
      ...common(data),
      kind: "vae",
      model: { path: join(models, "vae") },
      loss: { reduction: "mean", perceptual_weight: 0 },
    });
    const unet = (data = {}) => ({
      ...common(data),
      kind: "unet",
      model: { path: join(models, "unet") },
      vae: { path: join(models, "vae") },
      glyph_encoder: { path: join(models, "glyph_encoder") },
      ema_decay: 0,
    });
    const result = {
      vae: await measure(VAETrainer, vae()),
      vaeBuckets: await measure(VAETrainer, vae({ buckets: { aspects: [1, 2, 4, 8] } })),
      unet: await measure(UNetTrainer, unet()),
      unetBuckets: await measure(UNetTrainer, unet({ buckets: { aspects: [1, 4] } })),
    };
    const cache = { dir: join(folder, "cache"), variants: 2 };
    // The first run makes the entries that it needs, the second finds them.
    result.unetCacheFilling = await measure(UNetTrainer, { ...unet(), cache });
    result.unetCached = await measure(UNetTrainer, { ...unet(), cache });
    const perStep = ({ waitMsPerStep, computeMsPerStep }) => waitMsPerStep + computeMsPerStep;
    result.cacheSpeedUp = round(perStep(result.unet) / perStep(result.unetCached), 2);
    return result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
