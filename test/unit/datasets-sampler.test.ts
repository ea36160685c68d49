import { describe, expect, it } from "vitest";
import { Permutation } from "../../src/datasets/permutation.ts";
import { Sampler } from "../../src/datasets/sampler.ts";

const startsOf = (counts: readonly number[]): Uint32Array =>
  Uint32Array.from([0, ...counts.map((_, i) => counts.slice(0, i + 1).reduce((a, b) => a + b, 0))]);
const take = (sampler: Sampler, from: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => sampler.sampleAt(from + i));
const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe("a permutation", () => {
  it.each([1, 2, 3, 16, 17, 255, 256, 1000, 4097])("of %i values hits each once", (size) => {
    const permutation = new Permutation(size, "test", size);
    expect(sorted(range(size).map((i) => permutation.at(i)))).toEqual(range(size));
  });

  it("spreads: every value comes to every place about equally often", () => {
    const hits = new Map<string, number>();
    for (let seed = 0; seed < 3000; seed++) {
      const permutation = new Permutation(6, seed);
      for (let i = 0; i < 6; i++)
        hits.set(`${i}>${permutation.at(i)}`, (hits.get(`${i}>${permutation.at(i)}`) ?? 0) + 1);
    }
    expect(hits.size).toBe(36);
    // 500 expected, standard deviation 20.
    for (const count of hits.values()) expect(Math.abs(count - 500)).toBeLessThan(110);
  });
});

describe("a sampler", () => {
  const starts = startsOf([5, 0, 12, 1, 30, 7, 0, 0, 9, 3, 0]);
  const size = 67;

  it.each([0, 1, 3, 64])("shows every sample once an epoch, with blocks of %i pages", (pagesPerBlock) => {
    const sampler = new Sampler(starts, { seed: 4, pagesPerBlock });
    for (const epoch of [0, 1, 5]) expect(sorted(take(sampler, epoch * size, size))).toEqual(range(size));
  });

  it("shuffles anew each epoch and for each seed", () => {
    const sampler = new Sampler(starts, { seed: 4 });
    const first = take(sampler, 0, size);
    expect(take(sampler, size, size)).not.toEqual(first);
    expect(take(new Sampler(starts, { seed: 5 }), 0, size)).not.toEqual(first);
    expect(first).not.toEqual(range(size));
  });

  it("shuffles the samples of a page anew each epoch", () => {
    const sampler = new Sampler(startsOf([40]), { seed: 1 });
    expect(take(sampler, 0, 40)).not.toEqual(take(sampler, 40, 40));
  });

  it("gives the same sample at a position however it got there", () => {
    const straight = take(new Sampler(starts, { seed: "s" }), 0, 3 * size);
    const jumping = new Sampler(starts, { seed: "s" });
    for (const position of [150, 3, 70, 199, 0, 66, 67, 68])
      expect(jumping.sampleAt(position)).toBe(straight[position]);
  });

  it("gives each rank its own samples, all of them together", () => {
    const ranks = range(3).map((rank) => new Sampler(starts, { seed: 9, rank, worldSize: 3 }));
    const one = take(new Sampler(starts, { seed: 9 }), 0, 3 * size);
    const together = range(size).flatMap((position) => ranks.map((sampler) => sampler.sampleAt(position)));
    expect(together).toEqual(one);
    expect(ranks[1]!.epochAt(22)).toBe(1);
  });

  it("stays within a block of pages before it goes to the next", () => {
    const pages = 40;
    const many = startsOf(Array.from({ length: pages }, () => 10));
    const sampler = new Sampler(many, { seed: 1, pagesPerBlock: 8 });
    const pagesSeen = (from: number): Set<number> =>
      new Set(take(sampler, from, 80).map((sample) => Math.floor(sample / 10)));
    expect([0, 80, 160, 240, 320].map((from) => pagesSeen(from).size)).toEqual([8, 8, 8, 8, 8]);
    // And mixes the pages of a block.
    expect(new Set(take(sampler, 0, 10).map((sample) => Math.floor(sample / 10))).size).toBeGreaterThan(3);
  });

  it("refuses impossible ranks, positions and empty data", () => {
    const bad = expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" });
    expect(() => new Sampler(starts, { seed: 1, rank: 2, worldSize: 2 })).toThrow(bad);
    expect(() => new Sampler(starts, { seed: 1, worldSize: 0 })).toThrow(bad);
    expect(() => new Sampler(startsOf([0]), { seed: 1 })).toThrow(bad);
    expect(() => new Sampler(starts, { seed: 1, pagesPerBlock: -1 })).toThrow(bad);
    expect(() => new Sampler(starts, { seed: 1 }).sampleAt(-1)).toThrow(bad);
    expect(() => new Sampler(starts, { seed: 1 }).sampleAt(0.5)).toThrow(bad);
  });
});
