/** Whether documents are taken: not before a self-test has passed, not while the server stops. */
import { setTimeout as sleep } from "node:timers/promises";
import { type SelfTest, selfTest } from "../anonymizer/self-test.ts";
import { AnonymizerError } from "../errors.ts";
import type { Logger } from "../telemetry/logger.ts";

export type ReadyState = "starting" | "ready" | "recovering" | "draining";

/** Errors after which the engines are looked at again. */
const suspicious = new Set(["ERR_THREAD", "ERR_NATIVE", "ERR_DEVICE", "ERR_OUT_OF_MEMORY", "ERR_OCR_FAILED"]);

const waitMs = { first: 1000, most: 30_000 };

export class Readiness {
  readonly #anonymizer: Parameters<typeof selfTest>[0];
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  #state: ReadyState = "starting";
  #checking: Promise<void> | undefined;

  constructor(anonymizer: Parameters<typeof selfTest>[0], logger: Logger) {
    this.#anonymizer = anonymizer;
    this.#logger = logger;
  }

  get state(): ReadyState {
    return this.#state;
  }

  get ready(): boolean {
    return this.#state === "ready";
  }

  /** The first self-test. Rejects as `selfTest` does. */
  async start(): Promise<SelfTest> {
    const result = await selfTest(this.#anonymizer, { signal: this.#stop.signal });
    if (this.#state === "starting") this.#state = "ready";
    this.#logger.info({ ...result }, "ready");
    return result;
  }

  /** A document failed: where the engines may be the reason, they are tested, again and again until they work. */
  doubt(error: unknown): void {
    if (!(error instanceof AnonymizerError) || !suspicious.has(error.code)) return;
    if (this.#state === "starting" || this.#stop.signal.aborted) return;
    this.#checking ??= this.#recover().finally(() => {
      this.#checking = undefined;
    });
  }

  drain(): void {
    this.#state = "draining";
  }

  async close(): Promise<void> {
    this.drain();
    this.#stop.abort();
    await this.#checking;
  }

  async #recover(): Promise<void> {
    const { signal } = this.#stop;
    for (let pause = waitMs.first; !signal.aborted; pause = Math.min(2 * pause, waitMs.most)) {
      try {
        await selfTest(this.#anonymizer, { signal });
        if (this.#state === "recovering") this.#state = "ready";
        return;
      } catch (err) {
        if (signal.aborted) return;
        if (this.#state === "ready") this.#state = "recovering";
        this.#logger.error({ err }, "the self-test failed; no documents are taken until it passes");
        await sleep(pause, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}
