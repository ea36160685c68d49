/** Tries requests again that failed for a while only: exponential back-off with full jitter, within a budget. */
import { setTimeout as sleep } from "node:timers/promises";
import { AnonymizerError, throwIfAborted } from "../errors.ts";
import type { RetryOptions } from "./object-store.ts";

/** How to go on after a failure. */
export interface Verdict {
  readonly error: AnonymizerError;
  readonly again: boolean;
  /** Tries at most, where fewer than usual will do. */
  readonly attempts?: number;
  /** What the server asks for, in milliseconds. */
  readonly afterMs?: number;
}

export interface Attempt {
  /** From 1. */
  readonly number: number;
  /** Fires when the caller aborts, or when nothing was reported by `moved` for too long. */
  readonly signal: AbortSignal;
  /** Something moved; `leastMs`: what comes next may take so long, if that is more than usual. */
  moved(leastMs?: number): void;
}

/** The waits of one call, all its requests together. */
export class RetryBudget {
  readonly attempts: number;
  readonly #baseMs: number;
  readonly #maxMs: number;
  readonly #stallMs: number;
  #leftMs: number;

  constructor(options: RetryOptions = {}) {
    this.attempts = Math.max(1, options.attempts ?? 8);
    this.#baseMs = options.baseDelayMs ?? 200;
    this.#maxMs = options.maxDelayMs ?? 20_000;
    this.#stallMs = options.stallMs ?? 30_000;
    this.#leftMs = options.budgetMs ?? 120_000;
  }

  /**
   * Runs `work` until it succeeds. `judge` says what a failure means. Rejects with its error when that is final, and
   * with the last one when tries or budget are used up; ERR_ABORTED.
   */
  async run<T>(
    work: (attempt: Attempt) => Promise<T>,
    judge: (error: unknown, stalled: boolean) => Verdict,
    {
      signal,
      onRetry,
      stallMs = this.#stallMs,
    }: {
      signal?: AbortSignal;
      onRetry?: (verdict: Verdict, number: number, waitMs: number) => void;
      /** In place of that of the options. */
      stallMs?: number;
    },
  ): Promise<T> {
    for (let number = 1; ; number++) {
      throwIfAborted(signal);
      const stall = new AbortController();
      let timer: NodeJS.Timeout | undefined;
      let over = false;
      const moved = (leastMs = 0): void => {
        clearTimeout(timer);
        if (!over) timer = setTimeout(() => stall.abort(), Math.max(stallMs, leastMs));
      };
      moved();
      const onAbort = (): void => stall.abort();
      signal?.addEventListener("abort", onAbort, { once: true });
      try {
        return await work({ number, signal: stall.signal, moved });
      } catch (error) {
        throwIfAborted(signal);
        const stalled = stall.signal.aborted;
        over = true;
        // A request that was answered before its body had gone would go on sending.
        stall.abort();
        if (error instanceof AnonymizerError) throw error;
        const verdict = judge(error, stalled);
        if (!verdict.again || number >= Math.min(this.attempts, verdict.attempts ?? this.attempts)) throw verdict.error;
        // Full jitter: many clients that failed together don't come back together.
        const drawn = Math.random() * Math.min(this.#maxMs, this.#baseMs * 2 ** (number - 1));
        const wait = Math.max(drawn, Math.min(verdict.afterMs ?? 0, this.#maxMs));
        if (wait > this.#leftMs) throw verdict.error;
        this.#leftMs -= wait;
        onRetry?.(verdict, number, wait);
        await sleep(wait, undefined, signal ? { signal } : {}).catch(() => throwIfAborted(signal));
      } finally {
        over = true;
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      }
    }
  }
}
