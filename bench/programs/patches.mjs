// patches.mjs MODELS: see benches/patches.mjs. The last line of the output is the result.
import { bundle } from "../../scripts/bundle.mjs";
import { peakMiB } from "../../scripts/process-memory.mjs";

const [models] = process.argv.slice(2);
const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
const device = process.env.BENCH_DEVICE ?? "cpu";
const threads = Number(process.env.BENCH_THREADS ?? 0);
const paths = await bundle("patches", {
  pipeline: "src/inpainting/inpainting-pipeline.ts",
  engine: "src/inpainting/diffusion-engine.ts",
  classical: "src/inpainting/classical-engine.ts",
  patches: "src/inpainting/patches.ts",
  synthesizer: "src/datasets/synthesizer/document-synthesizer.ts",
});
const { InpaintingPipeline } = await import(paths.pipeline);

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

async function timed(work) {
  await work();
  const times = [];
  for (let i = 0; i < rounds; i++) {
    const started = performance.now();
    await work();
    times.push(performance.now() - started);
  }
  return median(times);
}

const before = peakMiB();
const pipeline = await InpaintingPipeline.create({ models, device, threads, batchSize: 16 });
const batch = (width, height) =>
  Array.from({ length: 16 }, (_, seed) => {
    const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => 200 + ((i * 7 + seed) % 40));
    const mask = new Uint8Array(width * height);
    for (let y = height / 4; y < (3 * height) / 4; y++)
      mask.fill(1, y * width + width / 8, y * width + (7 * width) / 8);
    return { image: { data, width, height }, draft: { data, width, height }, mask, text: "Erika Muster", seed };
  });
const msPerPatch = {};
for (const [height, width] of [
  [64, 256],
  [64, 128],
]) {
  const requests = batch(width, height);
  for (const [name, sampling] of Object.entries({
    "4 steps": { steps: 4, strength: 1 },
    "8 steps": { steps: 8, strength: 1 },
    "20 steps": { steps: 20, strength: 1 },
    "as recommended": {},
  })) {
    const ms = (await timed(() => pipeline.generate(requests, sampling))) / requests.length;
    msPerPatch[`${height}x${width}, ${name}`] = Number(ms.toFixed(1));
  }
}
const { sampling } = pipeline;
await pipeline.close();

const { createDiffusionEngine } = await import(paths.engine);
const { createClassicalEngine } = await import(paths.classical);
const { extractPatch } = await import(paths.patches);
const page = await pageOfLines();
const patches = page.regions.map(({ box, text }, i) =>
  extractPatch(page.image, { entity: { id: `r${i}`, box, text, page: 0 }, fake: text }, {}),
);
const engine = await createDiffusionEngine({ models, device, threads, batchSize: 16 });
const classical = createClassicalEngine();
const pageMs = {
  regions: patches.length,
  diffusion: Math.round(await timed(() => engine.generate(patches))),
  classical: Math.round(await timed(() => classical.generate(patches))),
};
await engine.close();
await classical.close();
console.log(JSON.stringify({ device, sampling, msPerPatch, pageMs, memoryMiB: { before, peak: peakMiB() } }));

/** A synthetic page and 30 of its lines. */
async function pageOfLines() {
  const { DocumentSynthesizer } = await import(paths.synthesizer);
  const synthesizer = new DocumentSynthesizer(5);
  for (let index = 0; ; index++) {
    const { image, regions } = await synthesizer.document(index, "invoice");
    const lines = regions.filter(({ text, label }) => label === "line" && text.length > 3);
    if (lines.length >= 30) return { image, regions: lines.slice(0, 30) };
  }
}
