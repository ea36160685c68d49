/** What OCR engines with threads or processes of their own have in common: one queue, and what is stopped is replaced. */
import type { RasterImage } from "../documents/image.ts";
import { AnonymizerError, codedError, throwIfAborted } from "../errors.ts";
import type { OcrOptions, OcrPage } from "./ocr.ts";

export interface ReadingWorker {
  /** False once the thread or process has died or failed; it must be replaced then. */
  readonly alive: boolean;
  /** Stops it at once; what it does rejects with a coded error. Never rejects. */
  terminate(): Promise<void>;
}

export interface ReadingQueueOptions<T extends ReadingWorker> {
  /** How many, and so images read at the same time; a whole number from 1. */
  readonly workers: number;
  /** Rejects with a coded error. */
  start(): Promise<T>;
  read(worker: T, image: RasterImage, options: OcrOptions): Promise<OcrPage>;
}

const defaultTimeoutMs = 60_000;

interface Job {
  readonly image: RasterImage;
  readonly options: OcrOptions;
  resolve(page: OcrPage): void;
  reject(error: unknown): void;
}

export class ReadingQueue<T extends ReadingWorker> {
  readonly #options: ReadingQueueOptions<T>;
  /** One per worker; undefined where it has to be started. */
  readonly #idle: (T | undefined)[];
  readonly #queue: Job[] = [];
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();

  /** Throws ERR_INVALID_ARGUMENT. */
  constructor(options: ReadingQueueOptions<T>) {
    const { workers } = options;
    if (!Number.isInteger(workers) || workers < 1)
      throw codedError("ERR_INVALID_ARGUMENT", "`workers` must be a whole number from 1");
    this.#options = options;
    this.#idle = Array.from({ length: workers }, () => undefined);
  }

  /** Starts one worker now, so that a broken installation shows at once; the others start when they are needed. */
  async start(): Promise<void> {
    this.#idle[this.#idle.length - 1] = await this.#options.start();
  }

  /**
   * Rejects with ERR_OCR_TIMEOUT (counted from when a worker takes the image), ERR_ABORTED, ERR_OCR_FAILED, ERR_CLOSED,
   * ERR_INVALID_ARGUMENT.
   */
  read(image: RasterImage, options: OcrOptions = {}): Promise<OcrPage> {
    return new Promise((resolve, reject) => {
      const { signal, timeoutMs = defaultTimeoutMs } = options;
      throwIfAborted(signal);
      if (this.#closing.signal.aborted) throw codedError("ERR_CLOSED", "The OCR engine is closed");
      if (!(timeoutMs > 0)) throw codedError("ERR_INVALID_ARGUMENT", "`timeoutMs` must be positive");
      if (image.data.length !== image.width * image.height * 3 || image.data.length === 0) {
        throw codedError(
          "ERR_INVALID_ARGUMENT",
          `${image.data.length} bytes are not an RGB image of ${image.width}×${image.height} px`,
        );
      }
      const onAbort = (): void => {
        const at = this.#queue.indexOf(job);
        if (at === -1) return;
        this.#queue.splice(at, 1);
        job.reject(codedError("ERR_ABORTED", "Reading was aborted", { cause: signal?.reason }));
      };
      const settle = (): void => signal?.removeEventListener("abort", onAbort);
      const job: Job = {
        image,
        options,
        resolve: (page) => {
          settle();
          resolve(page);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#queue.push(job);
      this.#next();
    });
  }

  /** Ends running and waiting calls with ERR_CLOSED and stops the workers. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const job of this.#queue.splice(0)) job.reject(codedError("ERR_CLOSED", "The OCR engine was closed"));
    await Promise.all(this.#running);
    await Promise.all(this.#idle.map((worker) => worker?.terminate()));
    this.#idle.length = 0;
  }

  #next(): void {
    if (this.#idle.length === 0) return;
    const job = this.#queue.shift();
    if (job === undefined) return;
    const worker = this.#idle.pop();
    const running = this.#work(job, worker).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Never rejects. Puts a worker back, or the place for a new one. */
  async #work(job: Job, current: T | undefined): Promise<void> {
    let worker = current;
    const { signal, timeoutMs = defaultTimeoutMs } = job.options;
    let stop: AnonymizerError | undefined;
    let stopped: (error: AnonymizerError) => void = () => {};
    const stopping = new Promise<never>((_, reject) => {
      stopped = (error) => {
        stop ??= error;
        reject(stop);
        void worker?.terminate();
      };
    });
    stopping.catch(() => {});
    const timer = setTimeout(
      () => stopped(codedError("ERR_OCR_TIMEOUT", `Reading took longer than ${timeoutMs} ms`)),
      timeoutMs,
    );
    const onAbort = (): void => stopped(codedError("ERR_ABORTED", "Reading was aborted", { cause: signal?.reason }));
    const onClose = (): void => stopped(codedError("ERR_CLOSED", "The OCR engine was closed while it was reading"));
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#closing.signal.addEventListener("abort", onClose, { once: true });
    try {
      const reading = (async () => {
        if (!worker?.alive) {
          worker = await this.#options.start();
          // Stopped while starting: this worker is nobody's.
          if (stop) await worker.terminate();
        }
        if (stop) throw stop;
        return this.#options.read(worker, job.image, job.options);
      })();
      reading.catch(() => {});
      job.resolve(await Promise.race([reading, stopping]));
    } catch (error) {
      job.reject(
        stop ??
          (error instanceof AnonymizerError
            ? error
            : codedError("ERR_OCR_FAILED", "The page could not be read", { cause: error })),
      );
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      this.#closing.signal.removeEventListener("abort", onClose);
      if (worker && (!worker.alive || stop)) await worker.terminate();
      this.#idle.push(worker?.alive ? worker : undefined);
      if (!this.#closing.signal.aborted) this.#next();
    }
  }
}
