/** Starts, follows and stops runs on Modal through its SDK. */
import { randomUUID } from "node:crypto";
import type { FunctionCall, ModalClient, Sandbox } from "modal";
import { AnonymizerError, codedError, throwIfAborted } from "../../errors.ts";
import type { ModalPlan } from "./plan.ts";
import { modalSettings } from "./settings.ts";

type Sdk = typeof import("modal");

export type RunState = "running" | "done" | "unfinished" | "failed" | "stopped";

export interface RunStatus {
  readonly state: RunState;
  /** Of the command, where it ended by itself. */
  readonly exit?: number;
  readonly message?: string;
}

type LogLine = { readonly message: string; readonly source: string };

interface Streams {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/** What the trainer exits with when its time is over. */
const unfinished = 75;
const terminated = 137;
const timedOut = 124;

export class ModalLauncher {
  readonly #sdk: Sdk;
  readonly #client: ModalClient;
  readonly #environment: string | undefined;

  private constructor(sdk: Sdk, client: ModalClient, environment: string | undefined) {
    this.#sdk = sdk;
    this.#client = client;
    this.#environment = environment;
  }

  /**
   * Credentials come from MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or ~/.modal.toml. Rejects with ERR_LAUNCH_PACKAGE,
   * ERR_LAUNCH_CREDENTIALS.
   */
  static async open(options: { readonly environment?: string } = {}): Promise<ModalLauncher> {
    const sdk = (await import("modal")) as Sdk;
    if (typeof sdk.ModalClient !== "function") throw codedError("ERR_LAUNCH_PACKAGE", "`modal` has no ModalClient");
    try {
      return new ModalLauncher(sdk, new sdk.ModalClient(), options.environment);
    } catch (cause) {
      throw codedError("ERR_LAUNCH_CREDENTIALS", "Modal's client could not be made", { cause });
    }
  }

  /** Starts what the plan says; resolves to the id to follow it by. Rejects with ERR_LAUNCH_*. */
  start(plan: ModalPlan, signal?: AbortSignal): Promise<string> {
    return this.#asking(async () => {
      throwIfAborted(signal);
      return plan.backend === "function" ? await this.#spawn(plan) : await this.#createSandbox(plan);
    });
  }

  /** Writes the log as it comes; resolves when the run has ended, or `signal` fires (the run goes on). */
  follow(id: string, streams: Streams, signal?: AbortSignal): Promise<void> {
    return this.#asking(async () => {
      if (isSandbox(id)) await followSandbox(await this.#client.sandboxes.fromId(id), streams, signal);
      else await followCall(await this.#client.functionCalls.fromId(id), streams, signal);
    });
  }

  /** The last lines of the log. */
  logs(id: string, lines: number, streams: Streams): Promise<void> {
    return this.#asking(async () => {
      const { logs } = isSandbox(id)
        ? await this.#client.sandboxes.fromId(id)
        : await this.#client.functionCalls.fromId(id);
      for await (const { message, source } of logs.tail({ entries: lines }))
        (source === "stderr" ? streams.stderr : streams.stdout).write(message);
    });
  }

  status(id: string): Promise<RunStatus> {
    return this.#asking(async () => {
      if (isSandbox(id)) return sandboxStatus(await (await this.#client.sandboxes.fromId(id)).poll());
      return this.#callStatus(await this.#client.functionCalls.fromId(id));
    });
  }

  /** Ends the run; a trainer that hears of it writes a checkpoint first. */
  stop(id: string): Promise<void> {
    return this.#asking(async () => {
      if (isSandbox(id)) await (await this.#client.sandboxes.fromId(id)).terminate();
      else await (await this.#client.functionCalls.fromId(id)).cancel();
    });
  }

  close(): void {
    this.#client.close();
  }

  get #scope(): { environment?: string } {
    return this.#environment === undefined ? {} : { environment: this.#environment };
  }

  async #spawn({ app, function: name, run, config, gpu }: ModalPlan): Promise<string> {
    const deployed = await this.#client.functions.fromName(app, name, this.#scope);
    // Plain values: what is sent is CBOR, and undefined is none of them there.
    const plain = JSON.parse(JSON.stringify(config)) as object;
    const call = await deployed.spawn([run, plain, gpu.count]);
    return call.functionCallId;
  }

  async #createSandbox(plan: ModalPlan): Promise<string> {
    const { apps, images, volumes, secrets, cloudBucketMounts, sandboxes } = this.#client;
    const { paths, bucket: prefixes, volume: volumeName } = modalSettings;
    const app = await apps.fromName(plan.app, { createIfMissing: true, ...this.#scope });
    const volume = await volumes.fromName(volumeName, { createIfMissing: true, ...this.#scope });
    const own = await Promise.all(plan.secrets.map((name) => secrets.fromName(name, this.#scope)));
    const { bucket } = plan;
    const mount = (keyPrefix: string) =>
      cloudBucketMounts.create(bucket!.name, {
        secret: own[0]!,
        readOnly: true,
        keyPrefix,
        ...(bucket!.endpoint === undefined ? {} : { bucketEndpointUrl: bucket!.endpoint }),
      });
    const sandbox = await sandboxes.create(app, images.fromRegistry(plan.image!), {
      command: sandboxCommand(plan),
      gpu: `${plan.gpu.type}:${plan.gpu.count}`,
      cpu: plan.cpu,
      memoryMiB: plan.memoryMiB,
      timeoutMs: plan.timeoutSeconds * 1000,
      env: { ANONYMIZER_TRAINING: JSON.stringify(plan.config), ANONYMIZER_LEASE: `sandbox-${randomUUID()}` },
      secrets: own,
      volumes: { [paths.runs]: volume },
      ...(bucket && {
        cloudBucketMounts: {
          [paths.data]: mount(prefixes.data_prefix),
          [paths.models]: mount(prefixes.models_prefix),
        },
      }),
    });
    try {
      await sandbox.setTags({ run: plan.run, kind: plan.kind });
    } catch (error) {
      // Nobody would know of it, and it costs until its time-out.
      await sandbox.terminate();
      throw error;
    }
    return sandbox.sandboxId;
  }

  async #callStatus(call: FunctionCall): Promise<RunStatus> {
    try {
      const { exit } = (await call.get({ timeoutMs: 0 })) as { exit: number };
      if (exit === 0) return { state: "done", exit };
      return { state: exit === unfinished ? "unfinished" : "failed", exit };
    } catch (error) {
      // In this order: the SDK takes the first for the second too.
      if (error instanceof this.#sdk.TimeoutError) return { state: "running" };
      if (error instanceof this.#sdk.FunctionTimeoutError) return { state: "unfinished", message: "timed out" };
      if (error instanceof this.#sdk.RemoteError) {
        const { message } = error;
        return { state: /cancel|terminated/i.test(message) ? "stopped" : "failed", message };
      }
      // The call is over, and Modal can't say how.
      if (error instanceof this.#sdk.InternalFailure) return { state: "failed", message: error.message };
      throw error;
    }
  }

  /** Gives what the SDK throws its code. */
  async #asking<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof AnonymizerError) throw error;
      const { NotFoundError, ResourceExhaustedError } = this.#sdk;
      // Of gRPC itself, where the SDK passes it on: 5 NOT_FOUND, 7 PERMISSION_DENIED, 8 RESOURCE_EXHAUSTED, 16 UNAUTHENTICATED.
      const status = (error as { code?: unknown }).code;
      const message = error instanceof Error ? error.message : String(error);
      if (error instanceof NotFoundError || status === 5)
        throw codedError("ERR_LAUNCH_NOT_FOUND", message, { cause: error });
      if (error instanceof ResourceExhaustedError || status === 8)
        throw codedError("ERR_LAUNCH_CAPACITY", message, { cause: error });
      if (status === 7 || status === 16 || /token|credential/i.test(message))
        throw codedError("ERR_LAUNCH_CREDENTIALS", "Modal did not accept the credentials, or there are none", {
          cause: error,
        });
      throw codedError("ERR_LAUNCH_FAILED", message, { cause: error });
    }
  }
}

const isSandbox = (id: string): boolean => id.startsWith("sb-");

/** Puts the configuration in its place and becomes the trainer, so that signals reach it. */
export function sandboxCommand({ run, command }: ModalPlan): string[] {
  const folder = `${modalSettings.paths.runs}/${run}`;
  const script = 'mkdir -p "$1" && printf %s "$ANONYMIZER_TRAINING" > "$1/config.yaml" && shift && exec "$@"';
  return ["sh", "-c", script, "run", folder, ...command];
}

/** Writes the lines of a call until there are no more, or `signal` fires. */
export async function followCall(
  call: Pick<FunctionCall, "logs">,
  streams: Streams,
  signal: AbortSignal | undefined,
): Promise<void> {
  const lines = call.logs.stream()[Symbol.asyncIterator]();
  let leave = (): void => undefined;
  const onAbort = (): void => {
    // It takes effect when the line it waits for has come; nobody waits for that.
    void lines.return?.(undefined).catch(() => undefined);
    leave();
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    while (signal?.aborted !== true) {
      // A promise for each line: one that lasts would keep all that was raced against it.
      const next = await new Promise<IteratorResult<LogLine> | undefined>((resolve, reject) => {
        leave = () => resolve(undefined);
        lines.next().then(resolve, reject);
      });
      if (next === undefined || next.done === true) return;
      const { message, source } = next.value;
      (source === "stderr" ? streams.stderr : streams.stdout).write(message);
    }
    onAbort();
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

async function followSandbox(sandbox: Sandbox, streams: Streams, signal: AbortSignal | undefined): Promise<void> {
  const copy = async (from: ReadableStream<string>, to: Streams["stdout"]): Promise<void> => {
    const reader = from.getReader();
    const onAbort = (): void => void reader.cancel().catch(() => undefined);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      to.write(value);
    }
    signal?.removeEventListener("abort", onAbort);
  };
  await Promise.all([copy(sandbox.stdout, streams.stdout), copy(sandbox.stderr, streams.stderr)]);
}

function sandboxStatus(exit: number | null): RunStatus {
  if (exit === null) return { state: "running" };
  if (exit === 0) return { state: "done", exit };
  if (exit === unfinished || exit === timedOut) return { state: "unfinished", exit };
  return { state: exit === terminated ? "stopped" : "failed", exit };
}
