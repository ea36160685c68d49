/** Shuffling without a table. */
import { hashParts, mix32 } from "../random/hash.ts";

/**
 * A permutation of 0 … size − 1 that needs no table: a Feistel network over the next even power of two, walked until it
 * lands inside (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002).
 */
export class Permutation {
  readonly size: number;
  readonly #half: number;
  readonly #mask: number;
  readonly #keys: Uint32Array;

  constructor(size: number, ...name: readonly (string | number)[]) {
    this.size = size;
    this.#half = Math.max(1, Math.ceil(Math.log2(Math.max(2, size)) / 2));
    this.#mask = 2 ** this.#half - 1;
    const digest = hashParts("permutation", ...name);
    this.#keys = Uint32Array.from({ length: 8 }, (_, i) => digest.readUInt32LE(i * 4));
  }

  /** Where `index` goes. */
  at(index: number): number {
    let value = index;
    do value = this.#encrypt(value);
    while (value >= this.size);
    return value;
  }

  #encrypt(value: number): number {
    let left = Math.floor(value / (this.#mask + 1));
    let right = value % (this.#mask + 1);
    for (const key of this.#keys) {
      const mixed = (left ^ mix32(Math.imul(right, 0x9e3779b1) ^ key)) & this.#mask;
      left = right;
      right = mixed;
    }
    return left * (this.#mask + 1) + right;
  }
}
