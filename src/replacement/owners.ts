/**
 * Who has which invented value. Within a document no two originals share one; over many documents somebody has to
 * remember, because there are far fewer invented names than people.
 */
import { createHmac } from "node:crypto";

export interface FakeOwners {
  /** Whether `fake` stands for another value than `owner` already. Both as texts that are equal for equal values. */
  isTaken(fake: string, owner: string): boolean;
  claim(fake: string, owner: string): void;
}

/** An invented value and its original, both as keyed hashes: without the key they tell nothing. */
export type Claim = readonly [fake: string, owner: string];

/** Remembers keyed hashes only, 22 characters (128 bits) each. */
export class HashedOwners implements FakeOwners {
  readonly #key: string;
  readonly #owners = new Map<string, string>();
  #fresh: Claim[] = [];

  /** `key` must be the one of earlier claims for `restore` to be of use. */
  constructor(key: string, earlier: Iterable<Claim> = []) {
    this.#key = key;
    for (const [fake, owner] of earlier) if (!this.#owners.has(fake)) this.#owners.set(fake, owner);
  }

  isTaken(fake: string, owner: string): boolean {
    const known = this.#owners.get(this.#hash("fake", fake));
    return known !== undefined && known !== this.#hash("owner", owner);
  }

  claim(fake: string, owner: string): void {
    const hashed = this.#hash("fake", fake);
    if (this.#owners.has(hashed)) return;
    const claim = [hashed, this.#hash("owner", owner)] as const;
    this.#owners.set(...claim);
    this.#fresh.push(claim);
  }

  /** The claims made since the last call. */
  takeFresh(): Claim[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }

  #hash(kind: string, text: string): string {
    const hmac = createHmac("sha256", this.#key).update(`anonymizer-native owners\0${kind}\0${text}`);
    return hmac.digest("base64url").slice(0, 22);
  }
}

/** Looks, but claims nothing: for dry runs. */
export const readOnlyOwners = (owners: FakeOwners): FakeOwners => ({
  isTaken: (fake, owner) => owners.isTaken(fake, owner),
  claim: () => {},
});
