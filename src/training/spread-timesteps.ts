/** Timesteps of the validation loss. */
import type { HostTensor } from "../addon/native-types.ts";

/** Training timesteps of the noise schedule. */
export const trainSteps = 1000;
const goldenRatio = (Math.sqrt(5) - 1) / 2;

/**
 * Timesteps 0 … 999 of `count` samples from place `first` on, int64 [count]: the multiples of the golden ratio modulo 1.
 * Any number of consecutive places covers the range evenly, and a place always has the same timestep, so that losses of
 * two moments compare the same thing.
 */
export function spreadTimesteps(first: number, count: number): HostTensor {
  const data = BigInt64Array.from({ length: count }, (_, i) =>
    BigInt(Math.floor((((first + i + 0.5) * goldenRatio) % 1) * trainSteps)),
  );
  return { data, shape: [count], dtype: "int64" };
}
