/**
 * Random numbers that depend on a secret key and a value, and on nothing else: the same key and value give the same
 * numbers in every run; without the key the numbers say nothing about the value.
 */
import { createHmac } from "node:crypto";
import { xoshiro128 } from "../random/generators.ts";

export interface KeyedRandom {
  /** The eight 32-bit words of the HMAC, for seeding other generators. */
  readonly seeds: readonly number[];
  /** A whole number in 0 … limit − 1, every one equally likely. `limit` is 1 … 2³². */
  int(limit: number): number;
  /** A number in [0, 1). */
  unit(): number;
  pick<T>(items: readonly T[]): T;
}

/** Seeds: HMAC-SHA256(key, parts joined by NUL). Numbers: xoshiro128** from the folded digest. */
export function keyedRandom(key: Uint8Array, ...parts: readonly string[]): KeyedRandom {
  const digest = createHmac("sha256", key).update(parts.join("\0"), "utf8").digest();
  const seeds = Array.from({ length: 8 }, (_, i) => digest.readUInt32BE(i * 4));
  const folded = (i: number): number => (seeds[i]! ^ seeds[i + 4]!) >>> 0;
  const [first, b, c, d] = [folded(0), folded(1), folded(2), folded(3)];
  const next = xoshiro128([(first | b | c | d) === 0 ? 1 : first, b, c, d]);
  const int = (limit: number): number => {
    // Numbers above the last full multiple of the limit are drawn again, so that none is favoured.
    const bound = 2 ** 32 - (2 ** 32 % limit);
    let drawn = next();
    while (drawn >= bound) drawn = next();
    return drawn % limit;
  };
  return { seeds, int, unit: () => next() / 2 ** 32, pick: (items) => items[int(items.length)]! };
}
