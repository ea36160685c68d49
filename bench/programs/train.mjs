// Our side of the training benchmark: answers warmup, step and epoch, a JSON line each (see benches/train.mjs).
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { UNetTrainer, VAETrainer } from "../../dist/index.js";

const options = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { kind, model, batch: batchSize, height, width } = options;
const folder = (name) => join("models", model, name);
const output = join(dirname(options.batchFile), `run-${process.pid}`);

const common = {
  seed: 1,
  data: { manifest: options.manifest, height, width },
  augment: { rotation: 0, brightness: 0, contrast: 0 },
  lr_scheduler: { type: "constant" },
  optimizer: { learning_rate: 1e-4, max_grad_norm: 1, weight_decay: 0.01 },
  train_batch_size: batchSize,
  gradient_accumulation_steps: 1,
  max_train_steps: 1_000_000,
  precision: options.precision,
  device: options.device,
  threads: options.threads,
  output_dir: output,
  ema_decay: 0,
  checkpoint: { every_steps: 0, save_on_abort: false },
  validation: { every_steps: 0 },
  samples: { every_steps: 0 },
  logging: { events_file: false, tensorboard: false },
};
const vaeConfig = {
  ...common,
  kind: "vae",
  model: { path: folder("vae") },
  perceptual: { network: "lpips", path: folder("vgg16") },
  loss: { reduction: "mean", reconstruction: "mse", kl_weight: 1e-6, perceptual_weight: 0.1 },
};
const unetConfig = {
  ...common,
  kind: "unet",
  model: { path: folder("unet") },
  vae: { path: folder("vae") },
  glyph_encoder: { path: folder("glyph_encoder") },
  loss: { condition_dropout: 0, full_mask_share: 0 },
};

const trainer = kind === "vae" ? await VAETrainer.create(vaeConfig) : await UNetTrainer.create(unetConfig);
// The step alone, on the native trainer that train() drives too.
const { native } = trainer.parts.run;
const fixed = readBatch();
let stepped = 0;

function readBatch() {
  const file = JSON.parse(readFileSync(`${options.batchFile}.json`, "utf8"));
  const all = readFileSync(`${options.batchFile}.bin`);
  let offset = 0;
  const take = (length) => {
    offset += length;
    return new Uint8Array(all.subarray(offset - length, offset));
  };
  const images = take(batchSize * height * width * 3);
  const ids = BigUint64Array.from({ length: batchSize }, (_, i) => BigInt(i));
  const batch = { ids, images, height, width };
  if (kind === "unet") {
    batch.masks = take(batchSize * height * width);
    [batch.glyphHeight, batch.glyphWidth] = file.glyph;
    batch.glyphs = take(batchSize * file.glyph[0] * file.glyph[1] * 3);
  }
  return batch;
}

async function timed(count, work) {
  const milliseconds = [];
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    await work(i);
    milliseconds.push(performance.now() - started);
  }
  return milliseconds;
}

async function step() {
  return (await native.step([fixed], stepped++)).losses.total;
}

const events = trainer.train();

/** `count` more steps of the real loop, its loader going on where it was; per step, the time of all divided. */
async function epoch(count) {
  const started = performance.now();
  for (let taken = 0; taken < count; ) {
    const { done, value } = await events.next();
    if (done) throw new Error("the training ended");
    if (value.type === "step") taken++;
  }
  return [(performance.now() - started) / count];
}

const answers = {
  async warmup() {
    const started = performance.now();
    let loss = 0;
    for (let i = 0; i < 3; i++) loss = await step();
    await epoch(1);
    return { seconds: (performance.now() - started) / 1000, loss };
  },
  async step() {
    const before = process.cpuUsage();
    const milliseconds = await timed(options.steps, step);
    const { user, system } = process.cpuUsage(before);
    return { milliseconds, cpuMs: (user + system) / 1000 / options.steps };
  },
  epoch: async () => ({ milliseconds: await epoch(2 * options.steps) }),
};

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answers[JSON.parse(line).do]())}\n`);
}
await events.return();
await trainer.close();
