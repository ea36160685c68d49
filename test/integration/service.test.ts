/** The HTTP server over real connections, with an anonymizer that does what its documents say. */
import { request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { AnonymizerConfigInput } from "../../src/config/anonymizer-config.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { codedError, errorCodes } from "../../src/errors.ts";
import { type AnonymizerServer, createServer } from "../../src/service/create-server.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { type FakeAnonymizer, fakeAnonymizer, provenData } from "../helpers/fake-anonymizer.ts";

const token = "a-token-of-some-length";
const bearer = { Authorization: `Bearer ${token}` };
const raw = { "Content-Type": "application/octet-stream" };

interface Started {
  readonly url: string;
  readonly server: AnonymizerServer;
  readonly fake: FakeAnonymizer;
  readonly log: string[];
}

const open: AnonymizerServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function start(
  service: NonNullable<AnonymizerConfigInput["service"]> = {},
  environment: Record<string, string> = {},
  prepare: (fake: FakeAnonymizer) => void = () => undefined,
): Promise<Started> {
  const fake = fakeAnonymizer(await loadConfig({ service: { port: 0, ...service } }, "anonymizer"));
  prepare(fake);
  const log: string[] = [];
  const logger = createLogger({ level: "debug", stream: { write: (line) => void log.push(line) } });
  const server = await createServer({}, { anonymizer: fake, environment, logger });
  open.push(server);
  const url = await server.listen();
  await server.ready.catch(() => undefined);
  return { url, server, fake, log };
}

const post = (
  url: string,
  body: string | FormData,
  init: { query?: string; headers?: Record<string, string>; signal?: AbortSignal } = {},
) =>
  fetch(`${url}/anonymize-document${init.query ?? ""}`, {
    method: "POST",
    body,
    headers: { ...(typeof body === "string" ? raw : {}), ...init.headers },
    ...(init.signal && { signal: init.signal }),
  });

const form = (...documents: (string | [string, string])[]): FormData => {
  const data = new FormData();
  for (const part of documents) {
    if (typeof part === "string") data.append("document", new File([part], "Magda Sandmann.png"));
    else data.append(...part);
  }
  return data;
};

/** The body, after the status was checked. */
async function answer(response: Promise<Response>, status: number): Promise<Record<string, never>> {
  const got = await response;
  const text = await got.text();
  expect(`${got.status} ${text}`).toMatch(new RegExp(`^${status} `));
  expect(text).not.toMatch(/secret|Magda|\/home/);
  return text === "" ? {} : JSON.parse(text);
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await what()) return;
    await sleep(10);
  }
  throw new Error(`never true: ${what}`);
}

const metric = async (url: string, line: string): Promise<boolean> =>
  (await (await fetch(`${url}/metrics`)).text()).includes(`\n${line}\n`);

const rawConnection = (url: string): Promise<{ socket: Socket; text: () => string; closed: Promise<void> }> =>
  new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(Number(new URL(url).port), "127.0.0.1", () => resolve({ socket, text: () => text, closed }));
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", reject);
    const closed = new Promise<void>((done) => socket.on("close", () => done()));
  });

const sendChunks = (url: string, text: string): Promise<Response> => {
  const pieces = text.match(/[\s\S]{1,50000}/g)!.map((piece) => Buffer.from(piece));
  // "duplex" is not in the types yet.
  const init = { method: "POST", headers: raw, body: ReadableStream.from(pieces), duplex: "half" };
  return fetch(`${url}/anonymize-document`, init as RequestInit);
};

describe("a document", () => {
  it.each([
    ["as the body", () => post(open_.url, "proven")],
    ["in a form", () => post(open_.url, form("proven"))],
  ])("sent %s comes back anonymized", async (_how, send) => {
    open_ = await start();
    const response = await send();
    expect(response.status).toBe(200);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(provenData);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "image/png",
      "content-disposition": 'attachment; filename="anonymized.png"',
      "anonymizer-proven": "true",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    });
    const job = response.headers.get("location")!;
    expect(job).toMatch(/^\/jobs\/[0-9a-f-]{36}$/);
    const report = await answer(fetch(`${open_.url}${job}/report`), 200);
    expect(report).toMatchObject({ proven: true, schema_version: 1 });
    // It was handed over; only the report stays.
    await until(async () => (await fetch(`${open_.url}${job}/document`)).status === 404);
  });
  let open_: Started;

  it("that is not proven is never handed out", async () => {
    const { url } = await start();
    const body = await answer(post(url, "unproven"), 422);
    expect(body).toMatchObject({
      error: { code: "ERR_NOT_PROVEN", details: { reasons: ["1 original value can still be read"] } },
      job: { status: "unproven", proven: false },
    });
    const { job } = body as unknown as { job: { id: string; links: Record<string, string> } };
    expect(job.links["document"]).toBeUndefined();
    const again = await fetch(`${url}/jobs/${job.id}/document`);
    expect([again.status, (await again.text()).includes(provenData.toString())]).toEqual([422, false]);
    expect(await answer(fetch(`${url}/jobs/${job.id}`), 200)).toMatchObject({
      status: "unproven",
      proven: false,
      unproven_because: ["1 original value can still be read"],
    });
    expect(await answer(fetch(`${url}/jobs/${job.id}/report`), 200)).toMatchObject({ proven: false });
  });

  it("that takes longer becomes a job: waited for, fetched, deleted", async () => {
    const { url, fake } = await start({ concurrency: 1 });
    const first = await post(url, "hang 1", { query: "?wait=0" });
    expect(first.status).toBe(202);
    expect(Number(first.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    const at = `${url}${first.headers.get("location")}`;
    expect(await answer(fetch(at), 200)).toMatchObject({
      status: "running",
      progress: { stage: "read", done: 1, total: 2 },
    });
    const second = await answer(post(url, "proven 2", { query: "?wait=0.02" }), 202);
    expect(second).toMatchObject({ status: "queued", ahead: 0 });
    expect(await answer(fetch(`${at}/document`), 409)).toMatchObject({ error: { code: "ERR_SERVICE_UNFINISHED" } });
    expect(await answer(fetch(`${at}/report`), 409)).toMatchObject({ error: { code: "ERR_SERVICE_UNFINISHED" } });
    const waiting = fetch(`${at}?wait=30`);
    await sleep(20);
    fake.release();
    const done = (await answer(waiting, 200)) as unknown as { status: string; links: Record<string, string> };
    expect(done).toMatchObject({ status: "proven", proven: true, pages: 2, regions: 2 });
    for (const _ of [1, 2]) {
      const document = await fetch(`${url}${done.links["document"]}`);
      expect(Buffer.from(await document.arrayBuffer())).toEqual(provenData);
    }
    expect((await fetch(at, { method: "DELETE" })).status).toBe(204);
    expect(await answer(fetch(at), 404)).toMatchObject({ error: { code: "ERR_SERVICE_JOB" } });
    expect((await fetch(at, { method: "DELETE" })).status).toBe(404);
  });

  it("may be asked for as a job with Accept: application/json", async () => {
    const { url } = await start();
    const job = await answer(post(url, "proven", { headers: { Accept: "application/json" } }), 200);
    const { links } = job as unknown as { links: Record<string, string> };
    expect((await fetch(`${url}${links["document"]}`)).status).toBe(200);
  });
});

describe("what goes wrong", () => {
  it.each([
    ["ERR_DOCUMENT_DAMAGED", 422, "ERR_DOCUMENT_DAMAGED"],
    ["ERR_DOCUMENT_FORMAT", 415, "ERR_DOCUMENT_FORMAT"],
    ["ERR_DOCUMENT_LIMIT", 413, "ERR_DOCUMENT_LIMIT"],
    ["ERR_PSEUDONYM_EXHAUSTED", 422, "ERR_PSEUDONYM_EXHAUSTED"],
    ["ERR_OCR_TIMEOUT", 504, "ERR_OCR_TIMEOUT"],
    ["ERR_THREAD", 503, "ERR_THREAD"],
    ["ERR_OUT_OF_MEMORY", 503, "ERR_OUT_OF_MEMORY"],
    ["ERR_NATIVE", 500, "ERR_SERVICE_FAILED"],
    ["ERR_CONFIG_INVALID", 500, "ERR_SERVICE_FAILED"],
    ["throw", 500, "ERR_SERVICE_FAILED"],
  ] as const)("in the work (%s) is answered with %i and tells nothing from inside", async (document, status, code) => {
    const { url, log } = await start();
    const { error } = (await answer(post(url, document), status)) as unknown as { error: object };
    expect(error).toEqual({ code, message: errorCodes[code].meaning, cure: errorCodes[code].cure });
    if (document === "throw") expect(log.join("")).not.toMatch(/Magda/);
    if (status >= 500)
      expect(log.join("")).toMatch(/"message":"(document|request) failed"|"msg":"(document|request) failed"/);
  });

  it.each([
    ["an empty body", (url: string) => post(url, ""), 400, "ERR_DOCUMENT_EMPTY"],
    ["an empty file", (url: string) => post(url, form("")), 400, "ERR_DOCUMENT_EMPTY"],
    ["no file", (url: string) => post(url, form()), 400, "ERR_SERVICE_REQUEST"],
    ["two files", (url: string) => post(url, form("proven", "proven")), 400, "ERR_SERVICE_REQUEST"],
    ["another field", (url: string) => post(url, form(["name", "Magda"], "proven")), 400, "ERR_SERVICE_REQUEST"],
    [
      "a form without its boundary",
      (url: string) => post(url, "proven", { headers: { "Content-Type": "multipart/form-data" } }),
      400,
      "ERR_SERVICE_REQUEST",
    ],
    [
      "a form that ends early",
      (url: string) =>
        post(url, '--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\npro', {
          headers: { "Content-Type": "multipart/form-data; boundary=x" },
        }),
      400,
      "ERR_SERVICE_REQUEST",
    ],
    [
      "JSON",
      (url: string) => post(url, "{}", { headers: { "Content-Type": "application/json" } }),
      415,
      "ERR_DOCUMENT_FORMAT",
    ],
    [
      "a compressed body",
      (url: string) => post(url, "x", { headers: { "Content-Encoding": "gzip" } }),
      415,
      "ERR_DOCUMENT_FORMAT",
    ],
    ["a body that is too large", (url: string) => post(url, "x".repeat(70_000)), 413, "ERR_DOCUMENT_LIMIT"],
    ["a body a little too large", (url: string) => post(url, "x".repeat(1001)), 413, "ERR_DOCUMENT_LIMIT"],
    ["a file that is too large", (url: string) => post(url, form("x".repeat(1001))), 413, "ERR_DOCUMENT_LIMIT"],
    ["a wrong wait", (url: string) => post(url, "proven", { query: "?wait=soon" }), 400, "ERR_SERVICE_REQUEST"],
    ["two waits", (url: string) => post(url, "proven", { query: "?wait=1&wait=2" }), 400, "ERR_SERVICE_REQUEST"],
    ["another key", (url: string) => post(url, "proven", { query: "?format=png" }), 400, "ERR_SERVICE_REQUEST"],
    ["another method", (url: string) => fetch(`${url}/anonymize-document`), 404, "ERR_SERVICE_ROUTE"],
    ["another path", (url: string) => fetch(`${url}/Magda`), 404, "ERR_SERVICE_ROUTE"],
    ["a broken path", (url: string) => fetch(`${url}/jobs/%E0%A4%A/report`), 400, "ERR_SERVICE_REQUEST"],
    ["an unknown job", (url: string) => fetch(`${url}/jobs/1`), 404, "ERR_SERVICE_JOB"],
  ] as const)("in the request (%s) is refused, and takes no room", async (_what, send, status, code) => {
    const { url, fake } = await start({ max_bytes: 1000, queue: 0, concurrency: 1 });
    for (const _ of [1, 2]) expect(await answer(send(url), status)).toMatchObject({ error: { code } });
    expect(fake.ended).toEqual([]);
    // Room for one only: it must have been given back.
    await until(async () => (await post(url, "proven")).status === 200);
  });

  const large = `proven ${Array.from({ length: 400_000 }, (_, i) => i).join(",")}`;
  it.each([
    ["whole", (url: string) => post(url, large)],
    ["in chunks without a length", (url: string) => sendChunks(url, large)],
    ["in a form", (url: string) => post(url, form(large))],
  ])("of some megabytes, sent %s, arrives as it was sent", async (_how, send) => {
    const { url, fake } = await start();
    expect((await send(url)).status).toBe(200);
    expect(fake.ended.map((end) => end === `${large}: done`)).toEqual([true]);
  });

  it("takes no chunked body over the limit", async () => {
    const { url } = await start({ max_bytes: 1000 });
    const status = await new Promise((resolve, reject) => {
      const sent = httpRequest(`${url}/anonymize-document`, { method: "POST", headers: raw }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on("error", reject);
      sent.write("x".repeat(600));
      sent.end("x".repeat(600));
    });
    expect(status).toBe(413);
  });

  it("cuts off who sends too slowly, headers or body, and gives the room back", async () => {
    const { url, fake } = await start({ upload_seconds: 1, queue: 0, concurrency: 1 });
    const head = "POST /anonymize-document HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    const slow = await rawConnection(url);
    slow.socket.write(`${head}Content-Type: image/png\r\nContent-Length: 100\r\n\r\nfirst`);
    const slower = await rawConnection(url);
    slower.socket.write(head);
    await until(() => metric(url, "anonymizer_documents_arriving 1"));
    expect((await post(url, "proven")).status).toBe(429);
    await Promise.all([slow.closed, slower.closed]);
    expect(slow.text()).toMatch(/^HTTP\/1.1 408 [\s\S]*ERR_SERVICE_TIMEOUT/);
    expect(slower.text()).toMatch(/^HTTP\/1.1 408 /);
    await until(async () => (await post(url, "proven")).status === 200);
    expect(fake.ended).toEqual(["proven: done"]);
  });

  it("is no reason to keep room for a body that was cut short", async () => {
    const { url, fake } = await start({ queue: 0, concurrency: 1 });
    for (const head of ["Content-Type: image/png", "Content-Type: multipart/form-data; boundary=x"]) {
      const cut = await rawConnection(url);
      cut.socket.write(
        `POST /anonymize-document HTTP/1.1\r\nHost: 127.0.0.1\r\n${head}\r\nContent-Length: 100\r\n\r\n--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\nab`,
      );
      await until(() => metric(url, "anonymizer_documents_arriving 1"));
      expect((await post(url, "proven")).status).toBe(429);
      cut.socket.destroy();
      await until(async () => (await post(url, "proven")).status === 200);
    }
    expect(new Set(fake.ended)).toEqual(new Set(["proven: done"]));
  });

  it.each([
    ["no HTTP at all", "Magda\r\n\r\n", 400],
    ["endless headers", `GET / HTTP/1.1\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, 431],
    ["a body of two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400],
  ])("on the connection (%s) is answered and closed", async (_what, text, status) => {
    const { url } = await start();
    const { socket, text: got, closed } = await rawConnection(url);
    socket.write(text);
    await closed;
    expect(got()).toMatch(new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*"code":"ERR_SERVICE_REQUEST"`));
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });
});

describe("too much at once", () => {
  it("10 clients are served, never more at the same time than allowed", async () => {
    const { url, fake } = await start({ concurrency: 3 });
    const all = await Promise.all(Array.from({ length: 10 }, (_, i) => post(url, `proven ${i}`)));
    expect(all.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(fake.most).toBe(3);
  });

  it("is answered with 429 and when to come again; what is under way is not touched", async () => {
    const { url, fake } = await start({ concurrency: 1, queue: 2 });
    const held = Array.from({ length: 3 }, (_, i) => post(url, `hang ${i}`));
    await until(() => metric(url, "anonymizer_queue_length 2"));
    const refused = await post(url, "proven");
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(await refused.json()).toMatchObject({ error: { code: "ERR_SERVICE_BUSY" } });
    const release = setInterval(() => fake.release(), 5);
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200, 200]);
    clearInterval(release);
    expect((await post(url, "proven")).status).toBe(200);
  });

  it("in bytes is refused too", async () => {
    const { url, fake } = await start({ max_pending_bytes: 1500, max_bytes: 1000 });
    const held = post(url, `hang ${" ".repeat(900)}`);
    await until(() => fake.running.size === 1);
    expect((await post(url, "x".repeat(900))).status).toBe(429);
    expect((await post(url, "proven")).status).toBe(200);
    fake.release();
    expect((await held).status).toBe(200);
  });

  it("of results: the oldest go, and all go when their time is over", async () => {
    const { url } = await start({ keep_bytes: 12_000, keep_seconds: 2 });
    const at: string[] = [];
    for (let i = 0; i < 8; i++) {
      const { headers } = await post(url, `proven ${i}`, { query: "?wait=0" });
      at.push(`${url}${headers.get("location")}`);
      await until(async () => ((await (await fetch(at.at(-1)!)).json()) as { status: string }).status === "proven");
    }
    const there = async (): Promise<boolean[]> => Promise.all(at.map(async (job) => (await fetch(job)).status === 200));
    const kept = await there();
    expect(kept[0]).toBe(false);
    expect(kept.at(-1)).toBe(true);
    await until(async () => (await there()).every((kept) => !kept));
  });
});

describe("who may call", () => {
  it("with a token: whoever has it; health and readiness tell nothing and are open", async () => {
    const { url } = await start({}, { ANONYMIZER_TOKEN: token });
    for (const headers of [
      {},
      { Authorization: `Bearer ${token}x` },
      { Authorization: "Bearer " },
      { Authorization: token },
    ]) {
      const refused = await post(url, "proven", { headers });
      expect(refused.status).toBe(401);
      expect(refused.headers.get("www-authenticate")).toBe("Bearer");
      expect(await refused.json()).toMatchObject({ error: { code: "ERR_SERVICE_TOKEN" } });
    }
    expect((await post(url, "proven", { headers: bearer })).status).toBe(200);
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    expect((await fetch(`${url}/metrics`, { headers: bearer })).status).toBe(200);
    expect(await answer(fetch(`${url}/health`), 200)).toEqual({ status: "alive" });
    expect(await answer(fetch(`${url}/ready`), 200)).toEqual({ status: "ready" });
  });

  it("without a token: this machine's programs, but no web page and no foreign name", async () => {
    const { url } = await start();
    expect((await post(url, "proven", { headers: { Origin: "https://example.org" } })).status).toBe(403);
    const named = await new Promise((resolve, reject) => {
      httpRequest(`${url}/metrics`, { headers: { Host: "rebound.example.org" } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on("error", reject)
        .end();
    });
    expect(named).toBe(403);
  });

  it.each([
    [{ host: "0.0.0.0" }, {}, /no token/],
    [{ host: "127.0.0.1" }, { ANONYMIZER_TOKEN: "short" }, /at least 16/],
    [{ token_file: "/nowhere/token" }, {}, /can't be read/],
  ])("%j is refused at the start", async (service, environment, message) => {
    await expect(start(service, environment)).rejects.toThrow(message);
  });

  it("a server for others without a token has to be wanted", async () => {
    const { url } = await start({ host: "0.0.0.0", allow_no_token: true });
    expect((await fetch(`http://127.0.0.1:${new URL(url).port}/health`)).status).toBe(200);
  });

  it("a port that is taken is named", async () => {
    const { url } = await start();
    await expect(start({ port: Number(new URL(url).port) })).rejects.toMatchObject({ code: "ERR_SERVICE_LISTEN" });
  });
});

describe("readiness", () => {
  it("comes with the first self-test; until then documents are refused", async () => {
    let pass: () => void = () => undefined;
    const fake = fakeAnonymizer(await loadConfig({ service: { port: 0 } }, "anonymizer"));
    fake.test = () => new Promise<void>((resolve) => (pass = resolve));
    const server = await createServer({}, { anonymizer: fake, environment: {} });
    open.push(server);
    const url = await server.listen();
    expect(await answer(fetch(`${url}/ready`), 503)).toEqual({ status: "starting" });
    expect(await answer(fetch(`${url}/health`), 200)).toEqual({ status: "alive" });
    expect(await answer(post(url, "proven"), 503)).toMatchObject({ error: { code: "ERR_SERVICE_NOT_READY" } });
    await until(() => {
      pass();
      return fetch(`${url}/ready`).then(({ status }) => status === 200);
    });
    await server.ready;
    expect((await post(url, "proven")).status).toBe(200);
  });

  it("a self-test that fails at the start is told", async () => {
    const { server, url } = await start({}, {}, (fake) => {
      fake.test = () => Promise.reject(codedError("ERR_OCR_FAILED", "no engine"));
    });
    await expect(server.ready).rejects.toMatchObject({ code: "ERR_OCR_FAILED" });
    expect((await fetch(`${url}/ready`)).status).toBe(503);
  });

  it("is lost when an engine fails and comes back when it works again; a bad document alone changes nothing", async () => {
    const { url, fake } = await start();
    await post(url, "ERR_DOCUMENT_DAMAGED");
    await post(url, "ERR_NATIVE");
    expect((await fetch(`${url}/ready`)).status).toBe(200);
    fake.test = () => Promise.reject(codedError("ERR_DEVICE", "the device is gone"));
    await post(url, "ERR_NATIVE");
    await until(async () => (await fetch(`${url}/ready`)).status === 503);
    expect(await answer(fetch(`${url}/ready`), 503)).toEqual({ status: "recovering" });
    fake.test = async () => undefined;
    await until(async () => (await fetch(`${url}/ready`)).status === 200);
  });
});

describe("a client that leaves", () => {
  it("stops the work on its document", async () => {
    const { url, fake } = await start({ concurrency: 1, queue: 1 });
    const gone = new AbortController();
    const running = post(url, "hang 1", { signal: gone.signal }).catch(() => undefined);
    await until(() => fake.running.size === 1);
    const queued = post(url, "hang 2", { signal: gone.signal }).catch(() => undefined);
    await until(() => metric(url, "anonymizer_queue_length 1"));
    gone.abort();
    await Promise.all([running, queued]);
    await until(() => fake.running.size === 0);
    expect(fake.ended).toEqual(["hang 1: ERR_ABORTED"]);
    await until(async () => (await post(url, "proven")).status === 200);
  });

  it("does not stop a job it was given, nor one it only looks at", async () => {
    const { url, fake } = await start();
    const { headers } = await post(url, "hang", { query: "?wait=0" });
    const gone = new AbortController();
    const looking = fetch(`${url}${headers.get("location")}?wait=30`, { signal: gone.signal }).catch(() => undefined);
    await sleep(30);
    gone.abort();
    await looking;
    await sleep(30);
    expect(fake.running.size).toBe(1);
    fake.release();
    await until(async () => (await fetch(`${url}${headers.get("location")}/document`)).status === 200);
  });
});

describe("a limit of time", () => {
  it("ends the work on a document", async () => {
    const { url, fake } = await start({ job_seconds: 1 });
    expect(await answer(post(url, "hang"), 504)).toMatchObject({ error: { code: "ERR_SERVICE_TIMEOUT" } });
    await until(() => fake.ended.length === 1);
  });

  it("ends the waiting, not the work", async () => {
    const { url, fake } = await start({ max_wait_seconds: 1 });
    const { id } = (await answer(post(url, "hang", { query: "?wait=1000" }), 202)) as unknown as { id: string };
    fake.release();
    expect(await answer(fetch(`${url}/jobs/${id}?wait=5`), 200)).toMatchObject({ status: "proven" });
  });
});

describe("stopping", () => {
  it("finishes what is under way, lets results be fetched, takes nothing new", async () => {
    const { url, server, fake } = await start();
    const waiting = post(url, "hang 1");
    const job = `${url}${(await post(url, "hang 2", { query: "?wait=0" })).headers.get("location")}`;
    await until(() => fake.running.size === 2);
    const drained = server.drain();
    expect(await answer(fetch(`${url}/ready`), 503)).toEqual({ status: "draining" });
    expect(await answer(post(url, "proven"), 503)).toMatchObject({ error: { code: "ERR_SERVICE_NOT_READY" } });
    fake.release();
    expect((await waiting).status).toBe(200);
    await sleep(60);
    expect((await fetch(`${job}/document`)).status).toBe(200);
    await drained;
    await expect(fetch(`${url}/health`)).rejects.toThrow();
    expect(fake.ended.sort()).toEqual(["hang 1: done", "hang 2: done"]);
  });

  it("waits no longer than it may; who still waits is told", async () => {
    const { url, server, fake } = await start({ drain_seconds: 1 });
    const waiting = post(url, "hang");
    await until(() => fake.running.size === 1);
    await server.drain();
    expect(await answer(waiting, 503)).toMatchObject({ error: { code: "ERR_SERVICE_NOT_READY" } });
    expect(fake.ended).toEqual(["hang: ERR_ABORTED"]);
    await server.close();
  });

  it("is not held up by connections that send nothing", async () => {
    const { url, server } = await start();
    const silent = await rawConnection(url);
    silent.socket.write("POST /anonymize-document HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le");
    await server.close();
    await silent.closed;
    await expect(server.listen()).rejects.toMatchObject({ code: "ERR_CLOSED" });
  });
});

describe("what is told of documents", () => {
  it("in metrics: counts and times", async () => {
    const { url } = await start();
    await Promise.all([post(url, "proven"), post(url, form("unproven")), post(url, "ERR_DOCUMENT_DAMAGED")]);
    const text = await (await fetch(`${url}/metrics`)).text();
    for (const line of [
      'anonymizer_documents_total{outcome="proven"} 1',
      'anonymizer_documents_total{outcome="unproven"} 1',
      'anonymizer_documents_total{outcome="failed"} 1',
      'anonymizer_document_failures_total{code="ERR_DOCUMENT_DAMAGED"} 1',
      "anonymizer_pages_total 4",
      'anonymizer_regions_total{engine="classical"} 4',
      'anonymizer_stage_duration_seconds_count{stage="read"} 2',
      'anonymizer_http_requests_total{route="/anonymize-document",method="POST",status="422"} 2',
      "anonymizer_ready 1",
      "anonymizer_queue_length 0",
      "anonymizer_pending_bytes 0",
    ])
      expect(text).toContain(`\n${line}\n`);
    expect(text).toMatch(/process_resident_memory_bytes \d+/);
  });

  it("in logs: neither names nor contents nor the token", async () => {
    const { url, log } = await start({}, { ANONYMIZER_TOKEN: token });
    await post(url, form("proven"), { headers: bearer });
    await post(url, "throw", { headers: bearer });
    await fetch(`${url}/Magda?name=Magda`, { headers: bearer });
    const text = log.join("");
    expect(log.length).toBeGreaterThan(4);
    expect(text).toContain('"route":"/anonymize-document"');
    expect(text).not.toMatch(/Magda|Sandmann|Jonas|a-token/);
  });
});
