/** Pages of a PDF as pictures. Text layer, links, scripts and metadata stay behind: only what is seen comes along. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { packageRoot } from "../addon/package-root.ts";
import { codedError, throwIfAborted } from "../errors.ts";
import type { Page } from "./document.ts";
import type { Size } from "./geometry.ts";
import { checkLimit, type DocumentLimits } from "./limits.ts";

/** Of pages that are drawn, not scanned: enough to read 6-point print. */
const drawnDpi = 200;
/** Scans are taken at their own resolution within these. */
const scanDpi = [100, 400] as const;
/** For opening, and for every page. */
const timeoutMs = 60_000;

interface PageSize extends Size {
  /** Of the scan that fills the page. */
  readonly dpi: number | null;
}

type Answer =
  | { readonly type: "opened"; readonly count: number; readonly pages: readonly PageSize[] }
  | { readonly type: "page"; readonly data: Uint8Array }
  | { readonly type: "failed"; readonly message: string };

/** The thread's program: beside this file in the sources, in dist/documents of the package. */
const threadFile = (): string =>
  import.meta.url.endsWith(".ts")
    ? fileURLToPath(new URL("./pdf-thread.mjs", import.meta.url))
    : join(packageRoot(), "dist", "documents", "pdf-thread.js");

/**
 * Draws every page with PDFium: scans at their own resolution (100…400 dpi), others at 200 dpi, fewer where a page would
 * go beyond `maxPixels`.
 *
 * Rejects with ERR_DOCUMENT_DAMAGED (also when a page takes longer than a minute), ERR_DOCUMENT_FORMAT for a document
 * with a password, ERR_DOCUMENT_EMPTY, ERR_DOCUMENT_LIMIT, ERR_ABORTED.
 */
export async function decodePdf(
  name: string,
  bytes: Uint8Array,
  limits: DocumentLimits,
  signal?: AbortSignal,
): Promise<Page[]> {
  throwIfAborted(signal);
  const thread = new PdfThread(name, bytes, limits.maxPages, signal);
  try {
    const opened = await thread.next("The document");
    if (opened.type !== "opened") throw unexpected(name);
    checkLimit(limits, "maxPages", opened.count, `${name} has ${opened.count} pages`);
    if (opened.count === 0) throw codedError("ERR_DOCUMENT_EMPTY", `${name} has no pages`);
    const sizes = opened.pages.map((page, index) => pixelsOf(name, page, index, limits));
    const total = sizes.reduce((sum, { width, height }) => sum + width * height * 3, 0);
    checkLimit(limits, "maxDecodedBytes", total, `${name} needs ${total} bytes once decoded`);
    const pages: Page[] = [];
    for (const [index, { width, height, dpi }] of sizes.entries()) {
      thread.ask({ index, width, height });
      const page = await thread.next(`Page ${index + 1}`);
      if (page.type !== "page" || page.data.length !== width * height * 3) throw unexpected(name);
      const { width: wide, height: high } = opened.pages[index]!;
      pages.push({ index, image: { data: page.data, width, height }, dpi, points: { width: wide, height: high } });
    }
    return pages;
  } finally {
    await thread.end();
  }
}

const unexpected = (name: string): Error =>
  codedError("ERR_DOCUMENT_DAMAGED", `${name} can't be drawn: PDFium answers something else`);

/** What a page is drawn at. */
function pixelsOf(name: string, page: PageSize, index: number, limits: DocumentLimits): Size & { dpi: number } {
  const { width, height } = page;
  if (!(width > 0 && height > 0 && Number.isFinite(width * height)))
    throw codedError("ERR_DOCUMENT_DAMAGED", `Page ${index + 1} of ${name} has no size`);
  const wanted = page.dpi === null ? drawnDpi : Math.min(scanDpi[1], Math.max(scanDpi[0], page.dpi));
  // Posters: as many pixels as are allowed.
  const most = Math.sqrt(Math.min(limits.maxPixels, limits.maxDecodedBytes / 3) / (width * height)) * 72;
  const dpi = Math.min(wanted, most);
  // Rounded up it would be one row too many.
  const whole = dpi < wanted ? Math.floor : Math.round;
  const side = (points: number): number => Math.max(1, whole((points / 72) * dpi));
  const size = { width: side(width), height: side(height) };
  checkLimit(
    limits,
    "maxPixels",
    size.width * size.height,
    `Page ${index + 1} of ${name} has ${size.width}×${size.height} pixels`,
  );
  return { ...size, dpi };
}

/** Asks one thing at a time. */
class PdfThread {
  readonly #name: string;
  readonly #worker: Worker;
  readonly #signal: AbortSignal | undefined;
  readonly #answers: Answer[] = [];
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(name: string, bytes: Uint8Array, maxPages: number, signal: AbortSignal | undefined) {
    this.#name = name;
    this.#signal = signal;
    this.#worker = new Worker(threadFile(), { workerData: { bytes, maxPages }, stdout: true, stderr: true });
    this.#worker.on("message", (answer: Answer) => {
      this.#answers.push(answer);
      this.#wake?.();
    });
    this.#worker.on("error", (cause) => this.#fail(`${name} can't be drawn: PDFium failed`, cause));
    this.#worker.on("exit", () => this.#fail(`${name} can't be drawn: PDFium stopped`));
  }

  ask(page: Size & { readonly index: number }): void {
    this.#worker.postMessage(page);
  }

  /** The next answer; `what` it is about. */
  async next(what: string): Promise<Answer> {
    const answer = this.#answers.shift() ?? (await this.#wait(what));
    if (answer.type !== "failed") return answer;
    if (/password|security/i.test(answer.message)) {
      throw codedError("ERR_DOCUMENT_FORMAT", `${this.#name} is protected by a password`, {
        cure: "Save it without a password first, for example by printing it to a new PDF.",
      });
    }
    throw codedError("ERR_DOCUMENT_DAMAGED", `${what} of ${this.#name} can't be drawn: ${answer.message}`);
  }

  async end(): Promise<void> {
    this.#worker.removeAllListeners("exit");
    await this.#worker.terminate();
  }

  async #wait(what: string): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined;
    const wake = (): void => this.#wake?.();
    try {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(() => {
          this.#fail(`${what} of ${this.#name} took longer than ${timeoutMs / 1000} s to draw`);
        }, timeoutMs);
        this.#signal?.addEventListener("abort", wake, { once: true });
        if (this.#failure) resolve();
      });
    } finally {
      clearTimeout(timer);
      this.#signal?.removeEventListener("abort", wake);
      this.#wake = undefined;
    }
    throwIfAborted(this.#signal);
    const answer = this.#answers.shift();
    if (answer === undefined) throw this.#failure ?? unexpected(this.#name);
    return answer;
  }

  #fail(message: string, cause?: Error): void {
    this.#failure ??= codedError("ERR_DOCUMENT_DAMAGED", message, cause && { cause });
    this.#wake?.();
  }
}
