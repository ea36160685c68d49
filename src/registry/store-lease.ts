/**
 * Notes in a store by which pushes and garbage collections keep out of each other's way. A bucket can't delete an object
 * "unless somebody began to need it", so each side writes its own note first and reads the other's notes after that; the
 * store shows every write to every later read. When a push and a collection meet:
 *
 * - The push's note stands before the collection reads the notes: its blobs stay.
 * - It comes later: the collection's note stood already. The push waits until that is gone, then asks which blobs exist.
 * - The push's note is gone before the collection reads: its manifest stood by then, and manifests are read after notes.
 * - One was killed: its note is renewed no more, and counts for nothing after a quarter of an hour.
 * - One was suspended meanwhile: its note is not `fresh`, so it begins again before it writes a manifest or deletes a blob.
 *   Only a single request that is on its way for longer than ten minutes is not covered.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { throwIfAborted } from "../errors.ts";
import type { ObjectStore, RequestOptions } from "./object-store.ts";

export type LeaseKind = "push" | "gc";

/** A note that was not renewed for so long counts no more. */
const lifetimeMs = 15 * 60_000;
/** Within so long after its last renewal a note may be relied on. */
const freshMs = 5 * 60_000;
const renewMs = 60_000;
/** Between looks at a note that is waited for. */
const pollMs = 500;

export class StoreLease {
  readonly #store: ObjectStore;
  readonly #key: string;
  readonly #text: string;
  #timer: NodeJS.Timeout | undefined;
  #renewal: Promise<unknown> = Promise.resolve();
  /** The store's clock less this machine's monotonic one, in milliseconds. */
  #clock = 0;
  #renewed = now();
  #lapsed = false;

  private constructor(store: ObjectStore, key: string, text: string) {
    this.#store = store;
    this.#key = key;
    this.#text = text;
  }

  /** Writes a note with this content. Rejects with ERR_STORE_*, ERR_ABORTED. */
  static async take(
    store: ObjectStore,
    kind: LeaseKind,
    content: object,
    request: RequestOptions = {},
  ): Promise<StoreLease> {
    const lease = new StoreLease(store, `${leasesOf(kind)}${randomUUID()}.json`, JSON.stringify(content));
    await lease.renew(request);
    lease.#timer = setInterval(() => {
      // A failure shows in `fresh`.
      lease.#renewal = lease.#keep().catch(() => undefined);
    }, renewMs).unref();
    return lease;
  }

  /** Makes it fresh again; what was known before counts no more. */
  async renew(request: RequestOptions = {}): Promise<void> {
    const begun = now();
    await this.#store.write(this.#key, this.#text, request);
    const note = await this.#store.head(this.#key, request);
    this.#clock = (note?.modified.getTime() ?? Date.now()) - performance.now();
    this.#renewed = begun;
    this.#lapsed = false;
  }

  /** Whether the other side has counted on it ever since `take` or `renew`. */
  get fresh(): boolean {
    if (since(this.#renewed) >= freshMs) this.#lapsed = true;
    return !this.#lapsed;
  }

  async #keep(): Promise<void> {
    if (!this.fresh) return;
    const begun = now();
    await this.#store.write(this.#key, this.#text);
    if (this.fresh) this.#renewed = begun;
  }

  /** Whether a note that the store got at this time, by its own clock, still counts. */
  counts(modified: Date): boolean {
    return performance.now() + this.#clock - modified.getTime() < lifetimeMs;
  }

  /** Waits until every note of this kind that stands now is gone, or counts no more. */
  async waitFor(kind: LeaseKind, request: RequestOptions = {}, onWait: () => void = () => undefined): Promise<void> {
    const keys: string[] = [];
    for await (const { key } of this.#store.list(leasesOf(kind), request)) keys.push(key);
    let told = false;
    for (const key of keys) {
      for (;;) {
        const note = await this.#store.head(key, request);
        if (note === undefined || !this.counts(note.modified)) break;
        if (!told) onWait();
        told = true;
        await sleep(pollMs, undefined, request).catch(() => throwIfAborted(request.signal));
      }
    }
  }

  /** A note that can't be taken back counts no more after a while. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewal;
    await this.#store.delete(this.#key).catch(() => undefined);
  }
}

/** Monotonic clocks may stand still while a machine sleeps, and the other one may be set back. */
const now = () => ({ steady: performance.now(), wall: Date.now() });
const since = (then: ReturnType<typeof now>): number =>
  Math.max(performance.now() - then.steady, Date.now() - then.wall);

/** Begin of the keys of all notes of a kind. */
export const leasesOf = (kind: LeaseKind): string => `leases/${kind}/`;
