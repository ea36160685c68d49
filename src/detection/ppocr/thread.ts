/** The thread in which PP-OCR works: everything that takes long happens here, the event loop of the caller stays free. */
import { parentPort, workerData } from "node:worker_threads";
import { AnonymizerError } from "../../errors.ts";
import { type NetworkFiles, openNetworks } from "./networks.ts";
import type { ThreadAnswer, ThreadRequest } from "./ppocr-thread.ts";
import { readLineImage, readPage } from "./read-image.ts";

const port = parentPort!;
const answer = (message: ThreadAnswer): void => port.postMessage(message);

function failure(id: number, error: unknown): ThreadAnswer {
  if (error instanceof AnonymizerError) {
    const cause = error.cause instanceof Error ? error.cause.message : undefined;
    return { id, error: { code: error.code, message: error.message, cure: error.cure, ...(cause ? { cause } : {}) } };
  }
  return { id, error: { code: "ERR_OCR_FAILED", message: "The page could not be read", cause: String(error) } };
}

try {
  const networks = await openNetworks(workerData as NetworkFiles);
  port.on("message", async ({ id, pixels, width, height, layout }: ThreadRequest) => {
    try {
      const image = { data: new Uint8Array(pixels), width, height };
      const lines = layout === "line" ? await readLineImage(image, networks) : await readPage(image, networks);
      answer({ id, lines });
    } catch (error) {
      answer(failure(id, error));
    }
  });
  answer({ id: 0, lines: [] });
} catch (error) {
  answer(failure(0, error));
}
