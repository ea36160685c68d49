/**
 * A NativeTrainer in memory: a few numbers trained by a made-up gradient that depends on weights, sample ids, pixels and
 * step, and not on how the samples are cut into micro-batches. It says when memory runs out and can be held mid-step.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type {
  NativeBatch,
  NativeInfo,
  NativeLatentSums,
  NativeLosses,
  NativeParameterInfo,
  NativeStepResult,
  NativeTrainer,
  NativeTrainerOptions,
} from "../../../src/addon/native-types.ts";
import { codedError } from "../../../src/errors.ts";
import { isBelow } from "../../../src/training/frozen-modules.ts";
import { safetensors, shapesOf } from "./model-fixture.ts";

export interface FakeSettings {
  /** Samples that fit into memory at once. */
  memory?: number;
  /** Step that stays in its backward pass until it is aborted. */
  hangAtStep?: number;
  norms?: Record<string, number>;
}

export class FakeTrainer implements NativeTrainer {
  readonly options: NativeTrainerOptions;
  readonly settings: FakeSettings;
  readonly calls: { step: number; sizes: number[] }[] = [];
  readonly parameters: readonly NativeParameterInfo[];
  readonly adaptedBaseBytes = 0;
  weights = [0.5, -0.25, 1];
  moments = [0, 0, 0];
  closed = false;
  onHang: (() => void) | undefined;
  #abort: (() => void) | undefined;

  constructor(options: NativeTrainerOptions, settings: FakeSettings) {
    this.options = options;
    this.settings = settings;
    this.parameters = Object.entries(shapesOf[options.kind]).map(([name, shape]) => ({
      name,
      shape,
      trainable: !options.freeze.some((module) => isBelow(name, module)),
    }));
  }

  #needMemory(size: number): void {
    if (size > (this.settings.memory ?? Number.POSITIVE_INFINITY)) {
      throw codedError("ERR_OUT_OF_MEMORY", `${size} samples don't fit`);
    }
  }

  #lossOf(batch: NativeBatch, i: number, globalStep: number): number {
    const pixels = batch.images.length / batch.ids.length;
    const x =
      Number(batch.ids[i]! % 97n) / 97 + batch.images[i * pixels]! / 255 + Math.sin(globalStep + this.options.seed);
    return this.weights.reduce((sum, w, k) => sum + (w - x / (k + 2)) ** 2, 0);
  }

  async step(batches: readonly NativeBatch[], globalStep: number): Promise<NativeStepResult> {
    this.calls.push({ step: globalStep, sizes: batches.map((b) => b.ids.length) });
    for (const batch of batches) this.#needMemory(batch.ids.length);
    if (this.settings.hangAtStep === globalStep) await this.#hang();
    const samples = batches.reduce((sum, b) => sum + b.ids.length, 0);
    let loss = 0;
    const gradient = [0, 0, 0];
    for (const batch of batches) {
      for (let i = 0; i < batch.ids.length; i++) {
        loss += this.#lossOf(batch, i, globalStep);
        for (let k = 0; k < 3; k++) {
          const h = 1e-4;
          this.weights[k]! += h;
          const up = this.#lossOf(batch, i, globalStep);
          this.weights[k]! -= h;
          gradient[k]! += (up - this.#lossOf(batch, i, globalStep)) / h;
        }
      }
    }
    const rate = this.options.optimizer.learningRate;
    for (let k = 0; k < 3; k++) {
      this.moments[k] = 0.9 * this.moments[k]! + 0.1 * (gradient[k]! / samples);
      this.weights[k]! -= rate * this.moments[k]!;
    }
    return {
      losses: { total: loss / samples },
      gradNorm: Math.hypot(...gradient) / samples,
      learningRate: rate,
      computeMs: 1,
    };
  }

  async #hang(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#abort = resolve;
      this.onHang?.();
    });
    throw codedError("ERR_ABORTED", "aborted mid-backward");
  }

  async computeLoss(batch: NativeBatch, globalStep: number): Promise<NativeLosses> {
    this.#needMemory(batch.ids.length);
    let loss = 0;
    for (let i = 0; i < batch.ids.length; i++) loss += this.#lossOf(batch, i, globalStep);
    return { total: loss / batch.ids.length };
  }

  async exchange(values: readonly number[], stop: boolean) {
    return { values: [...values], stop };
  }

  async gradientNorms(batch: NativeBatch): Promise<Readonly<Record<string, number>>> {
    this.#needMemory(batch.ids.length);
    return this.settings.norms ?? { recon: 1, kl: 0.01 };
  }

  async gradients(): Promise<never> {
    throw new Error("not used");
  }

  async encode(): Promise<never> {
    throw new Error("not used");
  }

  async preview(batch: NativeBatch) {
    this.#needMemory(batch.ids.length);
    const data = new Uint8Array(batch.images.length).map((_, i) => 255 - batch.images[i]!);
    return { data, shape: [batch.ids.length, batch.height, batch.width, 3], dtype: "uint8" as const };
  }

  /** Two latent numbers a sample, 0 and 2·weight, with a variance of 3·weight² each: 4·weight² in all. */
  async latentSums(batch: NativeBatch): Promise<NativeLatentSums> {
    this.#needMemory(batch.ids.length);
    const count = 2 * batch.ids.length;
    const square = this.weights[0]! ** 2;
    return { count, mean: count * this.weights[0]!, squares: 2 * count * square, variance: 3 * count * square };
  }

  async saveState(folder: string): Promise<string[]> {
    await writeFile(join(folder, "model.safetensors"), JSON.stringify(this.weights));
    await writeFile(join(folder, "optimizer.safetensors"), JSON.stringify(this.moments));
    return ["model.safetensors", "optimizer.safetensors"];
  }

  async loadState(folder: string): Promise<void> {
    this.weights = JSON.parse(await readFile(join(folder, "model.safetensors"), "utf8"));
    this.moments = JSON.parse(await readFile(join(folder, "optimizer.safetensors"), "utf8"));
  }

  async exportWeights(files: { model?: string; textProjection?: string; glyphEncoder?: string }): Promise<void> {
    const value = this.weights[0]!;
    if (files.model !== undefined) await writeFile(files.model, safetensors(shapesOf[this.options.kind], value));
    if (files.textProjection !== undefined)
      await writeFile(files.textProjection, safetensors({ weight: [12, 16], bias: [12] }, value));
    if (files.glyphEncoder !== undefined)
      await writeFile(files.glyphEncoder, safetensors(shapesOf.glyph_encoder, value));
  }

  abort(): void {
    this.#abort?.();
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

export function fakeNative(settings: FakeSettings = {}) {
  const made: FakeTrainer[] = [];
  const info: NativeInfo = { libtorch: "2.13.0", cuda: [], threads: 2 };
  return {
    made,
    settings,
    info: () => info,
    createTrainer: async (options: NativeTrainerOptions): Promise<NativeTrainer> => {
      const trainer = new FakeTrainer(options, settings);
      made.push(trainer);
      return trainer;
    },
  };
}
