/** What Modal's container does with the server: `Inference` of modal/app.py, run here by Modal's own client. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { modalMissing } from "../helpers/modal-plane.ts";
import { root } from "../helpers/tiny.ts";

/** Calls what Modal calls in a container, in its order; the container goes when its input ends. */
const container = `
import socket, sys
from modal._partial_function import _find_callables_for_obj, _PartialFunctionFlags as When
import app
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    app.SERVING["port"] = free.getsockname()[1]
app.SERVING["stop_seconds"] = int(sys.argv[1])
inference = app.Inference._get_user_cls()()
def call(when):
    for hook in _find_callables_for_obj(inference, when).values():
        hook()
call(When.ENTER_PRE_SNAPSHOT)
call(When.ENTER_POST_SNAPSHOT)
print("ready", app.SERVING["port"], flush=True)
sys.stdin.read()
call(When.EXIT)
print("server ended with", inference.server.process.wait(5))
`;
/** In place of ours: ready at once, prints its process id and arguments, outlives SIGTERM. */
const standIn = `
process.on("SIGTERM", () => undefined);
const port = Number(process.argv[process.argv.indexOf("--port") + 1]);
require("node:http").createServer((_, answer) => answer.end()).listen(port, "127.0.0.1", () =>
  console.log("server", process.pid, JSON.stringify(process.argv.slice(2))));
`;
const environment = { ANONYMIZER_TOKEN: "a-token-of-some-length", ANONYMIZER_KEY: "a-key-of-some-length" };

let folder: string;
const children: ChildProcess[] = [];

describe.skipIf(modalMissing !== undefined)(`Inference${modalMissing ? ` (${modalMissing})` : ""}`, () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "anonymizer-modal-serving-"));
    await writeFile(join(folder, "stand-in.cjs"), standIn);
  });
  afterEach(() => {
    for (const { pid } of children.splice(0)) {
      try {
        // With its server.
        process.kill(-pid!, "SIGKILL");
      } catch {
        // Both are gone.
      }
    }
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Resolves with the lines up to "ready PORT", or all of a container that ended before. */
  async function start(program: string, { env = environment, stopSeconds = 28 } = {}) {
    const path = join(folder, "anonymizer");
    await writeFile(path, `#!/bin/sh\nexec "${process.execPath}" ${program} "$@"\n`);
    await chmod(path, 0o755);
    const child = spawn(join(root, ".cache", "modal", "bin", "python"), ["-c", container, `${stopSeconds}`], {
      detached: true,
      cwd: join(root, "modal"),
      env: { PATH: `${folder}:${process.env["PATH"]}`, HOME: folder, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    children.push(child);
    const exited = once(child, "close") as Promise<[number | null, string | null]>;
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    const lines: string[] = [];
    const reader = createInterface(child.stdout);
    const ready = new Promise<void>((resolve) => {
      reader.on("close", resolve);
      reader.on("line", (line) => {
        lines.push(line);
        if (line.startsWith("ready ")) resolve();
      });
    });
    await ready;
    return { child, exited, lines, log: () => stderr };
  }
  const serverOf = (lines: string[]): number => Number(/^server (\d+) /m.exec(lines.join("\n"))![1]);

  it("is started with fewer places than Modal lets requests in", async () => {
    const { lines } = await start(join(folder, "stand-in.cjs"));
    const args = JSON.parse(/^server \d+ (.*)$/m.exec(lines.join("\n"))![1]!) as string[];
    expect(args.slice(0, 3)).toEqual(["serve", "--host", "0.0.0.0"]);
    const sets = args.filter((_, i) => args[i - 1] === "--set");
    expect(sets).toEqual([
      "service.concurrency=2",
      "service.queue=4",
      "service.max_wait_seconds=60",
      "service.drain_seconds=25",
    ]);
  });

  it("kills a server that does not stop by itself", async () => {
    const { child, exited, lines } = await start(join(folder, "stand-in.cjs"), { stopSeconds: 1 });
    child.stdin.end();
    expect(await exited).toEqual([0, null]);
    expect(lines.at(-1)).toBe("server ended with -9");
  });

  it("ends with its server, so that Modal starts another one", async () => {
    const { exited, lines } = await start(join(folder, "stand-in.cjs"));
    process.kill(serverOf(lines), "SIGKILL");
    expect(await exited).toEqual([1, null]);
    expect(lines.at(-1)).toBe("the server ended with -9");
  });

  it("without a key of its own does not start: every container would have the one in the snapshot", async () => {
    const { exited, lines, log } = await start(join(folder, "stand-in.cjs"), {
      env: { ...environment, ANONYMIZER_KEY: "" },
    });
    expect((await exited)[0]).toBe(1);
    expect(log()).toContain("no ANONYMIZER_KEY: put one into the secret anonymizer-service");
    expect(lines).toEqual([]);
  });

  it("is ready before it counts as started, and asks for the token", async () => {
    const { child, exited, lines, log } = await start(join(root, "dist", "cli", "anonymizer.js"));
    const url = `http://127.0.0.1:${lines.at(-1)!.split(" ")[1]}`;
    expect((await fetch(`${url}/ready`)).status, log()).toBe(200);
    expect((await fetch(`${url}/anonymize-document`, { method: "POST", body: "x" })).status).toBe(401);
    child.stdin.end();
    expect(await exited).toEqual([0, null]);
    expect(lines.at(-1)).toBe("server ended with 0");
  });
});
