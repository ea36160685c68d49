/** Repeatable random numbers: the same seed draws the same pixels. */
import { createHash } from "node:crypto";

export interface SeededRandom {
  /** A number in [0, 1). */
  unit(): number;
  /** A whole number in 0 … limit − 1. */
  int(limit: number): number;
  /** Standard normal (Box–Muller). */
  normal(): number;
}

/** mulberry32 (Tommy Ettinger): 32 bits of state, plenty for the grain of one patch. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  let spare: number | undefined;
  const unit = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    unit,
    int: (limit) => Math.floor(unit() * limit),
    normal() {
      if (spare !== undefined) {
        const kept = spare;
        spare = undefined;
        return kept;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - unit()));
      const angle = 2 * Math.PI * unit();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
  };
}

/**
 * The seed of one region: depends on the document's seed, the entity and how often it was tried, not on the order in
 * which regions are drawn. 32 bits.
 */
export const regionSeed = (documentSeed: number | string, entityId: string, attempt = 0): number =>
  createHash("sha256").update(`${documentSeed}\0${entityId}\0${attempt}`).digest().readUInt32BE(0);
