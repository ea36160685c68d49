/** A real server that speaks S3, on a free port of this machine; and a proxy before it that behaves as R2 does, and worse. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { sha256 } from "./hash.ts";

const root = join(import.meta.dirname, "..", "..");
const moto = join(root, ".cache", "s3-servers", "bin", "moto_server");

/** Why tests with a server can't run; undefined when they can. Install: scripts/requirements-s3.txt. */
export const whyNoS3Server: string | undefined = !existsSync(moto)
  ? "moto is not installed in .cache/s3-servers (scripts/requirements-s3.txt)"
  : undefined;
if (whyNoS3Server !== undefined) console.log(`- tests against an S3 server: skipped (${whyNoS3Server})`);

interface S3Server {
  readonly endpoint: string;
  readonly environment: Record<string, string>;
  stop(): Promise<void>;
}

export const accessKey = "AKIDEXAMPLE0TEST0KEY";
export const secretKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYsecretTESTkey";

export const environmentFor = (endpoint: string): Record<string, string> => ({
  R2_ENDPOINT: endpoint,
  R2_ACCESS_KEY_ID: accessKey,
  R2_SECRET_ACCESS_KEY: secretKey,
});

async function freePort(): Promise<number> {
  const probe = createTcpServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function start(
  program: string,
  argumentsFor: (port: number) => string[],
  ready: (endpoint: string) => Promise<boolean>,
): Promise<S3Server> {
  const port = await freePort();
  const child = spawn(program, argumentsFor(port), { stdio: "ignore" });
  const onExit = (): void => void child.kill("SIGKILL");
  process.once("exit", onExit);
  const endpoint = `http://127.0.0.1:${port}`;
  for (let tries = 0; !(await ready(endpoint).catch(() => false)); tries++) {
    if (tries > 300 || child.exitCode !== null) throw new Error(`${basename(program)} did not start`);
    await sleep(100);
  }
  return {
    endpoint,
    environment: environmentFor(endpoint),
    async stop() {
      process.off("exit", onExit);
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Starts moto with an empty bucket. */
function startS3Server(bucket = "test-bucket"): Promise<S3Server> {
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKey}/20260101/us-east-1/s3/aws4_request`;
  return start(
    moto,
    (port) => ["-H", "127.0.0.1", "-p", String(port)],
    async (endpoint) => (await fetch(`${endpoint}/${bucket}`, { method: "PUT", headers: { authorization } })).ok,
  );
}

const rclone = join(root, ".cache", "s3-servers", "bin", "rclone");
/** Why tests of signatures can't run: moto takes any, rclone checks them. */
export const whyNoSignatures: string | undefined = existsSync(rclone)
  ? undefined
  : "rclone is not installed in .cache/s3-servers (scripts/requirements-s3.txt)";
if (whyNoSignatures !== undefined) console.log(`- tests of signatures: skipped (${whyNoSignatures})`);

/** Starts rclone on a folder with an empty bucket. */
export async function startRclone(folder: string, bucket = "test-bucket"): Promise<S3Server> {
  await mkdir(join(folder, bucket), { recursive: true });
  const fixed = ["serve", "s3", "--config", "/dev/null", "--auth-key", `${accessKey},${secretKey}`];
  return start(
    rclone,
    (port) => [...fixed, "--addr", `127.0.0.1:${port}`, folder],
    async (endpoint) => (await fetch(endpoint)) !== undefined,
  );
}

export type Fault =
  | "503"
  | "reset"
  | "reset after"
  | "truncate"
  | "corrupt"
  | "lost answer"
  | "stall"
  | "slow"
  | "late";

export interface FaultyProxy {
  readonly endpoint: string;
  readonly environment: Record<string, string>;
  readonly requests: { method: string; url: string; headers: IncomingMessage["headers"] }[];
  /** What the strict side refused. */
  readonly refused: string[];
  /** Decides before each request; undefined = passes on. */
  fault: (message: IncomingMessage, body: Buffer) => Fault | undefined;
  /** Milliseconds between the pieces (64 KiB) in which a request's body is read; 0 = as fast as it comes. */
  bodyPauseMs: (message: IncomingMessage) => number;
  readonly injected: Map<Fault | "slow body", number>;
  /** No faults, and nothing seen so far. */
  reset(): void;
  stop(): Promise<void>;
}

/** A body in eight pieces with pauses between them. */
async function trickle(response: ServerResponse, data: Buffer): Promise<void> {
  const piece = Math.max(1, Math.ceil(data.length / 8));
  for (let at = 0; at < data.length; at += piece) {
    response.write(data.subarray(at, at + piece));
    await sleep(25);
  }
  response.end();
}

/**
 * A server with an empty bucket behind a proxy that refuses what R2 refuses: checksum headers, "100 Continue", wrong
 * payload hashes, parts of unequal size.
 */
export async function startProxy(): Promise<FaultyProxy> {
  const server = await startS3Server();
  const target = server.endpoint;
  const parts = new Map<string, Map<number, number>>();
  const held = new Set<ServerResponse>();
  const proxy: FaultyProxy & { server?: Server } = {
    endpoint: "",
    environment: {},
    requests: [],
    refused: [],
    fault: () => undefined,
    bodyPauseMs: () => 0,
    injected: new Map(),
    reset() {
      proxy.fault = () => undefined;
      proxy.bodyPauseMs = () => 0;
      proxy.requests.length = 0;
      proxy.refused.length = 0;
      proxy.injected.clear();
    },
    async stop() {
      for (const response of held) response.destroy();
      proxy.server!.closeAllConnections();
      await new Promise((resolve) => proxy.server!.close(resolve));
      await server.stop();
    },
  };
  const refuse = (response: ServerResponse, status: number, code: string): void => {
    proxy.refused.push(code);
    response.writeHead(status, { "content-type": "application/xml" });
    response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
  };
  const count = (fault: Fault | "slow body"): void =>
    void proxy.injected.set(fault, (proxy.injected.get(fault) ?? 0) + 1);
  const handle = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    const pause = proxy.bodyPauseMs(message);
    if (pause > 0) count("slow body");
    for await (const chunk of message) {
      chunks.push(chunk as Buffer);
      if (pause > 0) await sleep(pause);
    }
    const body = Buffer.concat(chunks);
    const { method = "GET", url = "/", headers } = message;
    proxy.requests.push({ method, url, headers });
    const query = new URL(url, target).searchParams;

    if (Object.keys(headers).some((name) => /^x-amz-(checksum|sdk-checksum|trailer)/.test(name))) {
      return refuse(response, 501, "NotImplemented");
    }
    const stated = headers["x-amz-content-sha256"];
    if (method === "PUT" && stated !== sha256(body)) {
      return refuse(response, 400, "XAmzContentSHA256Mismatch");
    }
    const uploadId = query.get("uploadId");
    if (uploadId !== null && method === "PUT") {
      const sizes = parts.get(uploadId) ?? new Map<number, number>();
      sizes.set(Number(query.get("partNumber")), body.length);
      parts.set(uploadId, sizes);
    }
    if (uploadId !== null && method === "POST") {
      const sizes = [...(parts.get(uploadId) ?? new Map<number, number>())].sort(([a], [b]) => a - b).map(([, n]) => n);
      const first = sizes[0] ?? 0;
      if (sizes.slice(0, -1).some((n) => n !== first) || (sizes.at(-1) ?? 0) > first) {
        return refuse(response, 400, "InvalidPart");
      }
    }

    const fault = proxy.fault(message, body);
    if (fault !== undefined) count(fault);
    if (fault === "503") {
      response.writeHead(503, { "content-type": "application/xml" });
      response.end(`<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>slow down</Message></Error>`);
      return;
    }
    if (fault === "reset") return void message.socket.destroy();
    if (fault === "stall") return void held.add(response);
    if (fault === "late") await sleep(1500);
    const upstream = request(`${target}${url}`, { method, headers, agent: false }, (answer) => {
      const got: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => got.push(chunk));
      answer.on("end", () => {
        const data = Buffer.concat(got);
        if (fault === "lost answer") return message.socket.destroy();
        if (fault === "corrupt" && data.length > 0) data[data.length >> 1]! ^= 1;
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        if ((fault === "truncate" || fault === "reset after") && data.length > 1) {
          return response.write(data.subarray(0, data.length >> 1), () => message.socket.destroy());
        }
        if (fault === "slow") return void trickle(response, data);
        response.end(data);
      });
    });
    upstream.on("error", () => message.socket.destroy());
    upstream.end(body);
  };
  const listener = createServer((message, response) => {
    handle(message, response).catch(() => message.socket.destroy());
  });
  // R2 sends no "100 Continue": a client that waits for it waits in vain.
  listener.on("checkContinue", (_message, response: ServerResponse) => {
    proxy.refused.push("Expect");
    held.add(response);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
  return Object.assign(proxy, { server: listener, endpoint, environment: environmentFor(endpoint) });
}
