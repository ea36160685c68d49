// Pages a second, memory and the time of each stage: ours with each OCR engine, regions drawn together and one by one, and
// presidio-image-redactor, which only fills boxes with a colour, on the same pages. Each side is a process of its own.
//
//   PAGES=8  PRESIDIO=PYTHON, of an environment made with `pip install presidio-image-redactor`; needs the program tesseract
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle } from "../../scripts/bundle.mjs";

const programs = join(dirname(fileURLToPath(import.meta.url)), "..", "programs");
const root = join(programs, "..", "..");

export async function run() {
  const { writeSyntheticDataset } = await import(join(root, "dist", "index.js"));
  const folder = mkdtempSync(join(tmpdir(), "anonymizer-bench-"));
  try {
    const data = join(folder, "data");
    await writeSyntheticDataset({ seed: 17, count: Number(process.env.PAGES ?? 8), out: data });
    const images = join(data, "images");
    const pages = readdirSync(images)
      .sort()
      .map((name) => join(images, name));
    const request = join(folder, "request.json");
    const measure = (command, program, config) => {
      writeFileSync(request, JSON.stringify({ pages, config }));
      const { status, stdout, stderr } = spawnSync(command, [join(programs, program), request], {
        encoding: "utf8",
        maxBuffer: 1 << 26,
      });
      if (status !== 0) throw new Error(`${program} ended with ${status}:\n${stderr}`);
      return JSON.parse(stdout.trim().split("\n").at(-1));
    };
    const ours = (config) => measure(process.execPath, "anonymize.mjs", config);
    const result = { pages: pages.length, load: loadavg() };
    result.classical = ours({ engine: "classical", ocr: { engine: "tesseract" } });
    console.log(JSON.stringify(result.classical));
    const models = join(root, "models", "ppocr");
    if (existsSync(join(models, "metadata.json")))
      result.classicalWithPpOcr = ours({ engine: "classical", ocr: { engine: "ppocr", models } });
    const pack = join(folder, "pack");
    await writePack(pack);
    const diffusion = (batchSize) =>
      ours({
        engine: "diffusion",
        models: pack,
        ocr: { engine: "tesseract" },
        diffusion: { steps: 4, batch_size: batchSize },
        // The tiny models don't spell; the first drawing is what is measured.
        gate: { retries: 0 },
      });
    result.diffusionTogether = diffusion(16);
    result.diffusionOneByOne = diffusion(1);
    result.drawTogetherToOneByOne = Number(
      (result.diffusionTogether.stageMs.draw / result.diffusionOneByOne.stageMs.draw).toFixed(3),
    );
    const python = process.env.PRESIDIO;
    if (python === undefined) console.log("presidio is left out: PRESIDIO names no Python that has it");
    else {
      result.presidio = measure(python, "redact.py", {});
      result.cpuToPresidio = Number(
        (result.classical.cpuSecondsPerPage / result.presidio.cpuSecondsPerPage).toFixed(2),
      );
    }
    return result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The tiny models, with the projection that a trained UNet has. */
async function writePack(folder) {
  const { pack } = await bundle("bench", { pack: "test/helpers/tiny-pack.ts" });
  const { writeTinyPack } = await import(pack);
  writeTinyPack(folder);
}
