/** How much memory a run will need. Weights and optimizer are counted; the rest is a guess from runs on a CPU. */

export interface MemoryEstimate {
  /** Bytes of all weights, trained and frozen, as float32; quantized ones as 8 bits. */
  readonly weights: number;
  readonly gradients: number;
  /** Two moments, of 4 bytes or of about 1. */
  readonly optimizer: number;
  readonly ema: number;
  /** Rough: a number of feature maps at full width, right within about a factor of two. */
  readonly activations: number;
  /** Node and LibTorch themselves. */
  readonly runtime: number;
  readonly total: number;
}

export interface MemoryInput {
  readonly weightValues: number;
  readonly trainableValues: number;
  /** Of weightValues, those kept in 8 bits. */
  readonly quantizedValues?: number;
  readonly ema: boolean;
  readonly precision: "fp32" | "bf16" | "fp16";
  /** Bits of a stored moment. */
  readonly stateBits: 8 | 32;
  /** Activations of all blocks but the current one are computed again instead of being kept. */
  readonly checkpointing: boolean;
  readonly microBatch: number;
  /** One for each network whose forward pass is kept for the backward pass. */
  readonly networks: readonly {
    /** Channels of the first level. */
    readonly channels: number;
    readonly height: number;
    readonly width: number;
    readonly layersPerBlock: number;
    readonly attention: boolean;
  }[];
}

// Maps kept for the backward pass, fitted to the peak memory of tiny models on a CPU (batch 1 to 8): a residual block
// about 8, a transformer block about 40; levels below the first, with more channels on less area, about as much again.
const mapsOfResidual = 8;
const mapsOfTransformer = 40;
const allLevels = 2;
// Under autocast norms and softmax stay float32.
const bytesOfValue = { fp32: 4, bf16: 3, fp16: 3 };
// What is left when only the inputs of blocks and one block's inside are kept: 0.7 measured on the tiny autoencoder,
// whose first and last blocks weigh most.
const checkpointedShare = 0.7;
const runtimeBytes = 350 * 2 ** 20;

export function estimateMemory(input: MemoryInput): MemoryEstimate {
  const weights = input.weightValues * 4 - (input.quantizedValues ?? 0) * 3;
  const gradients = input.trainableValues * 4;
  const optimizer = input.trainableValues * (input.stateBits === 8 ? 2 : 8);
  const ema = input.ema ? input.trainableValues * 4 : 0;
  const activations = input.networks.reduce((sum, n) => {
    const maps = (2 * n.layersPerBlock + 1) * (mapsOfResidual + (n.attention ? mapsOfTransformer : 0)) * allLevels;
    const share = input.checkpointing ? checkpointedShare : 1;
    return sum + input.microBatch * n.channels * n.height * n.width * maps * share * bytesOfValue[input.precision];
  }, 0);
  const parts = { weights, gradients, optimizer, ema, activations, runtime: runtimeBytes };
  return { ...parts, total: Object.values(parts).reduce((a, b) => a + b, 0) };
}

/** "1.5 GiB" */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const exponent = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 2 ** (10 * exponent);
  return `${exponent === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[exponent]}`;
}
