// Which VAE preset reconstructs text best: each trained for as many steps on the same synthetic documents, scored on the
// real receipts. STEPS (default 600) and EVERY (default 4: every fourth receipt) set the size; the tiny model stands in
// for the large one, so this ranks recipes, not models.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { distance } from "fastest-levenshtein";
import sharp from "sharp";
import { bundle } from "../../scripts/bundle.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const steps = Number(process.env.STEPS ?? 600);
const every = Number(process.env.EVERY ?? 4);
const receipts = join(root, "..", "shared", "data", "receipts");

const warm = Math.round(steps / 20);
const mean = { reduction: "mean", kl_weight: 0.00025, perceptual_weight: 0.1 };
const ldm = { reduction: "sum", kl_weight: 1e-6, perceptual_weight: 0.5 };
const restarts = { type: "cosine_with_restarts", warmup_steps: warm, cycles: 3 };
const constant = { type: "constant_with_warmup", warmup_steps: warm };

/** Presets as in configs/, but for sizes; and what a preset's rate alone does. */
const recipes = [
  { name: "vae", loss: mean, rate: 5e-4, schedule: restarts },
  { name: "vae-ldm", loss: ldm, rate: 4.5e-6, schedule: constant },
  { name: "vae-ldm at the rate of vae", loss: ldm, rate: 5e-4, schedule: restarts },
  // Starts from a trained encoder, as it is meant to: the first half of its steps are those of the recipe above.
  {
    name: "vae-decoder after half of vae-ldm at the rate of vae",
    from: { loss: ldm, rate: 5e-4, schedule: restarts },
    loss: { reduction: "mean", kl_weight: 0, perceptual_weight: 0.1 },
    rate: 1e-4,
    schedule: constant,
    freeze: ["encoder", "quant_conv"],
    ema: 0.9999,
  },
];

async function train(VAETrainer, folder, manifest, model, recipe, count) {
  const trainer = await VAETrainer.create({
    name: "preset",
    model: { path: model },
    perceptual: { network: "lpips", path: join(root, "models", "tiny", "vgg16") },
    data: { manifest, height: 64, width: 256 },
    loss: recipe.loss,
    optimizer: { learning_rate: recipe.rate },
    lr_scheduler: recipe.schedule,
    freeze: recipe.freeze ?? [],
    ema_decay: recipe.ema ?? 0,
    train_batch_size: 8,
    gradient_accumulation_steps: 1,
    max_train_steps: count,
    precision: "fp32",
    checkpoint: { every_steps: 0 },
    validation: { every_steps: 0 },
    samples: { every_steps: 0 },
    output_dir: join(folder, "run"),
  });
  for await (const event of trainer.train()) {
    if (event.type === "step" && event.step % 100 === 0) {
      const { recon, kl } = event.losses;
      console.log(`  step ${event.step}  recon ${recon.toPrecision(3)}  kl ${kl.toPrecision(3)}`);
    }
  }
  await trainer.exportModel(join(folder, "model"));
  await trainer.close();
  return join(folder, "model");
}

/** Share of the true characters that are read, and lines read without a fault. */
async function readable(engine, pages) {
  const { inParallel } = await import((await bundle("bench", { parallel: "src/in-parallel.ts" })).parallel);
  const bare = (text) => text.toUpperCase().replace(/\s+/g, "");
  let errors = 0;
  let characters = 0;
  let exact = 0;
  let lines = 0;
  const work = async ({ file, truth }) => {
    const { data, info } = await sharp(file)
      .removeAlpha()
      .toColourspace("srgb")
      .raw()
      .toBuffer({ resolveWithObject: true });
    const image = { data: new Uint8Array(data), width: info.width, height: info.height };
    // A page of mush can keep an engine busy for very long: what it does not read in a minute is not readable.
    const page = await engine.read(image, { timeoutMs: 60_000 }).catch((error) => {
      if (error.code !== "ERR_OCR_TIMEOUT") throw error;
      return { lines: [] };
    });
    const words = page.lines.flatMap((line) => line.words);
    for (const { box, text } of truth) {
      const wanted = bare(text);
      const got = bare(
        words
          .filter(({ box: b }) => {
            const [x, y] = [(b[0] + b[2]) / 2, (b[1] + b[3]) / 2];
            return x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3];
          })
          .sort((a, b) => a.box[0] - b.box[0])
          .map((word) => word.text)
          .join(""),
      );
      errors += Math.min(distance(got, wanted), wanted.length);
      characters += wanted.length;
      exact += got === wanted ? 1 : 0;
      lines++;
    }
  };
  await inParallel(pages, cpus().length, work);
  return { characters: 1 - errors / characters, lines: exact / lines };
}

export async function run() {
  if (!existsSync(receipts)) return { skipped: "the receipts are not here" };
  const { VAETrainer, writeSyntheticDataset, createTesseractEngine } = await import(join(root, "dist", "index.js"));
  const folder = mkdtempSync(join(tmpdir(), "anonymizer-presets-"));
  const engine = await createTesseractEngine({ workers: cpus().length });
  try {
    const data = join(folder, "data");
    await writeSyntheticDataset({ seed: 21, count: 60, out: data });
    const manifest = join(data, "manifest.jsonl");
    const models = {};
    for (const [index, recipe] of recipes.entries()) {
      console.log(recipe.name);
      const own = join(folder, String(index));
      mkdirSync(own);
      const untrained = join(root, "models", "tiny", "vae");
      if (recipe.from === undefined)
        models[recipe.name] = await train(VAETrainer, own, manifest, untrained, recipe, steps);
      else {
        const half = join(own, "half");
        mkdirSync(half);
        const start = await train(VAETrainer, half, manifest, untrained, recipe.from, steps / 2);
        models[recipe.name] = await train(VAETrainer, own, manifest, start, recipe, steps / 2);
      }
    }
    const items = JSON.parse(readFileSync(join(receipts, "manifest.json"), "utf8")).items.filter(
      (_, i) => i % every === 0,
    );
    const pages = items.map(({ id, file, lines }) => ({
      id,
      file: join(receipts, file),
      boxes: lines.map(({ box }) => box),
      truth: lines,
    }));
    const request = join(folder, "request.json");
    writeFileSync(request, JSON.stringify({ models, pages, out: join(folder, "pages") }));
    const python = join(root, ".venv", "bin", "python");
    const psnr = JSON.parse(
      execFileSync(python, [join(root, "bench", "programs", "reconstruct.py"), request], { encoding: "utf8" }),
    );
    const table = { original: { readable: await readable(engine, pages) } };
    console.log("original", JSON.stringify(table.original));
    for (const name of Object.keys(models)) {
      const copies = pages.map((page) => ({ ...page, file: join(folder, "pages", name, `${page.id}.png`) }));
      table[name] = { ...psnr[name], readable: await readable(engine, copies) };
      console.log(name, JSON.stringify(table[name]));
    }
    return { steps, receipts: pages.length, table };
  } finally {
    await engine.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
