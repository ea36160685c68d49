/**
 * A control plane on loopback that speaks Modal's gRPC as far as this project uses it, records every request, and runs
 * what it is asked to run as child processes of this machine. It agrees with whatever is sent: it shows what is sent,
 * not what Modal makes of it.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, ServerCredentials, type ServerUnaryCall, type ServerWritableStream, status } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer } from "@grpc/proto-loader";
import { root } from "./tiny.ts";

const python = join(root, ".cache", "modal", "bin", "python");
export const modalCli = join(root, ".cache", "modal", "bin", "modal");
/** Why the tests can't run; undefined where they can. */
export const modalMissing = existsSync(python)
  ? undefined
  : "the Modal client is not installed (node scripts/setup.mjs --tests)";

// biome-ignore lint/suspicious/noExplicitAny: messages of a protocol without types
export type Message = Record<string, any>;

export interface Recorded {
  readonly method: string;
  readonly request: Message;
}

interface Line {
  readonly text: string;
  readonly stderr: boolean;
}

/** A function call or a sandbox: one input, run again when it was lost. */
interface Work {
  readonly id: string;
  readonly lines: Line[];
  child: ChildProcess | undefined;
  /** How often a process was started for it. */
  starts: number;
  /** Set when it is over. */
  result: Message | undefined;
  cancelled: boolean;
}

export interface PlaneOptions {
  /** Environment of the containers. */
  readonly env?: Readonly<Record<string, string>>;
  /** Path in a container → folder of this machine. */
  readonly mounts?: Readonly<Record<string, string>>;
  /** Times an input is tried again after a failure. */
  readonly retries?: number;
}

const ok = {
  GENERIC: "GENERIC_STATUS_SUCCESS",
  FAILED: "GENERIC_STATUS_FAILURE",
  STOPPED: "GENERIC_STATUS_TERMINATED",
};

export class ModalPlane {
  readonly recorded: Recorded[] = [];
  /** Besides the rest, of the first container of each input only. */
  firstEnv: Readonly<Record<string, string>> = {};
  /** Besides the rest, of every container that starts from now on. */
  moreEnv: Readonly<Record<string, string>> = {};
  /** A container starts as many processes as it has devices by the plan; else one. */
  allRanks = false;
  readonly #options: PlaneOptions;
  readonly #folder = mkdtempSync(join(tmpdir(), "modal-plane-"));
  readonly #server = new Server({ "grpc.max_receive_message_length": -1 });
  readonly #works = new Map<string, Work>();
  readonly #functions = new Map<string, Message>();
  readonly #failures = new Map<string, { code: number; details: string }>();
  readonly #secrets = new Map<string, Record<string, string>>();
  #url = "";
  /** The deployed one. */
  #app = "";
  #number = 0;

  private constructor(options: PlaneOptions) {
    this.#options = options;
  }

  static async start(options: PlaneOptions): Promise<ModalPlane> {
    const plane = new ModalPlane(options);
    const descriptors = execFileSync(python, [join(import.meta.dirname, "modal_descriptors.py")], {
      maxBuffer: 16 * 2 ** 20,
    });
    const definition = loadFileDescriptorSetFromBuffer(descriptors, {
      enums: String,
      longs: Number,
      defaults: true,
      oneofs: true,
    });
    // biome-ignore lint/suspicious/noExplicitAny: a service of many methods
    const service = definition["modal.client.ModalClient"] as any;
    const handlers: Record<string, unknown> = {};
    for (const [name, method] of Object.entries(service) as [string, { responseStream: boolean }][])
      handlers[name] = method.responseStream ? plane.#stream(name) : plane.#unary(name);
    plane.#server.addService(service, handlers as never);
    const port = await new Promise<number>((resolve, reject) =>
      plane.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    plane.#url = `http://127.0.0.1:${port}`;
    return plane;
  }

  /** What a client needs to speak to this plane. */
  get environment(): Record<string, string> {
    return {
      MODAL_SERVER_URL: this.#url,
      MODAL_TOKEN_ID: "ak-test",
      MODAL_TOKEN_SECRET: "as-test",
      MODAL_ENVIRONMENT: "main",
      MODAL_CONFIG_PATH: join(this.#folder, "none.toml"),
    };
  }

  requests(method: string): Message[] {
    return this.recorded.filter((entry) => entry.method === method).map(({ request }) => request);
  }

  /** Deployed functions by name. */
  get functions(): ReadonlyMap<string, Message> {
    return this.#functions;
  }

  work(id: string): Work {
    return this.#works.get(id)!;
  }

  /** Takes the container away as a preemption does: SIGINT, then nothing more; the input is run again. */
  preempt(id: string): void {
    this.work(id).child?.kill("SIGINT");
  }

  /** Knows nothing of it any more. */
  forget(id: string): void {
    this.#works.delete(id);
  }

  /** The next request of this method is answered with a gRPC status. */
  failNext(method: string, code: number, details: string): void {
    this.#failures.set(method, { code, details });
  }

  /** Loses the container without a word. */
  lose(id: string): void {
    const { child } = this.work(id);
    if (child?.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }

  async close(): Promise<void> {
    for (const { child } of this.#works.values()) {
      if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
        try {
          process.kill(-child.pid, "SIGKILL");
        } catch {
          // It has ended meanwhile.
        }
      }
    }
    await new Promise<void>((resolve) => {
      this.#server.forceShutdown();
      resolve();
    });
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #unary(name: string) {
    return (call: ServerUnaryCall<Message, Message>, done: (error: object | null, reply?: Message) => void): void => {
      this.recorded.push({ method: name, request: call.request });
      const failure = this.#failures.get(name);
      if (failure !== undefined) {
        this.#failures.delete(name);
        done(failure);
        return;
      }
      const handler = this.#handlers[name];
      if (handler === undefined) {
        done({ code: status.UNIMPLEMENTED, details: `${name} is not part of this plane` });
        return;
      }
      try {
        Promise.resolve(handler(call.request)).then(
          (reply) => done(null, reply),
          (error) => done({ code: error.code ?? status.INTERNAL, details: error.message }),
        );
      } catch (error) {
        const { code = status.INTERNAL, message } = error as { code?: number; message: string };
        done({ code, details: message });
      }
    };
  }

  #stream(name: string) {
    return async (call: ServerWritableStream<Message, Message>): Promise<void> => {
      this.recorded.push({ method: name, request: call.request });
      const { request } = call;
      if (name === "ImageJoinStreaming")
        call.write({ result: { status: ok.GENERIC }, metadata: { image_builder_version: "2025.06" } });
      else if (name === "AppGetLogs" || name === "SandboxGetLogs") await this.#sendLogs(call, request);
      else {
        call.emit("error", { code: status.UNIMPLEMENTED, details: `${name} is not part of this plane` });
        return;
      }
      call.end();
    };
  }

  /** Lines from where the client was, as they come. */
  async #sendLogs(call: ServerWritableStream<Message, Message>, request: Message): Promise<void> {
    const work = this.#works.get(request["function_call_id"] || request["sandbox_id"])!;
    let next = Number(String(request["last_entry_id"] || "0").split("-")[0]);
    const wanted = request["file_descriptor"] as string;
    while (!call.cancelled) {
      for (; next < work.lines.length; next++) {
        const { text, stderr } = work.lines[next]!;
        const descriptor = stderr ? "FILE_DESCRIPTOR_STDERR" : "FILE_DESCRIPTOR_STDOUT";
        if (wanted !== "FILE_DESCRIPTOR_UNSPECIFIED" && wanted !== descriptor) continue;
        const item = { data: text, file_descriptor: descriptor, timestamp: Date.now() / 1000 };
        call.write({ items: [item], entry_id: `${next + 1}-0` });
      }
      if (work.result !== undefined && next >= work.lines.length) {
        call.write({
          eof: true,
          entry_id: `${next}-0`,
          app_done: "sandbox_id" in request && request["sandbox_id"] !== "",
        });
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  #id(prefix: string): string {
    this.#number++;
    return `${prefix}-${String(this.#number).padStart(22, "0")}`;
  }

  #start(
    id: string,
    command: (attempt: number) => { file: string; args: string[] },
    finish: (code: number | null) => Message,
    env: Readonly<Record<string, string>> = {},
  ): Work {
    const work: Work = { id, lines: [], child: undefined, starts: 0, result: undefined, cancelled: false };
    this.#works.set(id, work);
    const temporary = join(this.#folder, id);
    mkdirSync(temporary);
    let failures = 0;
    const begin = (): void => {
      const { file, args } = command(work.starts);
      const first = work.starts === 0 ? this.firstEnv : {};
      work.starts++;
      const child = spawn(file, args, {
        cwd: this.#folder,
        env: {
          ...process.env,
          MOUNTS: JSON.stringify(this.#options.mounts ?? {}),
          ...this.#options.env,
          CALL: id,
          TMPDIR: temporary,
          ...this.moreEnv,
          ...(this.allRanks && { ALL_RANKS: "1" }),
          ...first,
          ...env,
        },
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
      });
      work.child = child;
      for (const [stream, stderr] of [
        [child.stdout, false],
        [child.stderr, true],
      ] as const) {
        let rest = "";
        stream.on("data", (chunk) => {
          const lines = `${rest}${chunk}`.split("\n");
          rest = lines.pop()!;
          for (const line of lines) work.lines.push({ text: `${line}\n`, stderr });
        });
      }
      child.on("close", (code, signal) => {
        const preempted = signal !== null || code === 130;
        if (work.cancelled) work.result = { status: ok.STOPPED, exception: "cancelled" };
        else if (code !== 0 && id.startsWith("fc-") && (preempted || failures++ < (this.#options.retries ?? 0)))
          begin();
        else work.result = finish(code);
      });
    };
    begin();
    return work;
  }

  readonly #handlers: Record<string, (request: Message) => Message | Promise<Message>> = {
    ClientHello: () => ({ image_builder_version: "2025.06" }),
    AuthTokenGet: () => ({ token: token() }),
    EnvironmentGetOrCreate: () => ({
      environment_id: "en-1",
      metadata: { name: "main", settings: { image_builder_version: "2025.06" } },
    }),
    AppGetOrCreate: () => ({ app_id: "ap-1" }),
    AppGetByDeploymentName: () => ({}),
    AppCreate: () => ({ app_id: "ap-1", app_page_url: "https://modal.test/app" }),
    AppPublish: ({ name }) => {
      this.#app = name;
      return { url: "https://modal.test/app" };
    },
    AppHeartbeat: () => ({}),
    AppGetLayout: () => ({}),
    AppGetObjects: () => ({ items: [] }),
    AppClientDisconnect: () => ({}),
    VolumeGetOrCreate: ({ deployment_name }) => ({
      volume_id: `vo-${deployment_name}`,
      version: "VOLUME_FS_VERSION_V1",
      metadata: {},
    }),
    SecretGetOrCreate: ({ deployment_name, env_dict }) => {
      const id = `st-${deployment_name || "own"}`;
      // Maps come as lists of their entries.
      this.#secrets.set(id, Object.fromEntries(env_dict.map(({ key, value }: Message) => [key, value])));
      return { secret_id: id };
    },
    MountBatchedCheckExistence: () => ({ missing_files: [] }),
    MountPutFile: () => ({ exists: true }),
    MountGetOrCreate: () => ({ mount_id: "mo-1", handle_metadata: { content_checksum_sha256_hex: "0" } }),
    ImageGetOrCreate: () => ({ image_id: "im-1", result: { status: ok.GENERIC } }),
    FunctionPrecreate: ({ function_name }) => ({
      function_id: `fu-${function_name}`,
      handle_metadata: this.#handle(function_name),
    }),
    FunctionCreate: (request) => {
      const made = (request["function"] ?? request["function_data"].ranked_functions[0].function) as Message;
      const name = made["function_name"] as string;
      this.#functions.set(name, made);
      return {
        function_id: `fu-${name}`,
        function_data: { ...made, ranked_functions: [{ rank: 0, function: made }] },
        handle_metadata: this.#handle(name),
      };
    },
    ClassCreate: () => ({ class_id: "cs-1", handle_metadata: {} }),
    FunctionGet: ({ app_name, object_tag }) => {
      if (app_name !== this.#app || !this.#functions.has(object_tag))
        throw Object.assign(new Error("no such function"), { code: status.NOT_FOUND });
      return { function_id: `fu-${object_tag}`, handle_metadata: this.#handle(object_tag) };
    },
    FunctionMap: ({ function_id, pipelined_inputs }) => {
      const id = this.#id("fc");
      const input = join(this.#folder, `${id}.input`);
      const output = join(this.#folder, `${id}.output`);
      writeFileSync(input, pipelined_inputs[0].input.args);
      const program = join(import.meta.dirname, "modal_container.py");
      this.#start(
        id,
        () => ({ file: python, args: [program, function_id.slice(3), input, output] }),
        (code) =>
          code === 0
            ? { status: ok.GENERIC, data: readFileSync(output) }
            : { status: ok.FAILED, exception: `Unfinished: the container ended with ${code}` },
      );
      return { function_call_id: id, pipelined_inputs: [{ idx: 0, input_id: "in-1", input_jwt: "" }] };
    },
    FunctionCallFromId: ({ function_call_id }) => {
      if (!this.#works.has(function_call_id))
        throw Object.assign(new Error("no such call"), { code: status.NOT_FOUND });
      return { function_call_id, num_inputs: 1, metadata: { app_id: "ap-1", function_id: "fu-1" } };
    },
    FunctionCallGetInfo: ({ function_call_id }) => {
      const { result } = this.work(function_call_id);
      const one = { total: 1 };
      return {
        info: {
          function_call_id,
          created_at: Date.now() / 1000 - 1,
          total_inputs: 1,
          ...(result?.["status"] === ok.GENERIC && { succeeded_inputs: one }),
          ...(result !== undefined && result["status"] !== ok.GENERIC && { failed_inputs: one }),
        },
      };
    },
    FunctionGetOutputs: async ({ function_call_id, timeout }) => {
      const work = this.work(function_call_id);
      const until = Date.now() + timeout * 1000;
      while (work.result === undefined && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
      if (work.result === undefined) return { outputs: [], idxs: [] };
      return { idxs: [0], outputs: [{ result: work.result, idx: 0, data_format: "DATA_FORMAT_CBOR" }] };
    },
    FunctionCallCancel: ({ function_call_id }) => {
      const work = this.work(function_call_id);
      work.cancelled = true;
      work.child?.kill("SIGINT");
      return {};
    },
    AppFetchLogs: ({ function_call_id, sandbox_id, limit }) => {
      const { lines } = this.work(function_call_id || sandbox_id);
      const items = lines.slice(-limit).map(({ text, stderr }) => ({
        data: text,
        file_descriptor: stderr ? "FILE_DESCRIPTOR_STDERR" : "FILE_DESCRIPTOR_STDOUT",
        timestamp: Date.now() / 1000,
      }));
      return { batches: [{ items }] };
    },
    SandboxCreate: ({ definition }) => {
      const id = this.#id("sb");
      const here = (text: string): string =>
        Object.entries(this.#options.mounts ?? {}).reduce(
          (t, [path, folder]) => t.replaceAll(`${path}/`, `${folder}/`),
          text,
        );
      const [file, ...args] = (definition.entrypoint_args as string[]).map(here) as [string, ...string[]];
      const env = Object.assign({}, ...definition.secret_ids.map((secret: string) => this.#secrets.get(secret)));
      this.#start(
        id,
        () => ({ file, args }),
        (code) => ({ status: code === 0 ? ok.GENERIC : ok.FAILED, exitcode: code ?? 137 }),
        Object.fromEntries(Object.entries(env).map(([name, value]) => [name, here(String(value))])),
      );
      return { sandbox_id: id };
    },
    SandboxGetTaskId: () => ({ task_id: "ta-1" }),
    SandboxTagsSet: () => ({}),
    SandboxWait: async ({ sandbox_id, timeout }) => {
      const work = this.work(sandbox_id);
      const until = Date.now() + timeout * 1000;
      while (work.result === undefined && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
      return work.result === undefined ? {} : { result: work.result };
    },
    SandboxTerminate: ({ sandbox_id }) => {
      const work = this.work(sandbox_id);
      work.cancelled = true;
      work.child?.kill("SIGTERM");
      return {};
    },
  };

  #handle(name: string): Message {
    return {
      function_name: name,
      function_type: "FUNCTION_TYPE_FUNCTION",
      app_id: "ap-1",
      supported_input_formats: ["DATA_FORMAT_PICKLE", "DATA_FORMAT_CBOR"],
      supported_output_formats: ["DATA_FORMAT_PICKLE", "DATA_FORMAT_CBOR"],
      ...(name === "Inference.*" || name === "serve" ? { web_url: "https://anonymizer.modal.test" } : {}),
    };
  }
}

/** A JSON web token that nobody checks. */
const token = (): string => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none" })}.${part({ exp: Math.floor(Date.now() / 1000) + 3600 })}.x`;
};
