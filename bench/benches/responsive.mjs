// How long the event loop stands still while training and while anonymizing, beside an idle process on this machine.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

async function delays(work) {
  const monitor = monitorEventLoopDelay({ resolution: 1 });
  monitor.enable();
  await work();
  monitor.disable();
  const ms = (ns) => Number((ns / 1e6).toFixed(1));
  return { p99: ms(monitor.percentile(99)), max: ms(monitor.max) };
}

export async function run() {
  const { Anonymizer, VAETrainer, writeSyntheticDataset } = await import(join(root, "dist", "index.js"));
  const folder = mkdtempSync(join(tmpdir(), "anonymizer-responsive-"));
  try {
    const data = join(folder, "data");
    await writeSyntheticDataset({ seed: 5, count: 8, out: data });
    const idle = await delays(() => sleep(3000));
    const trainer = await VAETrainer.create({
      kind: "vae",
      model: { path: join(root, "models", "tiny", "vae") },
      data: { manifest: join(data, "manifest.jsonl"), height: 64, width: 256 },
      loss: { reduction: "mean", perceptual_weight: 0 },
      lr_scheduler: { type: "constant", warmup_steps: 0 },
      train_batch_size: 8,
      gradient_accumulation_steps: 1,
      max_train_steps: 20,
      output_dir: join(folder, "run"),
    });
    const training = await delays(async () => {
      for await (const _ of trainer.train());
    });
    await trainer.close();
    const anonymizer = await Anonymizer.create({ engine: "classical" });
    const images = readdirSync(join(data, "images")).sort();
    await anonymizer.anonymize(join(data, "images", images[0]));
    const anonymizing = await delays(async () => {
      for (const image of images.slice(1, 4)) await anonymizer.anonymize(join(data, "images", image));
    });
    await anonymizer.close();
    return { milliseconds: { idle, training, anonymizing } };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
