/** The life of an anonymizer's thread: lost, stopped, closed. What the real one does is tested through the package. */
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, it } from "vitest";
import { FlowThread } from "../../src/anonymizer/thread.ts";

/** Speaks the protocol and does what the document's name says. */
const program = `
import { writeFileSync } from "node:fs";
import { parentPort, workerData, threadId } from "node:worker_threads";
const post = (message) => parentPort.postMessage(message);
if (workerData.config.key === "a key that makes it fail") {
  post({ type: "failed", error: { code: "ERR_OCR_FAILED", name: "DetectionError", message: "no engine", stack: undefined } });
} else if (workerData.config.key === "a key that ends the thread") {
  process.exit(3);
} else {
  parentPort.on("message", ({ type, id, document }) => {
    if (type === "close") post({ type: "closed" });
    if (type === "abort") post({ type: "rejected", id, error: { name: "Error", message: "stopped", stack: undefined } });
    if (type !== "start") return;
    if (document.path === "exit") process.exit(3);
    if (document.path === "die writing" || document.path === "leave another's lock") {
      const by = document.path === "die writing" ? threadId : threadId + 1000;
      writeFileSync(workerData.config.vault + ".lock", process.pid + " start unique " + by + "\\n");
      process.exit(3);
    }
    if (document.path === "throw") setImmediate(() => { throw new Error("broken"); });
    if (document.path === "progress") post({ type: "progress", id, event: { stage: "read", done: 1, total: 1 } });
    if (document.path === "wait") return;
    if (document.path === "claim") {
      const result = { pages: [], data: new Uint8Array(0), format: "png", report: {}, settings: {} };
      post({ type: "anonymized", id, result: { ...result, claims: [["fake " + id, "owner"]] } });
      return;
    }
    const seen = { ...document, bytes: document.bytes?.length, thread: threadId, ownKey: workerData.ownKey, claims: workerData.claims };
    post({ type: "detected", id, plan: seen });
  });
  post({ type: "ready", engine: { chosen: "classical" }, keyId: null });
}
`;

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "anonymizer-thread-"));
  file = join(folder, "thread.mjs");
  await writeFile(file, program);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const start = (config: object = {}, options: object = {}): Promise<FlowThread> =>
  FlowThread.start(file, { engine: "classical", ...config }, options);
const seen = async (work: Promise<unknown>) =>
  (await work) as { thread: number; ownKey: string; bytes?: number; stream?: boolean };

it.each([["exit"], ["throw"]])(
  "a thread that ends by %s fails its documents and is replaced, with the same key",
  async (how) => {
    const thread = await start();
    const before = await seen(thread.detect("a"));
    const beside = thread.detect("wait");
    const lost = how === "exit" ? thread.detect("exit") : thread.detect("wait");
    if (how === "throw") void thread.detect("throw").catch(() => undefined);
    await expect(lost).rejects.toMatchObject({ code: "ERR_THREAD" });
    await expect(beside).rejects.toMatchObject({ code: "ERR_THREAD" });
    const [after, other] = await Promise.all([seen(thread.detect("a")), seen(thread.detect("b"))]);
    expect(after.thread).not.toBe(before.thread);
    expect(other.thread).toBe(after.thread);
    expect(after.ownKey).toBe(before.ownKey);
    await thread.close();
  },
);

it("hands out claims once, and gives all of them to the thread that takes over", async () => {
  const thread = await start({}, { claims: [["earlier", "owner"]] });
  await thread.anonymize("claim");
  expect(thread.takeClaims()).toEqual([["fake 0", "owner"]]);
  expect(thread.takeClaims()).toEqual([]);
  await thread.anonymize("claim");
  await thread.detect("exit").catch(() => undefined);
  const { claims } = (await thread.detect("a")) as unknown as { claims: unknown };
  expect(claims).toEqual([
    ["earlier", "owner"],
    ["fake 0", "owner"],
    ["fake 1", "owner"],
  ]);
  expect(thread.takeClaims()).toEqual([["fake 1", "owner"]]);
  await thread.close();
  const without = await start();
  expect(((await without.detect("a")) as unknown as { claims: unknown }).claims).toBeUndefined();
  await without.close();
});

it("tells why it can't start", async () => {
  await expect(start({ key: "a key that makes it fail" })).rejects.toMatchObject({ code: "ERR_OCR_FAILED" });
  await expect(start({ key: "a key that ends the thread" })).rejects.toMatchObject({ code: "ERR_THREAD" });
  await expect(start({ engine: "none" })).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
  await expect(start({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ERR_ABORTED" });
});

it("stops one document and goes on with the others", async () => {
  const thread = await start();
  const controller = new AbortController();
  const stopped = thread.detect("wait", { signal: controller.signal });
  const going = thread.detect("wait");
  controller.abort();
  await expect(stopped).rejects.toMatchObject({ code: "ERR_ABORTED" });
  await seen(thread.detect("a"));
  const closing = thread.close();
  await expect(going).rejects.toMatchObject({ code: "ERR_CLOSED" });
  await closing;
  await expect(thread.detect("a")).rejects.toMatchObject({ code: "ERR_CLOSED" });
  await thread.close();
});

it("hands a fault of the caller's listener to the caller", async () => {
  const thread = await start();
  const onProgress = (): void => {
    throw new Error("the caller's own");
  };
  await expect(thread.detect("progress", { onProgress })).rejects.toThrow("the caller's own");
  await thread.close();
});

it("sends bytes and what a stream holds, within the limit", async () => {
  const thread = await start({ limits: { max_bytes: 8 } });
  expect(await seen(thread.detect(Buffer.from("1234")))).toMatchObject({ bytes: 4, stream: false });
  expect(await seen(thread.detect(Readable.from([Buffer.from("123"), Buffer.from("45")])))).toMatchObject({
    bytes: 5,
    stream: true,
  });
  await expect(thread.detect(Buffer.alloc(9))).rejects.toMatchObject({ code: "ERR_DOCUMENT_LIMIT" });
  await thread.close();
});

it("a thread that dies while it writes to the vault leaves no lock behind, and takes nobody else's away", async () => {
  const vault = join(folder, "some.vault");
  const thread = await start({ vault, key: "a key for the vault" });
  await expect(thread.detect("die writing")).rejects.toMatchObject({ code: "ERR_THREAD" });
  await expect.poll(() => existsSync(`${vault}.lock`)).toBe(false);
  await expect(thread.detect("leave another's lock")).rejects.toMatchObject({ code: "ERR_THREAD" });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(existsSync(`${vault}.lock`)).toBe(true);
  await thread.close();
});
