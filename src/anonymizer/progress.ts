/** Tells the caller how far the work is, and measures the stages. */

export const stages = ["decode", "read", "find", "invent", "draw", "prove", "encode"] as const;
export type Stage = (typeof stages)[number];

export interface ProgressEvent {
  readonly stage: Stage;
  /** Of `total` pages, regions or steps of this stage. A stage may come again when something is drawn again. */
  readonly done: number;
  readonly total: number;
}

/** Runs the stages of one document. */
export class StageClock {
  readonly #onProgress: ((event: ProgressEvent) => void) | undefined;
  readonly #started = performance.now();
  readonly #spent = new Map<Stage, number>();

  constructor(onProgress?: (event: ProgressEvent) => void) {
    this.#onProgress = onProgress;
  }

  /** Runs `work`, adds its time to the stage and reports its start and its `total` steps. */
  async run<T>(stage: Stage, total: number, work: (step: () => void) => Promise<T> | T): Promise<T> {
    const started = performance.now();
    let done = 0;
    const tell = (): void => this.#onProgress?.({ stage, done, total });
    tell();
    try {
      return await work(() => {
        done++;
        tell();
      });
    } finally {
      this.#spent.set(stage, (this.#spent.get(stage) ?? 0) + performance.now() - started);
    }
  }

  /** Milliseconds per stage, and `total`. */
  timings(): Record<string, number> {
    const rounded = (ms: number): number => Math.round(ms * 10) / 10;
    const result: Record<string, number> = {};
    for (const stage of stages) result[stage] = rounded(this.#spent.get(stage) ?? 0);
    result["total"] = rounded(performance.now() - this.#started);
    return result;
  }
}
