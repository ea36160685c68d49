/** Low-rank adapters against peft: gradients of A and B, ten optimizer steps side by side, 8-bit rounding. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import type { HostTensor, NativeBatch, NativeLoraOptions, NativeTrainerOptions } from "../../src/addon/native-types.ts";
import { runReference } from "../helpers/python.ts";
import { readTensors, relativeDifference, writeTensors } from "../helpers/safetensors.ts";
import {
  normalTensor,
  referenceInputs,
  tinyFolder,
  tinyFolders,
  tinyProjection,
  unetBatch,
  unetOptions,
  vaeBatch,
  vaeOptions,
} from "../helpers/tiny.ts";

const folder = mkdtempSync(join(tmpdir(), "anonymizer-lora-"));
afterAll(() => rmSync(folder, { recursive: true }));
const { textProjection, projectionTensors } = tinyProjection(folder);

const layersOf = (kind: "unet" | "vae", pattern: RegExp): string[] =>
  Object.keys(readTensors(join(tinyFolder(kind), "model.safetensors"))).flatMap((name) => {
    const layer = name.replace(/\.weight$/, "");
    return layer !== name && pattern.test(layer) ? [layer] : [];
  });

const attention = layersOf("unet", /\.to_(q|k|v|out\.0)$/);
const convolutions = layersOf("unet", /conv1$|conv_in$|downsamplers\.0\.conv$|ff\.net\.2$|proj_in$|time_emb_proj$/);

interface Case {
  readonly kind: "unet" | "vae";
  readonly lora: NativeLoraOptions;
}
const plain = { rank: 3, alpha: 5, rslora: false, init: "kaiming_uniform", quantizeBase: false } as const;
const cases: [string, Case][] = [
  ["attention of the UNet", { kind: "unet", lora: { ...plain, layers: attention } }],
  [
    "convolutions and linear layers of the UNet, rank-stabilised",
    { kind: "unet", lora: { ...plain, layers: convolutions, rslora: true, init: "gaussian" } },
  ],
  [
    "the VAE",
    {
      kind: "vae",
      lora: { ...plain, layers: layersOf("vae", /conv[12]$|conv_in$|conv_shortcut$|samplers\.0\.conv$/) },
    },
  ],
];

const steps = 10;

/** The batch of each step with everything random fixed, and the same under the reference's names. */
function batchesOf(kind: "unet" | "vae"): { batches: NativeBatch[]; tensors: Record<string, HostTensor> } {
  const tensors: Record<string, HostTensor> = kind === "unet" ? { ...projectionTensors } : {};
  const batches = Array.from({ length: steps }, (_, step) => {
    const [size, height, width] = [2, 32, 32];
    const batch = (kind === "unet" ? unetBatch : vaeBatch)(size, height, width, step + 1);
    const latents = [size, 4, height / 4, width / 4];
    const fixed: Record<string, HostTensor> = { posteriorNoise: normalTensor(latents, step + 50) };
    if (kind === "unet") {
      fixed["noise"] = normalTensor(latents, step + 80);
      fixed["timesteps"] = { data: BigInt64Array.of(BigInt(97 * step + 20), 700n), shape: [size], dtype: "int64" };
    }
    Object.assign(tensors, referenceInputs({ ...batch, ...fixed }, `${step}.`));
    return { ...batch, ...fixed };
  });
  return { batches, tensors };
}

const optionsOf = ({ kind, lora }: Case, more: Partial<NativeTrainerOptions> = {}): NativeTrainerOptions =>
  kind === "unet" ? unetOptions({}, { textProjection, lora, ...more }) : vaeOptions({}, { lora, ...more });

describe("LoRA", () => {
  it.each(cases)("%s: gradients and ten steps are peft's", async (name, own) => {
    const native = await loadNative();
    const optimizer = {
      learningRate: 2e-3,
      beta1: 0.9,
      beta2: 0.99,
      eps: 1e-8,
      weightDecay: 0.02,
      maxGradNorm: 0.05,
      stateBits: 32,
    } as const;
    const trainer = await native.createTrainer(optionsOf(own, { optimizer }));
    const start = mkdtempSync(join(folder, "start-"));
    try {
      expect(trainer.parameters).toHaveLength(2 * own.lora.layers.length);
      expect(trainer.parameters.every(({ trainable }) => trainable)).toBe(true);
      // B starts at zero, which hides half of every gradient: it gets values first.
      await trainer.saveState(start);
      const file = join(start, "adapter_model.safetensors");
      const state = readTensors(file);
      for (const [index, key] of Object.keys(state).entries()) {
        if (!key.endsWith("lora_B.weight")) continue;
        const values = normalTensor(state[key]!.shape, index);
        state[key] = { ...values, data: (values.data as Float32Array).map((v) => 0.05 * v) };
      }
      writeTensors(file, state);
      await trainer.loadState(start);
      writeFileSync(
        join(start, "adapter_config.json"),
        JSON.stringify({
          peft_type: "LORA",
          r: own.lora.rank,
          lora_alpha: own.lora.alpha,
          use_rslora: own.lora.rslora,
          target_modules: own.lora.layers,
        }),
      );
      const { batches, tensors } = batchesOf(own.kind);
      const reference = await runReference(
        "lora",
        {
          objective: own.kind,
          adapter: start,
          ...tinyFolders,
          ...(own.kind === "unet" ? unetOptions().unetLoss : vaeOptions().vaeLoss),
          ...optimizer,
        },
        tensors,
      );
      expect(reference.values.trained).toEqual(trainer.parameters.map((p) => p.name).sort());
      const gradients = await trainer.gradients(batches[0]!, 0);
      const all: { own: number[]; expected: number[] } = { own: [], expected: [] };
      for (const [key, gradient] of Object.entries(gradients)) {
        const expected = reference.tensors[`grad.${key}`]!;
        expect(gradient.shape, key).toEqual(expected.shape);
        // One by one a hair looser than together: attention to nearly equal keys leaves its queries a tiny gradient.
        expect(
          relativeDifference(gradient.data as Float32Array, expected.data as Float32Array),
          `${name}: gradient of ${key}`,
        ).toBeLessThan(1e-4);
        all.own.push(...(gradient.data as Float32Array));
        all.expected.push(...(expected.data as Float32Array));
      }
      expect(relativeDifference(all.own, all.expected), `${name}: all gradients`).toBeLessThan(1e-5);
      for (const [step, batch] of batches.entries()) {
        const result = await trainer.step([batch], step);
        const [loss, norm] = [reference.values.losses[step].total, reference.values.gradNorms[step]];
        expect(Math.abs(result.losses["total"]! / loss - 1), `loss of step ${step}`).toBeLessThan(1e-5);
        expect(Math.abs(result.gradNorm / norm - 1), `norm of step ${step}`).toBeLessThan(1e-4);
      }
      await trainer.saveState(start);
      const end = readTensors(file);
      for (const { name: key } of trainer.parameters) {
        expect(
          relativeDifference(
            end[`base_model.model.${key}`]!.data as Float32Array,
            reference.tensors[`param.${key}`]!.data as Float32Array,
          ),
          `${key} after ${steps} steps`,
        ).toBeLessThan(1e-4);
      }
    } finally {
      await trainer.close();
    }
  });
});
