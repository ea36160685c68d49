/** The HTTP server: who may call, what is answered, and how it starts and stops. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import multipart from "@fastify/multipart";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { Anonymizer } from "../anonymizer/anonymizer.ts";
import type { SelfTest } from "../anonymizer/self-test.ts";
import type { AnonymizerConfig, AnonymizerConfigInput } from "../config/anonymizer-config.ts";
import { loadConfig } from "../config/load-config.ts";
import { AnonymizerError, codedError, systemCode } from "../errors.ts";
import type { Report } from "../report.ts";
import { type Logger, silentLogger } from "../telemetry/logger.ts";
import type { AnonymizerServer, ServerOptions } from "./create-server.ts";
import { freshId } from "./fresh-id.ts";
import { fromFramework, httpError, tooLarge } from "./http-errors.ts";
import { addJobRoutes } from "./job-routes.ts";
import { type Job, JobQueue } from "./jobs.ts";
import { createMetrics, type ServiceMetrics } from "./metrics.ts";
import { Readiness } from "./readiness.ts";
import { isLocalRequest, resolveToken, tokenChecker } from "./token.ts";
import { documentTypes, readBody } from "./upload.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Answers without a token: tells nothing of documents. */
    readonly open?: boolean;
  }
}

export async function startServer(
  config: AnonymizerConfigInput | string,
  options: ServerOptions,
): Promise<AnonymizerServer> {
  const { logger = silentLogger, signal } = options;
  const checked = options.anonymizer?.config ?? (await loadConfig(config, "anonymizer"));
  const token = await resolveToken(checked.service, options.environment);
  const own = options.anonymizer ? undefined : await Anonymizer.create(config, { logger, ...(signal && { signal }) });
  const server = new Server(options.anonymizer ?? own!, own, checked, token, logger);
  await server.prepare();
  return server;
}

class Server implements AnonymizerServer {
  readonly config: AnonymizerConfig["service"];
  readonly ready: Promise<SelfTest>;
  readonly #own: Anonymizer | undefined;
  readonly #logger: Logger;
  readonly #readiness: Readiness;
  readonly #jobs: JobQueue;
  readonly #http: FastifyInstance;
  readonly #maxBytes: number;
  readonly #mayCall: (request: FastifyRequest) => AnonymizerError | undefined;
  #metrics!: ServiceMetrics;
  #listening = false;
  /** Requests that are not answered yet. */
  #active = 0;
  #closed: Promise<void> | undefined;
  #tested!: { resolve(test: SelfTest): void; reject(error: unknown): void };

  constructor(
    anonymizer: NonNullable<ServerOptions["anonymizer"]>,
    own: Anonymizer | undefined,
    config: AnonymizerConfig,
    token: string | undefined,
    logger: Logger,
  ) {
    const { service } = config;
    this.config = service;
    this.#own = own;
    this.#logger = logger;
    this.#maxBytes = Math.min(service.max_bytes, config.limits.max_bytes);
    this.#readiness = new Readiness(anonymizer, logger);
    this.#jobs = new JobQueue(service, (document, how) => anonymizer.anonymize(document, how), {
      started: (_job, waited) => this.#metrics.started(waited),
      finished: (job, report, seconds) => this.#jobFinished(job, report, seconds),
    });
    this.#mayCall = callerCheck(token, service.allow_no_token);
    this.ready = new Promise((resolve, reject) => {
      this.#tested = { resolve, reject };
    });
    // Whoever does not look at it is no unhandled rejection.
    this.ready.catch(() => undefined);
    this.#http = fastify({
      logger: false,
      bodyLimit: this.#maxBytes,
      requestTimeout: service.upload_seconds * 1000,
      // Of a silent socket: longer than any answer may let wait.
      connectionTimeout: (service.max_wait_seconds + 60) * 1000,
      keepAliveTimeout: 72_000,
      forceCloseConnections: "idle",
      exposeHeadRoutes: false,
      http: {
        headersTimeout: Math.min(20, service.upload_seconds) * 1000,
        connectionsCheckingInterval: 500,
        maxHeaderSize: 16 * 1024,
      },
      genReqId: freshId,
      clientErrorHandler: answerBrokenRequest,
      frameworkErrors: (error, _request, reply) => void this.#sendError(reply as FastifyReply, error),
    });
  }

  /** Once, before `listen`. */
  async prepare(): Promise<void> {
    const http = this.#http;
    this.#metrics = await createMetrics(
      () => this.#jobs.counts,
      () => this.#readiness.ready,
    );
    http.server.maxConnections = this.config.max_connections;
    http.removeAllContentTypeParsers();
    http.addContentTypeParser(documentTypes, (request: FastifyRequest, body: IncomingMessage) =>
      readBody(body, this.#maxBytes, Number(request.headers["content-length"] ?? 0)),
    );
    await http.register(multipart);
    http.setErrorHandler((error, _request, reply) => this.#sendError(reply, error));
    http.setNotFoundHandler((_request, reply) =>
      this.#sendError(reply, codedError("ERR_SERVICE_ROUTE", "No such route")),
    );
    http.addHook("onRequest", async (request, reply) => {
      this.#active++;
      reply.raw.once("close", () => this.#active--);
      reply.headers({
        "X-Request-Id": request.id,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
      });
      const refused = request.routeOptions.config.open ? undefined : this.#mayCall(request);
      if (refused !== undefined) throw refused;
      const encoding = request.headers["content-encoding"];
      if (encoding !== undefined && encoding !== "identity")
        throw codedError("ERR_DOCUMENT_FORMAT", "The body is compressed");
      const length = Number(request.headers["content-length"] ?? 0);
      // A form's own lines are not the document's.
      if (length > this.#maxBytes + 16 * 1024) throw tooLarge(length, this.#maxBytes);
    });
    http.addHook("onResponse", async (request, reply) => this.#answered(request, reply));

    const open = { config: { open: true } };
    http.get("/health", open, async () => ({ status: "alive" }));
    http.get("/ready", open, async (_request, reply) => {
      const { state, ready } = this.#readiness;
      if (!ready) reply.code(503).header("Retry-After", 2);
      return { status: state };
    });
    http.get("/metrics", async (_request, reply) => {
      reply.type(this.#metrics.contentType);
      return this.#metrics.text();
    });
    addJobRoutes(http, {
      jobs: this.#jobs,
      config: this.config,
      maxBytes: this.#maxBytes,
      isReady: () => this.#readiness.ready,
    });
    await http.ready();
  }

  async listen(): Promise<string> {
    if (this.#closed !== undefined) throw codedError("ERR_CLOSED", "The server is closed");
    const { host, port } = this.config;
    let url: string;
    try {
      url = await this.#http.listen({ host, port });
    } catch (cause) {
      throw codedError("ERR_SERVICE_LISTEN", `${host}:${port}: ${systemCode(cause)}`, { cause });
    }
    this.#listening = true;
    this.#logger.info({ url }, "listening");
    this.#readiness.start().then(this.#tested.resolve, this.#tested.reject);
    return url;
  }

  async drain(): Promise<void> {
    this.#readiness.drain();
    this.#logger.info({ ...this.#jobs.counts }, "draining");
    const deadline = AbortSignal.timeout(this.config.drain_seconds * 1000);
    await this.#jobs.idle(deadline);
    await this.close();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#tested.reject(codedError("ERR_CLOSED", "The server was closed"));
    const testing = this.#readiness.close();
    const reason = codedError("ERR_SERVICE_NOT_READY", "The server stops");
    const stopped = this.#jobs.close(reason);
    const closed = this.#http.close();
    // Answers get a moment to leave; who still sends then is cut off.
    const deadline = Date.now() + 2000;
    while (this.#active > 0 && Date.now() < deadline) await sleep(10);
    this.#http.server.closeAllConnections();
    await closed;
    await stopped;
    await testing;
    await this.#own?.close();
    if (this.#listening) this.#logger.info({}, "closed");
  }

  #jobFinished(job: Job, report: Report | undefined, seconds: number): void {
    this.#metrics.finished(job, report, seconds);
    if (job.status === "failed") {
      this.#readiness.doubt(job.error);
      this.#logger.warn({ job: job.id, seconds, err: withoutContent(job.error) }, "document failed");
    } else {
      const { pages, regions } = job.result!;
      this.#logger.info({ job: job.id, seconds, status: job.status, pages, regions }, "document finished");
    }
  }

  #sendError(reply: FastifyReply, thrown: unknown): FastifyReply {
    const error = fromFramework(thrown, this.#maxBytes);
    const { status, body } = httpError(error);
    if (status >= 500 && body.error.code === "ERR_SERVICE_FAILED")
      this.#logger.error({ request: reply.request.id, err: withoutContent(error) }, "request failed");
    return reply.code(status).headers(this.#headersOf(status)).type("application/json").send(body);
  }

  #headersOf(status: number): Record<string, string> {
    if (status === 401) return { "WWW-Authenticate": "Bearer" };
    if (status === 429 || status === 503) return { "Retry-After": String(this.#jobs.retryAfter) };
    return {};
  }

  /** The path has job ids in it, and query strings what the client likes: only the route is told. */
  #answered(request: FastifyRequest, reply: FastifyReply): void {
    const route = request.routeOptions.url ?? "none";
    const seconds = reply.elapsedTime / 1000;
    this.#metrics.request(route, request.method, reply.statusCode, seconds);
    const fields = { request: request.id, method: request.method, route, status: reply.statusCode, seconds };
    if (request.routeOptions.config.open) this.#logger.debug(fields, "request");
    else this.#logger.info(fields, "request");
  }
}

function callerCheck(
  token: string | undefined,
  anyone: boolean,
): (request: FastifyRequest) => AnonymizerError | undefined {
  if (token !== undefined) {
    const fits = tokenChecker(token);
    return ({ headers }) =>
      fits(headers.authorization) ? undefined : codedError("ERR_SERVICE_TOKEN", "No token, or a wrong one");
  }
  return ({ headers }) =>
    anyone || isLocalRequest(headers) ? undefined : codedError("ERR_SERVICE_HOST", "Not from this machine");
}

/** What is no HTTP, or does not arrive in time, is answered on the bare socket. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, coded]: [string, AnonymizerError] =
    error.code === "ERR_HTTP_REQUEST_TIMEOUT"
      ? ["408 Request Timeout", codedError("ERR_SERVICE_TIMEOUT", "The request took too long")]
      : error.code === "HPE_HEADER_OVERFLOW"
        ? ["431 Request Header Fields Too Large", codedError("ERR_SERVICE_REQUEST", "The headers are too long")]
        : ["400 Bad Request", codedError("ERR_SERVICE_REQUEST", "This is no HTTP request")];
  const body = JSON.stringify(httpError(coded).body);
  const head = `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close`;
  socket.end(`HTTP/1.1 ${status}\r\n${head}\r\n\r\n${body}`, () => socket.destroy());
}

/** Messages of other people's code may hold anything: only where it happened is logged. */
function withoutContent(error: unknown): unknown {
  if (error instanceof AnonymizerError) return error;
  if (!(error instanceof Error)) return { name: typeof error };
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  return Object.assign(new Error("unexpected"), { name: error.name, stack: frames.slice(0, 10).join("\n") });
}
