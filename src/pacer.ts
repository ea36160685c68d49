/** Lets other work have its turn during long computations on the main thread. */
import { setImmediate } from "node:timers/promises";
import { throwIfAborted } from "./errors.ts";

export interface Pacer {
  /** Call it between steps of a few milliseconds at most. Throws ERR_ABORTED when the signal has fired. */
  pause(): Promise<void>;
}

/** Gives way to the event loop whenever `sliceMs` have passed. The time steers only when to rest, never a result. */
export function createPacer(signal: AbortSignal | undefined, sliceMs = 3): Pacer {
  let since = performance.now();
  return {
    async pause() {
      throwIfAborted(signal);
      if (performance.now() - since < sliceMs) return;
      await setImmediate();
      throwIfAborted(signal);
      since = performance.now();
    },
  };
}

/** Runs a computation that yields between its steps, giving way there. */
export async function inSlices<T>(steps: Generator<void, T, void>, pacer: Pacer): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await pacer.pause();
  }
}

/** Runs it without giving way: for small inputs. */
export function atOnce<T>(steps: Generator<void, T, void>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
