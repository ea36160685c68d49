/** `anonymizer serve` as its own process: a real document in, a proven one out, and a stop that loses nothing. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { drawSamplePage } from "../../src/anonymizer/sample-page.ts";
import { createTesseractEngine } from "../../src/detection/tesseract-engine.ts";
import { decodeDocument } from "../../src/documents/decode.ts";

import { root } from "../helpers/tiny.ts";

const token = "a-token-of-some-length";
let folder: string;
let page: Buffer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "anonymizer-serve-"));
  await writeFile(join(folder, "token.txt"), `${token}\n`);
  await chmod(join(folder, "token.txt"), 0o600);
  const { data, width, height } = drawSamplePage([
    "Delivery note",
    "E-mail: magda.leak@example.org",
    "Total 12.80",
    "Thank you",
  ]);
  page = await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

async function serve(...args: string[]) {
  const program = join(root, "dist", "cli", "anonymizer.js");
  const child = spawn(process.execPath, [program, "serve", "--engine", "classical", "--port", "0", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const exited = once(child, "close") as Promise<[number | null]>;
  const url = await Promise.race([
    once(child.stdout, "data").then(([chunk]) => String(chunk).trim()),
    exited.then(([code]) => `exited with ${code}`),
  ]);
  return { url, child, exited, log: () => stderr };
}

const headers = { Authorization: `Bearer ${token}`, "Content-Type": "image/png" };

async function untilReady(url: string): Promise<void> {
  while ((await fetch(`${url}/ready`)).status !== 200) await sleep(50);
}

it("anonymizes, keeps documents out of its log, and finishes what is under way when it is stopped", async () => {
  const { url, child, exited, log } = await serve("--token-file", join(folder, "token.txt"));
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  await untilReady(url);
  expect((await fetch(`${url}/anonymize-document`, { method: "POST", body: page })).status).toBe(401);

  const answered = await fetch(`${url}/anonymize-document`, { method: "POST", body: page, headers });
  const result = Buffer.from(await answered.arrayBuffer());
  expect([answered.status, answered.headers.get("anonymizer-proven")]).toEqual([200, "true"]);
  const ocr = await createTesseractEngine({ workers: 1 });
  const { lines } = await ocr.read((await decodeDocument(result)).pages[0]!.image, { timeoutMs: 60_000 });
  await ocr.close();
  const read = lines.map((line) => line.text).join("\n");
  expect(read).toMatch(/Delivery note/);
  expect(read).not.toMatch(/magda|leak/i);

  const late = await fetch(`${url}/anonymize-document?wait=0`, { method: "POST", body: page, headers });
  expect(late.status).toBe(202);
  const job = `${url}${late.headers.get("location")}`;
  const waiting = fetch(`${url}/anonymize-document`, { method: "POST", body: page, headers });
  await sleep(50);
  child.kill("SIGTERM");
  expect((await waiting).status).toBe(200);
  const fetched = await fetch(`${job}/document`, { headers });
  expect(fetched.status).toBe(200);
  // The same key within one process, so the same invented value and the same picture.
  expect(Buffer.from(await fetched.arrayBuffer()).equals(result)).toBe(true);
  expect(await exited).toEqual([0, null]);

  const records = log()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(records.map(({ msg }) => msg)).toEqual(expect.arrayContaining(["listening", "ready", "draining", "closed"]));
  expect(log()).not.toMatch(/magda|leak@|a-token/i);
});

it.each([
  [["--host", "0.0.0.0"], /ERR_CONFIG_INVALID: .*no token/],
  [["--port", "eighty"], /whole number/],
  [["--set", "service.queue=-1"], /service.queue/],
])("%j is refused at once", async (args, message) => {
  const { url, log } = await serve(...args);
  expect(url).toMatch(/^exited with [12]$/);
  expect(log()).toMatch(message);
});
