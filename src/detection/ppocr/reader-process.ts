/**
 * The process in which PP-OCR works. A process and not a thread, because the runtime computes without interruption and
 * takes everything down with it when its thread is stopped meanwhile; a process can be stopped at any time. The orders
 * come over the channel of `fork`, the pixels over standard input.
 */
import { withCode } from "../../errors.ts";
import { packError } from "../../sent-error.ts";
import { type NetworkFiles, openNetworks } from "./networks.ts";
import type { ReaderAnswer, ReaderOrder } from "./ppocr-process.ts";
import { readLineImage, readPage } from "./read-image.ts";

// A terminal sends these to all its processes; the caller decides what they mean.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
// The caller has closed this engine, or is no more.
process.on("disconnect", () => process.exit(0));

const answer = (message: ReaderAnswer): void => {
  process.send?.(message);
};

const failure = (id: number, error: unknown): ReaderAnswer => ({
  id,
  error: packError(withCode(error, "ERR_OCR_FAILED", "The page could not be read")),
});

/** The next `length` bytes of standard input. */
async function receive(length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length; ) {
    const chunk = process.stdin.read(Math.min(length - filled, process.stdin.readableLength)) as Buffer | null;
    if (chunk !== null) {
      bytes.set(chunk, filled);
      filled += chunk.length;
    } else await new Promise((resolve) => process.stdin.once("readable", resolve));
  }
  return bytes;
}

const { promise: opening, resolve: open } = (() => {
  let resolve: (files: NetworkFiles) => void = () => {};
  const promise = new Promise<NetworkFiles>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
})();

const networks = opening.then(openNetworks);
networks.then(
  () => answer({ id: 0, lines: [] }),
  (error: unknown) => answer(failure(0, error)),
);

process.on("message", async (order: ReaderOrder) => {
  if ("detection" in order) return open(order);
  const { id, bytes, width, height, layout } = order;
  try {
    const image = { data: await receive(bytes), width, height };
    const read = layout === "line" ? readLineImage : readPage;
    answer({ id, lines: await read(image, await networks) });
  } catch (error) {
    answer(failure(id, error));
  }
});
