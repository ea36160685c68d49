/** Which crop of a sample is taken: another one each time, or one of a fixed number. */
import { Random } from "../random/random.ts";

/** The variant of sample `id` in an epoch: each epoch the next one, beginning at a place of the sample's own. */
export const variantAt = (id: bigint, epoch: number, variants: number): number =>
  Number((id + BigInt(epoch)) % BigInt(variants));

/** The random numbers of a crop. A variant's are the same wherever in the run it comes up. */
export const cropRandom = (seed: number | string, id: bigint, position: number, variant?: number): Random =>
  variant === undefined ? new Random("crop", seed, position, id) : new Random("crop", seed, "variant", variant, id);
