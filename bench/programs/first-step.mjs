// import; one VAE training step on the tiny model.
import { loadNative } from "../../dist/addon/binding.js";

const native = await loadNative();
const folder = "models/tiny/vae";
const trainer = await native.createTrainer({
  kind: "vae",
  device: "cpu",
  precision: "fp32",
  channelsLast: false,
  threads: 0,
  seed: 0,
  rank: 0,
  model: { graph: `${folder}/graph.pt`, weights: `${folder}/model.safetensors` },
  vaeLoss: { reduction: "mean", reconstruction: "mse", klWeight: 1e-6, perceptualWeight: 0, perceptual: "lpips" },
  optimizer: {
    learningRate: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weightDecay: 0.01,
    maxGradNorm: 1,
    stateBits: 32,
  },
  schedule: { type: "constant", warmupSteps: 0, totalSteps: 1, cycles: 1 },
  emaDecay: 0,
  augment: { rotation: 0, brightness: 0, contrast: 0 },
  freeze: [],
});
const batch = {
  ids: new BigUint64Array(4),
  images: new Uint8Array(4 * 64 * 128 * 3).fill(140),
  height: 64,
  width: 128,
};
const { losses } = await trainer.step([batch], 0);
await trainer.close();
console.log(losses.total);
