/** Bounded concurrency. */
import { throwIfAborted } from "../errors.ts";

/**
 * Runs `work` over `items`, at most `limit` at a time, in order of beginning. After the first failure none is begun;
 * those under way get the signal and are waited for, then the failure is thrown.
 */
export async function parallel<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T, signal: AbortSignal) => Promise<void>,
  outer?: AbortSignal,
): Promise<void> {
  const inner = new AbortController();
  const stop = (): void => inner.abort(outer?.reason);
  outer?.addEventListener("abort", stop, { once: true });
  let failure: { readonly error: unknown } | undefined;
  const queue = items[Symbol.iterator]();
  const runner = async (): Promise<void> => {
    while (failure === undefined) {
      const next = queue.next();
      if (next.done) return;
      try {
        throwIfAborted(outer);
        await work(next.value, inner.signal);
      } catch (error) {
        failure ??= { error };
        inner.abort();
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.max(1, limit) }, runner));
  } finally {
    outer?.removeEventListener("abort", stop);
  }
  if (failure !== undefined) {
    throwIfAborted(outer);
    throw (failure as { error: unknown }).error;
  }
}

/** Lets at most `limit` pieces of work run at a time, whoever asks. */
export function createGate(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = Math.max(1, limit);
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}
