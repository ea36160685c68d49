// lora-memory.mjs MODELS full|lora|lora8bit: two training steps of the UNet; prints bytes as JSON.
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadNative } from "../../dist/addon/binding.js";
import { residentBytes } from "../../scripts/process-memory.mjs";

const [models, mode] = process.argv.slice(2);
const files = (kind) => ({
  graph: join(models, kind, "graph.pt"),
  weights: join(models, kind, "model.safetensors"),
});
const config = (kind) => JSON.parse(readFileSync(join(models, kind, "config.json"), "utf8"));
const header = (() => {
  const file = readFileSync(files("unet").weights);
  return JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE())).toString());
})();
const targets = /\.to_(q|k|v|out\.0)\.weight$/;
const layers = Object.keys(header).flatMap((name) => (targets.test(name) ? [name.replace(/\.weight$/, "")] : []));

const native = await loadNative();
const [inputWidth, outputWidth] = [config("glyph_encoder").hidden_size, config("unet").cross_attention_dim];
const trainer = await native.createTrainer({
  kind: "unet",
  device: "cpu",
  precision: "fp32",
  channelsLast: false,
  threads: 0,
  seed: 0,
  rank: 0,
  model: files("unet"),
  vae: files("vae"),
  glyphEncoder: files("glyph_encoder"),
  ...(inputWidth === outputWidth ? {} : { textProjection: { inputWidth, outputWidth } }),
  unetLoss: {
    predictionType: "epsilon",
    snrGamma: 0,
    maskedWeight: 1,
    maskedFill: "0",
    conditionDropout: 0,
    fullMaskShare: 0,
    offsetNoise: 0,
    inputPerturbation: 0,
    scalingFactor: 0.18215,
    trainGlyphEncoder: false,
    pixelWeight: 0,
    ssimWeight: 0,
    pixelStartStep: 0,
  },
  optimizer: {
    learningRate: 1e-4,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weightDecay: 0.01,
    maxGradNorm: 1,
    stateBits: 32,
  },
  schedule: { type: "constant", warmupSteps: 0, totalSteps: 2, cycles: 1 },
  emaDecay: 0,
  augment: { rotation: 0, brightness: 0, contrast: 0 },
  freeze: [],
  ...(mode === "full"
    ? {}
    : {
        lora: {
          layers,
          rank: 8,
          alpha: 8,
          rslora: false,
          init: "kaiming_uniform",
          quantizeBase: mode === "lora8bit",
        },
      }),
});
const [height, width] = [64, 256];
const [glyphHeight, glyphWidth] =
  [config("glyph_encoder").image_size].flat().length === 1
    ? [config("glyph_encoder").image_size, config("glyph_encoder").image_size]
    : config("glyph_encoder").image_size;
const batch = {
  ids: new BigUint64Array(1),
  images: new Uint8Array(height * width * 3).fill(200),
  height,
  width,
  masks: new Uint8Array(height * width).fill(1, 0, height * 100),
  glyphs: new Uint8Array(glyphHeight * glyphWidth * 3).fill(120),
  glyphHeight,
  glyphWidth,
};
const times = [];
for (let step = 0; step < 3; step++) times.push((await trainer.step([batch], step)).computeMs);
const trained = trainer.parameters
  .filter((p) => p.trainable)
  .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
const held = residentBytes("VmRSS");
const folder = mkdtempSync(join(tmpdir(), "lora-memory-"));
await trainer.saveState(folder);
const moments = statSync(join(folder, "optimizer.safetensors")).size;
rmSync(folder, { recursive: true });
console.log(
  JSON.stringify({
    trainedValues: trained,
    optimizerAndGradients: moments + 4 * trained,
    unetWeights: trainer.adaptedBaseBytes || statSync(files("unet").weights).size,
    resident: held,
    peakResident: residentBytes("VmHWM"),
    stepMilliseconds: Math.min(...times),
  }),
);
await trainer.close();
