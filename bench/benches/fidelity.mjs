// How true the drawn text is, by engine: boxes of real receipts repainted with their own text against the true pixels, and
// with invented texts that are read again. BOXES (default 100, at most 400), ENGINES=classical,diffusion,
// MODELS=folder (default models/document-small), SHEET=folder (pictures of the worst boxes); SAMPLER, DIFFUSION_STEPS,
// STRENGTH and CHANGE instead of what the models recommend.
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { bundle } from "../../scripts/bundle.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const receipts = join(root, "..", "shared", "data", "receipts");
const boxes = Math.max(1, Math.min(400, Number(process.env.BOXES ?? 100)));
const wanted = (process.env.ENGINES ?? "classical,diffusion").split(",");
const models = process.env.MODELS ?? join(root, "models", "document-small");
const sampling = {
  ...(process.env.SAMPLER && { sampler: process.env.SAMPLER }),
  ...(process.env.DIFFUSION_STEPS && { steps: Number(process.env.DIFFUSION_STEPS) }),
  ...(process.env.STRENGTH && { strength: Number(process.env.STRENGTH) }),
  ...(process.env.CHANGE && { changeScale: Number(process.env.CHANGE) }),
};
const sheet = process.env.SHEET;

async function programs() {
  const { fidelity } = await bundle("bench", { fidelity: "bench/fidelity.bench.ts" });
  return await import(fidelity);
}

async function openReaders() {
  const { createPpOcrEngine, createTesseractEngine } = await import(join(root, "dist", "index.js"));
  const readers = {};
  try {
    const own = join(root, "models", "ppocr");
    readers.ppocr = await createPpOcrEngine(existsSync(own) ? { models: own } : {});
  } catch (error) {
    console.log(`ppocr is left out: ${error.code}: ${error.message}`);
  }
  readers.tesseract = await createTesseractEngine();
  return readers;
}

/** Before, own text, invented text of a box, one above the other, three times as large. */
async function strip({ before, own, fresh, box }) {
  const crop = { left: Math.max(0, Math.floor(box[0]) - 12), top: Math.max(0, Math.floor(box[1]) - 8) };
  const size = {
    width: Math.min(before.width - crop.left, Math.min(420, Math.ceil(box[2] - box[0]) + 24)),
    height: Math.min(before.height - crop.top, Math.min(90, Math.ceil(box[3] - box[1]) + 16)),
  };
  const parts = [];
  for (const image of [before, own, fresh]) {
    const raw = { width: image.width, height: image.height, channels: 3 };
    parts.push(
      await sharp(image.data, { raw })
        .extract({ ...crop, ...size })
        .resize(size.width * 2, size.height * 2, { kernel: "nearest" })
        .png()
        .toBuffer(),
    );
  }
  const layers = parts.map((input, i) => ({ input, left: 0, top: i * (size.height * 2 + 4) }));
  const canvas = { width: size.width * 2, height: 3 * (size.height * 2 + 4) + 8, channels: 3, background: "#3060c0" };
  return { png: await sharp({ create: canvas }).composite(layers).png().toBuffer(), ...canvas };
}

async function writeSheet(name, worst) {
  const strips = [];
  for (const result of worst) strips.push(await strip(result));
  const columns = [0, 0];
  const layers = [];
  for (const { png, height } of strips) {
    const column = columns[0] <= columns[1] ? 0 : 1;
    layers.push({ input: png, left: column * 860, top: columns[column] });
    columns[column] += height;
  }
  mkdirSync(sheet, { recursive: true });
  const canvas = { width: 1720, height: Math.max(...columns), channels: 3, background: "#ffffff" };
  await sharp({ create: canvas })
    .composite(layers)
    .png()
    .toFile(join(sheet, `${name}-worst.png`));
}

export async function run() {
  if (!existsSync(receipts)) return { skipped: `${receipts} is not there` };
  const { measureFidelity, createClassicalEngine, createDiffusionEngine } = await programs();
  const readers = await openReaders();
  const engines = {};
  const left = {};
  if (wanted.includes("classical")) engines.classical = createClassicalEngine();
  if (wanted.includes("diffusion")) {
    try {
      engines.diffusion = await createDiffusionEngine({
        models,
        device: process.env.BENCH_DEVICE ?? "auto",
        sampling,
      });
    } catch (error) {
      left.diffusion = `${error.code}: ${error.message}`;
      console.log(`diffusion is left out: ${left.diffusion}`);
    }
  }
  const results = [];
  const onBox = async (result) => {
    results.push(result);
  };
  try {
    const table = await measureFidelity({ folder: receipts, boxes, engines, readers, onBox });
    if (sheet) {
      for (const name of Object.keys(engines)) {
        const worst = results.filter((r) => r.engine === name).sort((a, b) => a.ssim - b.ssim);
        for (const r of worst.slice(0, 30))
          console.log(
            `${name} ${r.id} ssim ${r.ssim.toFixed(3)} psnr ${r.psnr.toFixed(1)} ${r.text} → ${r.read[0]} | ${r.fake} → ${r.read[1]}`,
          );
        await writeSheet(name, worst.slice(0, 30));
      }
    }
    const usesDiffusion = engines.diffusion !== undefined;
    return {
      set: "receipts",
      ssim: "uniform 7×7",
      ...(usesDiffusion ? { models: models.replace(`${root}/`, ""), sampling: engines.diffusion.sampling } : {}),
      ...(Object.keys(left).length > 0 ? { left } : {}),
      ...table,
    };
  } finally {
    for (const part of [...Object.values(engines), ...Object.values(readers)]) await part.close();
  }
}
