/**
 * Random numbers that depend on a seed and nothing else. Not for secrets.
 *
 * A stream is named by its parts (seed, purpose, index …), so what one stream draws never moves another.
 */
import { sfc32 } from "./generators.ts";
import { hashParts, type SeedPart } from "./hash.ts";

/** A stream of random numbers: Chris Doty-Humphrey's sfc32, seeded by SHA-256 of its name. */
export class Random {
  readonly #name: readonly SeedPart[];
  /** 0 … 2³² − 1. */
  readonly uint32: () => number;

  constructor(...name: readonly SeedPart[]) {
    this.#name = name;
    const digest = hashParts(...name);
    this.uint32 = sfc32(digest.readInt32LE(0), digest.readInt32LE(4), digest.readInt32LE(8));
  }

  /** An own stream for a part of the work; independent of what was drawn from this one. */
  fork(...parts: readonly SeedPart[]): Random {
    return new Random(...this.#name, ...parts);
  }

  /** 0 ≤ x < 1. */
  next(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** low ≤ x < high. */
  range(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** A whole number, both ends included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** A whole number in 0 … limit − 1. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** One of the values, each with its weight. */
  weighted<T>(entries: readonly (readonly [value: T, weight: number])[]): T {
    let at = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [value, weight] of entries) {
      at -= weight;
      if (at < 0) return value;
    }
    return entries[entries.length - 1]![0];
  }

  /** A copy in random order (Fisher–Yates). */
  shuffled<T>(items: readonly T[]): T[] {
    const copy = [...items];
    for (let i = copy.length - 1; i > 0; i--) {
      const j = this.int(0, i);
      [copy[i], copy[j]] = [copy[j]!, copy[i]!];
    }
    return copy;
  }

  /** Normally distributed (Box–Muller), cut at four standard deviations. */
  normal(mean = 0, deviation = 1): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    const value = radius * Math.cos(2 * Math.PI * this.next());
    return mean + deviation * Math.max(-4, Math.min(4, value));
  }

  /** `count` decimal digits. */
  digits(count: number): string {
    let text = "";
    while (text.length < count) text += this.int(0, 9);
    return text;
  }
}
