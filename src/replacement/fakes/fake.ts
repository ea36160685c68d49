/** What a maker of invented values gets. */
import type { Faker } from "@faker-js/faker";
import type { KeyedRandom } from "../keyed-random.ts";

export interface FakeContext {
  readonly random: KeyedRandom;
  /** An own generator of invented names; seed it before every use. */
  readonly names: Faker;
  /**
   * 0: keep words that only say what the value is (legal form, "street", title). 1: replace them too, because with them
   * the value would stay too much like an original.
   */
  readonly effort: 0 | 1;
}

/** Gives an invented value in the form of `original`. The same random numbers and original give the same value. */
export type FakeMaker = (original: string, context: FakeContext) => string;
