// How well and how fast the OCR engines read real receipts and forms. BENCH_EVERY=4 takes every fourth page.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle } from "../../scripts/bundle.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const data = join(root, "..", "shared", "data");
const models = join(root, "models", "ppocr");

export async function run() {
  if (!existsSync(data)) return { skipped: `${data} is not there` };
  const { ocr } = await bundle("bench", { ocr: "bench/ocr.bench.ts" });
  const { measureOcr } = await import(ocr);
  const { createPpOcrEngine, createTesseractEngine } = await import(join(root, "dist", "index.js"));
  const every = Number(process.env.BENCH_EVERY ?? 1);
  const starts = { tesseract: () => createTesseractEngine() };
  if (existsSync(models)) starts.ppocr = () => createPpOcrEngine({ models });
  else console.log(`ppocr is left out: no models in ${models}`);
  const results = {};
  for (const [name, start] of Object.entries(starts)) {
    const engine = await start();
    for (const set of ["receipts", "forms"]) {
      const started = performance.now();
      const table = await measureOcr(data, engine, { set, every });
      results[`${name} ${set}`] = { ...table, secondsPerPage: (performance.now() - started) / 1000 / table.pages };
    }
    await engine.close();
  }
  return { every, results };
}
