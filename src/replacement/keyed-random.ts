/**
 * Random numbers that depend on a secret key and a value, and on nothing else: the same key and value give the same
 * numbers in every run; without the key the numbers say nothing about the value.
 */
import { createHmac } from "node:crypto";

export interface KeyedRandom {
  /** The eight 32-bit words of the HMAC, for seeding other generators. */
  readonly seeds: readonly number[];
  /** A whole number in 0 … limit − 1, every one equally likely. `limit` is 1 … 2³². */
  int(limit: number): number;
  /** A number in [0, 1). */
  unit(): number;
  pick<T>(items: readonly T[]): T;
}

/** Seeds: HMAC-SHA256(key, parts joined by NUL). Numbers: xoshiro128** (Blackman and Vigna) from the folded digest. */
export function keyedRandom(key: Uint8Array, ...parts: readonly string[]): KeyedRandom {
  const digest = createHmac("sha256", key).update(parts.join("\0"), "utf8").digest();
  const seeds = Array.from({ length: 8 }, (_, i) => digest.readUInt32BE(i * 4));
  const s: number[] = seeds.slice(0, 4).map((word, i) => (word ^ seeds[i + 4]!) >>> 0);
  if (!s.some((word) => word > 0)) s[0] = 1;
  const rotate = (x: number, k: number): number => (x << k) | (x >>> (32 - k));
  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(s[1]!, 5), 7), 9) >>> 0;
    const t = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = rotate(s[3]!, 11);
    return result;
  };
  const int = (limit: number): number => {
    // Numbers above the last full multiple of the limit are drawn again, so that none is favoured.
    const bound = 2 ** 32 - (2 ** 32 % limit);
    let drawn = next();
    while (drawn >= bound) drawn = next();
    return drawn % limit;
  };
  return { seeds, int, unit: () => next() / 2 ** 32, pick: (items) => items[int(items.length)]! };
}
